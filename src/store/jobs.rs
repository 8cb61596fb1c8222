//! Jobs as clients see them: create, find, list, pause, resume, cancel. Running them is `queue`.

use super::{Cursor, Page, StoreError, events, leave, webhooks};
use crate::types::{
    DatasetId, EventType, JobFailure, JobId, JobState, Phase, Progress, Report, ResolvedSpec, TenantId, json_sha256,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection, FromRow, PgConnection, types::Json};
use std::collections::BTreeMap;

macro_rules! columns {
    () => {
        concat!("report, ", columns!(listed))
    };
    // Of lists, which leave out what may be large.
    (listed) => {
        "id, state, phase, epoch, spec, spec_sha256, labels, attempt, deaths, not_before, lease_until, worker, \
         cancel_requested_at, progress, last_event_seq, error, verdict, test_read, reproduces, created_at, started_at, \
         finished_at, \
         (select coalesce(d.name, d.file_name) from datasets d where d.id = dataset_id) as dataset_name"
    };
}

#[derive(Debug, Clone, FromRow)]
pub struct JobRow {
    pub id: JobId,
    pub state: JobState,
    pub phase: Option<Phase>,
    pub epoch: Option<i32>,
    /// Names the dataset too; it may have been deleted since.
    pub spec: Json<ResolvedSpec>,
    pub spec_sha256: String,
    /// What the client or the uploaded file called the dataset's table.
    pub dataset_name: Option<String>,
    pub labels: Json<BTreeMap<String, String>>,
    /// How often the job was claimed.
    pub attempt: i32,
    /// How many of those claims ended badly.
    pub deaths: i32,
    /// A job whose attempt died waits until then.
    pub not_before: Option<DateTime<Utc>>,
    pub lease_until: Option<DateTime<Utc>>,
    pub worker: Option<String>,
    pub cancel_requested_at: Option<DateTime<Utc>>,
    pub progress: Option<Json<Progress>>,
    pub last_event_seq: i64,
    /// Present where the job failed.
    pub error: Option<Json<JobFailure>>,
    /// One of `Verdict`'s words, once the job has succeeded.
    pub verdict: Option<String>,
    /// The number of its verdict among those on its table's test rows, once it was claimed.
    pub test_read: Option<i32>,
    /// The job this one runs again.
    pub reproduces: Option<JobId>,
    /// Present where it succeeded. Not in lists.
    #[sqlx(default)]
    pub report: Option<Json<Report>>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// One claim of a job.
#[derive(Debug, Clone, FromRow)]
pub struct AttemptRow {
    pub attempt: i32,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// `succeeded`, `failed`, `cancelled`, `paused`, `died` (the trainer), `lost` (the worker), `released` (a graceful
    /// stop); absent while it runs.
    pub outcome: Option<String>,
    /// One of `ErrorKind`'s words, where it ended badly.
    pub error_kind: Option<String>,
    pub error: Option<String>,
}

/// A client's Idempotency-Key, and the digest of the request it came with.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    pub request_sha256: String,
}

#[derive(Debug)]
pub enum Creation {
    New(Box<JobRow>),
    /// The same request came with the same key before; this is the job it made.
    Replayed(Box<JobRow>),
    /// Another request came with the same key before.
    KeyReused,
    /// There is no such dataset, or it is not ready.
    DatasetNotReady,
}

/// Which jobs to list; all that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub dataset: Option<DatasetId>,
    /// Labels the job must have, with these values.
    pub labels: BTreeMap<String, String>,
}

/// What a request to cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The job was waiting and is cancelled.
    Cancelled,
    /// The job runs; its worker has been told.
    Cancelling,
    /// The job was already in this state, which leaves nothing to do.
    Unchanged(JobState),
    Missing,
}

/// What a request to pause or to resume came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseOutcome {
    /// The job is in this state now.
    Changed(JobState),
    /// The job already was as asked for.
    Unchanged,
    /// A job in this state can be neither paused nor resumed.
    Refused(JobState),
    Missing,
}

/// What a request to delete a job came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// The job is gone, and the caller deletes these objects.
    Deleted(Vec<String>),
    /// It has not ended.
    Active(JobState),
    Missing,
}

