//! The right to write to a job, asked for before every write of a worker.

use super::StoreError;
use crate::types::{JobId, JobState};
use sqlx::PgConnection;

/// The right to write to a job: claim number `attempt` of it. The number grows with every claim, so the lease of a worker
/// that was thought dead fits no row any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub attempt: i32,
}

impl Lease {
    /// The error of a write that finds the lease gone.
    pub(super) fn lost(&self) -> StoreError {
        StoreError::LeaseLost { what: self.job.to_string(), attempt: self.attempt }
    }

    /// Locks the job's row until the transaction ends, or fails because the lease is lost. Every write of a worker
    /// starts with it.
    pub(super) async fn hold(&self, tx: &mut PgConnection) -> Result<JobState, StoreError> {
        let sql = "select state from jobs where id = $1 and attempt = $2 and lease_until is not null for update";
        let state: Option<JobState> =
            sqlx::query_scalar(sql).bind(self.job).bind(self.attempt).fetch_optional(tx).await?;
        debug_assert!(state.is_none_or(JobState::is_leased), "{state:?} has a lease in the database alone");
        state.ok_or_else(|| self.lost())
    }
}
