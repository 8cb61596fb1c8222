//! `/v1/uploads`: tables in, in parts (tus 1.0.0), over connections that break.
//!
//! Bytes are synced to disk, then counted in the database, then acknowledged. A part without a checksum keeps what
//! arrived before its connection broke; of one with a checksum, all counts or nothing.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::Path,
    header_params::{TusResumable, UploadChecksum, UploadMetadata},
    quota,
    state::AppState,
    tus::{self, Checksum},
    views::Binary,
};
use crate::{
    files::{FilesError, Partial},
    store::uploads::{self, NewUpload, UploadRow},
    types::{TenantId, UploadId},
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use std::time::{Duration, Instant};

/// Unfinished uploads a tenant may have.
pub const MOST_UNFINISHED: u32 = 256;
/// A connection that sends nothing for this long is taken for broken.
const IDLE: Duration = Duration::from_secs(30);
/// What a long part has brought is acknowledged this often.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// How long the bytes of a refused upload are still taken.
const LINGER: Duration = Duration::from_secs(5);

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
        TusResumable, ("upload-length" = u64, Header, minimum = 1, description = "Bytes there will be"),
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
    if headers.contains_key(tus::UPLOAD_DEFER_LENGTH) {
        return Err(ApiError::bad_request("Upload-Defer-Length is not supported: give Upload-Length"));
    }
    let length = required_bytes(&headers, &tus::UPLOAD_LENGTH)?;
    let limit = state.config.max_upload_bytes;
    if length > limit {
        discard(body);
        return Err(ApiError::new(Kind::TooLarge, format!("an upload has at most {limit} bytes here")));
    }
    if quota::bytes_left(&state, &caller).await?.is_some_and(|left| length > left) {
        discard(body);
        return Err(quota::too_many_bytes(&caller));
    }
    if length == 0 {
        return Err(ApiError::bad_request("Upload-Length is 0, and an empty file is no table"));
    }
    let metadata = read(&headers, &tus::UPLOAD_METADATA)?.unwrap_or_default();
    tus::parse_metadata(metadata).map_err(|rule| wrong(&tus::UPLOAD_METADATA, &rule))?;
    let with_part = headers.contains_key(header::CONTENT_TYPE);
    let part = if with_part { Some(Part::read(&headers, 0, length, body)?) } else { None };
    let new = NewUpload { id: UploadId::new(), tenant: caller.tenant.clone(), length, metadata: metadata.to_owned() };
    state.files.new_partial(new.id).await.map_err(|error| ApiError::internal(&error))?;
    let mut conn = state.connection().await?;
    let made = uploads::create(&mut conn, &new, state.config.upload_expiry, MOST_UNFINISHED).await?;
    // A part may take long; the connection is not needed for it.
    drop(conn);
    let Some(mut row) = made else {
        state.files.remove_partial(new.id).await.map_err(|error| ApiError::internal(&error))?;
        let detail =
            format!("there are {MOST_UNFINISHED} unfinished uploads; finish or delete some, or let them expire");
        return Err(ApiError::new(Kind::TooManyRequests, detail));
    };
    if let Some(part) = part {
        row = match take(state, caller.tenant, new.id, part).await? {
            Taken::Whole(row) | Taken::Elsewhere(row) => row,
        };
    }
    let location = HeaderValue::try_from(format!("/v1/uploads/{}", new.id)).expect("a plain word");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], progress(&row)).into_response())
}

/// How far an upload has come.
#[utoipa::path(head, path = "/v1/uploads/{id}", tag = "datasets", params(("id" = UploadId, Path), TusResumable),
    responses(
        (status = 200, headers(("upload-offset" = u64), ("upload-length" = u64), ("upload-expires" = String))),
        (status = 404), (status = 410, description = "Expired"), (status = 412)
    ))]
pub async fn find_upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
) -> Result<Response, ApiError> {
    let row = find(&state, &caller.tenant, id).await?;
    let no_store = HeaderValue::from_static("no-store");
    let mut headers =
        HeaderMap::from_iter([(header::CACHE_CONTROL, no_store), (tus::UPLOAD_LENGTH, HeaderValue::from(row.length))]);
    if let Ok(metadata) = HeaderValue::try_from(&row.metadata)
        && !metadata.is_empty()
    {
        headers.insert(tus::UPLOAD_METADATA, metadata);
    }
    Ok((headers, progress(&row)).into_response())
}

