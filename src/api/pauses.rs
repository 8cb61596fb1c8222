//! `/v1/jobs/{id}/pause` and `/resume`.

use super::{
    access::Caller,
    error::ApiError,
    extract::{Json, Path},
    jobs,
    state::AppState,
    views::JobView,
};
use crate::{
    store::jobs::{self as store, PauseOutcome},
    types::{JobId, TenantId},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Pause a job. A queued one is paused at once; the trainer of a running one ends the pass under way and writes its state
/// down first (`pausing`). A paused job holds no worker and no time counts against its deadline.
#[utoipa::path(post, path = "/v1/jobs/{id}/pause", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = JobView), (status = 200, body = JobView, description = "Already pausing or paused"),
        (status = 404), (status = 409, description = "Being cancelled, or ended")
    ))]
pub async fn pause_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Response, ApiError> {
    let outcome = store::request_pause(&mut *state.connection().await?, &caller.tenant, id).await?;
    answer_change(&state, &caller.tenant, id, outcome, "paused").await
}

/// Resume a paused job: it goes back into the queue, and on from where it stopped.
#[utoipa::path(post, path = "/v1/jobs/{id}/resume", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = JobView), (status = 200, body = JobView, description = "Queued or running already"),
        (status = 404), (status = 409, description = "Being cancelled, or ended")
    ))]
pub async fn resume_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Response, ApiError> {
    let outcome = store::request_resume(&mut *state.connection().await?, &caller.tenant, id).await?;
    answer_change(&state, &caller.tenant, id, outcome, "resumed").await
}

async fn answer_change(
    state: &AppState,
    tenant: &TenantId,
    id: JobId,
    outcome: PauseOutcome,
    what: &str,
) -> Result<Response, ApiError> {
    let status = match outcome {
        PauseOutcome::Missing => return Err(ApiError::not_found("job", id)),
        PauseOutcome::Refused(state) => {
            return Err(ApiError::conflict(format!("{id} is {}; it cannot be {what}", state.as_str())));
        }
        PauseOutcome::Unchanged => StatusCode::OK,
        PauseOutcome::Changed(_) => StatusCode::ACCEPTED,
    };
    Ok((status, Json(jobs::view(jobs::find(state, tenant, id).await?))).into_response())
}
