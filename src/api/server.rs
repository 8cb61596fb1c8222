//! Connections: accepted, secured, bounded in number and time, and ended well.
//!
//! hyper is driven here because `axum::serve` sets no limits. Only HTTP/1.1 is spoken: each limit is then set once, and a
//! connection that says nothing cannot wait without a limit for its protocol to be detected.

use super::{
    audit::Peer,
    idle::{Connection, IdleLine},
    listener::{Listener, Wire},
};
use axum::{Router, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{io, path::Path, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// Bounds of a server's connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections at once. For one more the one that has been idle for longest is closed; where none is idle, it waits.
    pub connections: usize,
    /// Time for the TLS handshake; and for a request's head, from the handshake or from the answer before it.
    pub head: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections: 2048, head: Duration::from_secs(30) }
    }
}

/// Most bytes of a request's head, the address included; specs of datasets may stand in one.
const MAX_HEAD_BYTES: usize = 128 << 10;
/// Most headers.
const MAX_HEADERS: usize = 100;
/// How long a connection without a place waits before it looks again whether another has become idle.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Pause before accepting again, where there was no file descriptor or memory for a connection.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot use the certificate `{file}` of --tls-cert: {source}")]
    Certificate { file: String, source: rustls::pki_types::pem::Error },
    #[error("cannot use the private key `{file}` of --tls-key: {source}")]
    Key { file: String, source: rustls::pki_types::pem::Error },
    #[error("the certificate of --tls-cert and the key of --tls-key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3 with a chain of certificates and its private key, both PEM.
pub fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|source| TlsError::Certificate { file: certificate.display().to_string(), source })?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| TlsError::Key { file: key.display().to_string(), source })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop`, then ends connections as their requests end, and returns when the last has.
pub async fn serve(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ConnectionLimits,
    stop: CancellationToken,
) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    let http = Arc::new(http);
    let places = Arc::new(Semaphore::new(limits.connections));
    let line = Arc::new(IdleLine::default());
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = stop.run_until_cancelled(accept(&listener, &places, &line)).await {
        let (http, tls, router, stop) = (http.clone(), tls.clone(), router.clone(), stop.clone());
        let connection = Connection::new(line.clone());
        connections.spawn(async move {
            let _place = place;
            let closed = connection.closed.clone();
            let served = async {
                match tls {
                    None => serve_connection(&http, stream, peer, router, connection, stop).await,
                    Some(tls) => match tokio::time::timeout(limits.head, tls.accept(stream)).await {
                        Ok(Ok(stream)) => serve_connection(&http, stream, peer, router, connection, stop).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a connection was not secured"),
                        Err(_) => tracing::debug!("a connection was not secured in time"),
                    },
                }
            };
            if closed.run_until_cancelled(served).await.is_none() {
                tracing::debug!("an idle connection gave way to a new one");
            }
        });
    }
    // From here on a new connection is refused at once, so that its client tries another server.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection, once there is a place for it. Where there is none, a connection that is idle gives its place up.
async fn accept(listener: &Listener, places: &Arc<Semaphore>, line: &IdleLine) -> (Wire, Peer, OwnedSemaphorePermit) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, Peer(peer), find_place(places, line).await),
            // The error is of this one connection, which is gone.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for the moment");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn find_place(places: &Arc<Semaphore>, line: &IdleLine) -> OwnedSemaphorePermit {
    loop {
        if let Ok(place) = places.clone().try_acquire_owned() {
            return place;
        }
        line.close_longest();
        let place = tokio::time::timeout(LOOK_AGAIN, places.clone().acquire_owned()).await;
        if let Ok(place) = place {
            return place.expect("the semaphore is never closed");
        }
    }
}

/// Answers the requests of one connection; after `stop` the one under way is its last.
async fn serve_connection(
    http: &Builder<TokioExecutor>,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    router: Router,
    connection: Arc<Connection>,
    stop: CancellationToken,
) {
    let service = tower::service_fn(move |mut request: Request<_>| {
        request.extensions_mut().insert(peer);
        let busy = connection.begin();
        let answer = router.clone().oneshot(request);
        async move { answer.await.map(|response| busy.until_sent(response)) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let ended = stop.run_until_cancelled(connection.as_mut()).await;
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, routing::get};
    use futures_util::{StreamExt, stream};
    use std::{net::SocketAddr, time::Instant};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
    };

    async fn start(limits: ConnectionLimits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let endless =
            || Body::from_stream(stream::once(async { Ok::<_, io::Error>("first") }).chain(stream::pending()));
        let router =
            Router::new().route("/", get(async || "here")).route("/stream", get(move || async move { endless() }));
        (address, stop.clone(), tokio::spawn(serve(Listener::Tcp(listener), None, router, limits, stop)))
    }

    /// Everything that comes back until the connection ends.
    async fn talk(address: SocketAddr, said: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.ok();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.ok();
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_not_waited_for() {
        let limits = ConnectionLimits { head: Duration::from_millis(200), ..ConnectionLimits::default() };
        let (address, _, _) = start(limits).await;
        let started = Instant::now();
        for said in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let heard = talk(address, said).await;
            assert!(!heard.contains("here"), "{heard}");
        }
        // One after the other; the default would have been a minute and a half.
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(talk(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.ends_with("here"), "and then it ends as idle");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (address, _, _) = start(ConnectionLimits::default()).await;
        let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
        // The rest of the head is still on its way when the connection ends, and may take the answer along.
        let heard = talk(address, &large).await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431 "), "{heard}");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(talk(address, &many).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_a_place() {
        let (address, _, _) = start(ConnectionLimits { connections: 1, ..ConnectionLimits::default() }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        // Its answer has begun and does not end, so it has the place.
        first.read_u8().await.unwrap();
        let mut second = tokio::spawn(talk(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut second).await.is_err());
        drop(first);
        assert!(second.await.unwrap().ends_with("here"));
    }

    #[tokio::test]
    async fn connections_without_a_request_give_way() {
        let (address, _, _) = start(ConnectionLimits { connections: 3, ..ConnectionLimits::default() }).await;
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        busy.read_u8().await.unwrap();
        let mut idle = Vec::new();
        for said in ["", "GET / HT", "", "GET / HTTP/1.1\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            idle.push(stream);
        }
        let asked = talk(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let heard = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
        assert!(heard.ends_with("here"), "{heard}");
        assert_eq!(idle[0].read(&mut [0]).await.unwrap(), 0, "the one that was idle for longest is closed");
        let mut more = [0; 1];
        let heard = tokio::time::timeout(Duration::from_millis(100), busy.read_exact(&mut more)).await;
        assert!(!matches!(heard, Ok(Err(_))), "a stream goes on");
    }

    #[tokio::test]
    async fn idle_connections_end_when_the_server_stops() {
        let (address, stop, server) = start(ConnectionLimits::default()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        idle.read_u8().await.unwrap();
        stop.cancel();
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
