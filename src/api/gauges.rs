//! Gauges of the queue for Prometheus. One task of the server reads them from the database, so that no scrape waits for it.

use crate::{
    store::{Store, StoreError, answered, jobs},
    types::JobState,
};
use metrics::gauge;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// Between two readings.
const EVERY: Duration = Duration::from_secs(5);
/// A reading that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets the gauges every few seconds until it is dropped. While the database is away they keep their values.
pub async fn refresh_gauges(store: Store) {
    let mut told = BTreeSet::new();
    loop {
        if let Err(error) = answered(PATIENCE, set_gauges(&store, &mut told)).await {
            tracing::warn!(%error, "the queue's figures could not be read");
        }
        sleep(EVERY).await;
    }
}

/// `told`: states and priorities that were set before. Those that have no job now are set to zero; left alone, they would show
/// their last value for ever.
async fn set_gauges(store: &Store, told: &mut BTreeSet<(&'static str, i32)>) -> Result<(), StoreError> {
    let mut rows = jobs::count_waiting(&mut *store.acquire().await?).await?;
    // An empty queue is shown too, as zero.
    for state in [JobState::Queued, JobState::Running] {
        if !rows.iter().any(|row| row.state == state && row.priority == 0) {
            rows.push(jobs::Waiting { state, priority: 0, jobs: 0, oldest_seconds: 0.0 });
        }
    }
    let now: BTreeSet<_> = rows.iter().map(|row| (row.state.as_str(), row.priority)).collect();
    for (state, priority) in told.difference(&now) {
        set_gauge(state, *priority, 0, 0.0);
    }
    for row in rows {
        set_gauge(row.state.as_str(), row.priority, row.jobs, row.oldest_seconds);
    }
    *told = now;
    Ok(())
}

fn set_gauge(state: &'static str, priority: i32, jobs: i64, oldest_seconds: f64) {
    let labels = [("state", state.to_owned()), ("priority", priority.to_string())];
    gauge!("autodenoise_jobs", &labels).set(jobs as f64);
    gauge!("autodenoise_oldest_job_seconds", &labels).set(oldest_seconds);
}
