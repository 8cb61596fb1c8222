//! Errors as clients see them: `application/problem+json` (RFC 9457), built only by the constructors here.
//!
//! A handler returns `ApiError`; the cause of a 500 is logged here, at the boundary, and never sent. `render_problem` puts
//! the request's path and id into the body, and gives the same shape to what axum and tower answer on their own.

use crate::types::FieldError;
pub use crate::types::ProblemItem;
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tower_http::request_id::RequestId;
use utoipa::ToSchema;

/// Media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of every error.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Relative address of a page of this server that explains the problem.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong this time, and how to mend it.
    pub detail: String,
    /// Path of the request.
    pub instance: String,
    /// The last part of `type`, for programs.
    pub code: String,
    /// Quote it when asking the operator; it stands on the server's log lines.
    pub request_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<ProblemItem>,
    /// Whether there were more than `errors` holds.
    pub errors_truncated: bool,
}

/// The status that tus has for a part that is not what its checksum says.
trait TusStatus {
    const CHECKSUM_MISMATCH: StatusCode;
}

impl TusStatus for StatusCode {
    const CHECKSUM_MISMATCH: StatusCode = match StatusCode::from_u16(460) {
        Ok(status) => status,
        Err(_) => panic!("a status has three digits"),
    };
}

/// Every kind of problem: code, status, title, and the page behind `type`.
macro_rules! kinds {
    ($($name:ident = $code:literal, $status:ident, $title:literal, $page:literal;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($name),+ }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$name),+];

            pub fn code(self) -> &'static str {
                match self { $(Kind::$name => $code),+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Kind::$name => StatusCode::$status),+ }
            }

            pub fn title(self) -> &'static str {
                match self { $(Kind::$name => $title),+ }
            }

            /// What it means and what to do, in full sentences.
            pub fn page(self) -> &'static str {
                match self { $(Kind::$name => $page),+ }
            }
        }
    };
}

