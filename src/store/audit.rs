//! Who did what: written for every request that may have changed something, read by the operator, forgotten in time.

use super::{Cursor, Page, StoreError};
use crate::types::{AuditEntryId, AuditOutcome, KeyId, TenantId};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

/// Rows deleted by one statement, so that a sweep holds nothing for long.
const SWEPT_AT_ONCE: i64 = 10_000;

/// What somebody did, or tried to.
#[derive(Debug, Clone)]
pub struct NewEntry {
    pub tenant: Option<TenantId>,
    pub key: Option<KeyId>,
    pub address: Option<String>,
    pub forwarded_for: Option<String>,
    pub action: String,
    /// The id of what it was done to.
    pub object: Option<String>,
    /// Of the answer, where there was one.
    pub status: Option<u16>,
    pub outcome: AuditOutcome,
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, FromRow)]
pub struct EntryRow {
    pub id: AuditEntryId,
    pub at: DateTime<Utc>,
    pub tenant: Option<String>,
    pub key_id: Option<KeyId>,
    pub address: Option<String>,
    pub forwarded_for: Option<String>,
    pub action: String,
    pub object: Option<String>,
    pub status: Option<i32>,
    /// One of `AuditOutcome`'s words.
    pub outcome: String,
    pub request_id: Option<String>,
}

/// Which entries are asked for; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    pub tenant: Option<TenantId>,
    pub key: Option<KeyId>,
    pub object: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<AuditOutcome>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// Writes an entry down.
pub async fn record(conn: &mut PgConnection, new: &NewEntry) -> Result<(), StoreError> {
    sqlx::query(
        "insert into audit_entries
             (id, tenant, key_id, address, forwarded_for, action, object, status, outcome, request_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(AuditEntryId::new())
    .bind(&new.tenant)
    .bind(new.key)
    .bind(&new.address)
    .bind(&new.forwarded_for)
    .bind(&new.action)
    .bind(&new.object)
    .bind(new.status.map(i32::from))
    .bind(new.outcome.as_str())
    .bind(&new.request_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Newest first.
pub async fn list(
    conn: &mut PgConnection,
    filter: &EntryFilter,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<EntryRow>, StoreError> {
    let rows = sqlx::query_as(
        "select id, at, tenant, key_id, address, forwarded_for, action, object, status, outcome, request_id
         from audit_entries
         where ($1::text is null or tenant = $1) and ($2::uuid is null or key_id = $2)
           and ($3::text is null or object = $3) and ($4::text is null or action = $4)
           and ($5::text is null or outcome = $5)
           and ($6::timestamptz is null or at >= $6) and ($7::timestamptz is null or at < $7)
           and ($8::timestamptz is null or (at, id) < ($8, $9))
         order by at desc, id desc limit $10",
    )
    .bind(&filter.tenant)
    .bind(filter.key)
    .bind(&filter.object)
    .bind(&filter.action)
    .bind(filter.outcome.map(AuditOutcome::as_str))
    .bind(filter.since)
    .bind(filter.until)
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &EntryRow| Cursor { created_at: row.at, id: row.id.0 }))
}

/// Forgets entries that are older than `age`; returns how many.
pub async fn sweep(conn: &mut PgConnection, age: Duration) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let done = sqlx::query(
            "delete from audit_entries where id in (
                 select id from audit_entries where at < now() - make_interval(secs => $1) order by at limit $2)",
        )
        .bind(age.as_secs_f64())
        .bind(SWEPT_AT_ONCE)
        .execute(&mut *conn)
        .await?;
        swept += done.rows_affected();
        if done.rows_affected() < SWEPT_AT_ONCE as u64 {
            return Ok(swept);
        }
    }
}
