//! Results of a job, and which stored objects anything refers to.

use super::{Lease, StoreError};
use crate::types::{JobId, TenantId};
use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ArtifactRow {
    /// Name clients ask for, for example `indices`.
    pub name: String,
    pub attempt: i32,
    /// Where `files` keeps it.
    pub object: String,
    pub bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
    pub media_type: String,
    pub download_name: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewArtifact {
    pub name: String,
    pub object: String,
    pub bytes: i64,
    pub sha256: String,
    pub media_type: String,
    pub download_name: String,
}

/// Writes a result. It replaces one of the same name from an earlier attempt.
pub async fn record(conn: &mut PgConnection, lease: &Lease, new: &NewArtifact) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    sqlx::query(
        "insert into artifacts (job_id, name, attempt, object, bytes, sha256, media_type, download_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint artifacts_pkey do update
         set attempt = excluded.attempt, object = excluded.object, bytes = excluded.bytes, sha256 = excluded.sha256,
             media_type = excluded.media_type, download_name = excluded.download_name, created_at = now()",
    )
    .bind(lease.job)
    .bind(&new.name)
    .bind(lease.attempt)
    .bind(&new.object)
    .bind(new.bytes)
    .bind(&new.sha256)
    .bind(&new.media_type)
    .bind(&new.download_name)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The job's results by name.
pub async fn list(conn: &mut PgConnection, tenant: &TenantId, job: JobId) -> Result<Vec<ArtifactRow>, StoreError> {
    let rows = sqlx::query_as(
        "select name, attempt, object, bytes, sha256, media_type, download_name, created_at
         from artifacts where job_id = (select id from jobs where id = $1 and tenant = $2) order by name",
    )
    .bind(job)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

pub async fn find(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    name: &str,
) -> Result<Option<ArtifactRow>, StoreError> {
    let row = sqlx::query_as(
        "select name, attempt, object, bytes, sha256, media_type, download_name, created_at
         from artifacts where job_id = (select id from jobs where id = $1 and tenant = $3) and name = $2",
    )
    .bind(job)
    .bind(name)
    .bind(tenant)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Deletes the rows of results and checkpoints of jobs that ended at least `age` ago, of at most `limit` jobs at once.
/// Returns their objects, which the caller deletes afterwards. The jobs themselves stay, with their reports.
pub async fn expire(conn: &mut PgConnection, age: Duration, limit: u32) -> Result<Vec<String>, StoreError> {
    let objects = sqlx::query_scalar(
        "with ended as (
             select id from jobs j where finished_at < now() - make_interval(secs => $1)
               and (exists (select from artifacts a where a.job_id = j.id)
                    or exists (select from checkpoints c where c.job_id = j.id))
             order by finished_at limit $2
         ), results as (
             delete from artifacts where job_id in (select id from ended) returning object
         ), states as (
             delete from checkpoints where job_id in (select id from ended) returning object
         )
         select object from results union all select object from states",
    )
    .bind(age.as_secs_f64())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    Ok(objects)
}

/// Those of `objects` that no upload, checkpoint, result, judgement or part of a job refers to: leftovers of a process that died
/// between writing
/// a file and its row, or of what was deleted. What a leased job has stored is not among them: its worker writes the row
/// after the file.
/// `upload_prefix` stands before the sha256 in the name of uploaded bytes.
pub async fn unreferenced(
    conn: &mut PgConnection,
    objects: &[String],
    upload_prefix: &str,
) -> Result<Vec<String>, StoreError> {
    let names = sqlx::query_scalar(
        "select asked.object from unnest($1::text[]) as asked (object)
         where not exists (select from objects o where $2 || o.sha256 = asked.object)
           and not exists (select from checkpoints c where c.object = asked.object)
           and not exists (select from artifacts a where a.object = asked.object)
           and not exists (select from judgement_files f where f.object = asked.object)
           and not exists (select from judgement_predictions p where p.object = asked.object)
           and not exists (select from job_parts p where asked.object in (p.rows, p.result))
           and not exists (select from jobs j where j.lease_until is not null
                           and split_part(asked.object, '/', 2) = 'job_' || replace(j.id::text, '-', ''))",
    )
    .bind(objects)
    .bind(upload_prefix)
    .fetch_all(conn)
    .await?;
    Ok(names)
}
