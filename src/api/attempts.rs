//! `/v1/jobs/{id}/attempts` and `/checkpoints`: who ran a job and how that ended, and where it could go on from.

use super::{
    access::Caller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::check_limit,
    state::AppState,
    views::{AttemptPage, AttemptView, CheckpointList, CheckpointView},
};
use crate::{
    store::{checkpoints, jobs},
    types::{ErrorKind, JobId},
};
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAttemptsQuery {
    /// Rows of the page, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<i32>,
}

/// Every start of the job by a worker, the first one first.
#[utoipa::path(get, path = "/v1/jobs/{id}/attempts", tag = "jobs", params(("id" = JobId, Path), ListAttemptsQuery),
    responses((status = 200, body = AttemptPage), (status = 400), (status = 404)))]
pub async fn list_attempts(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListAttemptsQuery>,
) -> Result<Json<AttemptPage>, ApiError> {
    let limit = check_limit(query.limit)?;
    let conn = &mut *state.connection().await?;
    if !jobs::exists(conn, &caller.tenant, id).await? {
        return Err(ApiError::not_found("job", id));
    }
    let mut rows = jobs::list_attempts(conn, &caller.tenant, id, query.after.unwrap_or(0), limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.attempt);
    let data = rows.into_iter().map(|row| AttemptView {
        attempt: row.attempt as u32,
        worker: row.worker,
        started_at: row.started_at,
        ended_at: row.ended_at,
        outcome: row.outcome,
        error_kind: row.error_kind.as_deref().and_then(ErrorKind::parse),
        error: row.error,
    });
    Ok(Json(AttemptPage { data: data.collect(), has_more, next }))
}

/// Where the job could go on from, the newest first; the newest two are kept.
#[utoipa::path(get, path = "/v1/jobs/{id}/checkpoints", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, body = CheckpointList), (status = 404)))]
pub async fn list_checkpoints(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Json<CheckpointList>, ApiError> {
    let conn = &mut *state.connection().await?;
    if !jobs::exists(conn, &caller.tenant, id).await? {
        return Err(ApiError::not_found("job", id));
    }
    let data = checkpoints::list(conn, &caller.tenant, id).await?.into_iter().map(|row| CheckpointView {
        seq: row.seq,
        attempt: row.attempt as u32,
        phase: row.phase,
        epoch: row.epoch as u32,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        created_at: row.created_at,
    });
    Ok(Json(CheckpointList { data: data.collect() }))
}
