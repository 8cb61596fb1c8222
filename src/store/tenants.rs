//! Tenants: who they are, how much they may have, and how much they have.

use super::{
    StoreError,
    error::{bigint, int},
};
use crate::types::{Quota, TenantId};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, Row, postgres::PgRow};

/// What a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow, Serialize)]
pub struct Usage {
    /// Bytes of the uploads that its datasets were read from, each upload counted once.
    pub bytes: i64,
    /// Bytes that its unfinished uploads may come to.
    pub unfinished_bytes: i64,
    /// Bytes of its datasets' encoded tables.
    pub table_bytes: i64,
    /// Bytes of what it was handed out to train models on elsewhere, and of what those predict.
    pub judgement_bytes: i64,
    /// Jobs that have not ended.
    pub jobs: i64,
}

impl Usage {
    /// All that counts against `Quota::max_bytes`.
    pub fn all_bytes(self) -> u64 {
        let parts = [self.bytes, self.unfinished_bytes, self.table_bytes, self.judgement_bytes];
        parts.into_iter().map(|bytes| bytes.max(0) as u64).sum()
    }
}

/// A tenant, its own limits, and what it has.
#[derive(Debug, Clone, Serialize)]
pub struct TenantRow {
    pub name: TenantId,
    pub quota: Quota,
    pub usage: Usage,
}

macro_rules! usage {
    ($tenant:literal) => {
        concat!(
            "(select coalesce(sum(o.bytes), 0)::bigint from objects o
              where o.sha256 in (select d.object from datasets d where d.tenant = ",
            $tenant,
            " union select p.object from dataset_parts p join datasets d on d.id = p.dataset_id where d.tenant = ",
            $tenant,
            ")) as bytes,
             (select coalesce(sum(u.length), 0)::bigint from uploads u where u.sha256 is null and u.tenant = ",
            $tenant,
            ") as unfinished_bytes,
             (select coalesce(sum(d.table_bytes), 0)::bigint from datasets d where d.tenant = ",
            $tenant,
            ") as table_bytes,
             (select coalesce(sum(s.bytes), 0)::bigint from judgements g
              cross join lateral (select f.bytes from judgement_files f where f.judgement_id = g.id
                                  union all select p.bytes from judgement_predictions p where p.judgement_id = g.id) s
              where g.tenant = ",
            $tenant,
            ") as judgement_bytes, (select count(*) from jobs j where j.tenant = ",
            $tenant,
            " and j.finished_at is null) as jobs"
        )
    };
}

/// Makes the tenant where it is missing; says whether it was.
pub async fn create(conn: &mut PgConnection, tenant: &TenantId) -> Result<bool, StoreError> {
    let made =
        sqlx::query("insert into tenants (name) values ($1) on conflict do nothing").bind(tenant).execute(conn).await?;
    Ok(made.rows_affected() > 0)
}

/// The tenant's own limits; none where it has none, or is not there.
pub async fn quota(conn: &mut PgConnection, tenant: &TenantId) -> Result<Quota, StoreError> {
    let row = sqlx::query("select max_bytes, max_jobs, requests_per_minute from tenants where name = $1")
        .bind(tenant)
        .fetch_optional(conn)
        .await?;
    Ok(row.as_ref().map(read_quota).transpose()?.unwrap_or_default())
}

/// As `quota` while there is no API key; none once there is one, even a revoked or expired one. This is a single statement,
/// because every request without a key makes it.
pub async fn quota_without_keys(conn: &mut PgConnection, tenant: &TenantId) -> Result<Option<Quota>, StoreError> {
    let row = sqlx::query(
        "select exists (select from api_keys) as keys, max_bytes, max_jobs, requests_per_minute
         from (values (1)) one left join tenants on name = $1",
    )
    .bind(tenant)
    .fetch_one(conn)
    .await?;
    Ok(if row.try_get("keys")? { None } else { Some(read_quota(&row)?) })
}

/// Replaces the tenant's own limits; says whether there is such a tenant.
pub async fn set_quota(conn: &mut PgConnection, tenant: &TenantId, quota: &Quota) -> Result<bool, StoreError> {
    let changed =
        sqlx::query("update tenants set max_bytes = $2, max_jobs = $3, requests_per_minute = $4 where name = $1")
            .bind(tenant)
            .bind(quota.max_bytes.map(|bytes| bigint("the bytes", bytes)).transpose()?)
            .bind(quota.max_jobs.map(|jobs| int("the jobs", jobs)).transpose()?)
            .bind(quota.requests_per_minute.map(|requests| int("the requests", requests)).transpose()?)
            .execute(conn)
            .await?;
    Ok(changed.rows_affected() > 0)
}

/// All tenants by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<TenantRow>, StoreError> {
    let rows = sqlx::query(concat!(
        "select name, max_bytes, max_jobs, requests_per_minute, ",
        usage!("t.name"),
        " from tenants t order by name"
    ))
    .fetch_all(conn)
    .await?;
    let tenant = |row: &PgRow| {
        Ok(TenantRow { name: row.try_get("name")?, quota: read_quota(row)?, usage: Usage::from_row(row)? })
    };
    rows.iter().map(tenant).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)
}

/// What the tenant has now.
pub async fn usage(conn: &mut PgConnection, tenant: &TenantId) -> Result<Usage, StoreError> {
    Ok(sqlx::query_as(concat!("select ", usage!("$1"))).bind(tenant).fetch_one(conn).await?)
}

/// Locks the tenant until the transaction ends: others who want to hold it wait, so what is counted meanwhile stays true.
pub async fn hold(tx: &mut PgConnection, tenant: &TenantId) -> Result<(), StoreError> {
    // Weaker than `for update`, which rows that refer to the tenant would wait for.
    sqlx::query("select from tenants where name = $1 for no key update").bind(tenant).execute(tx).await?;
    Ok(())
}

pub(super) fn read_quota(row: &PgRow) -> Result<Quota, sqlx::Error> {
    Ok(Quota {
        max_bytes: row.try_get::<Option<i64>, _>("max_bytes")?.map(|bytes| bytes as u64),
        max_jobs: row.try_get::<Option<i32>, _>("max_jobs")?.map(|jobs| jobs as u32),
        requests_per_minute: row.try_get::<Option<i32>, _>("requests_per_minute")?.map(|requests| requests as u32),
    })
}
