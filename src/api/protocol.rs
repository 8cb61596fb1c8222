//! What is spoken over a connection, HTTP/1.1 or HTTP/2, and the bounds of either.
//!
//! HTTP/2 carries many requests at once over one connection, for whose framing the server pays. What the library bounds by
//! itself is written out here where it can be, because a later version may have other defaults. Of frames that are no requests
//! (PING, SETTINGS, WINDOW_UPDATE) it answers one before it reads the next and queues none; empty and tiny DATA frames, and
//! CONTINUATION frames beyond a head's largest size, end the connection.

use super::server::ConnectionLimits;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use rustls::ServerConnection;

/// Most bytes of a request's head, the address included; specs of datasets may stand in one.
pub const MAX_HEAD_BYTES: usize = 128 << 10;
/// Most headers.
pub const MAX_HEADERS: usize = 100;

/// Most requests under way on one connection of HTTP/2. Browsers send all their tabs' over one, event streams too.
pub const MAX_STREAMS: u32 = 64;
/// Bytes of bodies that a connection of HTTP/2 sends before they are read.
const WINDOW: u32 = 512 << 10;
/// Bytes of one answer that wait for a client of HTTP/2 to take them.
const SEND_BUFFER: usize = 128 << 10;
/// Requests that a client may take back before they were looked at (CVE-2023-44487), and those that it may have the server take
/// back by breaking the protocol (CVE-2025-8671). Those taken back later are counted by `idle`.
const MAX_RESETS: usize = 20;

/// Names of the protocols in TLS, the preferred first.
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// The one that client and server have agreed on; HTTP/1.1 where the client named none.
    pub fn agreed(connection: &ServerConnection) -> Self {
        if connection.alpn_protocol() == Some(ALPN[0]) { Self::Http2 } else { Self::Http1 }
    }

    /// What serves a connection, within the bounds.
    pub fn builder(self, limits: ConnectionLimits) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        match self {
            Self::Http1 => {
                builder
                    .http1()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.head)
                    .max_buf_size(MAX_HEAD_BYTES)
                    .max_headers(MAX_HEADERS);
                builder.http1_only()
            }
            Self::Http2 => {
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(MAX_STREAMS)
                    .max_header_list_size(MAX_HEAD_BYTES as u32)
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOW)
                    .max_send_buf_size(SEND_BUFFER)
                    .max_pending_accept_reset_streams(MAX_RESETS)
                    .max_local_error_reset_streams(MAX_RESETS);
                builder.http2_only()
            }
        }
    }
}
