//! The API for callers in the same process: the pages, which show what it answers and know nothing else.

use super::{
    access::{self, Caller},
    error::Problem,
    routes,
    state::AppState,
};
use axum::{Router, http::request::Parts, middleware};

/// The routes alone, without what stands before requests from outside but the check of the scope. Whoever calls has let somebody
/// in, and puts the [`Caller`] into each request's extensions; an error has its [`Problem`] in the answer's.
pub fn inner_router(state: AppState) -> Router {
    routes::undecorated().route_layer(middleware::from_fn(access::recheck_scope)).with_state(state)
}

/// Who sent a request: the holder of its key, of the session in its extensions (`SessionToken`), or whoever is there where no
/// key is asked for. The scope must suit the request's method.
///
/// # Errors
/// What the API would answer: 401, 403, 429 or 503.
pub async fn admit(parts: &Parts, state: &AppState) -> Result<Caller, Problem> {
    access::admit(parts, state).await.map_err(Problem::from)
}
