//! The log of requests: one line each, when the last byte of the answer has gone.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};
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
    response.map(|body| Body::new(Counted { body, line }))
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

/// A body that counts its bytes for the line.
struct Counted {
    body: Body,
    line: Line,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
