//! Limits on every request: the time it may take, and how many may run at once.

use super::{
    error::{ApiError, Kind},
    pace::{Pace, PacedBody},
    places::Seat,
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

/// Time to the head of an answer. A request that waits for events or a state uses up to a minute of it; a body that streams
/// comes after it.
const ANSWER: Duration = Duration::from_secs(90);
/// How slowly a body may come. A table of the largest size that is taken comes within half a day at a few megabytes a second.
const PACE: Pace =
    Pace { silence: Duration::from_secs(60), least_rate: 1024.0, longest: Duration::from_secs(12 * 3600) };

/// Most bytes of an address, below what the HTTP library refuses without a word of explanation.
const LONGEST_ADDRESS: usize = 65_000;

/// Middleware: refuses addresses that are too long.
pub async fn limit_address(request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > LONGEST_ADDRESS {
        let detail = format!("the address has {length} bytes; at most {LONGEST_ADDRESS} are read");
        return ApiError::new(Kind::AddressTooLong, detail).into_response();
    }
    next.run(request).await
}

/// Marks a request over HTTP/2 for which the server's connections have no place.
#[derive(Clone)]
pub struct Crowded;

/// Middleware: no more requests at once than the server is set to; the next is refused rather than kept waiting.
pub async fn shed_requests(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // A monitor that got no answer would take a busy server for a dead one, and restart it.
    let watches = |path: &MatchedPath| ["/healthz", "/readyz", "/metrics"].contains(&path.as_str());
    if request.extensions().get::<MatchedPath>().is_some_and(watches) {
        return next.run(request).await;
    }
    let is_crowded = request.extensions().get::<Crowded>().is_some();
    let Some(place) = state.places.clone().try_acquire_owned().ok().filter(|_| !is_crowded) else {
        return ApiError::new(Kind::Unavailable, "the server has as many requests as it takes at once").into_response();
    };
    let seat = Seat::new(place);
    request.extensions_mut().insert(seat.clone());
    let response = next.run(request).await;
    drop(seat);
    response
}

/// Middleware: limits the time to the answer, and the time that the request's body takes. For a table only the second limit
/// holds: a large one may take hours.
pub async fn limit_time(request: Request, next: Next) -> Response {
    let is_table = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| !value.as_bytes().starts_with(b"application/json"));
    let request = request.map(|body| Body::new(PacedBody::new(body, PACE)));
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
