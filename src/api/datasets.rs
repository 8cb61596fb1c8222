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
    views::{Binary, DatasetPart, DatasetView, Page},
};
use crate::{
    files::{FilesError, Key, ParseKeyError},
    store::{
        StoreError,
        datasets::{self, Created, DatasetRow, Deletion},
        objects,
    },
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
    let made = if is_json(&headers) {
        let bytes = axum::body::to_bytes(body, MAX_JSON_BYTES).await;
        let bytes = bytes.map_err(|_| {
            ApiError::bad_request(format!(
                "a JSON body has at most {MAX_JSON_BYTES} bytes; a table of JSON lines goes as application/x-ndjson"
            ))
        })?;
        from_upload::create_dataset(&state, &caller, &bytes).await?
    } else {
        from_body::create_dataset(&state, &caller, query, &headers, body).await?
    };
    let location = format!("datasets/{}", made.row.id);
    Ok(answer_created(made, location))
}

/// Upload a table whose bytes are the body.
///
/// As `POST /v1/datasets` with such a body, at an address of its own: clients that are generated take one type of body for
/// each.
#[utoipa::path(post, path = "/v1/datasets/table", tag = "datasets", params(CreateDatasetQuery, ContentDigest),
    request_body(
        content = inline(Binary), content_type = "application/octet-stream",
        description = "Also text/csv, text/tab-separated-values, application/vnd.apache.parquet, application/x-ndjson"
    ),
    responses(
        (status = 201, body = DatasetView),
        (status = 200, body = DatasetView, description = "The same bytes and spec are here already"), (status = 400),
        (status = 413), (status = 415), (status = 422)
    ))]
pub async fn upload_table(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<CreateDatasetQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let made = from_body::create_dataset(&state, &caller, query, &headers, body).await?;
    let location = made.row.id.to_string();
    Ok(answer_created(made, location))
}

/// The address in `Location` is relative to the request's, so that a proxy may put a prefix before both.
fn answer_created(made: Created, location: String) -> Response {
    let status = if made.new { StatusCode::CREATED } else { StatusCode::OK };
    (status, [(header::LOCATION, location)], Json(view(made.row))).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn view(row: DatasetRow) -> DatasetView {
    let bytes = row.bytes();
    DatasetView {
        id: row.id,
        status: row.status,
        name: row.name,
        file_name: row.file_name,
        bytes,
        sha256: row.object,
        parts: row.parts.0.into_iter().map(DatasetPart::from).collect(),
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
        Deletion::Deleted(objects) => {
            // The row is gone already; what cannot be deleted now is left to the sweep.
            if let Err(error) = delete_bytes(&state, id, &objects).await {
                tracing::warn!(%error, dataset_id = %id, "bytes of a dataset could not be deleted");
            }
            Ok(StatusCode::NO_CONTENT)
        }
        Deletion::InUse => Err(ApiError::conflict(format!("an unfinished job uses {id}; wait for it, or cancel it"))),
        Deletion::Missing => Err(ApiError::not_found("dataset", id)),
    }
}

/// Deletes what is stored of a dataset without a row: this machine's table, and the uploads that nobody else has.
async fn delete_bytes(state: &AppState, id: DatasetId, uploads: &[String]) -> Result<(), DeleteError> {
    state.files.remove_dir(&state.files.dataset_dir(id)).await?;
    for sha256 in uploads {
        let key = Key::upload(sha256)?;
        let mut tx = state.store.begin().await?;
        if objects::claim(&mut tx, key.as_str(), Key::UPLOAD_PREFIX).await? {
            state.files.delete(&key).await?;
        }
        // The commit releases the lock now. A transaction that is dropped ends only when its connection is next used.
        tx.commit().await.map_err(StoreError::from)?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum DeleteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Key(#[from] ParseKeyError),
}
