//! `/v1/jobs`: submit, list, find, cancel, delete; and the metrics of passes.

use super::{
    access::Caller,
    conditional::answer_with_etag,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    offers::Offers,
    page::{PageParams, answer_page},
    places::Seat,
    prefer, quota,
    state::AppState,
    views::{JobSummary, JobView, MetricsView, Page, PartState, PartView},
    webhooks::check_webhook_ids,
    workers,
};
use crate::{
    files::Key,
    store::{
        datasets::{self, DatasetRow},
        jobs::{self, CancelOutcome, Creation, Deletion, Idempotency, JobFilter, JobRow},
        metrics::{self, MetricFilter},
        parts::{self, PartRow},
    },
    types::{
        Arm, DatasetFacts, DatasetId, DatasetStatus, FieldError, JobId, JobSpec, JobState, Phase, ResolvedSpec,
        TenantId, TestRead,
    },
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tokio::time::Instant;
use utoipa::IntoParams;

/// Most bytes of a spec with every default filled in. Each job stores it, and each attempt reads it.
const LONGEST_SPEC: usize = 64 << 10;

/// Submit a job.
///
/// Only `dataset_id` is required. The answer holds the spec with every default filled in; that is what runs.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobSpec,
    params((
        "idempotency-key" = Option<String>, Header, pattern = "^[!-~]{1,200}$",
        description = "The same key and body within 24 hours give the same job"
    )),
    responses(
        (status = 201, body = JobView), (status = 400), (status = 409, description = "The dataset is not ready"),
        (status = 422)
    ))]
pub async fn create_job(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Json(spec): Json<JobSpec>,
) -> Result<Response, ApiError> {
    let idempotency = read_idempotency(&headers, &spec)?;
    let mut connection = state.connection().await?;
    let (dataset, mut resolved) = resolve_for(&mut connection, &caller.tenant, &spec).await?;
    keep_bounds(&state, &mut resolved)?;
    check_memory(&state, &dataset, &resolved)?;
    check_webhook_ids(&mut connection, &caller.tenant, &resolved.webhook_ids).await?;
    match quota::create_job(&mut connection, &caller, &resolved, idempotency.as_ref(), None).await? {
        Creation::New(row) => Ok(answer_created(*row, "jobs/").into_response()),
        Creation::Replayed(row) => {
            Ok(([("idempotent-replayed", "true")], answer_created(*row, "jobs/")).into_response())
        }
        Creation::KeyReused => Err(ApiError::new(
            Kind::InvalidSpec,
            "this Idempotency-Key came with another request before; use a new key for a new job",
        )),
        Creation::DatasetNotReady => Err(ApiError::new(Kind::DatasetNotReady, format!("{} is gone", spec.dataset_id))),
    }
}

/// Refuses what the operator does not allow; a job that names no deadline gets the operator's.
fn keep_bounds(state: &AppState, spec: &mut ResolvedSpec) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    if spec.priority > state.config.max_priority {
        errors.push(FieldError::new("/priority", format!("at most {} here", state.config.max_priority)));
    }
    if let Some(most) = state.config.max_run_seconds {
        match spec.deadline_seconds {
            Some(deadline) if deadline > most => {
                errors.push(FieldError::new("/deadline_seconds", format!("at most {most} here")));
            }
            Some(_) => {}
            None => spec.deadline_seconds = Some(most),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid_spec(errors)) }
}

/// Refuses a job whose trainer would need more memory than the operator gives it, which the workers would end.
fn check_memory(state: &AppState, dataset: &DatasetRow, spec: &ResolvedSpec) -> Result<(), ApiError> {
    let (Some(most), Some(profile), Some(map)) = (state.config.job_max_memory, &dataset.profile, &dataset.feature_map)
    else {
        return Ok(());
    };
    let (ids, fields) = (map.total_cardinality.into(), map.fields.len() as u64);
    let planned = spec.memory_bytes(profile.rows, ids, fields, state.config.job_threads);
    if planned <= most {
        return Ok(());
    }
    let rule = format!(
        "the job would take about {planned} bytes of memory, and a job may take {most} here: fewer or narrower layers, a \
         smaller embed_dim, or fewer values to tune take less"
    );
    Err(ApiError::invalid_spec(vec![FieldError::new("/method/options", rule)]))
}

