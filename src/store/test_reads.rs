//! Verdicts on a table's test rows, counted across the jobs and judgements of a tenant. A count never falls: rows that were read stay read
//! when the job or the dataset is deleted.

use super::{Lease, StoreError};
use crate::types::{JudgementId, TenantId, json_sha256};
use sqlx::{Connection, PgConnection};

/// The number of the claimed job's verdict among those on its table's test rows, from 1; taken where the job has none yet.
/// Later attempts of the job, and jobs of the same spec, get the same number: what they read was read before.
pub async fn take(conn: &mut PgConnection, lease: &Lease) -> Result<u32, StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    // Jobs of one table that are claimed at the same time count one after the other: without this both would count the same
    // verdicts before them.
    sqlx::query(
        "select pg_advisory_xact_lock(hashtextextended('test reads of ' || tenant || ' ' || (spec ->> 'dataset_digest'), 0))
         from jobs where id = $1",
    )
    .bind(lease.job)
    .execute(&mut *tx)
    .await?;
    // A statement of its own, which sees what was counted before the lock was given.
    sqlx::query(
        "insert into test_reads (tenant, dataset_digest, spec_sha256, number)
         select j.tenant, j.spec ->> 'dataset_digest', j.spec_sha256,
                1 + (select count(*) from test_reads r
                     where r.tenant = j.tenant and r.dataset_digest = j.spec ->> 'dataset_digest')
         from jobs j where j.id = $1
         on conflict on constraint test_reads_pkey do nothing",
    )
    .bind(lease.job)
    .execute(&mut *tx)
    .await?;
    let number: i32 = sqlx::query_scalar(
        "update jobs j set test_read = r.number from test_reads r
         where j.id = $1 and r.tenant = j.tenant and r.dataset_digest = j.spec ->> 'dataset_digest'
           and r.spec_sha256 = j.spec_sha256
         returning r.number",
    )
    .bind(lease.job)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(number as u32)
}

/// The number of a judgement's verdict among those on its table's test rows; taken where it has none yet. Every judgement is
/// a verdict of its own, whatever it is told.
pub(super) async fn take_for_judgement(tx: &mut PgConnection, judgement: JudgementId) -> Result<u32, StoreError> {
    sqlx::query(
        "select pg_advisory_xact_lock(hashtextextended('test reads of ' || j.tenant || ' ' || (j.spec ->> 'dataset_digest'), 0))
         from judgements g join jobs j on j.id = g.job_id where g.id = $1",
    )
    .bind(judgement)
    .execute(&mut *tx)
    .await?;
    let number: i32 = sqlx::query_scalar(
        "insert into test_reads (tenant, dataset_digest, spec_sha256, number)
         select j.tenant, j.spec ->> 'dataset_digest', $2,
                1 + (select count(*) from test_reads r
                     where r.tenant = j.tenant and r.dataset_digest = j.spec ->> 'dataset_digest')
         from judgements g join jobs j on j.id = g.job_id where g.id = $1
         on conflict on constraint test_reads_pkey do update set number = test_reads.number
         returning number",
    )
    .bind(judgement)
    .bind(json_sha256(&judgement))
    .fetch_one(tx)
    .await?;
    Ok(number as u32)
}

/// The number that a job of this spec would get if it were claimed now.
pub async fn foresee(
    conn: &mut PgConnection,
    tenant: &TenantId,
    dataset_digest: &str,
    spec_sha256: &str,
) -> Result<u32, StoreError> {
    let number: i64 = sqlx::query_scalar(
        "select coalesce(max(number) filter (where spec_sha256 = $3), 1 + count(*)) from test_reads
         where tenant = $1 and dataset_digest = $2",
    )
    .bind(tenant)
    .bind(dataset_digest)
    .bind(spec_sha256)
    .fetch_one(conn)
    .await?;
    Ok(number as u32)
}
