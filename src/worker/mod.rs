//! Runs what is queued: reads datasets, and supervises one trainer process a job.
//!
//! ```text
//! run        slots, and the loop that fills them
//!  ├ dataset  one claimed dataset: read it on a thread
//!  ├ judgement  one claimed judgement: hand out what to train on, or judge what models predict (`judging`)
//!  ├ job      one claimed job: spawn a trainer (`trainer`), write down what it says (`ledger`), say which part is next (`answer`)
//!  └ part     one claimed part of another worker's job: spawn a trainer for it
//!      heart  renews the lease beside each, and says when to stop
//! pulse      says that the worker is there, whether it is fit (`fitness`), and who is not there any more
//! ```
//! The claim is one short transaction, the work runs outside of any, and every write asks for the lease. NOTIFY makes
//! it quick, polling makes it certain.

mod answer;
mod certificate;
mod dataset;
mod encode;
mod fitness;
mod heart;
mod ingest;
mod job;
mod judgement;
mod judging;
mod ledger;
mod lines;
mod part;
mod pulse;
mod shared;
mod sweep;
mod trainer;

pub use ingest::{Encoded, Ingest, IngestFailure};
pub use judgement::EXPIRY as JUDGEMENT_EXPIRY;
pub use judging::{Judge, JudgeAnswer, JudgeFailure, JudgeStep, JudgeTask, PredictionFiles};

use crate::{
    certificate::SigningKey,
    config::WorkerConfig,
    files::Files,
    store::{
        JOB_CANCEL, JOB_PART, Store, StoreError, WORK, answered,
        ingest_queue::{self, ClaimedDataset},
        judgement_queue::{self, ClaimedJudgement},
        parts::{self, ClaimedPart},
        queue::{self, ClaimedJob},
    },
    trainer::Trainers,
    types::JobId,
};
use shared::{POLL, Shared};
use sqlx::PgConnection;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, error, info, info_span, warn};
use uuid::Uuid;

/// How long a graceful stop may take to hand back what runs.
const DRAIN: Duration = Duration::from_secs(20);

/// How long to wait for the answer to a claim. A shorter wait would lose jobs for a while: a database that stood still may
/// carry a claim out after the worker has given it up, and then nobody works on that job until the claim's lease ends.
const SILENCE: Duration = Duration::from_secs(600);

/// A worker of this process. `run` does the work.
pub struct Worker {
    shared: Arc<Shared>,
}

enum Claimed {
    Dataset(Box<ClaimedDataset>),
    Judgement(Arc<Judge>, Box<ClaimedJudgement>),
    Job(Box<ClaimedJob>),
    Part(Box<ClaimedPart>),
}

impl Worker {
    pub fn new(
        store: Store,
        files: Files,
        config: WorkerConfig,
        trainers: Trainers,
        ingest: Arc<Ingest>,
        signing_key: Arc<SigningKey>,
    ) -> Self {
        let shared = Shared::new(store, files, config, trainers, ingest, signing_key);
        Self { shared: Arc::new(shared) }
    }

    /// Also judges models that are trained elsewhere. A worker that was not given a judge leaves them to others.
    pub fn with_judge(mut self, judge: Arc<Judge>) -> Self {
        Arc::get_mut(&mut self.shared).expect("nobody shares it before it runs").judge = Some(judge);
        self
    }

    /// What keeps the worker from claiming; nothing while all is well.
    pub fn watch_fitness(&self) -> watch::Receiver<Vec<String>> {
        self.shared.fitness.watch()
    }

    /// Claims and runs until `shutdown`; what runs then is stopped and handed back. If the future is dropped, the trainers
    /// are killed, and their jobs go back to the queue when their leases end.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = self.shared;
        info!(worker = %shared.name, slots = shared.config.slots, "worker started");
        let listener = AbortOnDropHandle::new(tokio::spawn(pass_on_notifications(shared.clone())));
        let sweeper = AbortOnDropHandle::new(tokio::spawn(sweep::run(shared.clone())));
        let pulse = AbortOnDropHandle::new(tokio::spawn(pulse::run(shared.clone(), shutdown.clone())));
        let mut slots = JoinSet::new();
        loop {
            // Registered before looking for work: a notification that comes between the look and the wait then wakes the
            // loop.
            let wake = shared.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            let due = match fill_slots(&shared, &mut slots, &shutdown).await {
                Ok(due) => due,
                Err(error) => {
                    warn!(%error, "cannot look for work; trying again");
                    None
                }
            };
            shared.set_busy(slots.len());
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = wake => {}
                Some(ended) = slots.join_next(), if !slots.is_empty() => report_panic(ended),
                () = sleep(due.unwrap_or(POLL).min(POLL).min(shared.config.lease())) => {}
            }
        }
        let drained = timeout(DRAIN, async {
            while let Some(ended) = slots.join_next().await {
                report_panic(ended);
            }
        });
        if drained.await.is_err() {
            warn!(slots = slots.len(), "could not hand back everything in time; the leases will run out");
            slots.shutdown().await;
        }
        shared.set_busy(0);
        // A pool's `close` waits for listeners, so they go first.
        for task in [listener, sweeper, pulse] {
            task.abort();
            task.await.ok();
        }
        if let Err(error) = shared.remove_from_list().await {
            warn!(%error, "the worker could not be taken off the list; it goes with its lease");
        }
        shared.heart_store.close().await;
        info!(worker = %shared.name, "worker stopped");
    }
}

