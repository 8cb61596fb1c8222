//! Which stored objects rows name, and the lock that keeps a row and its object in step.
//!
//! Uploaded bytes are one object whoever sends them, so a sweep may find the object of a dataset that was deleted while
//! the same bytes come in again. Whoever puts them in place holds the object's lock (`hold`) until the dataset's row is
//! committed; a sweep deletes under the same lock (`claim`), and asks under it whether a row names the object.

use super::{StoreError, artifacts};
use sqlx::{FromRow, PgConnection};

/// Rows that name an object, whichever table they are in; `$1` is the prefix of uploaded bytes.
macro_rules! named {
    () => {
        "select $1 || sha256 as name, bytes, sha256 from objects
         union all select object, bytes, sha256 from checkpoints
         union all select object, bytes, sha256 from artifacts
         union all select object, bytes, sha256 from judgement_files
         union all select object, bytes, sha256 from judgement_predictions
         union all select distinct rows, rows_bytes, rows_sha256 from job_parts where rows is not null
         union all select result, result_bytes, result_sha256 from job_parts where result is not null"
    };
}

/// An object as its row has it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct NamedObject {
    pub name: String,
    pub bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Keeps sweeps away from an object until the transaction ends. Several transactions may hold the same object.
pub async fn hold(tx: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    allow_slow_files(tx).await?;
    sqlx::query("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))").bind(name).execute(tx).await?;
    Ok(())
}

/// Whether the object may be deleted: nobody holds it, and no row names it. If so, nobody can hold it before the transaction
/// ends.
/// `upload_prefix` stands before the sha256 in the name of uploaded bytes.
pub async fn claim(tx: &mut PgConnection, name: &str, upload_prefix: &str) -> Result<bool, StoreError> {
    allow_slow_files(tx).await?;
    let free: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
    // Asked in a second statement, which sees what an earlier holder has committed.
    Ok(free && artifacts::unreferenced(tx, &[name.to_owned()], upload_prefix).await?.len() == 1)
}

/// Lets the transaction be idle for longer than others. A file is moved or deleted meanwhile, which takes its time in a
/// bucket.
async fn allow_slow_files(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("set local idle_in_transaction_session_timeout = '15min'").execute(tx).await?;
    Ok(())
}

/// Objects that rows name, in the order of their names: up to `limit`, starting after the name `after`.
pub async fn list(
    conn: &mut PgConnection,
    upload_prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<NamedObject>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select name, bytes, sha256 from (",
        named!(),
        ") every where name collate \"C\" > $2 order by name collate \"C\" limit $3"
    ))
    .bind(upload_prefix)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The object of this name, if a row names it.
pub async fn find(conn: &mut PgConnection, upload_prefix: &str, name: &str) -> Result<Option<NamedObject>, StoreError> {
    let row = sqlx::query_as(concat!("select name, bytes, sha256 from (", named!(), ") every where name = $2"))
        .bind(upload_prefix)
        .bind(name)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}
