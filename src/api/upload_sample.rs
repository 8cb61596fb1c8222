//! `/v1/uploads/{id}/sample`: how an uploaded file reads, so that its columns can be chosen before a dataset is made of it.

use super::{
    access::Caller,
    error::ApiError,
    extract::{Json, Path},
    row_source::read_table,
    state::AppState,
    tus,
    upload_parts::lock_upload,
    uploads::{find_unexpired, require_complete},
    views::UploadSample,
};
use crate::{ingest::Sample, types::UploadId};
use axum::extract::State;

/// Rows of a sample.
const ROWS: usize = 8;

/// Show how a complete upload reads: its format, its columns and its first rows.
#[utoipa::path(get, path = "/v1/uploads/{id}/sample", tag = "datasets", params(("id" = UploadId, Path)),
    responses(
        (status = 200, body = UploadSample), (status = 404),
        (status = 409, description = "Not complete, or a dataset was made of it"), (status = 410, description = "Expired"),
        (status = 422, description = "No table can be read of it"),
        (status = 423, description = "A request writes to it")
    ))]
pub async fn get_upload_sample(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Json<UploadSample>, ApiError> {
    let row = find_unexpired(&state, &caller.tenant, id).await?;
    if row.sha256.is_some() {
        return Err(ApiError::conflict(format!("a dataset was made of {id} already")));
    }
    require_complete(&row)?;
    let mut partial = lock_upload(&state, id).await?;
    let stored = partial.digest().await.map_err(|error| ApiError::internal(&error))?;
    let name = tus::find_word(&row.metadata, "filename");
    let media_type = tus::find_word(&row.metadata, "filetype");
    let known_as = name.clone();
    let read = read_table(&state, ApiError::invalid_spec, move |reader| {
        // The lock is held until the file is read.
        reader.sample(partial.path(), known_as, media_type, ROWS)
    });
    let Sample { format, compression, separator, rows } = read.await?;
    Ok(Json(UploadSample {
        name,
        bytes: stored.bytes,
        sha256: stored.sha256,
        format,
        compression,
        separator,
        columns: rows.columns,
        rows: rows.rows.into_iter().map(|(_, cells)| cells).collect(),
    }))
}
