//! What the trainer of a job does next, where others may do its parts too.

use super::{
    ledger::insist,
    shared::{POLL, Shared},
};
use crate::{
    files::{FilesError, Key},
    store::{Lease, StoreError, parts},
    types::{JobId, TrainerOrder},
};
use std::path::Path;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};
use tracing::warn;

/// Which part a trainer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Parts that it has not got yet.
    pub open: Vec<u32>,
    /// The part that an earlier attempt has half done.
    pub begun: Option<u32>,
    /// Whether to wait until there is one.
    pub waits: bool,
}

/// One of the open parts that is done, or is free for the trainer to do; where it waits, not before there is one. Files of others'
/// results go into `folder`, the trainer's own.
pub(super) async fn answer(
    shared: &Shared,
    lease: Lease,
    question: &Question,
    folder: &Path,
) -> Result<TrainerOrder, StoreError> {
    let open: Vec<i32> = question.open.iter().map(|number| *number as i32).collect();
    // Before the first look: what is told in between then ends the wait.
    let mut told = shared.parts.subscribe();
    loop {
        while let Some(done) = insist(|| find_done(shared, lease.job, &open)).await? {
            match fetch(shared, &done, folder).await {
                Ok(file) => return Ok(TrainerOrder::TakePart { number: done.number as u32, file }),
                Err(error) => {
                    warn!(%error, part = done.number, "what came of a part cannot be read; it is done again");
                    insist(|| reopen(shared, lease, &done)).await?;
                }
            }
        }
        let begun = question.begun.map(|number| number as i32);
        if let Some(number) = insist(|| claim_own(shared, lease, &open, begun)).await? {
            return Ok(TrainerOrder::DoPart { number: number as u32 });
        }
        if !question.waits {
            return Ok(TrainerOrder::NoPart);
        }
        let longest = POLL.min(shared.config.lease() / 3);
        timeout(longest, hear_of(&mut told, lease.job)).await.ok();
    }
}

/// Waits for news of the job's parts.
async fn hear_of(told: &mut broadcast::Receiver<JobId>, job: JobId) {
    loop {
        match told.recv().await {
            Ok(of) if of == job => return,
            Ok(_) => {}
            // Some were dropped because there were too many; ours may be among them.
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn fetch(shared: &Shared, done: &parts::DonePart, folder: &Path) -> Result<std::path::PathBuf, FilesError> {
    let key = Key::parse(&*done.result.name).expect("a name that this program wrote");
    shared.files.fetch_into(folder, &key, &done.result.sha256).await
}

async fn find_done(shared: &Shared, job: JobId, open: &[i32]) -> Result<Option<parts::DonePart>, StoreError> {
    parts::find_done(&mut *shared.store.acquire().await?, job, open).await
}

async fn claim_own(shared: &Shared, lease: Lease, open: &[i32], begun: Option<i32>) -> Result<Option<i32>, StoreError> {
    parts::claim_own(&mut *shared.store.acquire().await?, &lease, &shared.name, open, begun).await
}

async fn reopen(shared: &Shared, lease: Lease, done: &parts::DonePart) -> Result<(), StoreError> {
    parts::reopen(&mut *shared.store.acquire().await?, &lease, done).await
}
