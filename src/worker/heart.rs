//! Renews a lease from its own connections until it is dropped, and says when the work must stop.
//!
//! It beats at a third of the lease: one beat may be missed. A database that is away makes a beat fail and the next one
//! try again; only an answer without a row means that the lease is lost.

use super::shared::Shared;
use crate::{
    store::{
        Lease, StoreError,
        ingest_queue::{self, DatasetLease},
        judgement_queue::{self, JudgementLease},
        parts::{self, PartLease},
        queue,
    },
    types::JobId,
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{broadcast, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, warn};

/// Why the work must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A client asked for it.
    Cancel,
    /// A client wants it to stop where it can go on from.
    Pause,
    /// Another may have the lease: write nothing more.
    Lost,
}

pub(super) struct Heart {
    stop: watch::Receiver<Option<Stop>>,
    /// The reason that was returned last.
    said: Option<Stop>,
    _task: AbortOnDropHandle<()>,
}

impl Heart {
    /// Starts the heart of a job. It beats at once when a client wants the job cancelled or paused.
    pub(super) fn start_for_job(shared: &Arc<Shared>, lease: Lease) -> Self {
        Self::start(shared, Some(lease.job), move |shared, time| async move {
            let conn = &mut *shared.heart_store.acquire().await?;
            let beat = queue::heartbeat(conn, &lease, time).await?;
            Ok(if beat.cancel { Some(Stop::Cancel) } else { beat.pause.then_some(Stop::Pause) })
        })
    }

    /// Starts the heart of a dataset. It tells the database how many rows were read.
    pub(super) fn start_for_dataset(shared: &Arc<Shared>, lease: DatasetLease, rows: Arc<AtomicU64>) -> Self {
        Self::start(shared, None, move |shared, time| {
            let rows = rows.load(Ordering::Relaxed);
            async move {
                let conn = &mut *shared.heart_store.acquire().await?;
                ingest_queue::heartbeat(conn, &lease, time, rows).await?;
                Ok(None)
            }
        })
    }

    /// Starts the heart of a judgement.
    pub(super) fn start_for_judgement(shared: &Arc<Shared>, lease: JudgementLease) -> Self {
        Self::start(shared, None, move |shared, time| async move {
            judgement_queue::heartbeat(&mut *shared.heart_store.acquire().await?, &lease, time).await?;
            Ok(None)
        })
    }

    /// Starts the heart of a part. It beats at once when a client wants the job cancelled or paused, or the job has ended.
    pub(super) fn start_for_part(shared: &Arc<Shared>, lease: PartLease) -> Self {
        Self::start(shared, Some(lease.job), move |shared, time| async move {
            let conn = &mut *shared.heart_store.acquire().await?;
            let is_wanted = parts::heartbeat(conn, &lease, time).await?;
            Ok((!is_wanted).then_some(Stop::Cancel))
        })
    }

    /// Beats at a third of a lease's length, and at once when something is wanted of `job`. `beat` renews the lease for so long.
    fn start<F>(
        shared: &Arc<Shared>,
        job: Option<JobId>,
        mut beat: impl FnMut(Arc<Shared>, Duration) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Option<Stop>, StoreError>> + Send,
    {
        let time = shared.config.lease();
        let mut cancels = Cancels { job, receiver: shared.cancels.subscribe() };
        let shared = shared.clone();
        let interval = time / 3;
        let (tell, stop) = watch::channel(None);
        let beating = async move {
            loop {
                // A connection that hangs must not keep the next beat from trying another.
                match timeout(interval, beat(shared.clone(), time)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(stop))) => {
                        tell.send(Some(stop)).ok();
                    }
                    Ok(Err(error @ StoreError::LeaseLost { .. })) => {
                        warn!(%error, "stopping");
                        tell.send(Some(Stop::Lost)).ok();
                        return;
                    }
                    Ok(Err(error)) => warn!(%error, "a heartbeat failed"),
                    Err(_) => warn!("a heartbeat was not answered"),
                }
                tokio::select! {
                    () = sleep(interval) => {}
                    () = cancels.wait_for_ours() => {}
                }
            }
        };
        let task = tokio::spawn(beating.instrument(Span::current()));
        Self { stop, said: None, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits for a reason to stop the work; called again, for another reason than the last.
    pub(super) async fn next_stop(&mut self) -> Stop {
        let said = self.said;
        let stop = match self.stop.wait_for(|stop| stop.is_some() && *stop != said).await {
            Ok(stop) => stop.expect("waited for"),
            // The task has ended, so nobody renews the lease.
            Err(_) => Stop::Lost,
        };
        self.said = Some(stop);
        stop
    }
}

/// Waits for the wish to cancel or pause one job.
struct Cancels {
    job: Option<JobId>,
    receiver: broadcast::Receiver<JobId>,
}

impl Cancels {
    async fn wait_for_ours(&mut self) {
        loop {
            match self.receiver.recv().await {
                Ok(job) if self.job == Some(job) => return,
                Ok(_) => {}
                // Some were dropped because there were too many; ours may be among them.
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
