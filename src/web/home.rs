//! `/`: where people and programs go on to; and addresses that lead nowhere.

use super::{
    error::{self, PageError},
    shell::Shell,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;

/// People are led to the jobs, programs to the document of the API.
pub async fn show(headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") && !accepts.contains("text/html") {
        let body = json!({
            "name": "AutoDenoise",
            "version": env!("CARGO_PKG_VERSION"),
            "openapi": "/openapi.json",
            "explorer": "/docs/",
            "capabilities": "/v1/capabilities",
            "pages": "/jobs",
        });
        return ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    }
    Redirect::to("/jobs").into_response()
}

/// There is nothing at this address: a page where a browser asks, and else nothing, which the API makes its own error of.
pub async fn show_nothing(shell: Shell, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match accepts.contains("text/html") {
        true => error::show(&PageError::not_found(), shell),
        false => StatusCode::NOT_FOUND.into_response(),
    }
}
