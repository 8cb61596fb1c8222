//! Uploads sent in parts: how far each has come. Who writes to the file holds its lock (`files::Partial`); the row says
//! how much of the file counts.

use super::{StoreError, error::bigint};
use crate::types::{TenantId, UploadId};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

macro_rules! columns {
    () => {
        "id, length, length_known, received, metadata, sha256, created_at, expires_at, expires_at <= now() as is_expired"
    };
}

#[derive(Debug, Clone, FromRow)]
pub struct UploadRow {
    pub id: UploadId,
    /// Bytes of the complete file; of one whose length is not known yet, the bytes that it may come to before more are granted.
    pub length: i64,
    pub length_known: bool,
    /// Bytes that are on disk and acknowledged.
    pub received: i64,
    /// The Upload-Metadata header as it came; it was read once, so it can be read again.
    pub metadata: String,
    /// Of all bytes, once a dataset was made of them.
    pub sha256: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub is_expired: bool,
}

impl UploadRow {
    /// Bytes of the complete file, once they are known.
    pub fn known_length(&self) -> Option<u64> {
        self.length_known.then_some(self.length as u64)
    }

    /// Whether every byte has come.
    pub fn is_complete(&self) -> bool {
        self.known_length() == Some(self.received as u64)
    }
}

#[derive(Debug, Clone)]
pub struct NewUpload {
    pub id: UploadId,
    pub tenant: TenantId,
    /// None where a later part says it.
    pub length: Option<u64>,
    pub metadata: String,
}

/// Records an upload, whose empty file is there already. None where the tenant has `most` unfinished ones.
pub async fn create(
    conn: &mut PgConnection,
    new: &NewUpload,
    expiry: Duration,
    most: u32,
) -> Result<Option<UploadRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "insert into uploads (id, tenant, length, length_known, metadata, expires_at)
         select $1, $2, $3, $4, $5, now() + make_interval(secs => $6)
         where (select count(*) from uploads where tenant = $2 and sha256 is null and expires_at > now()) < $7
         returning ",
        columns!()
    ))
    .bind(new.id)
    .bind(&new.tenant)
    // Nothing is granted before a part comes, and the table wants a positive number.
    .bind(bigint("the length of the upload", new.length.unwrap_or(1))?)
    .bind(new.length.is_some())
    .bind(&new.metadata)
    .bind(expiry.as_secs_f64())
    .bind(i64::from(most))
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

pub async fn find(conn: &mut PgConnection, tenant: &TenantId, id: UploadId) -> Result<Option<UploadRow>, StoreError> {
    let row = sqlx::query_as(concat!("select ", columns!(), " from uploads where id = $1 and tenant = $2"))
        .bind(id)
        .bind(tenant)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// Postpones the expiry of an upload that has not expired, and reads it. The caller holds the file's lock, so nobody else
/// can raise `received`.
pub async fn renew(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: UploadId,
    expiry: Duration,
) -> Result<Option<UploadRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "update uploads set expires_at = now() + make_interval(secs => $3)
         where id = $1 and tenant = $2 and expires_at > now() returning ",
        columns!()
    ))
    .bind(id)
    .bind(tenant)
    .bind(expiry.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Grants `bytes` in all to an upload whose length is not known, or what it was granted before; false where it is gone or its
/// length is known.
pub async fn grant(conn: &mut PgConnection, id: UploadId, bytes: u64) -> Result<bool, StoreError> {
    let done = sqlx::query("update uploads set length = greatest(length, $2) where id = $1 and not length_known")
        .bind(id)
        .bind(bigint("the bytes granted", bytes)?)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes back what was granted to an upload whose length is not known, and was not used. The caller holds the file's lock.
pub async fn settle(conn: &mut PgConnection, id: UploadId) -> Result<(), StoreError> {
    sqlx::query("update uploads set length = greatest(received, 1) where id = $1 and not length_known")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says how long an upload is whose length was not known. None where it is gone, is longer already, or has another length.
pub async fn set_length(conn: &mut PgConnection, id: UploadId, length: u64) -> Result<Option<UploadRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "update uploads set length = $2, length_known = true
         where id = $1 and received <= $2 and (not length_known or length = $2) returning ",
        columns!()
    ))
    .bind(id)
    .bind(bigint("the length of the upload", length)?)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Counts bytes that were synced, those from `from` to `to`. None where the upload is gone or somebody else has written.
pub async fn advance(
    conn: &mut PgConnection,
    id: UploadId,
    from: u64,
    to: u64,
    expiry: Duration,
) -> Result<Option<UploadRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "update uploads set received = $3, expires_at = now() + make_interval(secs => $4)
         where id = $1 and received = $2 and sha256 is null returning ",
        columns!()
    ))
    .bind(id)
    .bind(bigint("the offset", from)?)
    .bind(bigint("the offset", to)?)
    .bind(expiry.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Says that a dataset was made of the upload. False where it is gone.
pub async fn use_up(conn: &mut PgConnection, id: UploadId, sha256: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("update uploads set sha256 = $2 where id = $1 and coalesce(sha256, $2) = $2")
        .bind(id)
        .bind(sha256)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes the row of an upload that no dataset was made of. The caller removes its file afterwards.
pub async fn delete(conn: &mut PgConnection, tenant: &TenantId, id: UploadId) -> Result<bool, StoreError> {
    let done = sqlx::query("delete from uploads where id = $1 and tenant = $2 and sha256 is null")
        .bind(id)
        .bind(tenant)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes the rows of uploads that have expired, and returns their ids. The caller removes their files afterwards.
pub async fn expire(conn: &mut PgConnection) -> Result<Vec<UploadId>, StoreError> {
    Ok(sqlx::query_scalar("delete from uploads where expires_at <= now() returning id").fetch_all(conn).await?)
}

/// Those of `uploads` whose file nobody needs: there is no row, or a dataset was made of it.
pub async fn unneeded(conn: &mut PgConnection, uploads: &[UploadId]) -> Result<Vec<UploadId>, StoreError> {
    let ids = sqlx::query_scalar(
        "select c.id from unnest($1::uuid[]) as c (id)
         where not exists (select from uploads u where u.id = c.id and u.sha256 is null)",
    )
    .bind(uploads.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Uploads whose bytes must be on disk, in the order of their ids: up to `limit`, starting after the id `after`.
pub async fn unfinished(
    conn: &mut PgConnection,
    after: Option<UploadId>,
    limit: u32,
) -> Result<Vec<UploadRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from uploads where sha256 is null and expires_at > now() and ($1::uuid is null or id > $1) order by id limit $2"
    ))
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
