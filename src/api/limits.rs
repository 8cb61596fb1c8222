//! What no request may take too much of, whoever sends it: time, and its share of the server.

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

/// To the head of an answer. Waiting for events or a state takes up to a minute of it; a body that streams is not counted.
const ANSWER: Duration = Duration::from_secs(90);
/// Between two pieces of a body.
const SILENCE: Duration = Duration::from_secs(60);

/// Middleware: no more requests at once than the server is set to; the next is refused rather than kept waiting.
pub async fn shed(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // Whoever watches the server must hear of it when it is busy, and not that it is dead.
    let watches = |path: &MatchedPath| ["/healthz", "/readyz"].contains(&path.as_str());
    if request.extensions().get::<MatchedPath>().is_some_and(watches) {
        return next.run(request).await;
    }
    let Ok(_place) = state.places.try_acquire() else {
        return ApiError::new(Kind::Unavailable, "the server has as many requests as it takes at once").into_response();
    };
    next.run(request).await
}

/// Middleware: an answer has its time, and so has each piece of a body. Tables have no other limit: a large one may
/// take hours.
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
