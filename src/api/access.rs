//! Who is asking, what they may do, and how often.
//!
//! A server without keys, which listens on loopback, treats every request of its machine as one of its first tenant. Once there is a key it
//! asks for one, as `Authorization: Bearer adk_…`. The scope that a request needs follows from its method and route, so that
//! a new route is closed unless it is named as open.

use super::{
    audit::Witness,
    browsers::check_keyless,
    error::{ApiError, Kind},
    places::Seat,
    state::AppState,
};
use crate::{
    store::{
        keys::{self, ApiKey, Holder},
        sessions::{self, SessionToken},
    },
    types::{Quota, Scope, TenantId},
};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Routes of the API that need no key.
pub const OPEN: [&str; 3] = ["/healthz", "/readyz", "/v1/capabilities"];
/// Routes that show what belongs to no tenant, and need the scope `admin`; the last is a page.
const OPERATOR: [&str; 4] = ["/metrics", "/v1/workers", "/v1/audit", "/audit"];

/// Who sent the request: the tenant whose things it may see, what it may do, and how much that tenant may have.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub scope: Scope,
    pub quota: Quota,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(caller) => Ok(caller.clone()),
            None => admit(parts, state).await,
        }
    }
}

/// Middleware: refuses a request whose key is missing, not valid, or not of the scope that the request needs.
pub async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if !OPEN.contains(&matched_route(&parts)) {
        match admit(&parts, &state).await {
            Ok(caller) => {
                let counted = parts.extensions.get::<Seat>().map(|seat| seat.count(&state.requests, &caller.tenant));
                if let Some(Err(error)) = counted {
                    return error.into_response();
                }
                parts.extensions.insert(caller);
            }
            Err(error) => return error.into_response(),
        }
    }
    next.run(Request::from_parts(parts, body)).await
}

fn matched_route(parts: &Parts) -> &str {
    parts.extensions.get::<MatchedPath>().map_or("", |path| path.as_str())
}

/// Lets the sender of a request in, or says why not. A session counts where whoever read it from a cookie put its token into
/// the request's extensions, which the pages do and the API does not.
pub(super) async fn admit(parts: &Parts, state: &AppState) -> Result<Caller, ApiError> {
    let connection = &mut *state.connection().await?;
    let holder = match (read_key(&parts.headers)?, parts.extensions.get::<SessionToken>()) {
        (Some(key), _) => Some(keys::find_holder(connection, &key).await?.ok_or_else(|| {
            ApiError::new(
                Kind::Unauthorized,
                "the API key is unknown, revoked or expired; ask the operator for another",
            )
        })?),
        (None, Some(session)) => sessions::find_holder(connection, session).await?,
        (None, None) => None,
    };
    let (key, tenant, scope, own) = match holder {
        Some(Holder { key, tenant, scope, quota }) => {
            tracing::Span::current().record("key", tracing::field::display(key));
            (Some(key), tenant, scope, quota)
        }
        None => {
            let tenant = TenantId::default();
            let quota = state.keyless.find_quota(connection, &tenant).await?.ok_or_else(|| {
                let detail = "this server asks for an API key: send it as `Authorization: Bearer adk_…`";
                ApiError::new(Kind::Unauthorized, detail)
            })?;
            check_keyless(parts)?;
            (None, tenant, Scope::Admin, quota)
        }
    };
    tracing::Span::current().record("tenant", tracing::field::display(&tenant));
    if let Some(witness) = parts.extensions.get::<Witness>() {
        witness.saw(&tenant, key);
    }
    let quota = own.or(state.config.quota);
    state.throttle.count_request(&tenant, quota)?;
    check_scope(scope, scope_needed(&parts.method, matched_route(parts)))?;
    Ok(Caller { tenant, scope, quota })
}

fn check_scope(scope: Scope, needed: Scope) -> Result<(), ApiError> {
    if scope < needed {
        return Err(ApiError::new(Kind::Forbidden, format!("this needs a key of scope {needed}; yours is of {scope}")));
    }
    Ok(())
}

/// Middleware for requests from within: whoever was let in for a page asks for nothing that needs more than their key may.
pub(super) async fn recheck_scope(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let route = matched_route(&parts);
    let checked = match parts.extensions.get::<Caller>() {
        Some(caller) => check_scope(caller.scope, scope_needed(&parts.method, route)),
        None if OPERATOR.contains(&route) => Err(ApiError::new(Kind::Unauthorized, "nobody was let in")),
        None => Ok(()),
    };
    match checked {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}

fn scope_needed(method: &Method, route: &str) -> Scope {
    match *method {
        _ if OPERATOR.contains(&route) => Scope::Admin,
        // Whoever may come in may leave.
        _ if route == "/sign-out" => Scope::Read,
        Method::GET | Method::HEAD => Scope::Read,
        _ => Scope::Write,
    }
}

/// The API key of the request. Credentials of another scheme may be meant for a proxy in front, and are ignored.
fn read_key(headers: &HeaderMap) -> Result<Option<ApiKey>, ApiError> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match text.and_then(|text| text.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
            let key = key.trim().parse::<ApiKey>();
            Ok(Some(key.map_err(|error| ApiError::new(Kind::Unauthorized, error.to_string()))?))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_what_it_does() {
        assert_eq!(scope_needed(&Method::GET, "/v1/jobs/{id}"), Scope::Read);
        assert_eq!(scope_needed(&Method::HEAD, "/v1/jobs/{id}"), Scope::Read);
        assert_eq!(scope_needed(&Method::POST, "/sign-out"), Scope::Read);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert_eq!(scope_needed(&method, "/v1/jobs/{id}"), Scope::Write, "{method}");
        }
        for route in OPERATOR {
            assert_eq!(scope_needed(&Method::GET, route), Scope::Admin, "{route}");
        }
    }

    #[test]
    fn only_a_bearer_is_ours() {
        let headers = |text: &str| HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())]);
        assert!(read_key(&HeaderMap::new()).unwrap().is_none());
        assert!(read_key(&headers("Basic dTpw")).unwrap().is_none());
        let key = format!("adk_{}_{}", "0".repeat(32), "1".repeat(64));
        assert!(read_key(&headers(&format!("bearer {key}"))).unwrap().is_some());
        assert!(read_key(&headers("Bearer sk_1")).is_err());
    }
}
