//! Removes what dead processes left behind and what is past its time, at the start and every hour. A row goes before its
//! file: a file without a row is found by the next sweep.

use super::shared::Shared;
use crate::{
    files::{FilesError, Key},
    store::{StoreError, artifacts, datasets, judgements, objects, uploads},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::{info, warn};

const EVERY: Duration = Duration::from_secs(3600);
/// Longer than any process takes between an object and its row.
const OBJECT_AGE: Duration = Duration::from_secs(3600);
/// Longer than any trainer or upload is silent.
const FOLDER_AGE: Duration = Duration::from_secs(24 * 3600);
/// Names asked for at once.
const BATCH: usize = 1000;
/// Results removed in one transaction.
const RESULTS: u32 = 1000;

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Files(#[from] FilesError),
}

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        match sweep(&shared).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "leftovers were removed"),
            Err(error) => warn!(%error, "leftovers could not be removed"),
        }
        sleep(EVERY).await;
    }
}

async fn sweep(shared: &Shared) -> Result<usize, SweepError> {
    let removed = shared.files.sweep_folders(FOLDER_AGE).await?;
    let datasets = sweep_datasets(shared).await?;
    let judgements = sweep_judgements(shared).await?;
    let rows = removed + datasets + judgements + sweep_uploads(shared).await? + sweep_results(shared).await?;
    Ok(rows + sweep_objects(shared).await?)
}

/// Encoded tables of datasets that were deleted, on whichever machine.
async fn sweep_datasets(shared: &Shared) -> Result<usize, SweepError> {
    let mut removed = 0;
    for ids in shared.files.aged_datasets(OBJECT_AGE).await?.chunks(BATCH) {
        for id in datasets::missing(&mut *shared.store.acquire().await?, ids).await? {
            shared.files.remove_dir(&shared.files.dataset_dir(id)).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Uploads in parts that have expired, and files of uploads that nobody needs any more.
async fn sweep_uploads(shared: &Shared) -> Result<usize, SweepError> {
    let mut unneeded = uploads::expire(&mut *shared.store.acquire().await?).await?;
    for ids in shared.files.aged_partials(OBJECT_AGE).await?.chunks(BATCH) {
        unneeded.extend(uploads::unneeded(&mut *shared.store.acquire().await?, ids).await?);
    }
    for upload in &unneeded {
        shared.files.remove_partial(*upload).await?;
    }
    Ok(unneeded.len())
}

/// Results of jobs that ended too long ago.
async fn sweep_results(shared: &Shared) -> Result<usize, SweepError> {
    let Some(days) = shared.config.keep_results_days else { return Ok(0) };
    let age = Duration::from_secs_f64(days * 86400.0);
    let mut removed = 0;
    loop {
        let objects = artifacts::expire(&mut *shared.store.acquire().await?, age, RESULTS).await?;
        if objects.is_empty() {
            return Ok(removed);
        }
        removed += objects.len();
        for key in objects.into_iter().filter_map(|name| Key::parse(name).ok()) {
            shared.files.delete(&key).await?;
        }
    }
}

/// Judgements that nobody went on with, and those that ended too long ago.
async fn sweep_judgements(shared: &Shared) -> Result<usize, SweepError> {
    let kept = shared.config.keep_results_days.map(|days| Duration::from_secs_f64(days * 86400.0));
    let mut removed = 0;
    loop {
        let (objects, judgements) = judgements::expire(&mut *shared.store.acquire().await?, kept, RESULTS).await?;
        if judgements == 0 {
            return Ok(removed);
        }
        removed += judgements;
        for key in objects.into_iter().filter_map(|name| Key::parse(name).ok()) {
            shared.files.delete(&key).await?;
        }
    }
}

/// Objects that no row names.
async fn sweep_objects(shared: &Shared) -> Result<usize, SweepError> {
    let mut removed = 0;
    let mut aged = shared.files.aged_objects(OBJECT_AGE).await?;
    aged.sort_unstable_by(|one, two| one.as_str().cmp(two.as_str()));
    for keys in aged.chunks(BATCH) {
        let names: Vec<String> = keys.iter().map(Key::to_string).collect();
        let mut conn = shared.store.acquire().await?;
        let leftovers = artifacts::unreferenced(&mut conn, &names, Key::UPLOAD_PREFIX).await?;
        drop(conn);
        for key in leftovers.into_iter().filter_map(|name| Key::parse(name).ok()) {
            let mut tx = shared.store.begin().await?;
            if objects::claim(&mut tx, key.as_str(), Key::UPLOAD_PREFIX).await? {
                shared.files.delete_aged(&key, OBJECT_AGE).await?;
                removed += 1;
            }
            // The commit releases the lock now. A transaction that is dropped ends only when its connection is next used.
            tx.commit().await.map_err(StoreError::from)?;
        }
    }
    Ok(removed)
}
