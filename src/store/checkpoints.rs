//! Checkpoints: the states a later attempt can continue from. A row is written after its file is durable.

use super::{Lease, StoreError, error::int, events};
use crate::types::{EventType, JobId, Phase, TenantId};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection, FromRow, PgConnection};

/// Checkpoints kept of a job: two, so that there is an older one when the newest turns out to be damaged.
const KEPT: i64 = 2;

#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct CheckpointRow {
    /// Number of its `checkpoint.saved` event.
    pub seq: i64,
    pub attempt: i32,
    pub phase: Phase,
    pub epoch: i32,
    /// Where `files` keeps it.
    pub object: String,
    pub bytes: i64,
    pub sha256: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewCheckpoint {
    pub phase: Phase,
    pub epoch: u32,
    pub object: String,
    pub bytes: i64,
    pub sha256: String,
}

/// Writes a checkpoint and its `checkpoint.saved` event, and deletes the rows of all but the newest two. Returns the
/// objects of the deleted rows, to which nothing refers any more.
pub async fn record(conn: &mut PgConnection, lease: &Lease, new: &NewCheckpoint) -> Result<Vec<String>, StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    // The job's row is held, so the event below gets the number written here. A conflict means that this very call
    // succeeded before and its answer was lost on the way.
    let inserted = sqlx::query(
        "insert into checkpoints (job_id, seq, attempt, phase, epoch, object, bytes, sha256)
         select id, last_event_seq + 1, $2, $3, $4, $5, $6, $7 from jobs where id = $1
         on conflict on constraint checkpoints_object_key do nothing",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .bind(new.phase)
    .bind(int("the epoch", new.epoch)?)
    .bind(&new.object)
    .bind(new.bytes)
    .bind(&new.sha256)
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() > 0 {
        let data = json!({"phase": new.phase, "epoch": new.epoch, "bytes": new.bytes, "sha256": new.sha256});
        events::append(&mut tx, lease.job, EventType::CheckpointSaved, &data).await?;
    }
    let dropped = sqlx::query_scalar(
        "delete from checkpoints
         where job_id = $1 and seq not in (select seq from checkpoints where job_id = $1 order by seq desc limit $2)
         returning object",
    )
    .bind(lease.job)
    .bind(KEPT)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(dropped)
}

/// The job's checkpoints, newest first.
pub async fn list(conn: &mut PgConnection, tenant: &TenantId, job: JobId) -> Result<Vec<CheckpointRow>, StoreError> {
    let rows = sqlx::query_as(
        "select seq, attempt, phase, epoch, object, bytes, sha256, created_at
         from checkpoints where job_id = (select id from jobs where id = $1 and tenant = $2) order by seq desc",
    )
    .bind(job)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
