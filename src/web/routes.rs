//! All pages, and what every request for one passes through.

use super::{
    assets, audit, columns, compare, dataset, dataset_list, door, headers, home, job, job_actions, job_list, new_job,
    relay, results, rows, session, upload,
};
use crate::api::{self, AppState};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};

/// What page handlers may use.
#[derive(Clone)]
pub(super) struct Web {
    pub app: AppState,
    /// The API's routes.
    pub api: Router,
}

/// Where a page is, and what it answers with.
struct Route {
    method: Method,
    path: &'static str,
    handler: MethodRouter<Web>,
}

fn route<H, T>(method: Method, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("one of HTTP's own methods");
    Route { method, path, handler: on(filter, handler) }
}

/// Pages for whoever is let in.
fn closed() -> Vec<Route> {
    vec![
        route(Method::GET, "/jobs", job_list::show),
        route(Method::GET, "/jobs/{id}", job::show),
        route(Method::GET, "/jobs/{id}/events", relay::follow_events),
        route(Method::POST, "/jobs/{id}/pause", job_actions::pause),
        route(Method::POST, "/jobs/{id}/resume", job_actions::resume),
        route(Method::POST, "/jobs/{id}/cancel", job_actions::cancel),
        route(Method::POST, "/jobs/{id}/again", job_actions::run_again),
        route(Method::POST, "/jobs/{id}/delete", job_actions::delete),
        route(Method::GET, "/jobs/{id}/report", relay::show_report),
        route(Method::GET, "/jobs/{id}/results", results::show),
        route(Method::GET, "/jobs/{id}/results/{name}", relay::download_result),
        route(Method::GET, "/jobs/{id}/rows", rows::show),
        route(Method::GET, "/datasets", dataset_list::show),
        route(Method::GET, "/datasets/{id}", dataset::show),
        route(Method::POST, "/datasets/{id}/delete", dataset::delete),
        route(Method::GET, "/datasets/{id}/new-job", new_job::show),
        route(Method::POST, "/datasets/{id}/new-job", new_job::start),
        route(Method::GET, "/compare", compare::show),
        route(Method::GET, "/audit", audit::show),
        route(Method::GET, "/new", upload::show),
        // The API limits files, by what the tenant may have.
        route(Method::POST, "/new", upload::send.layer(DefaultBodyLimit::disable())),
        route(Method::GET, "/new/{id}", columns::show),
        route(Method::POST, "/new/{id}", columns::choose),
        route(Method::POST, "/uploads", relay::begin_upload),
        route(Method::HEAD, "/uploads/{id}", relay::continue_upload),
        route(Method::PATCH, "/uploads/{id}", relay::continue_upload),
        route(Method::POST, "/sign-out", session::sign_out),
    ]
}

/// Pages that show nothing of anybody's.
fn open() -> Vec<Route> {
    vec![
        route(Method::GET, "/", home::show),
        route(Method::GET, "/sign-in", session::show_form),
        route(Method::POST, "/sign-in", session::sign_in),
        route(Method::GET, "/assets/{name}", assets::show),
    ]
}

/// The pages over a state.
pub fn pages(app: AppState) -> Router {
    let web = Web { api: api::inner_router(app.clone()), app };
    let add = |router: Router<Web>, route: Route| router.route(route.path, route.handler);
    let closed = closed().into_iter().fold(Router::new(), add);
    let closed = closed.route_layer(middleware::from_fn_with_state(web.clone(), door::let_in));
    open()
        .into_iter()
        .fold(closed, add)
        .route_layer(middleware::from_fn(door::check_origin))
        .route_layer(middleware::from_fn_with_state(web.clone(), door::know))
        .fallback(home::show_nothing)
        .layer(middleware::from_fn(headers::protect))
        .with_state(web)
}

/// Method and address of each page that is not open to everybody.
pub fn listed() -> Vec<(Method, &'static str)> {
    closed().into_iter().map(|route| (route.method, route.path)).collect()
}
