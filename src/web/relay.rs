//! Addresses of pages that hand on what an address of the API answers: streams, downloads and uploads. The API itself takes no
//! cookie, so that no page of another site can make a browser use it.

use super::{ask::Ask, error::PageError, extract::Path, words};
use crate::{
    api::Problem,
    report::PAGE,
    types::{JobId, UploadId},
};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};

/// What a report may do in a browser: nothing but its own styles.
const OF_A_STRANGER: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// The events of a job, as a stream.
pub async fn follow_events(ask: Ask, Path(id): Path<JobId>, request: Request) -> Response {
    hand_on(&ask, &format!("/v1/jobs/{id}/events"), request).await
}

/// One result of a job.
pub async fn download_result(ask: Ask, Path((id, name)): Path<(JobId, String)>, request: Request) -> Response {
    hand_on(&ask, &format!("/v1/jobs/{id}/artifacts/{}", words::encode(&name)), request).await
}

/// The report as a page to look at. It is a file of a job, made of what a table holds, so the browser is told to take it for a
/// stranger's: no script, nothing from elsewhere, an origin of its own that has no session, and no other page around it.
pub async fn show_report(ask: Ask, Path(id): Path<JobId>, request: Request) -> Response {
    let mut response = hand_on(&ask, &format!("/v1/jobs/{id}/artifacts/{PAGE}"), request).await;
    if response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=\"report.html\""));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(OF_A_STRANGER));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
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
