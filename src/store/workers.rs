//! Who the workers are and what they can run: for operators, and for a job that waits to say what for. A claim does not
//! look here.

use super::{Cursor, Page, StoreError, queue::gpu_names};
use crate::types::Ability;
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, types::Json};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct WorkerPulse<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub ability: &'a Ability,
    pub slots: u16,
    pub busy: usize,
    /// `ready`, `unfit` or `draining`.
    pub state: &'static str,
    /// Why it is unfit.
    pub reasons: &'a [String],
}

#[derive(Debug, Clone, FromRow)]
pub struct WorkerRow {
    pub id: Uuid,
    pub name: String,
    pub labels: Json<BTreeMap<String, String>>,
    /// GPUs that jobs may ask for: `cuda:0`.
    pub gpus: Vec<String>,
    /// Whether it has libtorch.
    pub torch: bool,
    pub slots: i32,
    pub busy: i32,
    pub state: String,
    pub reasons: Vec<String>,
    pub version: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
}

impl WorkerRow {
    pub fn ability(&self) -> Ability {
        let gpus = self.gpus.iter().filter_map(|gpu| gpu.parse().ok()).collect();
        Ability { labels: self.labels.0.clone(), gpus, torch: self.torch }
    }
}

/// Writes a worker's row; it counts as live for the length of its leases. Rows of workers long gone are removed. Returns
/// the database's time.
pub async fn refresh(
    conn: &mut PgConnection,
    pulse: &WorkerPulse<'_>,
    lease: Duration,
) -> Result<DateTime<Utc>, StoreError> {
    let now = sqlx::query_scalar(
        "with gone as (delete from workers where live_until < now() - interval '1 day')
         insert into workers (id, name, labels, gpus, slots, busy, state, reasons, version, live_until, torch)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10), $11)
         on conflict on constraint workers_pkey do update
         set busy = excluded.busy, state = excluded.state, reasons = excluded.reasons, seen_at = now(),
             live_until = excluded.live_until
         returning seen_at",
    )
    .bind(pulse.id)
    .bind(pulse.name)
    .bind(Json(&pulse.ability.labels))
    .bind(gpu_names(pulse.ability))
    .bind(i32::from(pulse.slots))
    .bind(i32::try_from(pulse.busy).unwrap_or(i32::MAX))
    .bind(pulse.state)
    .bind(pulse.reasons)
    .bind(env!("CARGO_PKG_VERSION"))
    .bind(lease.as_secs_f64())
    .bind(pulse.ability.torch)
    .fetch_one(conn)
    .await?;
    Ok(now)
}

/// Removes the row of a worker that stops.
pub async fn remove(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("delete from workers where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// Workers that have been heard of lately, newest first.
pub async fn list(conn: &mut PgConnection, limit: u32, after: Option<Cursor>) -> Result<Page<WorkerRow>, StoreError> {
    let rows = sqlx::query_as(
        "select id, name, labels, gpus, torch, slots, busy, state, reasons, version, started_at, seen_at from workers
         where live_until > now() and ($1::timestamptz is null or (started_at, id) < ($1, $2))
         order by started_at desc, id desc limit $3",
    )
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &WorkerRow| Cursor { created_at: row.started_at, id: row.id }))
}
