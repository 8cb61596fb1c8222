//! What all parts of one worker share: connections, files, settings, who it is, and whether it is fit.

use super::{fitness::Fitness, ingest::Ingest, judging::Judge};
use crate::{
    certificate::SigningKey,
    config::WorkerConfig,
    files::Files,
    store::{Store, StoreError, endings::Retries, workers},
    trainer::Trainers,
    types::{Ability, JobId},
};
use metrics::gauge;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast},
    time::timeout,
};
use uuid::Uuid;

/// Longest wait before looking for work again; shorter where leases are.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// Jobs told of, kept for a slot that is slow to listen.
const CANCELS: usize = 1024;

pub(super) struct Shared {
    pub(super) store: Store,
    /// Connections of the heartbeats alone.
    pub(super) heart_store: Store,
    pub(super) files: Files,
    pub(super) config: WorkerConfig,
    pub(super) trainers: Trainers,
    pub(super) ingest: Arc<Ingest>,
    /// None where judgements are left to other workers.
    pub(super) judge: Option<Arc<Judge>>,
    pub(super) signing_key: Arc<SigningKey>,
    pub(super) id: Uuid,
    /// Who holds a lease, for people to read: host, process, and a word that differs after a restart.
    pub(super) name: String,
    pub(super) ability: Ability,
    pub(super) fitness: Fitness,
    /// Slots that run something.
    busy: AtomicUsize,
    /// Wakes the loop that fills the slots.
    pub(super) wake: Notify,
    /// Jobs a client wants stopped or paused.
    pub(super) cancels: broadcast::Sender<JobId>,
    /// Jobs of which a part is done or waits.
    pub(super) parts: broadcast::Sender<JobId>,
}

impl Shared {
    pub(super) fn new(
        store: Store,
        files: Files,
        config: WorkerConfig,
        trainers: Trainers,
        ingest: Arc<Ingest>,
        signing_key: Arc<SigningKey>,
    ) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let id = Uuid::new_v4();
        Self {
            heart_store: store.with_own_pool(2),
            store,
            files,
            ability: config.ability(trainers.has_torch()),
            trainers,
            ingest,
            judge: None,
            signing_key,
            id,
            name: format!("{}:{}:{}", host.trim(), std::process::id(), &id.simple().to_string()[..6]),
            fitness: Fitness::new(),
            busy: AtomicUsize::new(0),
            config,
            wake: Notify::new(),
            cancels: broadcast::channel(CANCELS).0,
            parts: broadcast::channel(CANCELS).0,
        }
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn set_busy(&self, slots: usize) {
        self.busy.store(slots, Ordering::Relaxed);
        gauge!("autodenoise_slots_busy").set(slots as f64);
    }

    /// What becomes of a job whose attempt died here.
    pub(super) fn retries(&self) -> Retries {
        Retries { max_deaths: self.config.max_attempts, pause: self.config.retry() }
    }

    /// Looks anew at whether jobs can be run here.
    pub(super) async fn check_fitness(&self) -> bool {
        self.fitness.check(&self.files, &self.ability.gpus).await
    }

    /// Removes the worker's own row. A database that does not answer is not waited for: the row goes with its lease.
    pub(super) async fn remove_from_list(&self) -> Result<(), StoreError> {
        let removed = async { workers::remove(&mut *self.heart_store.acquire().await?, self.id).await };
        timeout(Duration::from_secs(2), removed).await.unwrap_or(Ok(()))
    }
}
