//! Routes, the document that describes them, and what every request passes through.

use super::{
    access, artifacts, attempts, audit, audit_log, browsers, compress, datasets, document, error, events, extract,
    health, jobs, judgements, limits, openapi, overlap, pauses, plan, predictions, results, rows, state::AppState,
    trace, tus, upload_sample, uploads, webhooks, workers,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::LazyLock;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt},
    routes,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The whole API over a state, and the pages beside it.
pub fn router(state: AppState, pages: Router) -> Router {
    let router = split_documented()
        .0
        .route_layer(middleware::from_fn_with_state(state.clone(), access::guard))
        .route("/openapi.json", get(get_openapi))
        .route("/problems/{code}", get(health::get_problem))
        // Named from the page itself, so that a proxy may put a prefix before both.
        .merge(SwaggerUi::new("/docs").config(Config::from("../openapi.json")));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(error::check_request_id))
        .layer(SetRequestIdLayer::new(error::REQUEST_ID, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(error::REQUEST_ID))
        .layer(middleware::from_fn(trace::log_requests))
        .layer(middleware::from_fn(health::count_requests))
        .layer(middleware::from_fn(compress::compress))
        .layer(middleware::from_fn_with_state(state.clone(), browsers::allow_origins))
        .layer(middleware::from_fn(error::render_problem))
        .layer(middleware::from_fn_with_state(state.clone(), audit::record_writes))
        .layer(middleware::from_fn(browsers::require_host))
        .layer(middleware::from_fn(limits::limit_address))
        .layer(middleware::from_fn_with_state(state.clone(), limits::shed_requests))
        .layer(middleware::from_fn(limits::limit_time))
        .layer(middleware::from_fn_with_state(state.clone(), health::refuse_when_draining))
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::max(extract::MAX_JSON_BYTES))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ));
    let router = router.with_state(state).merge(pages).layer(layers);
    // Before the routes, which go by the method.
    Router::new().fallback_service(ServiceBuilder::new().map_request(tus::override_method).service(router))
}

/// Has the handlers of the routes check the version of tus. A method without a handler is 405 whatever version is named.
fn with_tus_version(routes: UtoipaMethodRouter<AppState>) -> UtoipaMethodRouter<AppState> {
    routes.map(|methods| methods.route_layer(middleware::from_fn(tus::check_version)))
}

/// The routes that the OpenAPI document describes.
fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(datasets::create_dataset, datasets::list_datasets))
        .routes(routes!(datasets::upload_table))
        .routes(routes!(datasets::find_dataset, datasets::delete_dataset))
        .routes(with_tus_version(routes!(uploads::discover_uploads, uploads::create_upload)))
        .routes(with_tus_version(routes!(uploads::find_upload, uploads::append_upload, uploads::delete_upload)))
        .routes(routes!(upload_sample::get_upload_sample))
        .routes(routes!(jobs::create_job, jobs::list_jobs))
        .routes(routes!(plan::plan_job))
        .routes(routes!(jobs::find_job, jobs::delete_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(pauses::pause_job))
        .routes(routes!(pauses::resume_job))
        .routes(routes!(events::list_events))
        .routes(routes!(jobs::list_metrics))
        .routes(routes!(attempts::list_attempts))
        .routes(routes!(attempts::list_checkpoints))
        .routes(routes!(results::get_report))
        .routes(routes!(results::get_verdict))
        .routes(routes!(rows::list_rows))
        .routes(routes!(overlap::get_overlap))
        .routes(routes!(results::create_reproduction))
        .routes(routes!(artifacts::list_artifacts))
        .routes(routes!(artifacts::get_artifact))
        .routes(routes!(judgements::create_judgement, judgements::list_judgements))
        .routes(routes!(judgements::find_judgement, judgements::delete_judgement))
        .routes(routes!(judgements::get_judgement_file))
        .routes(routes!(predictions::put_predictions))
        .routes(routes!(judgements::ask_for_verdict))
        .routes(routes!(workers::list_workers))
        .routes(routes!(audit_log::list_audit))
        .routes(routes!(webhooks::create_webhook, webhooks::list_webhooks))
        .routes(routes!(webhooks::find_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::enable_webhook))
        .routes(routes!(webhooks::resend_message))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(health::get_capabilities))
        .routes(routes!(health::get_healthz))
        .routes(routes!(health::get_readyz))
        .routes(routes!(health::get_metrics))
}

/// The described routes, behind no guard.
pub(super) fn undecorated() -> Router<AppState> {
    split_documented().0
}

/// The described routes, and their description.
fn split_documented() -> (Router<AppState>, OpenApi) {
    let (router, document) = documented().split_for_parts();
    (router, openapi::complete(document))
}

/// The OpenAPI document as it is committed.
pub fn openapi_json() -> String {
    let document = serde_json::to_value(split_documented().1).expect("a document is plain data");
    let text = serde_json::to_string_pretty(&document::mend(document)).expect("a document is plain data");
    document::write_points(&text)
}

async fn get_openapi() -> Response {
    // The same for the program's life, and not worth building anew for each request.
    static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
