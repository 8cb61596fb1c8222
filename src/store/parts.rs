//! Parts of jobs as tasks of the queue: laid out by the worker of a job, claimed by whoever has a free slot.
//!
//! A part is held in one of two ways. A worker that does it for another's job has a lease of its own, (job, part, attempt). The
//! job's own worker holds parts by the job's lease, as that attempt: they are free again when another attempt lays its parts out.

use super::{Lease, StoreError, dataset_parts::parts_of, queue::gpu_names};
use crate::types::{Ability, DatasetSpec, JobId, JobState, PartWork, ResolvedSpec, TenantId, UploadedTable};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection, FromRow, PgConnection, Row, types::Json};
use std::time::Duration;

/// A part that failed so often elsewhere is left to the worker of its job.
const MOST_FAILURES: i32 = 2;

/// An object, as a row of parts names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartObject {
    pub name: String,
    pub bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
}

/// A part to lay out.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPart {
    pub number: i32,
    pub work: PartWork,
    /// What is to be done, as trainers say it.
    pub task: Value,
    /// Which rows were chosen.
    pub rows: Option<PartObject>,
    /// Whether the job's own worker alone can do it.
    pub is_own: bool,
}

/// The right of a worker to a part of another worker's job: claim number `attempt` of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLease {
    pub job: JobId,
    pub number: i32,
    pub attempt: i32,
}

impl PartLease {
    fn check_held(&self, rows: u64) -> Result<(), StoreError> {
        if rows > 0 { Ok(()) } else { Err(self.lost()) }
    }

    fn lost(&self) -> StoreError {
        StoreError::LeaseLost { what: format!("part {} of {}", self.number, self.job), attempt: self.attempt }
    }
}

/// A part to do.
#[derive(Debug, Clone)]
pub struct ClaimedPart {
    pub lease: PartLease,
    pub work: PartWork,
    pub task: Value,
    pub rows: Option<PartObject>,
    /// Of the job.
    pub spec: ResolvedSpec,
    /// The dataset's, and how it is to be read.
    pub table: UploadedTable,
    pub dataset_spec: DatasetSpec,
}

/// A part that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DonePart {
    pub number: i32,
    pub result: PartObject,
}

