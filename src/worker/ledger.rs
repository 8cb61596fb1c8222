//! Writes down what a trainer says. A database that is away for a while is waited for; the trainer goes on meanwhile.

use super::{Shared, trainer::Heard};
use crate::{
    files::Key,
    store::{StoreError, artifacts, checkpoints, events, metrics, queue},
    types::{EventType, Progress, TrainerEvent},
};
use ::metrics::{counter, histogram};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Progress is written this often at most.
const PROGRESS: Duration = Duration::from_secs(1);

pub(super) struct Ledger<'a> {
    shared: &'a Shared,
    lease: queue::Lease,
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
        let mut patience = Patience::default();
        let dropped = loop {
            match self.try_write(&heard).await {
                Ok(dropped) => break dropped,
                Err(error) => patience.wait(error).await?,
            }
        };
        for object in dropped {
            // The sweep has what cannot be deleted now.
            if let Ok(key) = Key::parse(object)
                && let Err(error) = self.shared.files.delete(&key).await
            {
                warn!(%error, "an old checkpoint could not be deleted");
            }
        }
        Ok(())
    }

    /// Returns the objects nothing refers to any more.
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
                    // What was left out of a pass counts as gone over.
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
            Heard::Event(event) => debug!(?event, "nothing to write down"),
            Heard::Died(_) | Heard::Broken(_) => unreachable!("the end of an attempt is no entry of the ledger"),
        }
        Ok(Vec::new())
    }

    /// Writes the newest progress.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let Some(progress) = self.progress.take() else { return Ok(()) };
        let mut patience = Patience::default();
        while let Err(error) = self.try_set_progress(progress).await {
            patience.wait(error).await?;
        }
        self.progress_written = Some(Instant::now());
        Ok(())
    }

    async fn try_set_progress(&self, progress: Progress) -> Result<(), StoreError> {
        queue::set_progress(&mut *self.shared.store.acquire().await?, &self.lease, progress).await
    }
}

/// Waits for a database that is away, longer each time.
pub(super) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_millis(100))
    }
}

impl Patience {
    /// Returns after a pause, or with the error where waiting does not help. A lease lost in the meantime is found by
    /// the next try.
    pub(super) async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !error.is_transient() {
            return Err(error);
        }
        warn!(%error, retry_in_ms = self.0.as_millis() as u64, "a write failed; trying again");
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(5));
        Ok(())
    }
}