/// The claim of a slot that panicked ends with its lease; another attempt may go better.
fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a slot panicked");
    }
}

/// Fills the free slots, unless this worker is unfit. Returns how long it is until the next waiting job may be claimed.
async fn fill_slots(
    shared: &Arc<Shared>,
    slots: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<Option<Duration>, StoreError> {
    while slots.len() < usize::from(shared.config.slots) && !shutdown.is_cancelled() {
        if !shared.check_fitness().await {
            return Ok(None);
        }
        let Some(claimed) = answered(SILENCE, claim_work(shared)).await? else {
            return answered(SILENCE, async { queue::next_due(&mut *shared.store.acquire().await?).await }).await;
        };
        let (shared, shutdown) = (shared.clone(), shutdown.clone());
        match claimed {
            Claimed::Dataset(claimed) => {
                let span = info_span!("dataset", dataset_id = %claimed.lease.dataset, attempt = claimed.lease.attempt);
                slots.spawn(dataset::run(shared, *claimed, shutdown).instrument(span));
            }
            Claimed::Judgement(judge, claimed) => {
                let span = info_span!(
                    "judgement", judgement_id = %claimed.lease.judgement, attempt = claimed.lease.attempt
                );
                slots.spawn(judgement::run(shared, judge, *claimed, shutdown).instrument(span));
            }
            Claimed::Job(claimed) => {
                let span = info_span!("job", job_id = %claimed.lease.job, attempt = claimed.lease.attempt);
                slots.spawn(job::run(shared, *claimed, shutdown).instrument(span));
            }
            Claimed::Part(claimed) => {
                let span = info_span!("part", job_id = %claimed.lease.job, part = claimed.lease.number);
                slots.spawn(part::run(shared, *claimed, shutdown).instrument(span));
            }
        }
    }
    Ok(None)
}

/// Datasets first: reading one is short, and a client waits for its errors. A judgement is as short. Then a part or a job,
/// whichever is before the other in the queue.
async fn claim_work(shared: &Shared) -> Result<Option<Claimed>, StoreError> {
    let lease = shared.config.lease();
    let conn = &mut *shared.store.acquire().await?;
    if let Some(dataset) = ingest_queue::claim(conn, &shared.name, lease).await? {
        return Ok(Some(Claimed::Dataset(Box::new(dataset))));
    }
    if let Some(judge) = &shared.judge
        && let Some(judgement) = judgement_queue::claim(conn, &shared.name, lease).await?
    {
        return Ok(Some(Claimed::Judgement(judge.clone(), Box::new(judgement))));
    }
    if let Some(part) = claim_part(shared, conn, false).await? {
        return Ok(Some(part));
    }
    if let Some(job) = queue::claim(conn, &shared.name, &shared.ability, lease).await? {
        return Ok(Some(Claimed::Job(Box::new(job))));
    }
    // Another worker may just have claimed the job that was before a part.
    claim_part(shared, conn, true).await
}

async fn claim_part(shared: &Shared, conn: &mut PgConnection, any: bool) -> Result<Option<Claimed>, StoreError> {
    if !shared.config.spread {
        return Ok(None);
    }
    let part = parts::claim(conn, &shared.name, &shared.ability, shared.config.lease(), any).await?;
    Ok(part.map(|part| Claimed::Part(Box::new(part))))
}

/// Passes the database's notifications on. A failure here costs only time, because the slots also look by themselves.
async fn pass_on_notifications(shared: Arc<Shared>) {
    loop {
        match shared.store.listen(&[WORK, JOB_CANCEL, JOB_PART]).await {
            Ok(mut listener) => {
                // Something may have come before the listener did.
                shared.wake.notify_waiters();
                loop {
                    match listener.try_recv().await {
                        Ok(Some(said)) if said.channel() == JOB_CANCEL => {
                            if let Ok(id) = Uuid::try_parse(said.payload()) {
                                // No receiver: no job runs here.
                                shared.cancels.send(JobId(id)).ok();
                            }
                        }
                        Ok(Some(said)) if said.channel() == JOB_PART => {
                            if let Ok(id) = Uuid::try_parse(said.payload()) {
                                // No receiver: no job waits for parts here.
                                shared.parts.send(JobId(id)).ok();
                            }
                        }
                        // None: reconnected, and what was said in between is gone.
                        Ok(_) => shared.wake.notify_waiters(),
                        Err(error) => {
                            warn!(%error, "the database's notifications broke off");
                            break;
                        }
                    }
                }
            }
            Err(error) => warn!(%error, "cannot listen to the database's notifications"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}
