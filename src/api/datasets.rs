//! `/v1/datasets`: tables in.

use super::{
    access::Caller,
    conditional::answer_with_etag,
    error::ApiError,
    extract::{Json, MAX_JSON_BYTES, Path, Query},
    from_body::{self, CreateDatasetQuery},
    from_upload::{self, DatasetFromUpload},
    header_params::ContentDigest,
    page::{PageParams, answer_page},
    state::AppState,
    views::{Binary, DatasetView, Page},
};
use crate::{
    store::datasets::{self, Created, DatasetRow, Deletion},
    types::DatasetId,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Upload a table.
///
/// The body is the file as it is: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip). It is safe on disk
/// when the answer comes; reading it goes on, so ask for the dataset until its status is `ready` or `invalid`. The same bytes with the same
/// spec are the same dataset. Or the body is JSON and names an upload that came in parts (`POST /v1/uploads`).
#[utoipa::path(post, path = "/v1/datasets", tag = "datasets", params(CreateDatasetQuery, ContentDigest),
    request_body(
        content((inline(Binary) = "application/octet-stream"), (DatasetFromUpload = "application/json")),
        description = "Also text/csv, text/tab-separated-values, application/vnd.apache.parquet, application/x-ndjson"
    ),
    responses(
        (status = 201, body = DatasetView),
        (status = 200, body = DatasetView, description = "The same bytes and spec are here already"), (status = 400),
        (status = 413), (status = 409, description = "The upload is not complete"),
        (status = 423, description = "A request writes to the upload"), (status = 415), (status = 422)
    ))]
pub async fn create_dataset(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<CreateDatasetQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if is_json(&headers) {
        let bytes = axum::body::to_bytes(body, MAX_JSON_BYTES).await;
        let bytes =
            bytes.map_err(|_| ApiError::bad_request(format!("a JSON body has at most {MAX_JSON_BYTES} bytes")))?;
        return from_upload::create_dataset(&state, &caller, &bytes).await.map(answer_created);
    }
    from_body::create_dataset(&state, &caller, query, &headers, body).await.map(answer_created)
}

fn answer_created(made: Created) -> Response {
    let status = if made.new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/datasets/{}", made.row.id);
    (status, [(header::LOCATION, location)], Json(view(made.row))).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn view(row: DatasetRow) -> DatasetView {
    DatasetView {
        id: row.id,
        status: row.status,
        name: row.name,
        bytes: row.bytes as u64,
        sha256: row.object,
        spec: row.spec.0,
        profile: row.profile.map(|profile| profile.0),
        feature_map: row.feature_map.map(|map| map.0),
        errors: row.errors.0,
        error_total: row.error_total as u64,
        created_at: row.created_at,
        ready_at: row.ready_at,
    }
}

/// List datasets, newest first.
#[utoipa::path(get, path = "/v1/datasets", tag = "datasets", params(PageParams),
    responses((status = 200, body = Page<DatasetView>), (status = 400)))]
pub async fn list_datasets(
    State(state): State<AppState>,
    caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<DatasetView>>, ApiError> {
    let (limit, after) = page.check()?;
    let page = datasets::list(&mut *state.connection().await?, &caller.tenant, limit, after).await?;
    Ok(answer_page(page, view))
}

/// Show a dataset: its status, and its profile or its errors.
#[utoipa::path(get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, body = DatasetView), (status = 304, description = "As in If-None-Match"), (status = 404)))]
pub async fn find_dataset(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<DatasetId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = datasets::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("dataset", id))?;
    Ok(answer_with_etag(&headers, &view(row)))
}

/// Delete a dataset. Refused while an unfinished job uses it; results of finished jobs stay.
#[utoipa::path(delete, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
pub async fn delete_dataset(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<DatasetId>,
) -> Result<StatusCode, ApiError> {
    match datasets::delete(&mut *state.connection().await?, &caller.tenant, id).await? {
        Deletion::Deleted => Ok(StatusCode::NO_CONTENT),
        Deletion::InUse => Err(ApiError::conflict(format!("an unfinished job uses {id}; wait for it, or cancel it"))),
        Deletion::Missing => Err(ApiError::not_found("dataset", id)),
    }
}
