//! The OpenAPI 3.1 document, generated from the handlers. `openapi/openapi.json` is its committed copy; a test holds the
//! two together.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "AutoDenoise",
        description = "Hand over a table of interactions, get back the rows worth training on.\n\nErrors are `application/problem+json` (RFC 9457); the address in `type` explains each. Lists are paged by cursor. Within `/v1` changes only add.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    tags(
        (name = "datasets", description = "Tables in"),
        (name = "jobs", description = "What is done with them"),
        (name = "results", description = "What came of it"),
        (name = "webhooks", description = "Who is told"),
        (name = "service", description = "The service itself"),
    ),
    components(schemas(crate::types::Options, crate::types::WebhookPayload))
)]
struct Document;

pub fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The document as committed.
pub fn openapi_json() -> String {
    let (_, document) = super::documented().split_for_parts();
    document.to_pretty_json().expect("a document is plain data")
}

pub async fn get_openapi() -> Response {
    // The same for the program's life, and not worth building anew for each request.
    static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