/// The spec with nothing left to a default, and the dataset it is for, which is ready.
pub(super) async fn resolve_for(
    connection: &mut PgConnection,
    tenant: &TenantId,
    spec: &JobSpec,
) -> Result<(DatasetRow, ResolvedSpec), ApiError> {
    let dataset = datasets::find(connection, tenant, spec.dataset_id).await?.ok_or_else(|| {
        ApiError::invalid_spec(vec![FieldError::new(
            "/dataset_id",
            format!("there is no dataset `{}`", spec.dataset_id),
        )])
    })?;
    // A fault of the spec is named before the dataset's state: the state may change by itself, the spec does not.
    let facts = DatasetFacts::new(dataset.profile.as_deref(), dataset.feature_map.as_deref());
    let resolved = resolve(spec.clone(), facts).await?;
    if resolved.needs_torch() {
        Offers::read(connection).await?.check(&resolved)?;
    }
    match dataset.status {
        DatasetStatus::Ready => {}
        DatasetStatus::Processing => {
            let detail = format!("{} is still being read; submit again when its status is `ready`", dataset.id);
            return Err(ApiError::new(Kind::DatasetNotReady, detail));
        }
        DatasetStatus::Invalid => {
            let detail = format!("{} is invalid; its `errors` say what to mend before uploading it again", dataset.id);
            return Err(ApiError::new(Kind::DatasetNotReady, detail));
        }
    }
    Ok((dataset, resolved))
}

/// The spec with every default filled in, made beside the threads that answer: the most that it may hold takes a while.
async fn resolve(spec: JobSpec, facts: DatasetFacts) -> Result<ResolvedSpec, ApiError> {
    let resolved = tokio::task::spawn_blocking(move || spec.resolve(&facts)).await;
    let resolved = resolved.map_err(|error| ApiError::internal(&error))?.map_err(ApiError::invalid_spec)?;
    let bytes = serde_json::to_vec(&resolved).expect("a spec is plain data").len();
    if bytes > LONGEST_SPEC {
        let rule = format!(
            "with every default filled in the spec has {bytes} bytes, and may have {LONGEST_SPEC}: divide its methods and \
             swept values among several jobs"
        );
        return Err(ApiError::invalid_spec(vec![FieldError::new("", rule)]));
    }
    Ok(resolved)
}

/// The answer to a request that made a job.
/// `jobs` is the address of all jobs, relative to the request's, so that a proxy may put a prefix before both.
pub(super) fn answer_created(row: JobRow, jobs: &str) -> impl IntoResponse + use<> {
    let location = format!("{jobs}{}", row.id);
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(view(row)))
}

/// The client's key, and the digest of what it asked for.
pub(super) fn read_idempotency(headers: &HeaderMap, spec: &impl Serialize) -> Result<Option<Idempotency>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| ApiError::bad_request("Idempotency-Key must be 1 to 200 visible characters"))?;
    let request = serde_json::to_vec(spec).expect("a spec is plain data");
    let request_sha256 = hex::encode(Sha256::digest(&request));
    Ok(Some(Idempotency { key: key.to_owned(), request_sha256 }))
}

pub(super) fn view(row: JobRow) -> JobView {
    JobView {
        id: row.id,
        dataset_id: row.spec.dataset_id,
        dataset_name: row.dataset_name,
        status: row.state,
        is_terminal: row.state.is_terminal(),
        phase: row.phase,
        epoch: row.epoch.map(|epoch| epoch as u32),
        attempt: row.attempt as u32,
        last_event_seq: row.last_event_seq,
        priority: row.spec.priority,
        waiting_for: None,
        parts: Vec::new(),
        progress: row.progress.map(|progress| progress.0),
        error_kind: row.error.as_ref().and_then(|error| error.kind),
        error: row.error.map(|error| error.0.message),
        verdict: row.verdict.and_then(|word| word.parse().ok()),
        test_read: row
            .test_read
            .zip(row.spec.certify.as_ref())
            .map(|(number, certify)| TestRead::new(number as u32, certify.alpha)),
        reproduces: row.reproduces,
        spec: row.spec.0,
        spec_sha256: row.spec_sha256,
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
}

fn view_part(row: PartRow) -> PartView {
    let state = match row.state.as_str() {
        "done" => PartState::Done,
        "running" => PartState::Running,
        _ => PartState::Waiting,
    };
    PartView { state, work: row.work.0, worker: row.worker }
}

/// A job without its spec, which may be long: a page of a hundred would be of megabytes.
fn summarise(waiting_for: Option<String>, row: JobRow) -> JobSummary {
    JobView { waiting_for, ..view(row) }.into()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListJobsQuery {
    /// Only jobs in this state.
    status: Option<JobState>,
    /// Only jobs of this dataset.
    dataset_id: Option<DatasetId>,
    /// Only jobs with this label: `name=value`.
    #[param(pattern = "^[^\\x00]*=[^\\x00]*$")]
    label: Option<String>,
    // As in `PageParams`, which describes them. serde's `flatten` reads no numbers out of a query string.
    #[param(ignore)]
    limit: Option<u32>,
    #[param(ignore)]
    after: Option<String>,
}

/// List jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(ListJobsQuery, PageParams),
    responses((status = 200, body = Page<JobSummary>), (status = 400)))]