kinds! {
    BadRequest = "bad-request", BAD_REQUEST, "The request cannot be read",
        "A header, a parameter or the body does not have the form this endpoint expects. `detail` and `errors` say \
         which part; /openapi.json describes every endpoint.";
    BadCursor = "bad-cursor", BAD_REQUEST, "The cursor is not one of ours",
        "`after` must be the `next` of an earlier page of the same list, unchanged.";
    BadDigest = "bad-digest", BAD_REQUEST, "The bytes do not match their digest",
        "The sha-256 in Content-Digest differs from that of the bytes received: they were damaged on the way, or the \
         digest is of another file. Send them again.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "The request needs an API key",
        "Send one as `Authorization: Bearer adk_…`; the command line takes it from --api-key or AUTODENOISE_API_KEY. \
         The operator makes keys with `autodenoise keys create`. A key that is revoked or has expired does not come \
         back.";
    Forbidden = "forbidden", FORBIDDEN, "The API key is not good for this",
        "A key of scope `read` may look and download, `write` may also create, cancel and delete, `admin` may also \
         see /metrics. Ask the operator for a key of the scope that `detail` names.";
    NotFound = "not-found", NOT_FOUND, "There is no such thing here",
        "The id is unknown, or the address is not one of this API. /openapi.json lists the addresses.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This address does not answer that method",
        "The Allow header lists the methods it answers.";
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "No representation fits the Accept header",
        "Events are served as application/json and as text/event-stream.";
    Conflict = "conflict", CONFLICT, "The thing's state does not allow this",
        "`detail` names the state and what to wait for.";
    DatasetNotReady = "dataset-not-ready", CONFLICT, "The dataset is not ready",
        "A job needs a dataset whose status is `ready`. While it is `processing`, wait; if it is `invalid`, its \
         `errors` say what to mend before uploading it again.";
    NotFinished = "not-finished", CONFLICT, "The job has not finished",
        "Results exist once the job has `succeeded`. Watch /v1/jobs/{id}/events, which ends with the job.";
    NotCertified = "not-certified", CONFLICT, "The denoised table was not certified",
        "The job asked for a verdict (`certify`), and it is not `certified`: /v1/jobs/{id}/verdict says why. The \
         table is handed out with ?allow=uncertified; `indices`, `scores` and the report are open.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The upload is larger than this server accepts",
        "The limit stands at /v1/capabilities; the operator sets it by --max-upload-bytes. Compressed uploads (gzip, \
         zstd) count compressed.";
    AddressTooLong = "address-too-long", URI_TOO_LONG, "The address is longer than this server reads",
        "Specs of datasets may stand in an address, but long lists of columns belong into the body: upload the table in \
         parts (/v1/uploads), then send the spec as JSON to POST /v1/datasets.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "This media type is not one we read",
        "Tables are accepted as text/csv, text/tab-separated-values, application/vnd.apache.parquet, \
         application/x-ndjson, or application/octet-stream with `format` given; JSON bodies as application/json.";
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The range is outside of the file",
        "Content-Range of the answer says how long the file is.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "The thing is not what the request takes it for",
        "If-Match names another version than the one there is. ETag of an answer without If-Match has the one there is.";
    UnsupportedVersion = "unsupported-version", PRECONDITION_FAILED, "This version of the upload protocol is not spoken here",
        "Uploads in parts follow tus 1.0.0: every request but OPTIONS carries `Tus-Resumable: 1.0.0`. The \
         Tus-Version header lists what the server speaks.";
    WrongOffset = "wrong-offset", CONFLICT, "The upload is not at this offset",
        "A part begins where the upload has come to. Upload-Offset of the answer says where that is; send on from \
         there.";
    Expired = "expired", GONE, "The upload has expired",
        "An upload that nothing was sent to for the time in /v1/capabilities is removed with all its bytes. Begin \
         another.";
    Locked = "locked", LOCKED, "Another request writes to the upload",
        "An upload has one writer at a time. A request whose connection broke unnoticed ends within half a minute; \
         ask for the offset with HEAD and try again.";
    ChecksumMismatch = "checksum-mismatch", CHECKSUM_MISMATCH, "The part does not have its checksum",
        "The bytes received do not have the digest in Upload-Checksum: they were damaged on the way. Nothing of the \
         part was kept; send it again.";
    InvalidSpec = "invalid-spec", UNPROCESSABLE_ENTITY, "The spec is not valid",
        "Each entry of `errors` points at one wrong part and says what it must be.";
    BlockedUrl = "blocked-url", UNPROCESSABLE_ENTITY, "Nothing is sent to such an address",
        "A webhook's address must be https, on port 443 or one from 1024 on, without a user's name, and its host \
         must resolve to addresses on the public internet only. Private, loopback and link-local addresses and the \
         like are refused, so that nobody reaches the server's own network through it.";
    InvalidTable = "invalid-table", UNPROCESSABLE_ENTITY, "The table cannot be used",
        "Each entry of `errors` names a row, line and column, or a part of the dataset's spec, and the rule it \
         breaks. Nothing is dropped silently: mend the rows, or leave the column out, and upload again.";
    InvalidPredictions = "invalid-predictions", UNPROCESSABLE_ENTITY, "The predictions cannot be used",
        "`detail` names the line, or the number, and what it must be: the probability of label 1 of each row, from 0 to \
         1, in the order of the rows, a line each or as a NumPy array. Nothing was kept; send them again.";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests at once",
        "Wait for the seconds in Retry-After and try again. How many requests a minute are taken stands at \
         /v1/capabilities.";
    QuotaExceeded = "quota-exceeded", TOO_MANY_REQUESTS, "This is more than you may have",
        "`detail` says how much that is, and what to wait for or to delete. /v1/capabilities has the limits a tenant \
         has unless the operator gave it others.";
    Timeout = "timeout", REQUEST_TIMEOUT, "The request took too long",
        "Try again; a large upload needs a connection that keeps sending.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The service cannot do this now",
        "The database cannot be reached, or the server is shutting down or has too much to do. Nothing acknowledged \
         is lost; try again shortly.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side",
        "The cause is in the server's log under the request id. Trying again is safe.";
}

/// What a handler returns when it cannot do what was asked.
#[derive(Debug)]
pub struct ApiError {
    kind: Kind,
    detail: String,
    errors: Vec<ProblemItem>,
    errors_truncated: bool,
    /// Seconds for Retry-After, where they are known.
    retry_after: Option<u64>,
}

