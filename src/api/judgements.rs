//! `/v1/jobs/{id}/judgements`: verdicts by models that clients train. What to train on goes out, predictions come in
//! (`predictions`), and the test labels stay here.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::{self, find_succeeded, read_idempotency},
    judgement_views::{JudgementSpec, JudgementSummary, JudgementView},
    page::{PageParams, answer_page},
    quota,
    state::AppState,
    stored::{StoredFile, hand_out},
    views::{Binary, Page},
};
use crate::{
    files::Key,
    store::{
        datasets,
        jobs::{self as stored_jobs, JobRow},
        judgements::{self, Asked, Creation, JudgementRow, NewJudgement},
        test_reads,
    },
    types::{Certify, DatasetFacts, FieldError, JobId, JudgementId, TenantId, TestRead},
    worker::JUDGEMENT_EXPIRY,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sqlx::PgConnection;

/// Longest name of a model, in characters.
const LONGEST_MODEL: usize = 200;
/// Seeds of a verdict, at most.
const MOST_SEEDS: u32 = 20;

/// Ask for a verdict by models of your own: what to train on is prepared.
///
/// Once the status is `open`, the files say which rows each model is to be trained on, and which it is to predict. Nothing of the
/// test labels is shown before the verdict.
#[utoipa::path(post, path = "/v1/jobs/{id}/judgements", tag = "judgements", request_body = JudgementSpec,
    params(
        ("id" = JobId, Path),
        (
            "idempotency-key" = Option<String>, Header, pattern = "^[!-~]{1,200}$",
            description = "The same key and body within 24 hours give the same judgement"
        )
    ),
    responses(
        (status = 201, body = JudgementView), (status = 400), (status = 404),
        (status = 409, description = "The job has not succeeded, or its dataset is gone"), (status = 422)
    ))]
pub async fn create_judgement(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    headers: HeaderMap,
    Json(spec): Json<JudgementSpec>,
) -> Result<Response, ApiError> {
    let idempotency = read_idempotency(&headers, &spec)?;
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let mut connection = state.connection().await?;
    let dataset = datasets::find(&mut connection, &caller.tenant, job.spec.dataset_id).await?.ok_or_else(|| {
        ApiError::conflict(format!("{}, the dataset of {id}, is gone, and with it what is judged", job.spec.dataset_id))
    })?;
    let asked = match &spec.certify {
        Some(asked) => asked.clone(),
        None => usual_certify(&mut connection, &caller.tenant, &job).await?,
    };
    let mut faults = asked.faults(&DatasetFacts::new(dataset.profile.as_deref(), dataset.feature_map.as_deref()));
    if asked.reselect {
        faults.push(FieldError::new("/certify/reselect", "false: the choice is made already"));
    }
    if !(1..=LONGEST_MODEL).contains(&spec.model.chars().count()) || spec.model.chars().any(char::is_control) {
        faults.push(FieldError::new("/model", format!("a name of 1 to {LONGEST_MODEL} characters in a line")));
    }
    if !faults.is_empty() {
        return Err(ApiError::invalid_spec(faults));
    }
    let new = NewJudgement { job: id, model: spec.model, certify: asked, expiry: JUDGEMENT_EXPIRY };
    let (row, is_replayed) = match quota::create_judgement(&mut connection, &caller, &new, idempotency.as_ref()).await?
    {
        Creation::New(row) => (row, false),
        Creation::Replayed(row) => (row, true),
        Creation::KeyReused => {
            let detail = "this Idempotency-Key came with another request before; use a new key for a new judgement";
            return Err(ApiError::new(Kind::InvalidSpec, detail));
        }
        Creation::NoResults => return Err(ApiError::conflict(format!("{id} is gone"))),
    };
    let location = format!("judgements/{}", row.id);
    let view = view(&mut connection, &caller.tenant, *row).await?;
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response();
    if is_replayed {
        response.headers_mut().insert("idempotent-replayed", header::HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What the job was asked to show, with as many seeds as the next verdict on its table needs.
async fn usual_certify(conn: &mut PgConnection, tenant: &TenantId, job: &JobRow) -> Result<Certify, ApiError> {
    let asked = Certify { reselect: false, ..job.spec.certify.clone().unwrap_or_default() };
    let needed = seeds_needed(conn, tenant, job, asked.alpha).await?;
    Ok(Certify { seeds: asked.seeds.max(needed.min(MOST_SEEDS)), ..asked })
}

/// The fewest seeds that can certify, if the verdict were asked for now.
async fn seeds_needed(conn: &mut PgConnection, tenant: &TenantId, job: &JobRow, alpha: f64) -> Result<u32, ApiError> {
    // No job has an empty spec, so this is the next number.
    let number = test_reads::foresee(conn, tenant, &job.spec.dataset_digest, "").await?;
    Ok(TestRead::new(number, alpha).seeds_needed())
}

/// List the judgements of a job, newest first.
#[utoipa::path(get, path = "/v1/jobs/{id}/judgements", tag = "judgements", params(("id" = JobId, Path), PageParams),
    responses((status = 200, body = Page<JudgementSummary>), (status = 400), (status = 404)))]
pub async fn list_judgements(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<JudgementSummary>>, ApiError> {
    let (limit, after) = params.check()?;
    jobs::find(&state, &caller.tenant, id).await?;
    let page = judgements::list(&mut *state.connection().await?, &caller.tenant, id, limit, after).await?;
    Ok(answer_page(page, JudgementSummary::from))
}

/// Show a judgement: what is to be trained, whose predictions are in, and in the end the verdict.
#[utoipa::path(get, path = "/v1/jobs/{id}/judgements/{judgement_id}", tag = "judgements",
    params(("id" = JobId, Path), ("judgement_id" = JudgementId, Path)),
    responses((status = 200, body = JudgementView), (status = 404)))]
