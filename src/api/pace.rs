//! How slowly a request's body may come. A body that trickles holds its place for as long as its sender likes.

use axum::body::{Body, Bytes, HttpBody};
use futures_util::TryStreamExt;
use http_body::{Frame, SizeHint};
use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until, timeout},
};

/// Bounds of a body.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Most time between two pieces, and before the rate counts.
    pub silence: Duration,
    /// Least bytes a second, on average over the time that the sender was waited for.
    pub least_rate: f64,
    /// Most time in all that the sender is waited for.
    pub longest: Duration,
}

/// How long the rest of a body is still taken that nobody reads.
const LINGER: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
struct TooSlow;

/// A body that fails where it comes more slowly than it may. Only the time in which it was waited for counts: a server that
/// does not get on with writing is not its sender's fault.
pub struct PacedBody {
    body: Body,
    pace: Pace,
    received: u64,
    /// How long it was waited for, before `since`.
    waited: Duration,
    /// Since when it is waited for now.
    since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl PacedBody {
    pub fn new(body: Body, pace: Pace) -> Self {
        Self {
            body,
            pace,
            received: 0,
            waited: Duration::ZERO,
            since: None,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// How long the next piece may be waited for.
    fn patience(&self) -> Duration {
        let earned = Duration::from_secs_f64(self.received as f64 / self.pace.least_rate) + self.pace.silence;
        self.pace.silence.min(earned.min(self.pace.longest).saturating_sub(self.waited))
    }
}

/// What a client goes on sending after its answer is read and dropped, for a moment. Were the connection closed at once, the client
/// would see it break, and not why it was refused.
impl Drop for PacedBody {
    fn drop(&mut self) {
        let body = mem::take(&mut self.body);
        if !body.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGER, body.into_data_stream().try_for_each(async |_| Ok(()))));
        }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(since) = this.since.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                if this.since.is_none() {
                    let now = Instant::now();
                    this.since = Some(now);
                    let patience = this.patience();
                    this.timer.as_mut().reset(now + patience);
                }
                match this.timer.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(axum::Error::new(TooSlow)))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use futures_util::{StreamExt, stream};
    use std::convert::Infallible;

    const PACE: Pace =
        Pace { silence: Duration::from_millis(600), least_rate: 10_000.0, longest: Duration::from_millis(1500) };

    /// Whether a body of pieces of so many bytes, so many milliseconds apart, is taken.
    async fn is_taken(pieces: usize, bytes: usize, every: u64) -> bool {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(every)).await;
            Ok::<_, Infallible>(Bytes::from(vec![0; bytes]))
        });
        to_bytes(Body::new(PacedBody::new(Body::from_stream(pieces), PACE)), usize::MAX).await.is_ok()
    }

    #[tokio::test]
    async fn a_body_that_trickles_is_broken_off() {
        assert!(!is_taken(100, 1, 100).await, "a byte every tenth of a second");
        assert!(!is_taken(2, 1 << 20, 700).await, "silent for too long");
        assert!(!is_taken(100, 1 << 20, 50).await, "too long in all");
        assert!(is_taken(8, 5000, 100).await, "slow, and not too slow");
        assert!(is_taken(3, 1, 10).await, "a small one");
    }
}