/// A part, for people.
#[derive(Debug, Clone, FromRow)]
pub struct PartRow {
    pub number: i32,
    /// `waiting`, `running` or `done`.
    pub state: String,
    pub work: Json<PartWork>,
    pub worker: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Lays parts out. One that was laid out before, in the same words, keeps what is known of it; what earlier attempts of the job
/// held is free again.
pub async fn offer(conn: &mut PgConnection, lease: &Lease, parts: &[NewPart]) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    sqlx::query(
        "update job_parts set state = 'waiting', own_attempt = null, worker = null, started_at = null
         where job_id = $1 and own_attempt < $2 and state = 'running'",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .execute(&mut *tx)
    .await?;
    for part in parts {
        let rows = part.rows.as_ref();
        sqlx::query(
            "insert into job_parts as p (job_id, number, work, task, version, rows, rows_bytes, rows_sha256, failures)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             on conflict on constraint job_parts_pkey do update
             set state = 'waiting', work = excluded.work, task = excluded.task, version = excluded.version,
                 rows = excluded.rows, rows_bytes = excluded.rows_bytes, rows_sha256 = excluded.rows_sha256,
                 attempt = p.attempt + 1, failures = excluded.failures, worker = null, lease_until = null,
                 own_attempt = null, result = null, result_bytes = null, result_sha256 = null, started_at = null,
                 finished_at = null
             where (p.task, p.version, p.rows_sha256) is distinct from
                       (excluded.task, excluded.version, excluded.rows_sha256)
                or (p.state = 'done' and p.result is null)",
        )
        .bind(lease.job)
        .bind(part.number)
        .bind(Json(&part.work))
        .bind(&part.task)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(rows.map(|rows| &rows.name))
        .bind(rows.map(|rows| rows.bytes))
        .bind(rows.map(|rows| &rows.sha256))
        .bind(if part.is_own { MOST_FAILURES } else { 0 })
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Claims a part for the worker of its job, of those `open`: the one half done, else the first that waits.
pub async fn claim_own(
    conn: &mut PgConnection,
    lease: &Lease,
    worker: &str,
    open: &[i32],
    begun: Option<i32>,
) -> Result<Option<i32>, StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let number = sqlx::query_scalar(
        "with next as (
             select number from job_parts where job_id = $1 and state = 'waiting' and number = any($3)
             order by number is distinct from $4, array_position($3, number) limit 1 for update skip locked
         )
         update job_parts p
         set state = 'running', attempt = attempt + 1, own_attempt = $2, worker = $5, started_at = now()
         from next where p.job_id = $1 and p.number = next.number returning p.number",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .bind(open)
    .bind(begun)
    .bind(worker)
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(number)
}

/// A part of those `open` that is done.
pub async fn find_done(conn: &mut PgConnection, job: JobId, open: &[i32]) -> Result<Option<DonePart>, StoreError> {
    let row = sqlx::query(
        "select number, result, result_bytes, result_sha256 from job_parts
         where job_id = $1 and number = any($2) and state = 'done' and result is not null
         order by array_position($2, number) limit 1",
    )
    .bind(job)
    .bind(open)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let result = PartObject {
        name: row.try_get("result")?,
        bytes: row.try_get("result_bytes")?,
        sha256: row.try_get("result_sha256")?,
    };
    Ok(Some(DonePart { number: row.try_get("number")?, result }))
}

/// The job's own worker has done a part. `result` is absent where it could not be stored: a later attempt does it again.
pub async fn finish_own(
    conn: &mut PgConnection,
    lease: &Lease,
    number: i32,
    result: Option<&PartObject>,
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    sqlx::query(
        "update job_parts
         set state = 'done', own_attempt = null, finished_at = now(), result = $4, result_bytes = $5, result_sha256 = $6
         where job_id = $1 and number = $2 and own_attempt = $3",
    )
    .bind(lease.job)
    .bind(number)
    .bind(lease.attempt)
    .bind(result.map(|result| &result.name))
    .bind(result.map(|result| result.bytes))
    .bind(result.map(|result| &result.sha256))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What came of a part cannot be read: it is to be done again.
pub async fn reopen(conn: &mut PgConnection, lease: &Lease, done: &DonePart) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    sqlx::query(
        "update job_parts
         set state = 'waiting', worker = null, result = null, result_bytes = null, result_sha256 = null, started_at = null,
             finished_at = null, failures = failures + 1
         where job_id = $1 and number = $2 and result = $3",
    )
    .bind(lease.job)
    .bind(done.number)
    .bind(&done.result.name)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Claims a part of a job that another worker runs, in the order of the queue: the part's job must be before every queued job
/// that this worker could claim instead, unless `any` will do. A worker does parts that were laid out by its own version alone.
pub async fn claim(
    conn: &mut PgConnection,
    worker: &str,
    ability: &Ability,
    lease: Duration,
    any: bool,
) -> Result<Option<ClaimedPart>, StoreError> {
    let row = sqlx::query(concat!(
        "with at_work as (",
        super::queue::at_work!(),
        "), next as (
             select p.job_id, p.number from job_parts p join jobs j on j.id = p.job_id left join at_work w on w.tenant = j.tenant
             where p.state = 'waiting' and p.failures < $7 and p.version = $6 and j.state = 'running'
               and j.requires <@ $3 and ($5 or not j.needs_torch)
               and ($8 or not exists (
                   select from jobs q left join at_work v on v.tenant = q.tenant
                   where q.state = 'queued' and (q.not_before is null or q.not_before <= now()) and q.requires <@ $3
                     and (q.device not like 'cuda:%' or q.device = any($4)) and ($5 or not q.needs_torch)
                     and (-q.priority, coalesce(v.jobs, 0), q.created_at, q.id)
                       < (-j.priority, coalesce(w.jobs, 0), j.created_at, j.id)))
             order by j.priority desc, coalesce(w.jobs, 0), j.created_at, j.id, p.number
             limit 1 for update of p skip locked
         ), claimed as (
             update job_parts p
             set state = 'running', attempt = attempt + 1, worker = $1, lease_until = now() + make_interval(secs => $2),
                 started_at = now()
             from next where p.job_id = next.job_id and p.number = next.number
             returning p.job_id, p.number, p.attempt, p.work, p.task, p.rows, p.rows_bytes, p.rows_sha256
         )
         select c.*, j.spec, d.object, d.spec as dataset_spec, ",
        parts_of!("d.id"),
        " as parts
         from claimed c join jobs j on j.id = c.job_id join datasets d on d.id = j.dataset_id"
    ))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .bind(Json(&ability.labels))
    .bind(gpu_names(ability))
    .bind(ability.torch)
    .bind(env!("CARGO_PKG_VERSION"))
    .bind(MOST_FAILURES)
    .bind(any)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rows = match row.try_get::<Option<String>, _>("rows")? {
        None => None,
        Some(name) => Some(PartObject { name, bytes: row.try_get("rows_bytes")?, sha256: row.try_get("rows_sha256")? }),
    };
    Ok(Some(ClaimedPart {
        lease: PartLease {
            job: row.try_get("job_id")?,
            number: row.try_get("number")?,
            attempt: row.try_get("attempt")?,
        },
        work: row.try_get::<Json<_>, _>("work")?.0,
        task: row.try_get("task")?,
        rows,
        spec: row.try_get::<Json<_>, _>("spec")?.0,
        table: UploadedTable { sha256: row.try_get("object")?, parts: row.try_get::<Json<_>, _>("parts")?.0 },
        dataset_spec: row.try_get::<Json<_>, _>("dataset_spec")?.0,
    }))
}

/// Renews the lease. Whether the part is still wanted: a job that waits for another attempt wants it too.
pub async fn heartbeat(conn: &mut PgConnection, lease: &PartLease, time: Duration) -> Result<bool, StoreError> {
    let state: Option<JobState> = sqlx::query_scalar(
        "update job_parts p set lease_until = now() + make_interval(secs => $4)
         from jobs j
         where j.id = p.job_id and p.job_id = $1 and p.number = $2 and p.attempt = $3 and p.lease_until is not null
         returning j.state",
    )
    .bind(lease.job)
    .bind(lease.number)
    .bind(lease.attempt)
    .bind(time.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    let state = state.ok_or_else(|| lease.lost())?;
    Ok(matches!(state, JobState::Running | JobState::Queued))
}

/// The part is done.
pub async fn finish(conn: &mut PgConnection, lease: &PartLease, result: &PartObject) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update job_parts
         set state = 'done', lease_until = null, finished_at = now(), result = $4, result_bytes = $5, result_sha256 = $6
         where job_id = $1 and number = $2 and attempt = $3 and lease_until is not null",
    )
    .bind(lease.job)
    .bind(lease.number)
    .bind(lease.attempt)
    .bind(&result.name)
    .bind(result.bytes)
    .bind(&result.sha256)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// How a claim of a part ends that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartRelease {
    /// The worker stops, or the job is to.
    HandedBack,
    /// Another worker may fare better.
    Failed,
    /// Another worker would fare no better: the job's own finds out what becomes of the job.
    Refused,
}

/// Puts the part back.
pub async fn release(conn: &mut PgConnection, lease: &PartLease, how: PartRelease) -> Result<(), StoreError> {
    let failures = match how {
        PartRelease::HandedBack => 0,
        PartRelease::Failed => 1,
        PartRelease::Refused => MOST_FAILURES,
    };
    let done = sqlx::query(
        "update job_parts
         set state = 'waiting', lease_until = null, worker = null, started_at = null, failures = failures + $4
         where job_id = $1 and number = $2 and attempt = $3 and lease_until is not null",
    )
    .bind(lease.job)
    .bind(lease.number)
    .bind(lease.attempt)
    .bind(failures)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// Puts back the parts whose workers have not been heard of, as of `now`, the database's time when it last answered. Returns
/// how many.
pub async fn recover_expired(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "update job_parts
         set state = 'waiting', lease_until = null, worker = null, started_at = null, failures = failures + 1
         where lease_until < $1",
    )
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The parts of a job, in the order of its trainings.
pub async fn list(conn: &mut PgConnection, tenant: &TenantId, job: JobId) -> Result<Vec<PartRow>, StoreError> {
    let rows = sqlx::query_as(
        "select number, state, work, worker, started_at, finished_at from job_parts
         where job_id = (select id from jobs where id = $1 and tenant = $2) order by number",
    )
    .bind(job)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