/// Puts a job into the queue, with its `job.queued` event, both in the caller's transaction.
pub async fn create(
    tx: &mut PgConnection,
    tenant: &TenantId,
    spec: &ResolvedSpec,
    idempotency: Option<&Idempotency>,
    reproduces: Option<JobId>,
) -> Result<Creation, StoreError> {
    let key = idempotency.map(|it| stored_key(tenant, &it.key));
    if let Some(key) = &key {
        // A key is good for a day.
        sqlx::query(
            "update jobs set idempotency_key = null
             where idempotency_key = $1 and created_at < now() - interval '24 hours'",
        )
        .bind(key)
        .execute(&mut *tx)
        .await?;
    }
    // The dataset is locked, so that it cannot be deleted before the job that needs it is there.
    let inserted: Option<JobRow> = sqlx::query_as(concat!(
        "insert into jobs (id, dataset_id, spec, spec_sha256, labels, idempotency_key, request_sha256, reproduces, tenant)
         select $1, id, $3, $4, $5, $6, $7, $8, tenant from datasets where id = $2 and tenant = $9 and status = 'ready'
         for key share
         on conflict (idempotency_key) where idempotency_key is not null do nothing
         returning ",
        columns!()
    ))
    .bind(JobId::new())
    .bind(spec.dataset_id)
    .bind(Json(spec))
    .bind(json_sha256(spec))
    .bind(Json(&spec.labels))
    .bind(&key)
    .bind(idempotency.map(|it| &it.request_sha256))
    .bind(reproduces)
    .bind(tenant)
    .fetch_optional(&mut *tx)
    .await?;
    match (inserted, key, idempotency) {
        (Some(mut row), ..) => {
            row.last_event_seq = events::append(tx, row.id, EventType::JobQueued, &json!({})).await?;
            webhooks::attach(tx, row.id, &spec.webhook_ids).await?;
            Ok(Creation::New(Box::new(row)))
        }
        // The key comes first: the dataset of the job it made may be gone by now.
        (None, Some(key), Some(idempotency)) => find_replayed(tx, &key, &idempotency.request_sha256).await,
        (None, ..) => Ok(Creation::DatasetNotReady),
    }
}

/// A client's key as the unique index has it: behind the tenant's name and a line break. No header holds a line break, so
/// tenants cannot come upon each other's keys. The default tenant's keys stand alone, as in jobs older than tenants.
fn stored_key(tenant: &TenantId, key: &str) -> String {
    if *tenant == TenantId::default() { key.to_owned() } else { format!("{tenant}\n{key}") }
}

async fn find_replayed(conn: &mut PgConnection, key: &str, request_sha256: &str) -> Result<Creation, StoreError> {
    let same: Option<bool> = sqlx::query_scalar("select request_sha256 = $2 from jobs where idempotency_key = $1")
        .bind(key)
        .bind(request_sha256)
        .fetch_optional(&mut *conn)
        .await?;
    match same {
        None => Ok(Creation::DatasetNotReady),
        Some(false) => Ok(Creation::KeyReused),
        Some(true) => {
            let row = sqlx::query_as(concat!("select ", columns!(), " from jobs where idempotency_key = $1"))
                .bind(key)
                .fetch_one(conn)
                .await?;
            Ok(Creation::Replayed(Box::new(row)))
        }
    }
}

pub async fn find(conn: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<Option<JobRow>, StoreError> {
    let row = sqlx::query_as(concat!("select ", columns!(), " from jobs where id = $1 and tenant = $2"))
        .bind(id)
        .bind(tenant)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// Newest first.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    filter: &JobFilter,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<JobRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(listed),
        " from jobs
          where tenant = $7
            and ($1::job_state is null or state = $1)
            and ($2::uuid is null or dataset_id = $2)
            and ($3::jsonb is null or labels @> $3)
            and ($4::timestamptz is null or (created_at, id) < ($4, $5))
          order by created_at desc, id desc limit $6"
    ))
    .bind(filter.state)
    .bind(filter.dataset)
    .bind((!filter.labels.is_empty()).then_some(Json(&filter.labels)))
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &JobRow| Cursor { created_at: row.created_at, id: row.id.0 }))
}