pub async fn list_jobs(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListJobsQuery>,
) -> Result<Json<Page<JobSummary>>, ApiError> {
    let (limit, after) = PageParams { limit: query.limit, after: query.after }.check()?;
    let mut filter = JobFilter { state: query.status, dataset: query.dataset_id, ..JobFilter::default() };
    if let Some(label) = &query.label {
        let (name, value) = label
            .split_once('=')
            .ok_or_else(|| ApiError::bad_request(format!("label is `{label}`; write name=value")))?;
        filter.labels.insert(name.to_owned(), value.to_owned());
    }
    let conn = &mut *state.connection().await?;
    let page = jobs::list(conn, &caller.tenant, &filter, limit, after).await?;
    let workers = workers::list_for_waiting(conn, &page.rows.iter().collect::<Vec<_>>()).await?;
    Ok(answer_page(page, |row| summarise(workers::describe_wait(&row, &workers), row)))
}

/// Show a job: its state, phase, progress and resolved spec.
///
/// With `Prefer: wait=N` the answer comes when the job's state changes, or after N seconds (at most 60); with
/// `If-None-Match` too when anything of the job has changed. A job that has ended is shown at once.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs",
    params(
        ("id" = JobId, Path), ("prefer" = Option<String>, Header, description = "`wait=N`: seconds to wait for news"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of an earlier answer")
    ),
    responses((status = 200, body = JobView), (status = 304, description = "As in If-None-Match"), (status = 404)))]
pub async fn find_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    seat: Seat,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wait = prefer::read_wait(&headers);
    let until = Instant::now() + wait.unwrap_or_default();
    // Before the first look: news that comes in between then wakes the waiter.
    let mut waiter = state.events.subscribe();
    let (mut first, mut waiting) = (None, None);
    loop {
        let (row, waiting_for, parts) = {
            let conn = &mut *state.connection().await?;
            let row = jobs::find(conn, &caller.tenant, id).await?.ok_or_else(|| ApiError::not_found("job", id))?;
            let workers = workers::list_for_waiting(conn, &[&row]).await?;
            let waiting_for = workers::describe_wait(&row, &workers);
            let parts =
                if row.state.is_terminal() { Vec::new() } else { parts::list(conn, &caller.tenant, id).await? };
            (row, waiting_for, parts)
        };
        let parts = parts.into_iter().map(view_part).collect();
        let known = *first.get_or_insert(row.state);
        let moved = row.state != known || row.state.is_terminal();
        let mut response = answer_with_etag(&headers, &JobView { waiting_for, parts, ..view(row) });
        let news = headers.contains_key(header::IF_NONE_MATCH) && response.status() != StatusCode::NOT_MODIFIED;
        if moved || news || Instant::now() >= until || state.draining.is_cancelled() {
            if let Some(wait) = wait {
                response.headers_mut().insert(prefer::PREFERENCE_APPLIED, prefer::confirm_wait(wait));
            }
            return Ok(response);
        }
        if waiting.is_none() {
            waiting = Some(seat.wait(&state.waits, &caller.tenant)?);
        }
        state.draining.run_until_cancelled(waiter.wait(id, until)).await;
    }
}

pub(super) async fn find(state: &AppState, tenant: &TenantId, id: JobId) -> Result<JobRow, ApiError> {
    jobs::find(&mut *state.connection().await?, tenant, id).await?.ok_or_else(|| ApiError::not_found("job", id))
}

