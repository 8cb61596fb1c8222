//! A stored file as an answer, whole or in part.

use super::{
    conditional,
    error::{ApiError, Kind},
    state::AppState,
};
use crate::files::Key;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::TryStreamExt;
use std::ops::Range;

/// Files up to this size, in bytes, are read and checked whole before any of it is sent.
const CHECKED_FIRST: u64 = 4 << 20;

/// A file that clients may have.
pub struct StoredFile {
    /// What clients call it.
    pub name: String,
    /// Where it is kept.
    pub object: String,
    pub bytes: u64,
    /// In hexadecimal; also its strong ETag.
    pub sha256: String,
    pub media_type: String,
    pub download_name: String,
}

/// The answer to a request for the file, as its `If-Match`, `If-None-Match`, `Range` and `If-Range` ask for it.
pub async fn hand_out(state: &AppState, request: &HeaderMap, file: StoredFile) -> Result<Response, ApiError> {
    let size = file.bytes;
    let etag = conditional::make_etag(&file.sha256);
    if request.contains_key(header::IF_MATCH) && !conditional::matches_etag(request, &etag) {
        let detail = format!("`{}` is another than If-Match names: its sha-256 is {}", file.name, file.sha256);
        return Err(ApiError::new(Kind::PreconditionFailed, detail));
    }
    if conditional::names_etag(request, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = match read_range(request, &etag, size) {
        Asked::Whole => None,
        Asked::Part(range) => Some(range),
        Asked::Unsatisfiable => {
            let content_range = format!("bytes */{size}");
            let error = ApiError::new(Kind::RangeNotSatisfiable, format!("`{}` has {size} bytes", file.name));
            return Ok(([(header::CONTENT_RANGE, content_range)], error).into_response());
        }
    };
    let bytes = range.clone().unwrap_or(0..size);
    let key = Key::parse(&file.object).map_err(|error| ApiError::internal(&error))?;
    let mut response = match &range {
        Some(range) => {
            let reading = state.files.read(&key, Some(range.clone())).await?;
            Body::from_stream(reading.stream).into_response()
        }
        None => read_whole(state, &key, &file).await?.into_response(),
    };
    let headers = response.headers_mut();
    let value = |text: String| HeaderValue::try_from(text).expect("plain words and numbers");
    if let Some(range) = &range {
        headers.insert(header::CONTENT_RANGE, value(format!("bytes {}-{}/{size}", range.start, range.end - 1)));
    }
    headers.insert(header::CONTENT_LENGTH, (bytes.end - bytes.start).into());
    headers.insert(header::CONTENT_TYPE, value(file.media_type));
    headers.insert(header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{}\"", file.download_name)));
    headers.insert(header::ETAG, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(digest) = hex::decode(&file.sha256) {
        headers.insert("repr-digest", value(format!("sha-256=:{}:", BASE64_STANDARD.encode(digest))));
    }
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The whole of a file. Damage is found before a small one is sent (500), and at the end of a large one, whose transfer
/// then breaks off.
async fn read_whole(state: &AppState, key: &Key, file: &StoredFile) -> Result<Body, ApiError> {
    let stream = state.files.read_verified(key, &file.sha256).await?;
    if file.bytes > CHECKED_FIRST {
        let logged = stream.inspect_err(|error| tracing::error!(%error, "a download was broken off"));
        return Ok(Body::from_stream(logged));
    }
    let bytes = stream.try_fold(Vec::new(), async |mut bytes, chunk| {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    Ok(Body::from(bytes.await?))
}

#[derive(Debug, PartialEq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// Reads `Range` (one range of bytes; several are answered with the whole, as RFC 9110 allows) and `If-Range`.
fn read_range(request: &HeaderMap, etag: &HeaderValue, size: u64) -> Asked {
    let Some(text) = request.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Asked::Whole };
    if request.get(header::IF_RANGE).is_some_and(|tag| tag != etag) {
        return Asked::Whole;
    }
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Asked::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => size.saturating_sub(suffix)..size,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let etag = conditional::make_etag("ab");
        let ask = |text: &str| read_range(&HeaderMap::from_iter([(header::RANGE, text.parse().unwrap())]), &etag, 100);
        assert_eq!(ask("bytes=0-9"), Asked::Part(0..10));
        assert_eq!(ask("bytes=90-"), Asked::Part(90..100));
        assert_eq!(ask("bytes=-5"), Asked::Part(95..100));
        assert_eq!(ask("bytes=50-500"), Asked::Part(50..100));
        assert_eq!(ask("bytes=100-"), Asked::Unsatisfiable);
        assert_eq!(ask("bytes=-0"), Asked::Unsatisfiable);
        assert_eq!(ask("bytes=0-1,5-6"), Asked::Whole);
        assert_eq!(ask("lines=0-1"), Asked::Whole);
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole() {
        let mut request = HeaderMap::from_iter([(header::RANGE, "bytes=0-9".parse().unwrap())]);
        request.insert(header::IF_RANGE, conditional::make_etag("old"));
        assert_eq!(read_range(&request, &conditional::make_etag("new"), 100), Asked::Whole);
    }
}
