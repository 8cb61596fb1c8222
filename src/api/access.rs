//! Who is asking, what they may do, and how often.
//!
//! On loopback a server without keys takes whoever reaches it for its first tenant. From the first key on it asks for one,
//! as `Authorization: Bearer adk_…`. What a request needs follows from its method and route, so that a new route is closed
//! from the start.

use super::{
    error::{ApiError, Kind},
    state::AppState,
};
use crate::{
    store::{
        StoreError,
        keys::{self, ApiKey, Holder},
        tenants,
    },
    types::{Quota, Scope, TenantId},
};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sqlx::PgConnection;
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Routes of the API that need no key.
pub const OPEN: [&str; 3] = ["/healthz", "/readyz", "/v1/capabilities"];
/// Routes that concern the whole server.
const OPERATOR: [&str; 2] = ["/metrics", "/v1/workers"];

/// Whoever sent the request, whose things it may see, and how much of them it may make.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
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

/// Middleware: lets nobody through whose key is missing, not good, or not good for this.
pub async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if !OPEN.contains(&route(&parts)) {
        match admit(&parts, &state).await {
            Ok(caller) => drop(parts.extensions.insert(caller)),
            Err(error) => return error.into_response(),
        }
    }
    next.run(Request::from_parts(parts, body)).await
}

fn route(parts: &Parts) -> &str {
    parts.extensions.get::<MatchedPath>().map_or("", |path| path.as_str())
}

async fn admit(parts: &Parts, state: &AppState) -> Result<Caller, ApiError> {
    let connection = &mut *state.connection().await?;
    let (tenant, scope, own) = match presented(&parts.headers)? {
        Some(key) => {
            let holder = keys::find_holder(connection, &key).await?;
            let Holder { key, tenant, scope, quota } = holder.ok_or_else(|| {
                ApiError::new(
                    Kind::Unauthorized,
                    "the API key is unknown, revoked or expired; ask the operator for another",
                )
            })?;
            tracing::Span::current().record("key", tracing::field::display(key));
            (tenant, scope, quota)
        }
        None => {
            let tenant = TenantId::default();
            let quota = state.access.quota_without_keys(connection, &tenant).await?.ok_or_else(|| {
                let detail = "this server asks for an API key: send it as `Authorization: Bearer adk_…`";
                ApiError::new(Kind::Unauthorized, detail)
            })?;
            (tenant, Scope::Admin, quota)
        }
    };
    tracing::Span::current().record("tenant", tracing::field::display(&tenant));
    let quota = own.or(state.config.quota);
    state.access.count_request(&tenant, quota)?;
    let needed = needed(&parts.method, route(parts));
    if scope < needed {
        return Err(ApiError::new(Kind::Forbidden, format!("this needs a key of scope {needed}; yours is of {scope}")));
    }
    Ok(Caller { tenant, quota })
}

fn needed(method: &Method, route: &str) -> Scope {
    match *method {
        _ if OPERATOR.contains(&route) => Scope::Admin,
        Method::GET | Method::HEAD => Scope::Read,
        _ => Scope::Write,
    }
}

/// The key that came along. Credentials of another kind are a proxy's, and nothing to us.
fn presented(headers: &HeaderMap) -> Result<Option<ApiKey>, ApiError> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match text.and_then(|text| text.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
            let key = key.trim().parse::<ApiKey>();
            Ok(Some(key.map_err(|error| ApiError::new(Kind::Unauthorized, error.to_string()))?))
        }
        _ => Ok(None),
    }
}

/// What the guard remembers between requests.
pub struct Access {
    /// Never false again once it was true: revoked keys stay in the database.
    keys_asked_for: AtomicBool,
    buckets: Mutex<HashMap<TenantId, Bucket>>,
}

/// Requests a tenant may make at once; refills over a minute.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Access {
    pub fn new(require_keys: bool) -> Self {
        Self { keys_asked_for: AtomicBool::new(require_keys), buckets: Mutex::default() }
    }

    /// The limits of a tenant whom no key speaks for; nothing where keys are asked for. A key made by another process is
    /// noticed with the next request.
    async fn quota_without_keys(
        &self,
        connection: &mut PgConnection,
        tenant: &TenantId,
    ) -> Result<Option<Quota>, StoreError> {
        if self.keys_asked_for.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let quota = tenants::quota_without_keys(connection, tenant).await?;
        if quota.is_none() {
            self.keys_asked_for.store(true, Ordering::Relaxed);
        }
        Ok(quota)
    }

    fn count_request(&self, tenant: &TenantId, quota: Quota) -> Result<(), ApiError> {
        let Some(limit) = quota.requests_per_minute else { return Ok(()) };
        let wait = self.take(tenant, f64::from(limit), Instant::now());
        wait.map_err(|wait| {
            let detail = format!("{tenant} may make {limit} requests a minute");
            ApiError::new(Kind::TooManyRequests, detail).retry_after(wait)
        })
    }

    /// Takes a request out of the tenant's bucket, or says how long until there is one.
    fn take(&self, tenant: &TenantId, per_minute: f64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().expect("no holder panics");
        let bucket = buckets.entry(tenant.clone()).or_insert(Bucket { left: per_minute, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + passed * per_minute / 60.0).min(per_minute), at: now };
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) * 60.0 / per_minute));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_over_a_minute_and_each_tenant_has_its_own() {
        let access = Access::new(false);
        let (one, two) = (TenantId::default(), "two".parse().unwrap());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..6 {
            assert_eq!(access.take(&one, 6.0, at(0)), Ok(()));
        }
        assert_eq!(access.take(&one, 6.0, at(0)), Err(Duration::from_secs(10)));
        assert_eq!(access.take(&two, 6.0, at(0)), Ok(()));
        assert_eq!(access.take(&one, 6.0, at(10)), Ok(()));
        assert!(access.take(&one, 6.0, at(11)).is_err());
        for _ in 0..6 {
            assert_eq!(access.take(&one, 6.0, at(1000)), Ok(()));
        }
        assert!(access.take(&one, 6.0, at(1000)).is_err(), "no more than a minute's are saved up");
    }

    #[test]
    fn a_request_needs_what_it_does() {
        assert_eq!(needed(&Method::GET, "/v1/jobs/{id}"), Scope::Read);
        assert_eq!(needed(&Method::HEAD, "/v1/jobs/{id}"), Scope::Read);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert_eq!(needed(&method, "/v1/jobs/{id}"), Scope::Write, "{method}");
        }
        for route in OPERATOR {
            assert_eq!(needed(&Method::GET, route), Scope::Admin, "{route}");
        }
    }

    #[test]
    fn only_a_bearer_is_ours() {
        let headers = |text: &str| HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())]);
        assert!(presented(&HeaderMap::new()).unwrap().is_none());
        assert!(presented(&headers("Basic dTpw")).unwrap().is_none());
        let key = format!("adk_{}_{}", "0".repeat(32), "1".repeat(64));
        assert!(presented(&headers(&format!("bearer {key}"))).unwrap().is_some());
        assert!(presented(&headers("Bearer sk_1")).is_err());
    }
}
