//! One claimed part of a job that another worker runs, from the claim to its result or back to the list.

use super::{
    heart::{Heart, Stop},
    ingest::IngestFailure,
    ledger::insist,
    shared::Shared,
    trainer::{Alive, EXIT, Heard, Stored, Trainer, until_stalled},
};
use crate::{
    files::{FilesError, Key},
    store::{
        StoreError,
        parts::{self, ClaimedPart, PartObject, PartRelease},
    },
    types::{Device, ErrorKind, Failure, ResolvedSpec, TrainerEvent, TrainerPart, TrainerWork},
};
use std::{sync::Arc, time::Instant};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How a claim of a part ended.
enum End {
    Done(PartObject),
    /// It is free again.
    Released(PartRelease, Failure),
    HandedBack,
    /// Another worker may have it, or its job has ended: nothing more is written.
    Lost,
}

impl End {
    fn failed(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Released(PartRelease::Failed, Failure::new(kind, message))
    }
}

pub(super) async fn run(shared: Arc<Shared>, claimed: ClaimedPart, shutdown: CancellationToken) {
    let started = Instant::now();
    let lease = claimed.lease;
    info!("the part was claimed");
    // Beats until the end is written, so that an outage in between does not cost the lease.
    let mut heart = Heart::start_for_part(&shared, lease);
    let (alive, gone) = oneshot::channel();
    let end = tokio::select! {
        biased;
        stop = heart.next_stop() => match stop {
            Stop::Lost => End::Lost,
            Stop::Cancel | Stop::Pause => End::HandedBack,
        },
        () = shutdown.cancelled() => End::HandedBack,
        end = do_part(&shared, &claimed, alive) => end,
    };
    if timeout(EXIT, gone).await.is_err() {
        warn!("the trainer was killed and has not gone yet");
    }
    let outcome = match &end {
        End::Done(_) => "done",
        End::Released(..) => "failed",
        End::HandedBack => "released",
        End::Lost => "lost",
    };
    let seconds = started.elapsed().as_secs_f64();
    match (insist(|| write_end(&shared, &claimed, &end)).await, &end) {
        (Err(error), _) => warn!(%error, outcome, seconds, "the end of the part could not be written"),
        (Ok(()), End::Released(_, Failure { kind, message })) => {
            warn!(outcome, seconds, kind = kind.as_str(), reason = message, "the part ended");
        }
        (Ok(()), _) => info!(outcome, seconds, "the part ended"),
    }
    if let Err(error) = shared.files.remove_part_dir(lease.job, lease.number, lease.attempt).await {
        warn!(%error, "the trainer's folder could not be removed");
    }
}

async fn do_part(shared: &Shared, claimed: &ClaimedPart, alive: Alive) -> End {
    let mut trainer = match start_trainer(shared, claimed, alive).await {
        Ok(trainer) => trainer,
        Err(end) => return end,
    };
    loop {
        let stalled = until_stalled(trainer.pid(), shared.config.stall());
        let heard = tokio::select! {
            heard = trainer.next() => heard,
            () = stalled => {
                let seconds = shared.config.stall_seconds;
                let message = format!("the trainer said nothing and computed nothing for {seconds} seconds");
                return End::failed(ErrorKind::Stalled, message);
            }
        };
        return match heard {
            Some(Heard::PartDone { result: Some(result), .. }) => End::Done(result),
            Some(Heard::PartDone { result: None, .. }) => {
                End::failed(ErrorKind::Storage, "what came of the part could not be stored")
            }
            Some(Heard::Event(TrainerEvent::Failed { message, retryable, kind })) => {
                let kind = kind.unwrap_or(ErrorKind::TrainerDied);
                let how = if retryable { PartRelease::Failed } else { PartRelease::Refused };
                End::Released(how, Failure::new(kind, message))
            }
            Some(Heard::Died(failure)) => End::Released(PartRelease::Failed, failure),
            Some(Heard::Broken(reason)) => {
                End::Released(PartRelease::Refused, Failure::new(ErrorKind::Protocol, reason))
            }
            Some(_) => continue,
            None => End::Released(PartRelease::Failed, trainer.wait_for_end().await),
        };
    }
}

async fn start_trainer(shared: &Shared, claimed: &ClaimedPart, alive: Alive) -> Result<Trainer, End> {
    let lease = claimed.lease;
    let of_files = |error: FilesError| End::failed(ErrorKind::Storage, error.to_string());
    let read = shared.dataset_dir(claimed.spec.dataset_id, &claimed.table, &claimed.dataset_spec).await;
    let dataset_dir = read.map_err(|failure| match failure {
        IngestFailure::Stopped => End::HandedBack,
        IngestFailure::Invalid { total, .. } => {
            End::failed(ErrorKind::Dataset, format!("reading the dataset again found {total} errors"))
        }
        IngestFailure::Failed(reason) => {
            End::failed(ErrorKind::Dataset, format!("the dataset could not be read again: {reason}"))
        }
    })?;
    let out_dir = shared.files.part_dir(lease.job, lease.number, lease.attempt).await.map_err(of_files)?;
    let rows = match &claimed.rows {
        None => None,
        Some(rows) => {
            let key = Key::parse(&*rows.name).map_err(|error| End::failed(ErrorKind::Storage, error.to_string()))?;
            Some(shared.files.fetch_into(&out_dir, &key, &rows.sha256).await.map_err(of_files)?)
        }
    };
    let part = TrainerPart {
        job_id: lease.job,
        number: lease.number as u32,
        // The job's own trainer computes on the CPU too: jobs on a GPU are not spread.
        spec: ResolvedSpec { device: Device::Cpu, ..claimed.spec.clone() },
        dataset_dir,
        order: claimed.task.clone(),
        rows,
        out_dir: out_dir.clone(),
        threads: shared.config.threads(),
        memory_cap: shared.config.job_max_memory,
    };
    let Some(trainer) = shared.trainers.for_job(&part.spec, &shared.ability) else { return Err(End::HandedBack) };
    let stored = Stored::Part { job: lease.job, number: lease.number, attempt: lease.attempt };
    let work = TrainerWork::Part(Box::new(part));
    Trainer::spawn(trainer, &work, &out_dir, stored, &shared.files, alive).await.map_err(|error| {
        // That is the machine's fault, and no part would fare better here.
        let reason = format!("the trainer `{}` cannot be started: {error}", trainer.program.display());
        shared.fitness.note_trainer_failure(reason);
        End::HandedBack
    })
}

async fn write_end(shared: &Shared, claimed: &ClaimedPart, end: &End) -> Result<(), StoreError> {
    let conn = &mut *shared.store.acquire().await?;
    match end {
        End::Done(result) => parts::finish(conn, &claimed.lease, result).await,
        End::Released(how, _) => parts::release(conn, &claimed.lease, *how).await,
        End::HandedBack => match parts::release(conn, &claimed.lease, PartRelease::HandedBack).await {
            // The job has ended meanwhile, and its parts with it.
            Err(StoreError::LeaseLost { .. }) => Ok(()),
            done => done,
        },
        End::Lost => Ok(()),
    }
}
