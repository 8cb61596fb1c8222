//! Addresses of pages that hand on what an address of the API answers: streams, downloads and uploads. The API itself takes no
//! cookie, so that no page of another site can make a browser use it.

use super::{ask::Ask, error::PageError, extract::Path, words};
use crate::{
    api::Problem,
    types::{JobId, UploadId},
};
use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};

/// The events of a job, as a stream.
pub async fn follow_events(ask: Ask, Path(id): Path<JobId>, request: Request) -> Response {
    hand_on(&ask, &format!("/v1/jobs/{id}/events"), request).await
}

/// One result of a job.
pub async fn download_result(ask: Ask, Path((id, name)): Path<(JobId, String)>, request: Request) -> Response {
    hand_on(&ask, &format!("/v1/jobs/{id}/artifacts/{}", words::encode(&name)), request).await
}

/// The beginning of an upload in parts.
pub async fn begin_upload(ask: Ask, request: Request) -> Response {
    hand_on(&ask, "/v1/uploads", request).await
}

/// How far an upload has come, or its next part.
pub async fn continue_upload(ask: Ask, Path(id): Path<UploadId>, request: Request) -> Response {
    hand_on(&ask, &format!("/v1/uploads/{id}"), request).await
}

/// What the API answers to the request at another address, with the request's query. To a browser that would show it, an error
/// is a page.
async fn hand_on(ask: &Ask, path: &str, mut request: Request) -> Response {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return PageError::not_found().into_response() };
    *request.uri_mut() = uri;
    let shows_pages = accepts_page(request.headers());
    let mut response = ask.send(request).await;
    if shows_pages && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return PageError::from(problem).into_response();
    }
    response
}

fn accepts_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|value| value.to_str().is_ok_and(|accepts| accepts.contains("text/html")))
}
