//! Whether the service lives, whether it can take work, what it can do, and its figures for Prometheus.

use super::{
    error::{ApiError, Chain, Kind},
    extract::{Json, Path},
    objects_probe::ObjectsProbe,
    offers::Offers,
    part_upload::MOST_PARTS,
    state::AppState,
    tus,
    uploads::MOST_UNFINISHED,
    views::{Capabilities, Health, UploadLimits},
};
use crate::{
    store::Store,
    types::{MethodName, Preset},
};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = Health)))]
pub async fn get_healthz() -> Json<Health> {
    Json(Health { status: "alive".to_owned(), reasons: Vec::new() })
}

/// Whether requests can be served: the database and the store of objects answer, the worker of this process, if it has one, can run jobs, and the
/// server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn get_readyz(State(state): State<AppState>) -> Response {
    check_readiness(&state.store, &state.objects, &state.unfit, &state.draining).await
}

async fn check_readiness(
    store: &Store,
    objects: &ObjectsProbe,
    unfit: &watch::Receiver<Vec<String>>,
    draining: &CancellationToken,
) -> Response {
    let mut reasons = Vec::new();
    match tokio::time::timeout(Duration::from_secs(3), store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = %Chain(&error), "readiness: the database does not answer");
            reasons.push("the database does not answer".to_owned());
        }
        Err(_) => reasons.push("the database did not answer within 3 seconds".to_owned()),
    }
    reasons.extend(objects.find_fault().await);
    reasons.extend(unfit.borrow().iter().map(|reason| format!("the worker claims nothing: {reason}")));
    if draining.is_cancelled() {
        reasons.push("the server is stopping".to_owned());
    }
    let (code, status) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    (code, Json(Health { status: status.to_owned(), reasons })).into_response()
}

/// What the health addresses of a worker without an API answer from.
#[derive(Clone)]
pub struct Probes {
    pub store: Store,
    /// The store of objects.
    pub objects: ObjectsProbe,
    pub prometheus: PrometheusHandle,
    /// What keeps the worker from claiming.
    pub unfit: watch::Receiver<Vec<String>>,
    pub draining: CancellationToken,
}

/// `/healthz`, `/readyz` and `/metrics` of a worker.
pub fn probes(probes: Probes) -> Router {
    Router::new()
        .route("/healthz", get(get_healthz))
        .route(
            "/readyz",
            get(async |State(it): State<Probes>| {
                check_readiness(&it.store, &it.objects, &it.unfit, &it.draining).await
            }),
        )
        .route("/metrics", get(async |State(it): State<Probes>| render_metrics(&it.prometheus)))
        .with_state(probes)
}

/// Limits, and the words a spec may use.
#[utoipa::path(get, path = "/v1/capabilities", tag = "service", responses((status = 200, body = Capabilities)))]
pub async fn get_capabilities(State(state): State<AppState>) -> Result<Json<Capabilities>, ApiError> {
    let words = |words: Vec<&'static str>| words.into_iter().map(str::to_owned).collect();
    let offers = Offers::read(&mut *state.connection().await?).await?;
    Ok(Json(Capabilities {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        max_upload_bytes: state.config.max_upload_bytes,
        uploads: UploadLimits {
            tus_version: tus::VERSION.to_owned(),
            tus_extensions: words(tus::EXTENSIONS.to_vec()),
            checksum_algorithms: words(tus::Checksum::ALGORITHMS.to_vec()),
            expiry_seconds: state.config.upload_expiry.as_secs_f64(),
            max_unfinished: MOST_UNFINISHED,
            max_parts: MOST_PARTS as u32,
        },
        max_rows: state.config.max_rows,
        signing_key: state.config.signing_key.clone(),
        tenant_limits: state.config.quota,
        methods: words(MethodName::ALL.iter().map(|method| method.as_str()).collect()),
        presets: words(Preset::ALL.iter().map(|preset| preset.as_str()).collect()),
        engines: words(offers.engines().iter().map(|engine| engine.as_str()).collect()),
        devices: offers.devices().iter().map(ToString::to_string).collect(),
        backbones: words(offers.backbones().iter().map(|backbone| backbone.as_str()).collect()),
        formats: words(vec!["csv", "parquet", "jsonl"]),
    }))
}

/// Figures in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_metrics(State(state): State<AppState>) -> Response {
    render_metrics(&state.prometheus)
}

fn render_metrics(prometheus: &PrometheusHandle) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus.render()).into_response()
}

/// Middleware: while the server stops, new requests get 503, so that their clients try another server, or this one later.
/// Health and metrics are still answered.
pub async fn refuse_when_draining(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !state.draining.is_cancelled() || !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let refused = ApiError::new(Kind::Unavailable, "the server is stopping; it or another is back shortly");
    ([(header::CONNECTION, "close")], refused).into_response()
}

/// The methods that are counted by their names. A client may send any word for one, and each would stay in memory and on
/// `/metrics` for ever.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Middleware: counts and times requests by route. By address every id would become a label of its own.
pub async fn count_requests(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown".to_owned(), |path| path.as_str().to_owned());
    let method = METHODS.iter().find(|method| *method == request.method()).map_or("other", Method::as_str).to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let labels = [("method", method), ("route", route), ("status", response.status().as_u16().to_string())];
    metrics::counter!("autodenoise_http_requests_total", &labels).increment(1);
    metrics::histogram!("autodenoise_http_request_seconds", &labels[..2]).record(started.elapsed().as_secs_f64());
    response
}

/// The page behind a problem's `type`.
pub async fn get_problem(Path(code): Path<String>) -> Result<String, ApiError> {
    let kind =
        Kind::ALL.iter().find(|kind| kind.code() == code).ok_or_else(|| ApiError::not_found("problem", &code))?;
    Ok(format!(
        "{}\n\nHTTP status {}, code {}.\n\n{}\n",
        kind.title(),
        kind.status().as_u16(),
        kind.code().replace('-', "_"),
        kind.page()
    ))
}