/// Send a part, from where the upload has come to.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "datasets",
    params(
        ("id" = UploadId, Path), TusResumable, ("upload-offset" = u64, Header, maximum = 9223372036854775807_i64),
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
    let known = match required_bytes(&headers, &tus::UPLOAD_OFFSET) {
        Ok(offset) => find(&state, &caller.tenant, id).await.map(|row| (offset, row.length as u64)),
        Err(error) => Err(error),
    };
    let (offset, length) = match known {
        Ok(known) => known,
        Err(error) => {
            discard(body);
            return Err(error);
        }
    };
    let part = Part::read(&headers, offset, length, body)?;
    Ok(match take(state, caller.tenant, id, part).await? {
        Taken::Whole(row) => (StatusCode::NO_CONTENT, progress(&row)).into_response(),
        Taken::Elsewhere(row) => {
            let detail = format!("{id} has come to {}, not to {offset}", row.received);
            (progress(&row), ApiError::new(Kind::WrongOffset, detail)).into_response()
        }
    })
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
    refuse_used(&find(&state, &caller.tenant, id).await?)?;
    let _lock = lock(&state, id).await?;
    if !uploads::delete(&mut *state.connection().await?, &caller.tenant, id).await? {
        // Between the look and the lock.
        refuse_used(&find(&state, &caller.tenant, id).await?)?;
    }
    state.files.remove_partial(id).await.map_err(|error| ApiError::internal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn refuse_used(row: &UploadRow) -> Result<(), ApiError> {
    match row.sha256 {
        Some(_) => Err(ApiError::conflict(format!("a dataset was made of {}; delete that", row.id))),
        None => Ok(()),
    }
}

/// The upload, which must not have expired.
pub(super) async fn find(state: &AppState, tenant: &TenantId, id: UploadId) -> Result<UploadRow, ApiError> {
    let found = uploads::find(&mut *state.connection().await?, tenant, id).await?;
    let row = found.ok_or_else(|| ApiError::not_found("upload", id))?;
    if row.is_expired { Err(expired(id)) } else { Ok(row) }
}

fn expired(id: UploadId) -> ApiError {
    ApiError::new(Kind::Expired, format!("{id} has expired; begin another"))
}

/// Opens the upload's file for this request alone.
pub(super) async fn lock(state: &AppState, id: UploadId) -> Result<Partial, ApiError> {
    let opened = state.files.open_partial(id).await.map_err(|error| match error.is_not_found() {
        true => ApiError::not_found("upload", id),
        false => ApiError::internal(&error),
    })?;
    opened.ok_or_else(|| ApiError::new(Kind::Locked, format!("another request writes to {id}; try again when it ends")))
}

/// Headers that say how far an upload has come.
fn progress(row: &UploadRow) -> [(HeaderName, HeaderValue); 2] {
    [(tus::UPLOAD_OFFSET, HeaderValue::from(row.received)), (tus::UPLOAD_EXPIRES, tus::time(row.expires_at))]
}

fn wrong(name: &HeaderName, rule: &str) -> ApiError {
    ApiError::bad_request(format!("{name} {rule}"))
}

fn read<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    tus::text(headers, name).map_err(ApiError::bad_request)
}

fn required_bytes(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    let text = read(headers, name)?.ok_or_else(|| wrong(name, "is needed"))?;
    tus::parse_bytes(text).map_err(|rule| wrong(name, &rule))
}

/// Takes what a client goes on sending after its answer, for a moment, and throws it away: with the connection closed at
/// once the answer would be lost.
pub(super) fn discard(body: Body) {
    tokio::spawn(tokio::time::timeout(LINGER, body.into_data_stream().try_for_each(async |_| Ok(()))));
}

/// A part as its request describes it.
struct Part {
    offset: u64,
    /// Of the upload.
    length: u64,
    checksum: Option<Checksum>,
    body: Body,
}

impl Part {
    fn read(headers: &HeaderMap, offset: u64, length: u64, body: Body) -> Result<Self, ApiError> {
        let checked = || {
            let media_type = read(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
            if !media_type.eq_ignore_ascii_case(tus::PART) {
                let detail = format!("a part of an upload is {}, not `{media_type}`", tus::PART);
                return Err(ApiError::new(Kind::UnsupportedMediaType, detail));
            }
            let checksum = read(headers, &tus::UPLOAD_CHECKSUM)?.map(Checksum::parse).transpose();
            let checksum = checksum.map_err(|rule| wrong(&tus::UPLOAD_CHECKSUM, &rule))?;
            let bytes = read(headers, &header::CONTENT_LENGTH)?.and_then(|text| text.parse::<u64>().ok());
            // An offset that is not where the upload is gets its own answer.
            if bytes.is_some_and(|bytes| offset <= length && bytes > length - offset) {
                return Err(too_long(length));
            }
            Ok(checksum)
        };
        match checked() {
            Ok(checksum) => Ok(Self { offset, length, checksum, body }),
            Err(error) => {
                discard(body);
                Err(error)
            }
        }
    }
}

fn too_long(length: u64) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("the part goes beyond the upload's Upload-Length of {length} bytes"))
}

