//! One claimed job, from the claim to its end or back into the queue.

use super::{
    answer::{Question, answer},
    certificate,
    heart::{Heart, Stop},
    ingest::IngestFailure,
    ledger::{Ledger, insist},
    shared::Shared,
    trainer::{Alive, EXIT, Heard, Stored, Trainer, until_stalled},
};
use crate::{
    files::{FilesError, Key},
    store::{Lease, StoreError, artifacts::NewArtifact, endings, queue::ClaimedJob, test_reads},
    types::{
        ArtifactDigest, DenoisedForm, Device, Engine, ErrorKind, Failure, JobState, Origin, OutputForm, Report,
        ResolvedSpec, TrainerEvent, TrainerJob, TrainerOrder, TrainerWork,
    },
};
use metrics::{counter, histogram};
use std::{
    future::pending,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::oneshot,
    time::{sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a trainer that was told to pause may take to end its pass and write a checkpoint. One that takes longer is
/// stopped: the job goes on from its last checkpoint later.
const PAUSE: Duration = Duration::from_secs(60);

/// An answer that a trainer waits for.
type Answering<'a> = Pin<Box<dyn Future<Output = Result<TrainerOrder, StoreError>> + Send + 'a>>;

/// How an attempt ended.
enum End {
    Succeeded(Box<Report>),
    Failed(Failure),
    Cancelled,
    /// Nothing is wrong with the job, but this worker does not go on with it. Back in the queue it waits for `pause`.
    HandedBack {
        reason: String,
        pause: Duration,
    },
    /// Another worker may have the job: nothing more is written.
    Lost,
}

impl End {
    fn failed(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(kind, message))
    }

    fn handed_back(reason: &str) -> Self {
        Self::HandedBack { reason: reason.to_owned(), pause: Duration::ZERO }
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost { .. } => Self::Lost,
            error => Self::failed(ErrorKind::Database, error.to_string()),
        }
    }
}

pub(super) async fn run(shared: Arc<Shared>, claimed: ClaimedJob, shutdown: CancellationToken) {
    let started = Instant::now();
    let lease = claimed.lease;
    info!(resumed = claimed.checkpoint.is_some(), deaths = claimed.deaths, "the job was claimed");
    // Beats until the end is written, so that an outage in between does not cost the lease.
    let mut heart = Heart::start_for_job(&shared, lease);
    let end = supervise(&shared, &claimed, &mut heart, &shutdown).await;
    let outcome = insist(|| write_end(&shared, &lease, &end)).await.unwrap_or_else(|error| {
        warn!(%error, "the end of the attempt could not be written");
        "lost"
    });
    let seconds = started.elapsed().as_secs_f64();
    match &end {
        End::Failed(Failure { kind, message }) => {
            warn!(outcome, seconds, kind = kind.as_str(), reason = message, "the attempt ended");
        }
        End::HandedBack { reason, .. } => info!(outcome, seconds, reason, "the attempt ended"),
        _ => info!(outcome, seconds, "the attempt ended"),
    }
    let kind = if let End::Failed(failure) = &end { failure.kind.as_str() } else { "" };
    if outcome == "lost" {
        counter!("autodenoise_leases_lost_total").increment(1);
    }
    counter!("autodenoise_attempts_total", "outcome" => outcome, "error_kind" => kind).increment(1);
    histogram!("autodenoise_attempt_seconds").record(seconds);
    if let Err(error) = shared.files.remove_work_dir(lease.job, lease.attempt).await {
        warn!(%error, "the trainer's folder could not be removed");
    }
}

/// Runs the attempt until it ends or must stop, and its trainer is gone: what the job held is free before it is said to have
/// ended.
async fn supervise(shared: &Shared, claimed: &ClaimedJob, heart: &mut Heart, shutdown: &CancellationToken) -> End {
    let (alive, gone) = oneshot::channel();
    let end = run_until_stopped(shared, claimed, heart, shutdown, alive).await;
    if timeout(EXIT, gone).await.is_err() {
        warn!("the trainer was killed and has not gone yet");
    }
    end
}

async fn run_until_stopped(
    shared: &Shared,
    claimed: &ClaimedJob,
    heart: &mut Heart,
    shutdown: &CancellationToken,
    alive: Alive,
) -> End {
    let pause = CancellationToken::new();
    let mut attempt = pin!(run_attempt(shared, claimed, &pause, alive));
    let mut past_deadline = pin!(until_past_deadline(claimed));
    loop {
        tokio::select! {
            biased;
            stop = heart.next_stop() => match stop {
                Stop::Cancel => return End::Cancelled,
                Stop::Lost => return End::Lost,
                Stop::Pause => pause.cancel(),
            },
            () = shutdown.cancelled() => return End::handed_back("the worker was stopped"),
            end = &mut past_deadline => return end,
            end = &mut attempt => return end,
        }
    }
}

