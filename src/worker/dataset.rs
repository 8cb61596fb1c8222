//! One claimed dataset, from the claim to ready, invalid, or back in the queue.

use super::{
    heart::{Heart, Stop},
    ingest::{Encoded, IngestFailure},
    ledger::insist,
    shared::Shared,
};
use crate::store::{
    StoreError,
    ingest_queue::{self, ClaimedDataset, DatasetLease},
};
use metrics::counter;
use std::sync::{Arc, atomic::AtomicU64};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(super) async fn run(shared: Arc<Shared>, claimed: ClaimedDataset, shutdown: CancellationToken) {
    let ClaimedDataset { lease, table, spec } = claimed;
    let rows = Arc::new(AtomicU64::new(0));
    let mut heart = Heart::start_for_dataset(&shared, lease, rows.clone());
    let read = tokio::select! {
        biased;
        stop = heart.next_stop() => match stop {
            Stop::Lost | Stop::Cancel | Stop::Pause => return,
        },
        () = shutdown.cancelled() => Err(IngestFailure::Stopped),
        read = shared.encode(lease.dataset, &table, &spec, rows) => read,
    };
    let outcome = match &read {
        Ok(_) => "ready",
        Err(IngestFailure::Invalid { .. }) => "invalid",
        Err(IngestFailure::Failed(_)) => "failed",
        Err(IngestFailure::Stopped) => "released",
    };
    match (insist(|| write_outcome(&shared, &lease, &read)).await, &read) {
        (Err(error), _) => warn!(%error, outcome, "the end of reading the dataset could not be written"),
        (Ok(()), Err(IngestFailure::Failed(reason))) => warn!(reason, "the dataset could not be read"),
        (Ok(()), _) => info!(outcome, "the dataset was read"),
    }
    counter!("autodenoise_datasets_total", "outcome" => outcome).increment(1);
}

async fn write_outcome(
    shared: &Shared,
    lease: &DatasetLease,
    read: &Result<Encoded, IngestFailure>,
) -> Result<(), StoreError> {
    let conn = &mut *shared.store.acquire().await?;
    match read {
        Ok(it) => ingest_queue::finish_ready(conn, lease, &it.spec, &it.feature_map, &it.profile).await,
        Err(IngestFailure::Invalid { errors, total }) => {
            ingest_queue::finish_invalid(conn, lease, errors, *total).await
        }
        Err(IngestFailure::Failed(reason)) => {
            ingest_queue::retry_or_fail(conn, lease, reason, shared.config.max_attempts).await
        }
        Err(IngestFailure::Stopped) => ingest_queue::release(conn, lease).await,
    }
}
