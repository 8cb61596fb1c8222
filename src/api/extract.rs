//! The house extractors: axum's own, with our error body when what the client sent does not fit.

#![expect(clippy::disallowed_types, reason = "this is where the house versions are made")]

use super::error::{ApiError, Kind};
use crate::types::FieldError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

/// Longest JSON body.
pub const MAX_JSON_BYTES: usize = 1 << 20;

/// PostgreSQL's text cannot hold U+0000, so nothing of such a name can exist.
const NUL: &str = "text may not hold U+0000";

/// Whether a part of an address holds U+0000, percent-encoded as it came.
fn holds_nul(encoded: &str) -> bool {
    encoded.contains("%00")
}

/// A path parameter, parsed by `FromStr`; one that does not parse names nothing that exists (404).
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if holds_nul(parts.uri.path()) {
            return Err(ApiError::new(Kind::NotFound, NUL));
        }
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                Err(ApiError::new(Kind::NotFound, text.trim_start_matches("Invalid URL: ")))
            }
        }
    }
}

/// The query string; an unknown or ill-typed parameter is named.
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.query().is_some_and(holds_nul) {
            return Err(ApiError::bad_request(NUL));
        }
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                Err(ApiError::bad_request(text.trim_start_matches("Failed to deserialize query string: ")))
            }
        }
    }
}

/// A JSON body of at most [`MAX_JSON_BYTES`]; what does not fit is pointed at.
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type =
            request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(
                Kind::UnsupportedMediaType,
                format!("the body must be JSON with Content-Type application/json, not `{media_type}`"),
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(error) if error.status() == Kind::TooLarge.status() => {
                ApiError::new(Kind::TooLarge, format!("a JSON body has at most {MAX_JSON_BYTES} bytes"))
            }
            other => ApiError::bad_request(other.body_text()),
        })?;
        parse_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Parses a body: 400 where it is not JSON, 422 with a pointer where it is JSON of another shape.
///
/// U+0000 is refused anywhere.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.windows(6).any(|window| window == br"\u0000") {
        return Err(ApiError::invalid_spec(vec![FieldError::new("", NUL)]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            ApiError::invalid_spec(vec![FieldError::new(pointer(error.path()), error.inner().to_string())])
        } else {
            ApiError::bad_request(format!("the body is not JSON: {}", error.inner()))
        }
    })
}

/// A JSON pointer (RFC 6901) to where reading stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}
