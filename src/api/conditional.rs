//! Conditional requests: a resource with its ETag, or 304 where the client has it already.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// JSON with a strong ETag over its bytes; 304 where `If-None-Match` names it.
pub fn answer_with_etag<T: Serialize>(request: &HeaderMap, value: &T) -> Response {
    let body = serde_json::to_vec(value).expect("views are plain data");
    let digest = hex::encode(&Sha256::digest(&body)[..16]);
    let etag = make_etag(&digest);
    if names_etag(request, &etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json), (header::ETAG, etag)], body).into_response()
}

/// The ETag of a digest, given in hexadecimal.
pub fn make_etag(digest: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest}\"")).expect("hexadecimal digits fit a header")
}

/// Whether `If-None-Match` names the tag, or is `*`; bytes of another encoding count too.
pub fn names_etag(request: &HeaderMap, etag: &HeaderValue) -> bool {
    lists_etag(request, &header::IF_NONE_MATCH, etag, |tag| tag.strip_prefix("W/").unwrap_or(tag))
}

/// Whether `If-Match` names the tag, or is `*`: the same bytes and no others.
pub fn matches_etag(request: &HeaderMap, etag: &HeaderValue) -> bool {
    lists_etag(request, &header::IF_MATCH, etag, |tag| tag)
}

fn lists_etag(request: &HeaderMap, name: &HeaderName, etag: &HeaderValue, read: impl Fn(&str) -> &str) -> bool {
    let etag = etag.to_str().unwrap_or_default();
    let mut values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').map(str::trim).any(|tag| tag == "*" || read(tag) == etag))
}
