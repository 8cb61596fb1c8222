//! Figures of the queue for Prometheus, read by one task of the server and not by whoever asks for them.

use crate::{
    store::{Store, StoreError, answered, jobs},
    types::JobState,
};
use metrics::gauge;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

const EVERY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the figures every few seconds until it is dropped. While the database is away they stay as they were.
pub async fn refresh_gauges(store: Store) {
    let mut told = BTreeSet::new();
    loop {
        if let Err(error) = answered(PATIENCE, refresh(&store, &mut told)).await {
            tracing::warn!(%error, "the queue's figures could not be read");
        }
        sleep(EVERY).await;
    }
}

/// `told`: states and priorities that were told of before, which may have no job now.
async fn refresh(store: &Store, told: &mut BTreeSet<(&'static str, i32)>) -> Result<(), StoreError> {
    let mut rows = jobs::count_waiting(&mut *store.acquire().await?).await?;
    // An empty queue is a figure too.
    for state in [JobState::Queued, JobState::Running] {
        if !rows.iter().any(|row| row.state == state && row.priority == 0) {
            rows.push(jobs::Waiting { state, priority: 0, jobs: 0, oldest_seconds: 0.0 });
        }
    }
    let now: BTreeSet<_> = rows.iter().map(|row| (row.state.as_str(), row.priority)).collect();
    for (state, priority) in told.difference(&now) {
        set(state, *priority, 0, 0.0);
    }
    for row in rows {
        set(row.state.as_str(), row.priority, row.jobs, row.oldest_seconds);
    }
    *told = now;
    Ok(())
}

fn set(state: &'static str, priority: i32, jobs: i64, oldest_seconds: f64) {
    let labels = [("state", state.to_owned()), ("priority", priority.to_string())];
    gauge!("autodenoise_jobs", &labels).set(jobs as f64);
    gauge!("autodenoise_oldest_job_seconds", &labels).set(oldest_seconds);
}