/// What came of a part.
enum Taken {
    Whole(UploadRow),
    /// Nothing: the upload is not where the part begins.
    Elsewhere(UploadRow),
}

/// Writes a part, in a task of its own: the request ends with its connection, and what arrived by then is to be kept.
async fn take(state: AppState, tenant: TenantId, id: UploadId, part: Part) -> Result<Taken, ApiError> {
    let opened = async {
        let partial = lock(&state, id).await?;
        let renewed = uploads::renew(&mut *state.connection().await?, &tenant, id, state.config.upload_expiry).await?;
        let row = renewed.ok_or_else(|| expired(id))?;
        Ok((partial, row))
    };
    let (partial, row) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            discard(part.body);
            return Err(error);
        }
    };
    if row.received as u64 != part.offset {
        discard(part.body);
        return Ok(Taken::Elsewhere(row));
    }
    let writer = Writer { state, partial, acknowledged: part.offset, at: part.offset, row };
    tokio::spawn(writer.run(part)).await.map_err(|error| ApiError::internal(&error))?.map(Taken::Whole)
}

/// Why no more of a part comes.
enum Break {
    /// The client's doing.
    Broken(String),
    Refused(ApiError),
}

struct Writer {
    state: AppState,
    partial: Partial,
    /// Bytes that are synced and counted.
    acknowledged: u64,
    /// Bytes in the file.
    at: u64,
    row: UploadRow,
}

impl Writer {
    async fn run(mut self, part: Part) -> Result<UploadRow, ApiError> {
        // A whole upload may be an object already, which is never written to.
        if part.offset == part.length {
            return Ok(self.row);
        }
        self.partial.cut(part.offset).await.map_err(|error| failed(&error))?;
        let checksum = part.checksum;
        let mut hasher = checksum.as_ref().map(Checksum::start);
        let mut stream = part.body.into_data_stream();
        let mut last = Instant::now();
        let end = loop {
            let chunk = match tokio::time::timeout(IDLE, stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(Break::Broken(error.to_string())),
                Err(_) => break Err(Break::Broken(format!("nothing came for {} seconds", IDLE.as_secs()))),
            };
            if let Err(refused) = self.write(&chunk, part.length).await {
                break Err(Break::Refused(refused));
            }
            match &mut hasher {
                Some(hasher) => hasher.update(&chunk),
                None if last.elapsed() >= ACKNOWLEDGE => {
                    if let Err(refused) = self.acknowledge().await {
                        break Err(Break::Refused(refused));
                    }
                    last = Instant::now();
                }
                None => {}
            }
        };
        // Bytes that are not acknowledged are cut off by whoever writes next.
        match (end, checksum.zip(hasher)) {
            (Err(Break::Refused(error)), _) => {
                discard(Body::from_stream(stream));
                return Err(error);
            }
            (Err(Break::Broken(reason)), Some(_)) => {
                return Err(ApiError::bad_request(format!("the part broke off ({reason}); nothing of it was kept")));
            }
            (Err(Break::Broken(reason)), None) => {
                self.acknowledge().await?;
                let kept = self.at - part.offset;
                let detail = format!("the part broke off ({reason}); {kept} bytes of it were kept");
                return Err(ApiError::bad_request(detail));
            }
            (Ok(()), Some((checksum, hasher))) => {
                if !checksum.is_of(hasher) {
                    let detail = "the part does not have the digest in Upload-Checksum, and nothing of it was kept";
                    return Err(ApiError::new(Kind::ChecksumMismatch, detail));
                }
            }
            (Ok(()), None) => {}
        }
        self.acknowledge().await?;
        Ok(self.row)
    }

    async fn write(&mut self, chunk: &Bytes, length: u64) -> Result<(), ApiError> {
        if chunk.len() as u64 > length - self.at {
            return Err(too_long(length));
        }
        self.partial.write(chunk).await.map_err(|error| failed(&error))?;
        self.at += chunk.len() as u64;
        Ok(())
    }

    /// Makes what was written durable, then counts it.
    async fn acknowledge(&mut self) -> Result<(), ApiError> {
        self.partial.sync().await.map_err(|error| failed(&error))?;
        let conn = &mut *self.state.connection().await?;
        let expiry = self.state.config.upload_expiry;
        let counted = uploads::advance(conn, self.row.id, self.acknowledged, self.at, expiry).await?;
        self.row = counted.ok_or_else(|| expired(self.row.id))?;
        metrics::counter!("autodenoise_upload_bytes_total").increment(self.at - self.acknowledged);
        self.acknowledged = self.at;
        Ok(())
    }
}

/// A disk that is full may have room again.
fn failed(error: &FilesError) -> ApiError {
    if error.is_disk_full() { ApiError::unavailable(error) } else { ApiError::internal(error) }
}