pub async fn find_judgement(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, judgement)): Path<(JobId, JudgementId)>,
) -> Result<Json<JudgementView>, ApiError> {
    let mut connection = state.connection().await?;
    let row = find(&mut connection, &caller.tenant, id, judgement).await?;
    Ok(Json(view(&mut connection, &caller.tenant, row).await?))
}

/// Delete a judgement and its files. A verdict that was asked for stays counted.
#[utoipa::path(delete, path = "/v1/jobs/{id}/judgements/{judgement_id}", tag = "judgements",
    params(("id" = JobId, Path), ("judgement_id" = JudgementId, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete_judgement(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, judgement)): Path<(JobId, JudgementId)>,
) -> Result<StatusCode, ApiError> {
    let objects = judgements::delete(&mut *state.connection().await?, &caller.tenant, id, judgement).await?;
    for key in objects.ok_or_else(|| missing(judgement))?.into_iter().filter_map(|name| Key::parse(name).ok()) {
        // The rows are gone already; a file that cannot be deleted now is left to the sweep.
        if let Err(error) = state.files.delete(&key).await {
            tracing::warn!(%error, object = %key, "a file of a judgement could not be deleted");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Download what a judgement hands out. The ETag is its sha256; `Range` takes up a broken download.
///
/// Arrays are in NumPy's format: of 32-bit positions in the uploaded table, from 0, and of 32-bit targets and weights.
#[utoipa::path(get, path = "/v1/jobs/{id}/judgements/{judgement_id}/files/{name}", tag = "judgements",
    params(
        ("id" = JobId, Path), ("judgement_id" = JudgementId, Path),
        ("name" = String, Path, description = "As the judgement lists it: test, valid, full, denoised, report.json, ..")
    ),
    responses(
        (
            status = 200, description = "In the media type that the list gives it",
            content((inline(Binary) = "application/octet-stream"), (inline(Binary) = "*/*"))
        ),
        (status = 206, description = "The part asked for"), (status = 304, description = "As in If-None-Match"),
        (status = 412, description = "Another than If-Match names"), (status = 416), (status = 404)
    ))]
pub async fn get_judgement_file(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, judgement, name)): Path<(JobId, JudgementId, String)>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let mut connection = state.connection().await?;
    find(&mut connection, &caller.tenant, id, judgement).await?;
    let files = judgements::list_files(&mut connection, &caller.tenant, judgement).await?;
    // The download may take long, and would keep a connection from other requests.
    drop(connection);
    let names: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
    let row = files.into_iter().find(|file| file.name == name).ok_or_else(|| {
        let has = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        ApiError::new(Kind::NotFound, format!("{judgement} has no file `{name}`; it has {has}"))
    })?;
    let file = StoredFile {
        name: row.name,
        object: row.object,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        media_type: row.media_type,
        download_name: row.download_name,
    };
    hand_out(&state, &request, file).await
}

