//! What happened to a job, in order, numbered 1, 2, 3, ... without gaps.

use super::{Lease, StoreError};
use crate::types::{EventType, JobId, TenantId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection, FromRow, PgConnection};

#[derive(Debug, Clone, FromRow)]
pub struct EventRow {
    pub seq: i64,
    /// One of `EventType`'s words.
    #[sqlx(rename = "type")]
    pub kind: String,
    pub at: DateTime<Utc>,
    pub data: Value,
}

/// Writes the next event and returns its number. It asks for no lease: callers hold the job's row or change it in the same
/// transaction.
pub(super) async fn append(
    tx: &mut PgConnection,
    job: JobId,
    kind: EventType,
    data: &Value,
) -> Result<i64, StoreError> {
    let seq = sqlx::query_scalar(
        "with numbered as (
             update jobs set last_event_seq = last_event_seq + 1 where id = $1 returning id, last_event_seq
         )
         insert into job_events (job_id, seq, type, data)
         select id, last_event_seq, $2, $3 from numbered returning seq",
    )
    .bind(job)
    .bind(kind.as_str())
    .bind(data)
    .fetch_one(tx)
    .await?;
    Ok(seq)
}

/// Writes an event of a running job for the worker that holds it.
pub async fn record(conn: &mut PgConnection, lease: &Lease, kind: EventType, data: &Value) -> Result<i64, StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let seq = append(&mut tx, lease.job, kind, data).await?;
    tx.commit().await?;
    Ok(seq)
}

/// The job's events after number `after` (0: all), oldest first, at most `limit`.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query_as(
        "select seq, type, at, data from job_events
         where job_id = (select id from jobs where id = $1 and tenant = $4) and seq > $2 order by seq limit $3",
    )
    .bind(job)
    .bind(after)
    .bind(i64::from(limit))
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
