//! The job queue: claim a job, renew the lease, say how far it is. `endings` ends claims; `types::JobState::can_become` has
//! the states.
//!
//! A claim is a short transaction; the job runs outside of any. The lease is (job, attempt): `attempt` grows with every
//! claim, so a worker that was thought dead finds no row to write to. A job is leased while its row has a `lease_until`: the
//! schema says in which states (`JobState::is_leased`), and no statement lists them.

use super::{Lease, StoreError, checkpoints::CheckpointRow, dataset_parts::parts_of, error::int, events};
use crate::types::{Ability, DatasetSpec, EventType, JobState, Phase, Progress, ResolvedSpec, UploadedTable};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row, postgres::PgRow, types::Json};
use std::time::Duration;

/// A job to run.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    pub lease: Lease,
    pub spec: ResolvedSpec,
    /// The dataset's uploaded bytes, and how they are to be read.
    pub table: UploadedTable,
    pub dataset_spec: DatasetSpec,
    /// What the client or the uploaded file called the table.
    pub table_name: Option<String>,
    /// The newest checkpoint of an earlier attempt.
    pub checkpoint: Option<CheckpointRow>,
    /// Training rows of the dataset.
    pub train_rows: u64,
    /// How long earlier attempts ran.
    pub ran: Duration,
    pub deaths: i32,
}

/// What a heartbeat brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// A client wants the job stopped.
    pub cancel: bool,
    /// A client wants the job paused.
    pub pause: bool,
}

/// How many jobs and parts of jobs each tenant has at work.
macro_rules! at_work {
    () => {
        "select tenant, count(*) as jobs from (
             select tenant from jobs where lease_until is not null
             union all
             select j.tenant from job_parts p join jobs j on j.id = p.job_id where p.lease_until is not null
         ) busy group by tenant"
    };
}
pub(super) use at_work;

/// Claims the job of the highest priority, of the tenant with the fewest jobs at work, that has waited longest, among those the
/// worker can run. Claimers do not wait for each other.
pub async fn claim(
    conn: &mut PgConnection,
    worker: &str,
    ability: &Ability,
    lease: Duration,
) -> Result<Option<ClaimedJob>, StoreError> {
    let row = sqlx::query(concat!(
        "with at_work as (",
        at_work!(),
        "), next as (
             select id from jobs left join at_work using (tenant)
             where state = 'queued' and (not_before is null or not_before <= now()) and requires <@ $3
               and (device not like 'cuda:%' or device = any($4)) and ($5 or not needs_torch)
             order by priority desc, coalesce(at_work.jobs, 0), created_at, id limit 1 for update of jobs skip locked
         ), claimed as (
             update jobs j
             set state = 'running', attempt = attempt + 1, worker = $1, lease_until = now() + make_interval(secs => $2),
                 not_before = null, started_at = coalesce(started_at, now())
             from next where j.id = next.id
             returning j.id, j.attempt, j.spec, j.dataset_id, j.deaths
         ), opened as (
             insert into job_attempts (job_id, attempt, worker) select id, attempt, $1 from claimed
         )
         select c.id, c.attempt, c.spec, c.deaths, d.object, ",
        parts_of!("d.id"),
        " as parts, d.spec as dataset_spec, coalesce(d.name, d.file_name) as table_name,
                coalesce((d.profile #>> '{rows,train}')::bigint, 0) as train_rows,
                (select coalesce(extract(epoch from sum(a.ended_at - a.started_at)), 0)::float8
                 from job_attempts a where a.job_id = c.id) as ran_seconds,
                k.seq, k.attempt as checkpoint_attempt, k.phase, k.epoch, k.object as checkpoint_object, k.bytes,
                k.sha256, k.created_at
         from claimed c
         join datasets d on d.id = c.dataset_id
         left join lateral (select * from checkpoints where job_id = c.id order by seq desc limit 1) k on true"
    ))
    .bind(worker)
    .bind(lease.as_secs_f64())
    .bind(Json(&ability.labels))
    .bind(gpu_names(ability))
    .bind(ability.torch)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(read_claimed).transpose()
}

pub(super) fn gpu_names(ability: &Ability) -> Vec<String> {
    ability.gpus.iter().map(ToString::to_string).collect()
}

/// How long until the next job that waits after a death may be claimed; absent where none does.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<Duration>, StoreError> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "select extract(epoch from min(not_before) - now())::float8 from jobs
         where state = 'queued' and not_before > now()",
    )
    .fetch_one(conn)
    .await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}

fn read_claimed(row: &PgRow) -> Result<ClaimedJob, StoreError> {
    let checkpoint = match row.try_get::<Option<i64>, _>("seq")? {
        None => None,
        Some(seq) => Some(CheckpointRow {
            seq,
            attempt: row.try_get("checkpoint_attempt")?,
            phase: row.try_get("phase")?,
            epoch: row.try_get("epoch")?,
            object: row.try_get("checkpoint_object")?,
            bytes: row.try_get("bytes")?,
            sha256: row.try_get("sha256")?,
            created_at: row.try_get("created_at")?,
        }),
    };
    Ok(ClaimedJob {
        lease: Lease { job: row.try_get("id")?, attempt: row.try_get("attempt")? },
        spec: row.try_get::<Json<_>, _>("spec")?.0,
        table: UploadedTable { sha256: row.try_get("object")?, parts: row.try_get::<Json<_>, _>("parts")?.0 },
        dataset_spec: row.try_get::<Json<_>, _>("dataset_spec")?.0,
        table_name: row.try_get("table_name")?,
        checkpoint,
        train_rows: row.try_get::<i64, _>("train_rows")?.max(0) as u64,
        ran: Duration::from_secs_f64(row.try_get::<f64, _>("ran_seconds")?.max(0.0)),
        deaths: row.try_get("deaths")?,
    })
}

/// Renews the lease. A lease that ran out and was not given to another is renewed too.
pub async fn heartbeat(conn: &mut PgConnection, lease: &Lease, time: Duration) -> Result<Beat, StoreError> {
    let state: Option<JobState> = sqlx::query_scalar(
        "update jobs set lease_until = now() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and lease_until is not null returning state",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .bind(time.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    let state = state.ok_or_else(|| lease.lost())?;
    Ok(Beat { cancel: state == JobState::Cancelling, pause: state == JobState::Pausing })
}

/// What the job does now, and for which of its methods; the `phase.started` event is written where that is new.
pub async fn start_phase(
    conn: &mut PgConnection,
    lease: &Lease,
    contender: u32,
    phase: Phase,
    epoch: u32,
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let changed = sqlx::query(
        "update jobs set phase = $2, epoch = $3, contender = $4
         where id = $1 and (phase, epoch, contender) is distinct from ($2, $3, $4)",
    )
    .bind(lease.job)
    .bind(phase)
    .bind(int("the epoch", epoch)?)
    .bind(int("the contender", contender)?)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() > 0 {
        let data = json!({"contender": contender, "phase": phase, "epoch": epoch});
        events::append(&mut tx, lease.job, EventType::PhaseStarted, &data).await?;
    }
    tx.commit().await?;
    Ok(())
}

pub async fn set_progress(conn: &mut PgConnection, lease: &Lease, progress: Progress) -> Result<(), StoreError> {
    let done = sqlx::query("update jobs set progress = $3 where id = $1 and attempt = $2 and lease_until is not null")
        .bind(lease.job)
        .bind(lease.attempt)
        .bind(Json(progress))
        .execute(conn)
        .await?;
    if done.rows_affected() == 0 { Err(lease.lost()) } else { Ok(()) }
}
