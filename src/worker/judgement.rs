//! One claimed judgement: prepared, or judged, or back in the queue.

use super::{
    heart::{Heart, Stop},
    ingest::IngestFailure,
    judging::{Judge, JudgeAnswer, JudgeFailure, JudgeStep, JudgeTask, PredictionFiles},
    ledger::insist,
    shared::Shared,
};
use crate::{
    certificate,
    files::{FilesError, Key},
    store::{
        StoreError, artifacts,
        judgement_queue::{self, ClaimedJudgement, JudgementLease},
        judgements::{self, FileRow},
    },
    types::{Certification, JudgementManifest, JudgementState, Origin},
};
use metrics::counter;
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a judgement waits for its first predictions, and for the next ones after each: models may train for days.
pub const EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);

/// How the claim ends.
enum End {
    Open {
        manifest: JudgementManifest,
        files: Vec<FileRow>,
    },
    Judged {
        certification: Box<Certification>,
        files: Vec<FileRow>,
    },
    Refused(String),
    Failed(String),
    /// The worker stops.
    Released,
}

impl From<JudgeFailure> for End {
    fn from(failure: JudgeFailure) -> Self {
        match failure {
            JudgeFailure::Refused(reason) => Self::Refused(reason),
            JudgeFailure::Failed(reason) => Self::Failed(reason),
        }
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<FilesError> for End {
    fn from(error: FilesError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<IngestFailure> for End {
    fn from(failure: IngestFailure) -> Self {
        match failure {
            IngestFailure::Stopped => Self::Released,
            IngestFailure::Failed(reason) => Self::Failed(reason),
            IngestFailure::Invalid { .. } => Self::Failed("the dataset's table cannot be read any more".to_owned()),
        }
    }
}

pub(super) async fn run(
    shared: Arc<Shared>,
    judge: Arc<Judge>,
    claimed: ClaimedJudgement,
    shutdown: CancellationToken,
) {
    let lease = claimed.lease;
    let mut heart = Heart::start_for_judgement(&shared, lease);
    let end = tokio::select! {
        biased;
        stop = heart.next_stop() => match stop {
            Stop::Lost | Stop::Cancel | Stop::Pause => return,
        },
        () = shutdown.cancelled() => End::Released,
        end = work(&shared, &*judge, &claimed) => end.unwrap_or_else(|end| end),
    };
    let outcome = match &end {
        End::Open { .. } => "open",
        End::Judged { .. } => "judged",
        End::Refused(_) => "refused",
        End::Failed(_) => "failed",
        End::Released => "released",
    };
    match (insist(|| write_end(&shared, &lease, &end)).await, &end) {
        (Err(error), _) => warn!(%error, outcome, "the end of work on the judgement could not be written"),
        (Ok(()), End::Failed(reason)) => warn!(reason, "the work on the judgement failed"),
        (Ok(()), _) => info!(outcome, "the work on the judgement ended"),
    }
    counter!("autodenoise_judgements_total", "outcome" => outcome).increment(1);
}

async fn write_end(shared: &Shared, lease: &JudgementLease, end: &End) -> Result<(), StoreError> {
    let conn = &mut *shared.store.acquire().await?;
    match end {
        End::Open { manifest, files } => judgement_queue::finish_open(conn, lease, manifest, files, EXPIRY).await,
        End::Judged { certification, files } => judgement_queue::finish_judged(conn, lease, certification, files).await,
        End::Refused(reason) => judgement_queue::finish_failed(conn, lease, reason).await,
        End::Failed(reason) => judgement_queue::retry_or_fail(conn, lease, reason, shared.config.max_attempts).await,
        End::Released => judgement_queue::release(conn, lease).await,
    }
}

async fn work(shared: &Shared, judge: &Judge, claimed: &ClaimedJudgement) -> Result<End, End> {
    let JudgementLease { judgement, attempt } = claimed.lease;
    let folder = shared.files.judgement_dir(judgement, attempt).await?;
    let end = work_in(shared, judge, claimed, &folder).await;
    if let Err(error) = shared.files.remove_dir(&folder).await {
        warn!(%error, "the judge's folder could not be removed");
    }
    end
}

async fn work_in(shared: &Shared, judge: &Judge, claimed: &ClaimedJudgement, folder: &Path) -> Result<End, End> {
    let task = prepare(shared, claimed, folder).await?;
    let out = task.out.clone();
    match judge(task).await? {
        JudgeAnswer::HandedOut { manifest, files } => {
            let files = files.iter().map(|name| Written { name, file: format!("{name}.npy"), media_type: NPY });
            Ok(End::Open { manifest, files: store_all(shared, claimed, &out, files).await? })
        }
        JudgeAnswer::Judged { certification, certificate } => {
            let text = certificate::file_text(&shared.signing_key.sign(&certificate));
            let path = out.join(certificate::FILE);
            tokio::fs::write(&path, text).await.map_err(|source| write_failed(&path, source))?;
            let files = [("report.json", JSON), ("report.html", "text/html; charset=utf-8")];
            let files = files.map(|(name, media_type)| Written { name, file: name.to_owned(), media_type });
            let signed = Written { name: "certificate", file: certificate::FILE.to_owned(), media_type: JSON };
            let files = files.into_iter().chain([signed]);
            Ok(End::Judged { certification, files: store_all(shared, claimed, &out, files).await? })
        }
    }
}

const NPY: &str = "application/octet-stream";
const JSON: &str = "application/json";

fn write_failed(path: &Path, source: io::Error) -> FilesError {
    FilesError::Io { doing: "write", path: path.to_owned(), source }
}

/// What the judge is to do, with all that it needs on this machine's disk.
async fn prepare(shared: &Shared, claimed: &ClaimedJudgement, folder: &Path) -> Result<JudgeTask, End> {
    let gone = |what: &str| End::Refused(format!("what {} {what} was deleted", claimed.job));
    let dataset = claimed.dataset.as_ref().ok_or_else(|| gone("read"))?;
    let [results, out] = ["results", "out"].map(|name| folder.join(name));
    for folder in [&results, &out] {
        tokio::fs::create_dir(folder).await.map_err(|source| write_failed(folder, source))?;
    }
    let rows = artifacts::list(&mut *shared.store.acquire().await?, &claimed.tenant, claimed.job).await?;
    if rows.is_empty() {
        return Err(gone("came to"));
    }
    // The others are large, and no verdict asks for them.
    let needed = ["report.json", "keep_mask", "labels", "explanations", "certificate"];
    for row in rows.iter().filter(|row| needed.contains(&&row.name[..])) {
        place(shared, &row.object, &row.sha256, &results.join(&row.download_name)).await?;
    }
    let step = match claimed.state {
        JudgementState::Judging => JudgeStep::Judge {
            model: claimed.model.clone(),
            earlier_reads: claimed.test_read.map_or(0, |number| number - 1),
            predictions: place_predictions(shared, claimed, folder).await?,
        },
        _ => JudgeStep::HandOut,
    };
    let source = match &claimed.certify.trusted {
        None => None,
        Some(_) => Some(shared.files.fetch_table_into(folder, &dataset.table).await?),
    };
    Ok(JudgeTask {
        dataset: shared.dataset_dir(dataset.id, &dataset.table, &dataset.spec).await?,
        source,
        origin: Origin::of_job(claimed.job, dataset.name.clone()),
        spec: dataset.spec.clone(),
        results,
        certify: claimed.certify.clone(),
        out,
        step,
    })
}

/// Fetches the predictions that are in.
async fn place_predictions(
    shared: &Shared,
    claimed: &ClaimedJudgement,
    folder: &Path,
) -> Result<Vec<PredictionFiles>, End> {
    let conn = &mut *shared.store.acquire().await?;
    let rows = judgements::list_predictions(conn, &claimed.tenant, claimed.lease.judgement).await?;
    let mut files: Vec<PredictionFiles> = Vec::new();
    // By training, the test rows' before the validation rows'.
    for row in rows {
        let path = folder.join(format!("{}.{}", row.training, if row.of_valid { "valid" } else { "test" }));
        place(shared, &row.object, &row.sha256, &path).await?;
        match files.last_mut().filter(|_| row.of_valid) {
            Some(last) => last.valid = Some(path),
            None => files.push(PredictionFiles { training: row.training, test: path, valid: None }),
        }
    }
    Ok(files)
}

/// Puts an object at a path in the judge's folder: a link to it, or to this machine's copy, which nobody writes to.
async fn place(shared: &Shared, object: &str, sha256: &str, path: &Path) -> Result<(), End> {
    let key = Key::parse(object).map_err(|error| End::Failed(error.to_string()))?;
    let fetched = shared.files.fetch(&key, sha256).await?;
    tokio::fs::symlink(&fetched, path).await.map_err(|source| write_failed(path, source))?;
    Ok(())
}

/// A file that the judge wrote, and the name that clients ask for.
struct Written<'a> {
    name: &'a str,
    file: String,
    media_type: &'a str,
}

async fn store_all<'a>(
    shared: &Shared,
    claimed: &ClaimedJudgement,
    out: &Path,
    files: impl Iterator<Item = Written<'a>>,
) -> Result<Vec<FileRow>, End> {
    let mut rows = Vec::new();
    for Written { name, file, media_type } in files {
        let key = Key::judgement(claimed.lease.judgement);
        let stored = shared.files.put_file(&key, &out.join(&file)).await?;
        rows.push(FileRow {
            name: name.to_owned(),
            object: key.to_string(),
            bytes: stored.bytes as i64,
            sha256: stored.sha256,
            media_type: media_type.to_owned(),
            download_name: file,
        });
    }
    Ok(rows)
}
