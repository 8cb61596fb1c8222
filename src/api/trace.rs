//! The log of requests: one line each, when the last byte of the answer has gone.

use super::watched::{Watch, watch};
use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use std::time::Instant;
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span, debug, field, info, info_span};

/// Middleware: every line logged while a request is answered says which request it was; one more is logged at its end.
///
/// What failed, and what may have changed something, is logged at `info`; reads that went well, probes among them, at
/// `debug`. The cause of a 5xx stands on a line before, at `error` or `warn`.
pub async fn log_requests(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let span = info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        request_id,
        tenant = field::Empty,
        key = field::Empty
    );
    let route = request.extensions().get::<MatchedPath>().map_or("unknown".to_owned(), |path| path.as_str().to_owned());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut line = Line { span: span.clone(), route, reads, started: Instant::now(), status: None, bytes: 0 };
    let response = next.run(request).instrument(span).await;
    line.status = Some(response.status());
    response.map(|body| watch(body, line))
}

/// Written when dropped: with the answer, or before there is one where the client went away.
struct Line {
    span: Span,
    route: String,
    /// Whether the method changes nothing.
    reads: bool,
    started: Instant,
    status: Option<StatusCode>,
    /// Of the body, as far as it was asked for.
    bytes: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        let (route, bytes, duration_ms) = (&self.route[..], self.bytes, self.started.elapsed().as_millis() as u64);
        match self.status {
            None => info!(route, duration_ms, "the client went away after {duration_ms} ms"),
            Some(status) => {
                let (failed, status) = (status.is_client_error() || status.is_server_error(), status.as_u16());
                if failed || !self.reads {
                    info!(route, status, duration_ms, bytes, "{status} in {duration_ms} ms");
                } else {
                    debug!(route, status, duration_ms, bytes, "{status} in {duration_ms} ms");
                }
            }
        }
    }
}

impl Watch for Line {
    fn see(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}
