//! Writes what a trainer says into the database. While the database is away, writing waits and the trainer goes on.

use super::{shared::Shared, trainer::Heard};
use crate::{
    files::Key,
    store::{Lease, StoreError, answered, artifacts, checkpoints, events, metrics, parts, queue},
    types::{EventType, Progress, TrainerEvent},
};
use ::metrics::{counter, histogram};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Progress is written this often at most.
const PROGRESS: Duration = Duration::from_secs(1);
/// A write that is not answered for so long is tried again on another connection.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) struct Ledger<'a> {
    shared: &'a Shared,
    lease: Lease,
    train_rows: u64,
    progress: Option<Progress>,
    progress_written: Option<Instant>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(shared: &'a Shared, claimed: &queue::ClaimedJob) -> Self {
        let (lease, train_rows) = (claimed.lease, claimed.train_rows);
        Self { shared, lease, train_rows, progress: None, progress_written: None }
    }

    /// Writes one thing heard. Fails when the lease is lost or the database refuses, not when it is away.
    pub(super) async fn write(&mut self, heard: Heard) -> Result<(), StoreError> {
        if let Heard::Event(TrainerEvent::Progress(progress)) = heard {
            self.progress = Some(progress);
            let due = self.progress_written.is_none_or(|at| at.elapsed() >= PROGRESS);
            return if due { self.flush().await } else { Ok(()) };
        }
        for object in insist(|| self.try_write(&heard)).await? {
            // The sweep deletes what cannot be deleted now.
            if let Ok(key) = Key::parse(object)
                && let Err(error) = self.shared.files.delete(&key).await
            {
                warn!(%error, "an old checkpoint could not be deleted");
            }
        }
        Ok(())
    }

    /// Writes the entry once. Returns the objects that nothing refers to any more.
    async fn try_write(&self, heard: &Heard) -> Result<Vec<String>, StoreError> {
        let (shared, lease) = (self.shared, &self.lease);
        let conn = &mut *shared.store.acquire().await?;
        match heard {
            Heard::Event(TrainerEvent::Started { device, engine, threads, resumed }) => {
                info!(device, engine, threads, resumed, "the trainer started");
                let data = json!({
                    "attempt": lease.attempt, "worker": shared.name, "device": device, "engine": engine,
                    "threads": threads,
                    "resumed": resumed,
                });
                events::record(conn, lease, EventType::JobStarted, &data).await?;
            }
            Heard::Event(TrainerEvent::Phase { contender, phase, epoch }) => {
                queue::start_phase(conn, lease, *contender, *phase, *epoch).await?;
            }
            Heard::Event(TrainerEvent::Epoch(row)) => {
                if metrics::record(conn, lease, row).await? {
                    let phase = row.phase.as_str();
                    histogram!("autodenoise_epoch_seconds", "phase" => phase).record(row.seconds);
                    counter!("autodenoise_epochs_total", "phase" => phase).increment(1);
                    // Rows that the pass left out are counted too.
                    counter!("autodenoise_rows_total", "phase" => phase).increment(self.train_rows);
                }
            }
            Heard::Event(TrainerEvent::Warning(warning)) => {
                warn!(code = warning.code, "{}", warning.message);
                let data = json!({"level": "warning", "code": warning.code, "message": warning.message});
                events::record(conn, lease, EventType::Log, &data).await?;
            }
            Heard::Checkpoint(new) => return checkpoints::record(conn, lease, new).await,
            Heard::Artifact(new) => artifacts::record(conn, lease, new).await?,
            Heard::Parts(new) => parts::offer(conn, lease, new).await?,
            Heard::PartDone { number, result } => {
                parts::finish_own(conn, lease, *number as i32, result.as_ref()).await?;
            }
            Heard::Event(event) => debug!(?event, "nothing to write down"),
            Heard::Died(_) | Heard::Broken(_) => unreachable!("the end of an attempt is no entry of the ledger"),
        }
        Ok(Vec::new())
    }

    /// Writes the newest progress.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let Some(progress) = self.progress.take() else { return Ok(()) };
        insist(|| self.try_set_progress(progress)).await?;
        self.progress_written = Some(Instant::now());
        Ok(())
    }

    async fn try_set_progress(&self, progress: Progress) -> Result<(), StoreError> {
        queue::set_progress(&mut *self.shared.store.acquire().await?, &self.lease, progress).await
    }
}

/// Carries a write out. While the database is away it is tried again, with longer pauses each time; fails where waiting
/// does not help. A lease that was lost in the meantime is found by the next try.
pub(super) async fn insist<T, F>(mut write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(100);
    loop {
        match answered(SILENCE, write()).await {
            Err(error) if error.is_transient() => {
                warn!(%error, retry_in_ms = pause.as_millis() as u64, "a write failed; trying again");
            }
            done => return done,
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
