//! The queue of judgements to prepare and to judge: leases as those of datasets (`ingest_queue`).

use super::{StoreError, dataset_parts::parts_of, judgements::FileRow};
use crate::types::{
    Certification, Certify, DatasetId, DatasetSpec, JobId, JudgementId, JudgementManifest, JudgementState, TenantId,
    UploadedTable,
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, Row, types::Json};
use std::time::Duration;

/// The right to write to a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgementLease {
    pub judgement: JudgementId,
    pub attempt: i32,
}

impl JudgementLease {
    fn lost(&self) -> StoreError {
        StoreError::LeaseLost { what: self.judgement.to_string(), attempt: self.attempt }
    }

    /// Turns "no row was written" into the error it means.
    fn check_held(&self, rows: u64) -> Result<(), StoreError> {
        if rows == 0 { Err(self.lost()) } else { Ok(()) }
    }
}

/// The dataset that a judgement is about.
#[derive(Debug, Clone)]
pub struct JudgedDataset {
    pub id: DatasetId,
    pub table: UploadedTable,
    pub spec: DatasetSpec,
    /// What the client or the uploaded file called it.
    pub name: Option<String>,
}

/// A judgement to prepare, or to judge.
#[derive(Debug, Clone)]
pub struct ClaimedJudgement {
    pub lease: JudgementLease,
    pub tenant: TenantId,
    pub job: JobId,
    /// `preparing` or `judging`.
    pub state: JudgementState,
    pub model: String,
    pub certify: Certify,
    /// The number of its verdict among those on its table's test rows; none where there is nothing to read.
    pub test_read: Option<u32>,
    /// None where it was deleted.
    pub dataset: Option<JudgedDataset>,
}

/// Ends the claims of workers that have not been heard of. A judgement whose workers died `max_deaths` times has failed.
/// `endings::recover_expired` says who may call this, and with which `now`.
pub async fn recover_expired(conn: &mut PgConnection, now: DateTime<Utc>, max_deaths: i32) -> Result<(), StoreError> {
    sqlx::query(
        "with expired as (
             select id, deaths + 1 as deaths from judgements where lease_until < $3 for update skip locked
         )
         update judgements g
         set deaths = e.deaths, lease_until = null, worker = null,
             state = case when e.deaths >= $1 then 'failed'::judgement_state else g.state end,
             error = case when e.deaths >= $1 then $2 end,
             ended_at = case when e.deaths >= $1 then now() end
         from expired e where g.id = e.id",
    )
    .bind(max_deaths)
    .bind(format!("{max_deaths} workers in a row died over it"))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims the judgement that has waited longest, of the tenant of whom the fewest are at work now.
pub async fn claim(
    conn: &mut PgConnection,
    worker: &str,
    lease: Duration,
) -> Result<Option<ClaimedJudgement>, StoreError> {
    let row = sqlx::query(concat!(
        "with at_work as (
             select tenant, count(*) as judgements from judgements where lease_until is not null group by tenant
         ), next as (
             select id from judgements left join at_work using (tenant)
             where state in ('preparing', 'judging') and lease_until is null
             order by coalesce(at_work.judgements, 0), created_at, id limit 1 for update of judgements skip locked
         ), claimed as (
             update judgements g set attempt = attempt + 1, worker = $1, lease_until = now() + make_interval(secs => $2)
             from next where g.id = next.id
             returning g.id, g.attempt, g.tenant, g.job_id, g.state, g.model, g.certify, g.test_read
         )
         select c.*, d.id as dataset, d.object, d.spec as dataset_spec,
                coalesce(d.name, d.file_name) as table_name, ",
        parts_of!("d.id"),
        " as parts
         from claimed c join jobs j on j.id = c.job_id left join datasets d on d.id = j.dataset_id",
    ))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let dataset = match row.try_get::<Option<DatasetId>, _>("dataset")? {
        None => None,
        Some(id) => Some(JudgedDataset {
            id,
            table: UploadedTable { sha256: row.try_get("object")?, parts: row.try_get::<Json<_>, _>("parts")?.0 },
            spec: row.try_get::<Json<_>, _>("dataset_spec")?.0,
            name: row.try_get("table_name")?,
        }),
    };
    Ok(Some(ClaimedJudgement {
        lease: JudgementLease { judgement: row.try_get("id")?, attempt: row.try_get("attempt")? },
        tenant: row.try_get("tenant")?,
        job: row.try_get("job_id")?,
        state: row.try_get("state")?,
        model: row.try_get("model")?,
        certify: row.try_get::<Json<_>, _>("certify")?.0,
        test_read: row.try_get::<Option<i32>, _>("test_read")?.map(|number| number as u32),
        dataset,
    }))
}

