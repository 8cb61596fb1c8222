//! `/v1/uploads`: tables in, in parts (tus 1.0.0), over connections that break.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::Path,
    header_params::{TusResumable, UploadChecksum, UploadMetadata},
    quota,
    state::AppState,
    tus::{self, Checksum},
    upload_parts::{Length, Part, Taken, expired, lock_upload, read_header, write_part, wrong},
    views::Binary,
};
use crate::{
    store::uploads::{self, NewUpload, UploadRow},
    types::{TenantId, UploadId},
};
use axum::{
    body::{Body, HttpBody},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Unfinished uploads a tenant may have.
pub const MOST_UNFINISHED: u32 = 256;

/// What the server can do: version, extensions, largest upload, checksum algorithms.
#[utoipa::path(options, path = "/v1/uploads", tag = "datasets",
    responses((status = 204, headers(
        ("tus-version" = String), ("tus-extension" = String), ("tus-max-size" = u64),
        ("tus-checksum-algorithm" = String)
    ))))]
pub async fn discover_uploads(State(state): State<AppState>) -> Response {
    let headers = [
        (tus::TUS_VERSION, tus::VERSION.to_owned()),
        (tus::TUS_EXTENSION, tus::EXTENSIONS.join(",")),
        (tus::TUS_MAX_SIZE, state.config.max_upload_bytes.to_string()),
        (tus::TUS_CHECKSUM_ALGORITHM, Checksum::ALGORITHMS.join(",")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begin an upload in parts.
///
/// Send the parts with PATCH to the address in `Location`; ask it with HEAD how far the upload has come. When all is
/// there, `POST /v1/datasets` with its id makes a dataset of it. The first part may be the body of this request.
#[utoipa::path(post, path = "/v1/uploads", tag = "datasets",
    params(
        TusResumable,
        ("upload-length" = Option<u64>, Header, minimum = 1, description = "Bytes there will be"),
        (
            "upload-defer-length" = Option<u64>, Header, minimum = 1, maximum = 1,
            description = "1 in place of `upload-length`, which a later part says then"
        ),
        UploadMetadata, UploadChecksum
    ),
    request_body(
        content = inline(Binary), content_type = "application/offset+octet-stream",
        description = "The first part; or none"
    ),
    responses(
        (status = 201, headers(("location" = String), ("upload-offset" = u64), ("upload-expires" = String))),
        (status = 400), (status = 412), (status = 413), (status = 415),
        (status = 429, description = "Too many unfinished uploads"),
        (status = 460, description = "The body does not have its checksum")
    ))]
pub async fn create_upload(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let length = tus::read_length(&headers).map_err(ApiError::bad_request)?;
    let limit = state.config.max_upload_bytes;
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    if quota::bytes_left(&state, &caller).await?.is_some_and(|left| length.unwrap_or(1) > left) {
        return Err(quota::too_many_bytes(&caller));
    }
    let metadata = read_header(&headers, &tus::UPLOAD_METADATA)?.unwrap_or_default();
    tus::parse_metadata(metadata).map_err(|rule| wrong(&tus::UPLOAD_METADATA, &rule))?;
    // Many clients name a type for an empty body too.
    let with_part = headers.contains_key(header::CONTENT_TYPE) && !body.is_end_stream();
    let bound = length.map_or(Length::Open(limit), Length::Known);
    let part = if with_part { Some(Part::read(&headers, 0, bound, body)?) } else { None };
    let new = NewUpload { id: UploadId::new(), tenant: caller.tenant.clone(), length, metadata: metadata.to_owned() };
    state.files.new_partial(new.id).await?;
    let mut conn = state.connection().await?;
    let made = quota::create_upload(&mut conn, &caller, &new, state.config.upload_expiry, MOST_UNFINISHED).await;
    // A part may take long, and would keep a connection from other requests.
    drop(conn);
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            state.files.remove_partial(new.id).await?;
            return Err(error);
        }
    };
    let Some(mut row) = made else {
        state.files.remove_partial(new.id).await?;
        let detail =
            format!("there are {MOST_UNFINISHED} unfinished uploads; finish or delete some, or let them expire");
        return Err(ApiError::new(Kind::TooManyRequests, detail));
    };
    if let Some(part) = part {
        row = match write_part(state, caller, new.id, part).await? {
            Taken::Whole(row) | Taken::Elsewhere(row) => row,
        };
    }
    let location = HeaderValue::try_from(format!("uploads/{}", new.id)).expect("a plain word");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], progress_headers(&row)).into_response())
}

/// How far an upload has come.
#[utoipa::path(head, path = "/v1/uploads/{id}", tag = "datasets", params(("id" = UploadId, Path), TusResumable),
    responses(
        (status = 200, headers(
            ("upload-offset" = u64), ("upload-length" = u64), ("upload-defer-length" = u64), ("upload-expires" = String)
        )),
        (status = 404), (status = 410, description = "Expired"), (status = 412)
    ))]
pub async fn find_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Response, ApiError> {
    let row = find_unexpired(&state, &caller.tenant, id).await?;
    let length = match row.known_length() {
        Some(length) => (tus::UPLOAD_LENGTH, HeaderValue::from(length)),
        None => (tus::UPLOAD_DEFER_LENGTH, HeaderValue::from(1)),
    };
    let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), length]);
    if let Ok(metadata) = HeaderValue::try_from(&row.metadata)
        && !metadata.is_empty()
    {
        headers.insert(tus::UPLOAD_METADATA, metadata);
    }
    Ok((headers, progress_headers(&row)).into_response())
}

