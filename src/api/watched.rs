//! A body that something outlives the answer with: whoever watches it is dropped once its last byte was taken.

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// What a body is watched by.
pub trait Watch: Send + Unpin + 'static {
    /// There is room for more of the body.
    fn ask(&mut self) {}

    /// So many bytes of the body were taken.
    fn see(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// All of the body was taken.
    fn end(&mut self) {}
}

/// The body, watched until it is dropped.
pub fn watch(body: Body, mut watch: impl Watch) -> Body {
    if body.is_end_stream() {
        watch.end();
    }
    Body::new(Watched { body, watch })
}

struct Watched<W> {
    body: Body,
    watch: W,
}

impl<W: Watch> HttpBody for Watched<W> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.watch.ask();
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.watch.see(frame.data_ref().map_or(0, Bytes::len));
        }
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.watch.end();
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