impl ApiError {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        cut(&mut detail, LONGEST_TEXT);
        Self { kind, detail, errors: Vec::new(), errors_truncated: false, retry_after: None }
    }

    #[cfg(test)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Says when it is worth trying again.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait.as_secs_f64().ceil() as u64), ..self }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, detail)
    }

    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} `{id}`"))
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// The first errors are named, the rest is only known to be there; texts that hold what the client sent are cut.
    pub fn invalid_spec(mut errors: Vec<FieldError>) -> Self {
        let errors_truncated = errors.len() > FieldError::MOST;
        errors.truncate(FieldError::MOST);
        for error in &mut errors {
            cut(&mut error.pointer, LONGEST_POINTER);
            cut(&mut error.rule, LONGEST_TEXT);
        }
        let detail = errors.iter().map(|e| format!("{}: {}", e.pointer, e.rule)).collect::<Vec<_>>().join("; ");
        let errors = errors.into_iter().map(ProblemItem::Field).collect();
        Self { errors, errors_truncated, ..Self::new(Kind::InvalidSpec, detail) }
    }

    /// Of a webhook: nothing is sent to such an address.
    pub fn blocked_url(why: &impl std::fmt::Display) -> Self {
        Self { kind: Kind::BlockedUrl, ..Self::invalid_spec(vec![FieldError::new("/url", why.to_string())]) }
    }

    /// Logs the cause; the client learns only that it was ours.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        Self::new(Kind::Internal, "the request failed on the server; nothing acknowledged is lost")
    }

    /// As `internal`, for causes that pass by themselves (database away).
    pub fn unavailable(cause: &dyn std::error::Error) -> Self {
        tracing::warn!(error = %Chain(cause), "request refused, a part of the service is away");
        Self::new(Kind::Unavailable, "a part of the service is away for the moment")
    }
}

/// Most bytes of a text about one fault. The longest of ours lists every option of a method.
const LONGEST_TEXT: usize = 4096;
/// Most bytes of a pointer.
const LONGEST_POINTER: usize = 256;

/// Cuts a text that holds what a client sent, which may be of any length.
fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
    }
}

/// An error with its causes, on one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let status = error.kind.status();
        Self {
            kind: format!("/problems/{}", error.kind.code()),
            title: error.kind.title().to_owned(),
            status: status.as_u16(),
            detail: error.detail,
            instance: String::new(),
            code: error.kind.code().replace('-', "_"),
            request_id: String::new(),
            retryable: status.is_server_error()
                || matches!(
                    error.kind,
                    Kind::TooManyRequests
                        | Kind::QuotaExceeded
                        | Kind::Timeout
                        | Kind::BadDigest
                        | Kind::NotFinished
                        | Kind::Locked
                        | Kind::ChecksumMismatch
                ),
            errors: error.errors,
            errors_truncated: error.errors_truncated,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        if matches!(self.kind, Kind::TooManyRequests | Kind::QuotaExceeded | Kind::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, self.retry_after.unwrap_or(2).into());
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The body is written by `render_problem`, which knows the request.
        response.extensions_mut().insert(Problem::from(self));
        response
    }
}

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware: drops a request id of the client's that is not a short word, because it would be written into logs and
/// answers.
pub async fn check_request_id(mut request: Request, next: Next) -> Response {
    let is_word = |id: &HeaderValue| {
        id.len() <= 128 && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
    };
    if request.headers().get(REQUEST_ID).is_some_and(|id| !is_word(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// Middleware: gives every error response the problem body.
pub async fn render_problem(request: Request, next: Next) -> Response {
    let instance = request.uri().path().to_owned();
    // PostgreSQL's text cannot hold U+0000, so nothing of such a name can exist.
    let nul =
        [Some(request.uri().path()), request.uri().query()].into_iter().flatten().any(|part| part.contains("%00"));
    let request_id =
        request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(str::to_owned);
    let mut response = match nul {
        true => ApiError::bad_request("the address may not hold U+0000 (%00)").into_response(),
        false => next.run(request).await,
    };
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| {
        // An answer without our type comes from axum or tower, or is a health report, which is JSON already, or a page.
        let media_type = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let is_ours = media_type.starts_with(b"application/") || media_type.starts_with(b"text/html");
        (!is_ours).then(|| Problem::from(explain_status(status)))
    });
    let Some(mut problem) = problem else { return response };
    problem.instance = instance;
    problem.request_id = request_id.unwrap_or_default();
    let body = serde_json::to_vec(&problem).expect("a problem is plain data");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = body.into();
    response
}

fn explain_status(status: StatusCode) -> ApiError {
    let kind =
        Kind::ALL.iter().copied().find(|kind| kind.status() == status).unwrap_or(match status.is_server_error() {
            true => Kind::Internal,
            false => Kind::BadRequest,
        });
    let detail = match kind {
        Kind::NotFound => "this address is not one of the API; see /openapi.json",
        Kind::MethodNotAllowed => "this address does not answer that method",
        Kind::Internal => "the request failed on the server; nothing acknowledged is lost",
        kind => kind.title(),
    };
    ApiError::new(kind, detail)
}