/// Renews the lease.
pub async fn heartbeat(conn: &mut PgConnection, lease: &JudgementLease, time: Duration) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update judgements set lease_until = now() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .bind(time.as_secs_f64())
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// It is prepared: predictions are awaited for `expiry`.
pub async fn finish_open(
    conn: &mut PgConnection,
    lease: &JudgementLease,
    manifest: &JudgementManifest,
    files: &[FileRow],
    expiry: Duration,
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    let done = sqlx::query(
        "update judgements
         set state = 'open', manifest = $3, expires_at = now() + make_interval(secs => $4), lease_until = null, worker = null
         where id = $1 and attempt = $2 and lease_until is not null and state = 'preparing'",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .bind(Json(manifest))
    .bind(expiry.as_secs_f64())
    .execute(&mut *tx)
    .await?;
    lease.check_held(done.rows_affected())?;
    record_files(&mut tx, lease.judgement, files).await?;
    tx.commit().await?;
    Ok(())
}

/// The verdict is there.
pub async fn finish_judged(
    conn: &mut PgConnection,
    lease: &JudgementLease,
    certification: &Certification,
    files: &[FileRow],
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    let done = sqlx::query(
        "update judgements set state = 'judged', certification = $3, ended_at = now(), lease_until = null, worker = null
         where id = $1 and attempt = $2 and lease_until is not null and state = 'judging'",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .bind(Json(certification))
    .execute(&mut *tx)
    .await?;
    lease.check_held(done.rows_affected())?;
    record_files(&mut tx, lease.judgement, files).await?;
    tx.commit().await?;
    Ok(())
}

/// Nothing can come of it.
pub async fn finish_failed(conn: &mut PgConnection, lease: &JudgementLease, error: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update judgements set state = 'failed', error = $3, ended_at = now(), lease_until = null, worker = null
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .bind(error)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// Hands the judgement back without counting a death, because the worker stops.
pub async fn release(conn: &mut PgConnection, lease: &JudgementLease) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update judgements set lease_until = null, worker = null
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

/// The work failed for a reason that may pass: back to the queue, or failed when that was death number `max_deaths`.
pub async fn retry_or_fail(
    conn: &mut PgConnection,
    lease: &JudgementLease,
    reason: &str,
    max_deaths: i32,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update judgements
         set deaths = deaths + 1, lease_until = null, worker = null,
             state = case when deaths + 1 >= $3 then 'failed'::judgement_state else state end,
             error = case when deaths + 1 >= $3 then $4 end,
             ended_at = case when deaths + 1 >= $3 then now() end
         where id = $1 and attempt = $2 and lease_until is not null",
    )
    .bind(lease.judgement)
    .bind(lease.attempt)
    .bind(max_deaths)
    .bind(reason)
    .execute(conn)
    .await?;
    lease.check_held(done.rows_affected())
}

async fn record_files(tx: &mut PgConnection, judgement: JudgementId, files: &[FileRow]) -> Result<(), StoreError> {
    for FileRow { name, object, bytes, sha256, media_type, download_name } in files {
        sqlx::query(
            "insert into judgement_files (judgement_id, name, object, bytes, sha256, media_type, download_name)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(judgement)
        .bind(name)
        .bind(object)
        .bind(bytes)
        .bind(sha256)
        .bind(media_type)
        .bind(download_name)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
