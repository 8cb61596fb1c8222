//! The queue of datasets to read: the same leases as the jobs' (`queue`), without events.

use super::{StoreError, dataset_parts::parts_of, error::bigint};
use crate::types::{DatasetId, DatasetSpec, FeatureMap, FieldError, ProblemItem, Profile, UploadedTable};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, types::Json};
use std::time::Duration;

/// The right to write to a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetLease {
    pub dataset: DatasetId,
    pub attempt: i32,
}

impl DatasetLease {
    /// Turns "no row was written" into the error it means.
    fn check_held(&self, rows: u64) -> Result<(), StoreError> {
        if rows == 0 {
            return Err(StoreError::LeaseLost { what: self.dataset.to_string(), attempt: self.attempt });
        }
        Ok(())
    }
}

/// A dataset to read.
#[derive(Debug, Clone)]
pub struct ClaimedDataset {
    pub lease: DatasetLease,
    pub table: UploadedTable,
    pub spec: DatasetSpec,
}

/// Ends the claims of workers that have not been heard of. A dataset whose readers died `max_deaths` times becomes invalid,
/// because reading it is what kills them. `endings::recover_expired` says who may call this, and with which `now`.
pub async fn recover_expired(conn: &mut PgConnection, now: DateTime<Utc>, max_deaths: i32) -> Result<(), StoreError> {
    sqlx::query(
        "with expired as (
             select id, deaths + 1 as deaths from datasets
             where status = 'processing' and lease_until < $3 for update skip locked
         )
         update datasets d
         set deaths = e.deaths, lease_until = null, worker = null,
             status = case when e.deaths >= $1 then 'invalid'::dataset_status else d.status end,
             errors = case when e.deaths >= $1 then $2 else d.errors end,
             error_total = case when e.deaths >= $1 then 1 else 0 end
         from expired e where d.id = e.id",
    )
    .bind(max_deaths)
    .bind(file_problem(format!("a table that can be read; {max_deaths} workers in a row died reading this one")))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims the dataset that has waited longest, of the tenant of whom the fewest are read now.
pub async fn claim(
    conn: &mut PgConnection,
    worker: &str,
    lease: Duration,
) -> Result<Option<ClaimedDataset>, StoreError> {
    let row = sqlx::query(concat!(
        "with at_work as (
             select tenant, count(*) as datasets from datasets
             where status = 'processing' and lease_until is not null group by tenant
         ), next as (
             select id from datasets left join at_work using (tenant)
             where status = 'processing' and lease_until is null
             order by coalesce(at_work.datasets, 0), created_at, id limit 1 for update of datasets skip locked
         )
         update datasets d set attempt = attempt + 1, worker = $1, lease_until = now() + make_interval(secs => $2)
         from next where d.id = next.id returning d.id, d.attempt, d.object, d.spec, ",
        parts_of!("d.id"),
        " as parts"
    ))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(ClaimedDataset {
        lease: DatasetLease { dataset: row.try_get("id")?, attempt: row.try_get("attempt")? },
        table: UploadedTable { sha256: row.try_get("object")?, parts: row.try_get::<Json<_>, _>("parts")?.0 },
        spec: row.try_get::<Json<_>, _>("spec")?.0,
    }))
}

/// Renews the lease and says how far the reader is.
pub async fn heartbeat(
    conn: &mut PgConnection,
    lease: &DatasetLease,
    time: Duration,
    rows_read: u64,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update datasets set lease_until = now() + make_interval(secs => $3), rows_read = $4
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.dataset)
    .bind(lease.attempt)
    .bind(time.as_secs_f64())
    .bind(bigint("the number of rows", rows_read)?)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// The table was read. `spec` is the dataset's with everything that reading found out filled in. It replaces the one the
/// client sent; the digest stays that of the client's.
pub async fn finish_ready(
    conn: &mut PgConnection,
    lease: &DatasetLease,
    spec: &DatasetSpec,
    feature_map: &FeatureMap,
    profile: &Profile,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update datasets
         set status = 'ready', ready_at = now(), lease_until = null, worker = null, rows_read = $3,
             feature_map = $4, profile = $5, spec = $6
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.dataset)
    .bind(lease.attempt)
    .bind(bigint("the number of rows", profile.rows.total())?)
    .bind(Json(feature_map))
    .bind(Json(profile))
    .bind(Json(spec))
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// The table cannot be used. `errors` are the first problems, `total` how many there are.
pub async fn finish_invalid(
    conn: &mut PgConnection,
    lease: &DatasetLease,
    errors: &[ProblemItem],
    total: u64,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update datasets
         set status = 'invalid', lease_until = null, worker = null, errors = $3, error_total = $4
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.dataset)
    .bind(lease.attempt)
    .bind(Json(errors))
    .bind(bigint("the number of errors", total)?)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// Hands the dataset back without counting a death, because the worker stops.
pub async fn release(conn: &mut PgConnection, lease: &DatasetLease) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update datasets set lease_until = null, worker = null
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.dataset)
    .bind(lease.attempt)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// Reading failed for a reason that may pass: back to the queue, or invalid when that was death number `max_deaths`.
pub async fn retry_or_fail(
    conn: &mut PgConnection,
    lease: &DatasetLease,
    reason: &str,
    max_deaths: i32,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update datasets
         set deaths = deaths + 1, lease_until = null, worker = null,
             status = case when deaths + 1 >= $3 then 'invalid'::dataset_status else status end,
             errors = case when deaths + 1 >= $3 then $4 else errors end,
             error_total = case when deaths + 1 >= $3 then 1 else error_total end
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.dataset)
    .bind(lease.attempt)
    .bind(max_deaths)
    .bind(file_problem(reason))
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// The errors of a dataset whose file as a whole is at fault; the empty pointer stands for all of it.
fn file_problem(rule: impl Into<String>) -> Json<[ProblemItem; 1]> {
    Json([ProblemItem::Field(FieldError::new("", rule))])
}
