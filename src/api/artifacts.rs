//! `/v1/jobs/{id}/artifacts`: results out, whole or in part.

use super::{
    access::Caller,
    conditional,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    state::AppState,
    views::{ArtifactList, ArtifactView, Binary},
};
use crate::{
    files::Key,
    store::{
        artifacts::{self, ArtifactRow},
        jobs::JobRow,
    },
    types::{JobId, Verdict},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::TryStreamExt;
use serde::Deserialize;
use std::ops::Range;
use utoipa::{IntoParams, ToSchema};

/// Results up to this size, in bytes, are read and checked whole before any of it is sent.
const CHECKED_FIRST: u64 = 4 << 20;

/// List a finished job's results.
#[utoipa::path(get, path = "/v1/jobs/{id}/artifacts", tag = "results", params(("id" = JobId, Path)),
    responses((status = 200, body = ArtifactList), (status = 404), (status = 409)))]
pub async fn list_artifacts(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Json<ArtifactList>, ApiError> {
    find_succeeded(&state, &caller.tenant, id).await?;
    let rows = artifacts::list(&mut *state.connection().await?, &caller.tenant, id).await?;
    Ok(Json(ArtifactList { data: rows.into_iter().map(view).collect() }))
}

fn view(row: ArtifactRow) -> ArtifactView {
    ArtifactView {
        name: row.name,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        media_type: row.media_type,
        download_name: row.download_name,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GetArtifactQuery {
    /// Hand out `denoised` whatever the verdict.
    #[param(inline)]
    allow: Option<Allow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Allow {
    Uncertified,
}

/// Download one result. The ETag is its sha256; `Range` takes up a broken download.
///
/// Where the job asked for a verdict, `denoised` is handed out once that is `certified`, or with `allow=uncertified`.
#[utoipa::path(get, path = "/v1/jobs/{id}/artifacts/{name}", tag = "results",
    params(
        ("id" = JobId, Path),
        (
            "name" = String, Path,
            description = "As listed: denoised, indices, keep_mask, scores, weights, labels, explanations, policy, model, \
                           report.html, report.json, certificate"
        ),
        GetArtifactQuery
    ),
    responses(
        (
            status = 200, description = "In the media type that the list gives it",
            content((inline(Binary) = "application/octet-stream"), (inline(Binary) = "*/*"))
        ),
        (status = 206, description = "The part asked for"), (status = 400),
        (status = 304, description = "As in If-None-Match"),
        (status = 412, description = "Another than If-Match names"), (status = 416), (status = 404), (status = 409)
    ))]
pub async fn get_artifact(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, name)): Path<(JobId, String)>,
    Query(query): Query<GetArtifactQuery>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    if name == "denoised" && query.allow != Some(Allow::Uncertified) {
        refuse_uncertified(&job)?;
    }
    let mut connection = state.connection().await?;
    let Some(row) = artifacts::find(&mut connection, &caller.tenant, id, &name).await? else {
        let artifacts = artifacts::list(&mut connection, &caller.tenant, id).await?;
        let names: Vec<_> = artifacts.into_iter().map(|row| row.name).collect();
        return Err(ApiError::new(
            Kind::NotFound,
            format!("{id} has no artifact `{name}`; it has {}", names.join(", ")),
        ));
    };
    // The download may take long, and would keep a connection from other requests.
    drop(connection);
    let size = row.bytes as u64;
    let etag = conditional::make_etag(&row.sha256);
    if request.contains_key(header::IF_MATCH) && !conditional::matches_etag(&request, &etag) {
        let detail = format!("`{name}` is another than If-Match names: its sha-256 is {}", row.sha256);
        return Err(ApiError::new(Kind::PreconditionFailed, detail));
    }
    if conditional::names_etag(&request, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = match read_range(&request, &etag, size) {
        Asked::Whole => None,
        Asked::Part(range) => Some(range),
        Asked::Unsatisfiable => {
            let content_range = format!("bytes */{size}");
            let error = ApiError::new(Kind::RangeNotSatisfiable, format!("`{name}` has {size} bytes"));
            return Ok(([(header::CONTENT_RANGE, content_range)], error).into_response());
        }
    };
    let bytes = range.clone().unwrap_or(0..size);
    let key = Key::parse(&row.object).map_err(|error| ApiError::internal(&error))?;
    let mut response = match &range {
        Some(range) => {
            let reading = state.files.read(&key, Some(range.clone())).await?;
            Body::from_stream(reading.stream).into_response()
        }
        None => read_whole(&state, &key, &row).await?.into_response(),
    };
    let headers = response.headers_mut();
    let value = |text: String| HeaderValue::try_from(text).expect("plain words and numbers");
    if let Some(range) = &range {
        headers.insert(header::CONTENT_RANGE, value(format!("bytes {}-{}/{size}", range.start, range.end - 1)));
    }
    headers.insert(header::CONTENT_LENGTH, (bytes.end - bytes.start).into());
    headers.insert(header::CONTENT_TYPE, value(row.media_type));
    headers.insert(header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{}\"", row.download_name)));
    headers.insert(header::ETAG, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(digest) = hex::decode(&row.sha256) {
        headers.insert("repr-digest", value(format!("sha-256=:{}:", BASE64_STANDARD.encode(digest))));
    }
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The whole of a result. Damage is found before a small one is sent (500), and at the end of a large one, whose transfer
/// then breaks off.
async fn read_whole(state: &AppState, key: &Key, row: &ArtifactRow) -> Result<Body, ApiError> {
    let stream = state.files.read_verified(key, &row.sha256).await?;
    if row.bytes as u64 > CHECKED_FIRST {
        let logged = stream.inspect_err(|error| tracing::error!(%error, "a download was broken off"));
        return Ok(Body::from_stream(logged));
    }
    let bytes = stream.try_fold(Vec::new(), async |mut bytes, chunk| {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    Ok(Body::from(bytes.await?))
}

/// Refuses the denoised table of a job that asked for a verdict, unless the verdict is `certified`.
fn refuse_uncertified(job: &JobRow) -> Result<(), ApiError> {
    let asked = job.spec.certify.is_some();
    match &job.verdict {
        Some(verdict) if asked && verdict != Verdict::Certified.as_str() => Err(ApiError::new(
            Kind::NotCertified,
            format!("the verdict on {} is {verdict}; ?allow=uncertified hands the table out all the same", job.id),
        )),
        _ => Ok(()),
    }
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