/// Returns when the job has run as long as its spec allows, earlier attempts included.
async fn until_past_deadline(claimed: &ClaimedJob) -> End {
    let Some(seconds) = claimed.spec.deadline_seconds else { return pending().await };
    sleep(Duration::from_secs(seconds).saturating_sub(claimed.ran)).await;
    End::failed(ErrorKind::Deadline, format!("the job ran longer than its deadline_seconds of {seconds}"))
}

async fn run_attempt(shared: &Shared, claimed: &ClaimedJob, pause: &CancellationToken, alive: Alive) -> End {
    const PAUSED: &str = "a client asked for a pause";
    let prepared = tokio::select! {
        biased;
        () = pause.cancelled() => return End::handed_back(PAUSED),
        prepared = start_trainer(shared, claimed, alive) => prepared,
    };
    let (mut trainer, folder) = match prepared {
        Ok(prepared) => prepared,
        Err(end) => return end,
    };
    let mut ledger = Ledger::new(shared, claimed);
    let mut last_word = None;
    let mut results = Vec::new();
    // When a trainer that was told to pause must have stopped; none before it is told.
    let mut time_to_pause = None;
    // The answer that the trainer waits for.
    let mut answering: Option<Answering> = None;
    loop {
        let out_of_time = async {
            match time_to_pause {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        };
        let is_asked = answering.is_some();
        let answered = async {
            match &mut answering {
                Some(answering) => Pin::as_mut(answering).await,
                None => pending().await,
            }
        };
        let stalled = until_stalled(trainer.pid(), shared.config.stall());
        let heard = tokio::select! {
            biased;
            () = pause.cancelled(), if time_to_pause.is_none() => {
                trainer.order(&TrainerOrder::Pause).await;
                time_to_pause = Some(tokio::time::Instant::now() + PAUSE);
                continue;
            }
            heard = trainer.next() => heard,
            order = answered => {
                answering = None;
                match order {
                    Ok(order) => trainer.order(&order).await,
                    Err(error) => return error.into(),
                }
                continue;
            }
            () = out_of_time => {
                warn!("the trainer did not come to a checkpoint in time; the job goes on from the one before");
                return End::handed_back(PAUSED);
            }
            // One that waits for an answer has nothing to compute.
            () = stalled, if !is_asked => {
                let seconds = shared.config.stall_seconds;
                let message = format!("the trainer said nothing and computed nothing for {seconds} seconds");
                return End::failed(ErrorKind::Stalled, message);
            }
        };
        let entry = match heard {
            None => break,
            Some(Heard::Event(TrainerEvent::Finished(report))) => {
                last_word = Some(End::Succeeded(report));
                break;
            }
            Some(Heard::Event(TrainerEvent::Paused)) => {
                last_word = Some(End::handed_back(PAUSED));
                break;
            }
            Some(Heard::Event(TrainerEvent::Failed { message, retryable, kind })) => {
                let unnamed = if retryable { ErrorKind::TrainerDied } else { ErrorKind::Invalid };
                last_word = Some(End::failed(kind.unwrap_or(unnamed), message));
                break;
            }
            Some(Heard::Event(TrainerEvent::NextPart { open, begun, waits })) => {
                let (lease, folder) = (claimed.lease, folder.clone());
                let question = Question { open, begun, waits };
                answering = Some(Box::pin(async move { answer(shared, lease, &question, &folder).await }));
                continue;
            }
            Some(Heard::Died(failure)) => return End::Failed(failure),
            Some(Heard::Broken(reason)) => return End::failed(ErrorKind::Protocol, reason),
            Some(entry) => entry,
        };
        if let Heard::Artifact(new) = &entry {
            let NewArtifact { name, sha256, bytes, .. } = new.clone();
            results.push(ArtifactDigest { name, sha256, bytes: bytes as u64 });
        }
        if let Err(error) = ledger.write(entry).await {
            return error.into();
        }
    }
    if let Err(error) = ledger.flush().await {
        return error.into();
    }
    if let Some(End::Succeeded(report)) = &last_word {
        let written = match certificate::issue_certificate(shared, claimed, report, results).await {
            Ok(new) => ledger.write(Heard::Artifact(new)).await,
            Err(error) => {
                return End::failed(ErrorKind::Storage, format!("the certificate could not be stored: {error}"));
            }
        };
        if let Err(error) = written {
            return error.into();
        }
    }
    let failure = trainer.wait_for_end().await;
    last_word.unwrap_or(End::Failed(failure))
}

/// The trainer, and its folder.
async fn start_trainer(shared: &Shared, claimed: &ClaimedJob, alive: Alive) -> Result<(Trainer, PathBuf), End> {
    let Lease { job: job_id, attempt } = claimed.lease;
    let died = |error: FilesError| End::failed(ErrorKind::Storage, error.to_string());
    let read = shared.dataset_dir(claimed.spec.dataset_id, &claimed.table, &claimed.dataset_spec).await;
    let dataset_dir = read.map_err(|failure| match failure {
        IngestFailure::Invalid { total, .. } => {
            let message = format!("the dataset was ready before, and reading it again found {total} errors");
            End::failed(ErrorKind::Invalid, message)
        }
        IngestFailure::Failed(reason) => {
            End::failed(ErrorKind::Dataset, format!("the dataset could not be read again: {reason}"))
        }
        IngestFailure::Stopped => End::handed_back("the worker was stopped"),
    })?;
    let unnamed = |error: crate::files::ParseKeyError| End::failed(ErrorKind::Storage, error.to_string());
    let key = |name: &str| Key::parse(name).map_err(unnamed);
    let resume_from = match &claimed.checkpoint {
        None => None,
        Some(checkpoint) => match shared.files.fetch(&key(&checkpoint.object)?, &checkpoint.sha256).await {
            Ok(path) => Some(path),
            // Without the checkpoint the job takes longer, but it can run.
            Err(error) if error.is_not_found() || matches!(error, FilesError::Damaged { .. }) => {
                warn!(%error, "the checkpoint cannot be used; starting from the beginning");
                None
            }
            Err(error) => return Err(died(error)),
        },
    };
    let earlier_reads = match &claimed.spec.certify {
        None => 0,
        // Before the trainer can read a test row: one that was killed must not have read them uncounted.
        Some(_) => insist(|| take_test_read(shared, &claimed.lease)).await? - 1,
    };
    let out_dir = shared.files.work_dir(job_id, attempt).await.map_err(died)?;
    let source = shared.files.fetch_table_into(&out_dir, &claimed.table).await.map_err(died)?;
    // Of one file the bytes alone are known, whose name is their digest.
    let name = claimed.table_name.clone().or_else(|| (source.parts.len() > 1).then(|| source.describe()));
    let output_form = match claimed.spec.denoised {
        DenoisedForm::Parts => OutputForm::Archive,
        // The other splits stay as they are, in files of their own.
        DenoisedForm::File if source.has_splits() => OutputForm::TrainFile,
        DenoisedForm::File => OutputForm::File,
    };
    let job = TrainerJob {
        job_id,
        attempt,
        spec: claimed.spec.clone(),
        origin: Origin::of_job(job_id, name),
        dataset_dir,
        source,
        source_spec: claimed.dataset_spec.clone(),
        output_form,
        truth: None,
        earlier_reads,
        out_dir: out_dir.clone(),
        resume_from,
        checkpoint_seconds: shared.config.checkpoint_seconds,
        threads: shared.config.threads(),
        memory_cap: shared.config.job_max_memory,
        spread: may_spread(shared, &claimed.spec),
    };
    // The claim asked for a job that this worker can run.
    let trainer = shared
        .trainers
        .for_job(&job.spec, &shared.ability)
        .ok_or_else(|| End::handed_back("the job needs libtorch, which this worker has not"))?;
    let stored = Stored::Job { job: job_id, attempt };
    let work = TrainerWork::Job(Box::new(job));
    let spawned = Trainer::spawn(trainer, &work, &out_dir, stored, &shared.files, alive).await.map_err(|error| {
        // That is the machine's fault, and no job would fare better here.
        let reason = format!("the trainer `{}` cannot be started: {error}", trainer.program.display());
        shared.fitness.note_trainer_failure(reason.clone());
        End::HandedBack { reason, pause: shared.config.retry() }
    });
    Ok((spawned?, out_dir))
}

/// Whether others may do parts of the job. Not of one that a GPU computes: another kind of device would come to other numbers.
fn may_spread(shared: &Shared, spec: &ResolvedSpec) -> bool {
    let has_no_gpu = || spec.engine == Engine::Fused || shared.ability.gpus.is_empty();
    shared.config.spread && (spec.device == Device::Cpu || spec.device == Device::Auto && has_no_gpu())
}

async fn take_test_read(shared: &Shared, lease: &Lease) -> Result<u32, StoreError> {
    test_reads::take(&mut *shared.store.acquire().await?, lease).await
}

/// Writes the end of the attempt. Returns the job's new state in one word, or `lost`.
async fn write_end(shared: &Shared, lease: &Lease, end: &End) -> Result<&'static str, StoreError> {
    if matches!(end, End::Lost) {
        return Ok("lost");
    }
    let conn = &mut *shared.store.acquire().await?;
    let state = match end {
        End::Succeeded(report) => {
            endings::finish_succeeded(conn, lease, report).await?;
            JobState::Succeeded
        }
        End::Failed(failure) if failure.kind.is_transient() => {
            endings::retry_or_fail(conn, lease, failure, shared.retries()).await?
        }
        End::Failed(failure) => {
            endings::finish_failed(conn, lease, failure).await?;
            JobState::Failed
        }
        End::Cancelled => {
            endings::finish_cancelled(conn, lease).await?;
            JobState::Cancelled
        }
        End::HandedBack { reason, pause } => endings::release(conn, lease, reason, *pause).await?,
        End::Lost => unreachable!("returned above"),
    };
    Ok(state.as_str())
}