/// Ask for the verdict, once all predictions are in. They can be changed no more, and the test rows of the table count as read
/// once more, whatever comes of it.
#[utoipa::path(post, path = "/v1/jobs/{id}/judgements/{judgement_id}/verdict", tag = "judgements",
    params(("id" = JobId, Path), ("judgement_id" = JudgementId, Path)),
    responses(
        (status = 202, body = JudgementView), (status = 200, body = JudgementView, description = "Asked for already"),
        (status = 404), (status = 409, description = "Predictions are missing, it is not open, or the dataset is gone")
    ))]
pub async fn ask_for_verdict(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, judgement)): Path<(JobId, JudgementId)>,
) -> Result<Response, ApiError> {
    let mut connection = state.connection().await?;
    find(&mut connection, &caller.tenant, id, judgement).await?;
    let job = jobs::find(&state, &caller.tenant, id).await?;
    let dataset = job.spec.dataset_id;
    if datasets::find(&mut connection, &caller.tenant, dataset).await?.is_none() {
        // Said before the verdict is counted.
        return Err(ApiError::conflict(format!("{dataset}, the dataset of {id}, is gone, and with it the labels")));
    }
    let status = match judgements::ask_for_verdict(&mut connection, &caller.tenant, judgement).await? {
        Asked::Judging => StatusCode::ACCEPTED,
        Asked::Unchanged => StatusCode::OK,
        Asked::Missing => return Err(missing(judgement)),
        Asked::Refused(state) => {
            return Err(ApiError::conflict(format!(
                "{judgement} is {}; a verdict is asked of an open one",
                state.as_str()
            )));
        }
        Asked::Incomplete { of_valid, trainings } => {
            let of = if of_valid { "validation rows, which other trainings have," } else { "test rows" };
            let more = if trainings.len() > 10 { ", .." } else { "" };
            let named = trainings[..trainings.len().min(10)].join(", ");
            let count = trainings.len();
            let detail = format!("predictions of the {of} are missing from {count} trainings: {named}{more}");
            return Err(ApiError::conflict(detail));
        }
    };
    let row = find(&mut connection, &caller.tenant, id, judgement).await?;
    Ok((status, Json(view(&mut connection, &caller.tenant, row).await?)).into_response())
}

/// The judgement of a tenant's job.
pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    id: JudgementId,
) -> Result<JudgementRow, ApiError> {
    judgements::find(conn, tenant, job, id).await?.ok_or_else(|| missing(id))
}

pub(super) fn missing(id: JudgementId) -> ApiError {
    ApiError::not_found("judgement", id)
}

async fn view(conn: &mut PgConnection, tenant: &TenantId, row: JudgementRow) -> Result<JudgementView, ApiError> {
    let files = judgements::list_files(conn, tenant, row.id).await?;
    let predictions = judgements::list_predictions(conn, tenant, row.id).await?;
    let job = stored_jobs::find(conn, tenant, row.job_id).await?.ok_or_else(|| missing(row.id))?;
    let needed = seeds_needed(conn, tenant, &job, row.certify.alpha).await?;
    Ok(JudgementView::new(row, files, &predictions, needed))
}
