//! Removes what dead processes left behind, at the start and every hour.

use super::Shared;
use crate::{
    files::{FilesError, Key},
    store::{StoreError, artifacts},
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
    let mut removed = shared.files.sweep_folders(FOLDER_AGE).await?;
    let aged = shared.files.aged_objects(OBJECT_AGE).await?;
    for keys in aged.chunks(BATCH) {
        let names: Vec<String> = keys.iter().map(Key::to_string).collect();
        let conn = &mut *shared.store.acquire().await?;
        let leftovers = artifacts::unreferenced(conn, &names, Key::UPLOAD_PREFIX).await?;
        for key in leftovers.into_iter().filter_map(|name| Key::parse(name).ok()) {
            shared.files.delete_aged(&key, OBJECT_AGE).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
