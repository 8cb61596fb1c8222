//! One claimed job, from the claim to its end or back into the queue.

use super::{
    Shared, certificate,
    encode::IngestFailure,
    heart::{Heart, Stop},
    ledger::{Ledger, Patience},
    trainer::{Heard, Trainer},
};
use crate::{
    files::{FilesError, Key},
    store::{
        StoreError,
        artifacts::NewArtifact,
        queue::{self, ClaimedJob, Lease},
    },
    types::{ArtifactDigest, JobState, Report, TrainerEvent, TrainerJob},
};
use metrics::{counter, histogram};
use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How an attempt ended.
enum End {
    Succeeded(Box<Report>),
    /// Another attempt would end the same way.
    Failed(String),
    /// Another attempt may not.
    Died(String),
    Cancelled,
    /// This worker stops.
    Released,
    /// Another worker may have the job: nothing more is written.
    Lost,
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost { .. } => Self::Lost,
            error => Self::Died(error.to_string()),
        }
    }
}

pub(super) async fn run(shared: Arc<Shared>, claimed: ClaimedJob, shutdown: CancellationToken) {
    let started = Instant::now();
    let lease = claimed.lease;
    info!(resumed = claimed.checkpoint.is_some(), deaths = claimed.deaths, "the job was claimed");
    // Beats until the end is written: an outage in between must not cost the lease.
    let mut heart = Heart::of_job(&shared, lease);
    let end = tokio::select! {
        biased;
        stop = heart.stopped() => match stop {
            Stop::Cancel => End::Cancelled,
            Stop::Lost => End::Lost,
        },
        () = shutdown.cancelled() => End::Released,
        end = past_deadline(&claimed) => end,
        end = attempt(&shared, &claimed) => end,
    };
    // Whichever branch it was, the others are dropped by now, and with them the trainer is killed.
    let mut patience = Patience::default();
    let outcome = loop {
        match write(&shared, &lease, &end).await {
            Ok(outcome) => break outcome,
            Err(error) => {
                if let Err(error) = patience.wait(error).await {
                    warn!(%error, "the end of the attempt could not be written");
                    break "lost";
                }
            }
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    match &end {
        End::Failed(reason) | End::Died(reason) => warn!(outcome, seconds, reason, "the attempt ended"),
        _ => info!(outcome, seconds, "the attempt ended"),
    }
    counter!("autodenoise_attempts_total", "outcome" => outcome).increment(1);
    histogram!("autodenoise_attempt_seconds").record(seconds);
    if let Err(error) = shared.files.remove_work(lease.job, lease.attempt).await {
        warn!(%error, "the trainer's folder could not be removed");
    }
}

/// Ends when the job has run as long as its spec allows, earlier attempts included.
async fn past_deadline(claimed: &ClaimedJob) -> End {
    let Some(seconds) = claimed.spec.deadline_seconds else { return pending().await };
    sleep(Duration::from_secs(seconds).saturating_sub(claimed.ran)).await;
    End::Failed(format!("the job ran longer than its deadline_seconds of {seconds}"))
}

async fn attempt(shared: &Shared, claimed: &ClaimedJob) -> End {
    let mut trainer = match prepare(shared, claimed).await {
        Ok(trainer) => trainer,
        Err(end) => return end,
    };
    let mut ledger = Ledger::new(shared, claimed.lease);
    let mut last_word = None;
    let mut results = Vec::new();
    while let Some(heard) = trainer.next().await {
        let entry = match heard {
            Heard::Event(TrainerEvent::Finished(report)) => {
                last_word = Some(End::Succeeded(report));
                break;
            }
            Heard::Event(TrainerEvent::Failed { message, retryable }) => {
                last_word = Some(if retryable { End::Died(message) } else { End::Failed(message) });
                break;
            }
            Heard::Died(reason) => return End::Died(reason),
            Heard::Broken(reason) => return End::Failed(reason),
            entry => entry,
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
        let written = match certificate::issue(shared, claimed, report, results).await {
            Ok(new) => ledger.write(Heard::Artifact(new)).await,
            Err(error) => return End::Died(format!("the certificate could not be stored: {error}")),
        };
        if let Err(error) = written {
            return error.into();
        }
    }
    let status = trainer.end().await;
    last_word.unwrap_or(End::Died(status))
}

async fn prepare(shared: &Shared, claimed: &ClaimedJob) -> Result<Trainer, End> {
    let Lease { job: job_id, attempt } = claimed.lease;
    let died = |error: FilesError| End::Died(error.to_string());
    let read = shared.dataset_dir(claimed.spec.dataset_id, &claimed.object, &claimed.dataset_spec).await;
    let dataset_dir = read.map_err(|failure| match failure {
        IngestFailure::Invalid { total, .. } => {
            End::Failed(format!("the dataset was ready before, and reading it again found {total} errors"))
        }
        IngestFailure::Failed(reason) => End::Died(format!("the dataset could not be read again: {reason}")),
        IngestFailure::Stopped => End::Released,
    })?;
    let key = |name: &str| Key::parse(name).map_err(|error| End::Died(error.to_string()));
    let resume_from = match &claimed.checkpoint {
        None => None,
        Some(checkpoint) => match shared.files.fetch(&key(&checkpoint.object)?, &checkpoint.sha256).await {
            Ok(path) => Some(path),
            // One that is gone or damaged costs time, not the job.
            Err(error) if error.is_not_found() || matches!(error, FilesError::Damaged { .. }) => {
                warn!(%error, "the checkpoint cannot be used; starting from the beginning");
                None
            }
            Err(error) => return Err(died(error)),
        },
    };
    let upload = Key::upload(&claimed.object).map_err(|error| End::Died(error.to_string()))?;
    let out_dir = shared.files.work_dir(job_id, attempt).await.map_err(died)?;
    let job = TrainerJob {
        job_id,
        attempt,
        spec: claimed.spec.clone(),
        dataset_dir,
        source: shared.files.fetch_into(&out_dir, &upload, &claimed.object).await.map_err(died)?,
        source_spec: claimed.dataset_spec.clone(),
        plant: None,
        out_dir,
        resume_from,
        checkpoint_seconds: shared.config.checkpoint_seconds,
        threads: shared.config.threads(),
    };
    Trainer::spawn(&shared.trainer, &job, &shared.files).await.map_err(|error| {
        End::Died(format!("the trainer `{}` cannot be started: {error}", shared.trainer.program.display()))
    })
}

/// Writes the end of the attempt; says what it came to.
async fn write(shared: &Shared, lease: &Lease, end: &End) -> Result<&'static str, StoreError> {
    if matches!(end, End::Lost) {
        return Ok("lost");
    }
    let conn = &mut *shared.store.acquire().await?;
    let state = match end {
        End::Succeeded(report) => {
            queue::finish_succeeded(conn, lease, report).await?;
            JobState::Succeeded
        }
        End::Failed(reason) => {
            queue::finish_failed(conn, lease, reason).await?;
            JobState::Failed
        }
        End::Died(reason) => queue::retry_or_fail(conn, lease, reason, shared.config.max_attempts).await?,
        End::Cancelled => {
            queue::finish_cancelled(conn, lease).await?;
            JobState::Cancelled
        }
        End::Released => queue::release(conn, lease, "the worker was stopped").await?,
        End::Lost => unreachable!("returned above"),
    };
    Ok(state.as_str())
}