/// The job's claims after number `after` (0: all), oldest first, at most `limit`.
pub async fn list_attempts(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: JobId,
    after: i32,
    limit: u32,
) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = sqlx::query_as(
        "select attempt, worker, started_at, ended_at, outcome, error_kind, error from job_attempts
         where job_id = (select id from jobs where id = $1 and tenant = $4) and attempt > $2 order by attempt limit $3",
    )
    .bind(id)
    .bind(after)
    .bind(i64::from(limit))
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Cancels a waiting job at once and asks the worker of a running one to stop it. A job that has ended stays as it is.
pub async fn request_cancel(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: JobId,
) -> Result<CancelOutcome, StoreError> {
    let mut tx = conn.begin().await?;
    let (next, event, outcome) = match lock_state(&mut tx, tenant, id).await? {
        None => return leave(tx, CancelOutcome::Missing).await,
        Some(JobState::Queued | JobState::Paused) => {
            (JobState::Cancelled, EventType::JobCancelled, CancelOutcome::Cancelled)
        }
        Some(JobState::Running | JobState::Pausing) => {
            (JobState::Cancelling, EventType::JobCancelling, CancelOutcome::Cancelling)
        }
        Some(other) => return leave(tx, CancelOutcome::Unchanged(other)).await,
    };
    sqlx::query(
        "update jobs
         set state = $2, cancel_requested_at = now(), finished_at = case when $2 = 'cancelled' then now() end
         where id = $1",
    )
    .bind(id)
    .bind(next)
    .execute(&mut *tx)
    .await?;
    events::append(&mut tx, id, event, &json!({})).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Pauses a waiting job at once, and asks the worker of a running one to stop it after a last checkpoint.
pub async fn request_pause(conn: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<PauseOutcome, StoreError> {
    let mut tx = conn.begin().await?;
    let (next, event) = match lock_state(&mut tx, tenant, id).await? {
        None => return leave(tx, PauseOutcome::Missing).await,
        Some(JobState::Queued) => (JobState::Paused, EventType::JobPaused),
        Some(JobState::Running) => (JobState::Pausing, EventType::JobPausing),
        Some(JobState::Pausing | JobState::Paused) => return leave(tx, PauseOutcome::Unchanged).await,
        Some(other) => return leave(tx, PauseOutcome::Refused(other)).await,
    };
    sqlx::query("update jobs set state = $2 where id = $1").bind(id).bind(next).execute(&mut *tx).await?;
    events::append(&mut tx, id, event, &json!({})).await?;
    tx.commit().await?;
    Ok(PauseOutcome::Changed(next))
}

/// Puts a paused job back into the queue. A job whose trainer has not stopped yet is running again; the worker, which stops
/// that trainer all the same, finds no pause to record and puts the job back into the queue.
pub async fn request_resume(conn: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<PauseOutcome, StoreError> {
    let mut tx = conn.begin().await?;
    let next = match lock_state(&mut tx, tenant, id).await? {
        None => return leave(tx, PauseOutcome::Missing).await,
        Some(JobState::Paused) => JobState::Queued,
        Some(JobState::Pausing) => JobState::Running,
        Some(JobState::Queued | JobState::Running) => return leave(tx, PauseOutcome::Unchanged).await,
        Some(other) => return leave(tx, PauseOutcome::Refused(other)).await,
    };
    sqlx::query("update jobs set state = $2, not_before = null where id = $1")
        .bind(id)
        .bind(next)
        .execute(&mut *tx)
        .await?;
    events::append(&mut tx, id, EventType::JobResumed, &json!({})).await?;
    tx.commit().await?;
    Ok(PauseOutcome::Changed(next))
}

/// Locks a tenant's job until the transaction ends, and returns its state; none where the tenant has no such job.
async fn lock_state(tx: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<Option<JobState>, StoreError> {
    let state = sqlx::query_scalar("select state from jobs where id = $1 and tenant = $2 for update")
        .bind(id)
        .bind(tenant)
        .fetch_optional(tx)
        .await?;
    Ok(state)
}

/// Whether the tenant has this job.
pub async fn exists(conn: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<bool, StoreError> {
    let there = sqlx::query_scalar("select exists (select from jobs where id = $1 and tenant = $2)")
        .bind(id)
        .bind(tenant)
        .fetch_one(conn)
        .await?;
    Ok(there)
}

/// Jobs that have not ended.
#[derive(Debug, Clone, FromRow)]
pub struct Waiting {
    pub state: JobState,
    pub priority: i32,
    pub jobs: i64,
    /// Seconds since the oldest of them was made.
    pub oldest_seconds: f64,
}

/// How many jobs have not ended, by state and priority, of all tenants.
pub async fn count_waiting(conn: &mut PgConnection) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query_as(
        "select state, priority, count(*) as jobs,
                greatest(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
         from jobs where finished_at is null group by state, priority",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Deletes a job that has ended, with its events, passes, results and judgements.
pub async fn delete(conn: &mut PgConnection, tenant: &TenantId, id: JobId) -> Result<Deletion, StoreError> {
    let mut tx = conn.begin().await?;
    match lock_state(&mut tx, tenant, id).await? {
        None => return leave(tx, Deletion::Missing).await,
        Some(state) if !state.is_terminal() => return leave(tx, Deletion::Active(state)).await,
        Some(_) => {}
    }
    let objects = sqlx::query_scalar(
        "select object from artifacts where job_id = $1 union all select object from checkpoints where job_id = $1
         union all select f.object from judgement_files f join judgements g on g.id = f.judgement_id where g.job_id = $1
         union all select p.object from judgement_predictions p join judgements g on g.id = p.judgement_id
                   where g.job_id = $1",
    )
    .bind(id)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("delete from jobs where id = $1").bind(id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(Deletion::Deleted(objects))
}
