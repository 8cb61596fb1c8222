//! `/v1/jobs/{id}/rows`: the rows that were dropped or changed, the least worth keeping first, and why.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    page::check_limit,
    state::AppState,
    views::Page,
};
use crate::{
    files::Key,
    report::{ExplainedRow, read_rows},
    store::artifacts,
    types::JobId,
};
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRowsQuery {
    /// `keep_prob`: dropped rows first, and of those the ones least worth keeping; of equal ones, those of each finding in
    /// turn. There is no other order.
    #[serde(rename = "order")]
    #[param(inline)]
    _order: Option<RowOrder>,
    /// Rows of the page, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,9}$")]
    after: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowOrder {
    KeepProb,
}

/// Explain rows: those dropped first, then those changed, the least worth keeping before the others; up to a million.
#[utoipa::path(get, path = "/v1/jobs/{id}/rows", tag = "results", params(("id" = JobId, Path), ListRowsQuery),
    responses(
        (status = 200, body = Page<ExplainedRow>), (status = 400),
        (status = 404, description = "No such job, or one that kept every row"), (status = 409)
    ))]
pub async fn list_rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListRowsQuery>,
) -> Result<Json<Page<ExplainedRow>>, ApiError> {
    let limit = check_limit(query.limit)? as usize;
    let after = match &query.after {
        None => 0,
        Some(text) => text
            .parse::<u32>()
            .map(|after| after as usize)
            .map_err(|_| ApiError::new(Kind::BadCursor, format!("`{text}` is no cursor of this list")))?,
    };
    find_succeeded(&state, &caller.tenant, id).await?;
    let found = artifacts::find(&mut *state.connection().await?, &caller.tenant, id, "explanations").await?;
    let Some(artifact) = found else { return Err(ApiError::not_found("explanation of the rows of", id)) };
    let key = Key::parse(&artifact.object).map_err(|error| ApiError::internal(&error))?;
    let located = state.files.locate(&key, &artifact.sha256).await;
    let path = located.map_err(|error| ApiError::internal(&error))?;
    let read = tokio::task::spawn_blocking(move || read_rows(&path, after, limit + 1)).await;
    let mut data = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
    let next = has_more.then(|| (after + limit).to_string());
    Ok(Json(Page { data, has_more, next }))
}