/// Send a part, from where the upload has come to.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "datasets",
    params(
        ("id" = UploadId, Path), TusResumable, ("upload-offset" = u64, Header, maximum = 9223372036854775807_i64),
        (
            "upload-length" = Option<u64>, Header, minimum = 1,
            description = "Bytes there will be, of an upload that was begun without; it does not change any more"
        ),
        UploadChecksum
    ),
    request_body(content = inline(Binary), content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, headers(("upload-offset" = u64), ("upload-expires" = String))), (status = 400), (status = 404),
        (
            status = 409, description = "Upload-Offset is not where the upload is; the answer's is",
            headers(("upload-offset" = u64))
        ),
        (status = 410, description = "Expired"), (status = 412), (status = 413), (status = 415),
        (status = 423, description = "Another request writes to it"),
        (status = 460, description = "The body does not have its checksum; nothing of it was kept")
    ))]
pub async fn append_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let offset = read_bytes(&headers, &tus::UPLOAD_OFFSET)?;
    let declared = read_header(&headers, &tus::UPLOAD_LENGTH)?.map(tus::read_declared_length).transpose();
    let declared = declared.map_err(ApiError::bad_request)?;
    let row = find_unexpired(&state, &caller.tenant, id).await?;
    let length = find_length(&row, declared, state.config.max_upload_bytes)?;
    let part = Part::read(&headers, offset, length, body)?;
    Ok(match write_part(state, caller, id, part).await? {
        Taken::Whole(row) => (StatusCode::NO_CONTENT, progress_headers(&row)).into_response(),
        Taken::Elsewhere(row) => {
            let detail = format!("{id} has come to {}, not to {offset}", row.received);
            (progress_headers(&row), ApiError::new(Kind::WrongOffset, detail)).into_response()
        }
    })
}

/// How long an upload is, of which a part may say it too.
fn find_length(row: &UploadRow, declared: Option<u64>, limit: u64) -> Result<Length, ApiError> {
    match (row.known_length(), declared) {
        (Some(known), None) => Ok(Length::Known(known)),
        (Some(known), Some(declared)) if known == declared => Ok(Length::Known(known)),
        (Some(known), Some(_)) => {
            Err(ApiError::bad_request(format!("Upload-Length was said to be {known}, and does not change any more")))
        }
        (None, None) => Ok(Length::Open(limit)),
        (None, Some(declared)) if declared > limit => Err(too_large(limit)),
        (None, Some(declared)) if declared < row.received as u64 => {
            Err(ApiError::bad_request(format!("Upload-Length is {declared}, and {} bytes have come", row.received)))
        }
        (None, Some(declared)) => Ok(Length::Declared(declared)),
    }
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("an upload has at most {limit} bytes here"))
}

/// Refuses an upload of which not every byte has come.
pub(super) fn require_complete(row: &UploadRow) -> Result<(), ApiError> {
    let detail = match row.known_length() {
        Some(_) if row.is_complete() => return Ok(()),
        Some(length) => format!("{} has {} of {length} bytes; send the rest first", row.id, row.received),
        None => format!(
            "{} has {} bytes, and how many there will be was not said; send the rest, the last part with Upload-Length",
            row.id, row.received
        ),
    };
    Err(ApiError::conflict(detail))
}

/// Delete an upload that no dataset was made of.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "datasets", params(("id" = UploadId, Path), TusResumable),
    responses(
        (status = 204), (status = 404), (status = 409, description = "A dataset was made of it"),
        (status = 410, description = "Expired"), (status = 412),
        (status = 423, description = "A request writes to it")
    ))]
pub async fn delete_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<StatusCode, ApiError> {
    refuse_used(&find_unexpired(&state, &caller.tenant, id).await?)?;
    let _lock = lock_upload(&state, id).await?;
    if !uploads::delete(&mut *state.connection().await?, &caller.tenant, id).await? {
        // A dataset may have been made of it between the look and the lock.
        refuse_used(&find_unexpired(&state, &caller.tenant, id).await?)?;
    }
    state.files.remove_partial(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refuse_used(row: &UploadRow) -> Result<(), ApiError> {
    match row.sha256 {
        Some(_) => Err(ApiError::conflict(format!("a dataset was made of {}; delete that", row.id))),
        None => Ok(()),
    }
}

/// The upload, which must not have expired.
pub(super) async fn find_unexpired(state: &AppState, tenant: &TenantId, id: UploadId) -> Result<UploadRow, ApiError> {
    let found = uploads::find(&mut *state.connection().await?, tenant, id).await?;
    let row = found.ok_or_else(|| ApiError::not_found("upload", id))?;
    if row.is_expired { Err(expired(id)) } else { Ok(row) }
}

/// Headers that say how far an upload has come.
fn progress_headers(row: &UploadRow) -> [(HeaderName, HeaderValue); 2] {
    [(tus::UPLOAD_OFFSET, HeaderValue::from(row.received)), (tus::UPLOAD_EXPIRES, tus::format_time(row.expires_at))]
}

fn read_bytes(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    let text = read_header(headers, name)?.ok_or_else(|| wrong(name, "is needed"))?;
    tus::parse_bytes(text).map_err(|rule| wrong(name, &rule))
}
