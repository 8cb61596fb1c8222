//! Limits on every request: the time it may take, and how many may run at once.

use super::{
    error::{ApiError, Kind},
    state::AppState,
};
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tower_http::timeout::TimeoutBody;

/// Time to the head of an answer. A request that waits for events or a state uses up to a minute of it; a body that streams
/// comes after it.
const ANSWER: Duration = Duration::from_secs(90);
/// Time between two pieces of a request's body.
const SILENCE: Duration = Duration::from_secs(60);

/// Middleware: no more requests at once than the server is set to; the next is refused rather than kept waiting.
pub async fn shed_requests(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // A monitor that got no answer would take a busy server for a dead one, and restart it.
    let watches = |path: &MatchedPath| ["/healthz", "/readyz"].contains(&path.as_str());
    if request.extensions().get::<MatchedPath>().is_some_and(watches) {
        return next.run(request).await;
    }
    let Ok(_place) = state.places.try_acquire() else {
        return ApiError::new(Kind::Unavailable, "the server has as many requests as it takes at once").into_response();
    };
    next.run(request).await
}

/// Middleware: limits the time to the answer, and between two pieces of the request's body. For a table only the second
/// limit holds: a large one may take hours.
pub async fn limit_time(request: Request, next: Next) -> Response {
    let is_table = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| !value.as_bytes().starts_with(b"application/json"));
    let request = request.map(|body| Body::new(TimeoutBody::new(SILENCE, body)));
    if is_table {
        return next.run(request).await;
    }
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("there was no answer within {} seconds", ANSWER.as_secs());
            ApiError::new(Kind::Timeout, detail).into_response()
        }
    }
}