/// The job, which must have succeeded.
pub(super) async fn find_succeeded(state: &AppState, tenant: &TenantId, id: JobId) -> Result<JobRow, ApiError> {
    let job = find(state, tenant, id).await?;
    match job.state {
        JobState::Succeeded => Ok(job),
        JobState::Failed => Err(ApiError::conflict(format!("{id} has failed and has no results"))),
        JobState::Cancelled | JobState::Cancelling => {
            Err(ApiError::conflict(format!("{id} was cancelled and has no results")))
        }
        state => Err(ApiError::new(
            Kind::NotFinished,
            format!("{id} is {}; results exist once it has succeeded", state.as_str()),
        )),
    }
}

/// Cancel a job. A queued one ends at once, a running one as soon as its worker hears of it; a finished one stays as it is.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = JobView),
        (status = 200, body = JobView, description = "Already cancelled or cancelling"), (status = 404),
        (status = 409, description = "Already ended otherwise")
    ))]
pub async fn cancel_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Response, ApiError> {
    let outcome = jobs::request_cancel(&mut *state.connection().await?, &caller.tenant, id).await?;
    let status = match outcome {
        CancelOutcome::Missing => return Err(ApiError::not_found("job", id)),
        CancelOutcome::Unchanged(ended @ (JobState::Succeeded | JobState::Failed)) => {
            return Err(ApiError::conflict(format!("{id} has {} already", ended.as_str())));
        }
        CancelOutcome::Unchanged(_) => StatusCode::OK,
        CancelOutcome::Cancelled | CancelOutcome::Cancelling => StatusCode::ACCEPTED,
    };
    Ok((status, Json(view(find(&state, &caller.tenant, id).await?))).into_response())
}

/// Delete a job that has ended, with its events and results.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "Not ended yet")))]
pub async fn delete_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<StatusCode, ApiError> {
    let objects = match jobs::delete(&mut *state.connection().await?, &caller.tenant, id).await? {
        Deletion::Deleted(objects) => objects,
        Deletion::Active(job) => {
            return Err(ApiError::conflict(format!("{id} is {}; wait for its end, or cancel it", job.as_str())));
        }
        Deletion::Missing => return Err(ApiError::not_found("job", id)),
    };
    for key in objects.into_iter().filter_map(|name| Key::parse(name).ok()) {
        // The job's rows are gone already; a file that cannot be deleted now is left to the sweep.
        if let Err(error) = state.files.delete(&key).await {
            tracing::warn!(%error, object = %key, "a result could not be deleted");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListMetricsQuery {
    /// Only passes of the method of this number: 0 the job's own, then those of `spec.compare`.
    contender: Option<u32>,
    /// Only passes over these rows.
    arm: Option<Arm>,
    /// Only passes of this seed.
    seed: Option<u64>,
    /// Only passes of this phase.
    phase: Option<Phase>,
    /// `next` of the page before.
    after: Option<i64>,
    /// Rows of the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// AUC and log-loss of every pass, in the order they were made.
#[utoipa::path(get, path = "/v1/jobs/{id}/metrics", tag = "jobs", params(("id" = JobId, Path), ListMetricsQuery),
    responses((status = 200, body = MetricsView), (status = 400), (status = 404)))]
pub async fn list_metrics(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListMetricsQuery>,
) -> Result<Json<MetricsView>, ApiError> {
    find(&state, &caller.tenant, id).await?;
    let limit = query.limit.unwrap_or(1000);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is {limit}; it must be from 1 to 1000")));
    }
    if query.seed.is_some_and(|seed| i64::try_from(seed).is_err()) {
        return Err(ApiError::bad_request("seed must be at most 9223372036854775807"));
    }
    if query.contender.is_some_and(|contender| i32::try_from(contender).is_err()) {
        return Err(ApiError::bad_request("contender must be at most 2147483647"));
    }
    let filter = MetricFilter { contender: query.contender, arm: query.arm, seed: query.seed, phase: query.phase };
    let after = query.after.unwrap_or(0);
    let rows = metrics::list(&mut *state.connection().await?, &caller.tenant, id, &filter, after, limit).await?;
    let has_more = rows.len() == limit as usize;
    let next = rows.last().filter(|_| has_more).map(|row| row.seq);
    Ok(Json(MetricsView { data: rows.into_iter().map(|row| row.row).collect(), has_more, next }))
}
