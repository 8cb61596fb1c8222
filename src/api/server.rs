//! Connections: accepted, secured, bounded in number and time, and ended well.
//!
//! hyper is driven here because `axum::serve` sets no limits. HTTP/2 is spoken where TLS has agreed on it, and nowhere else: a
//! connection that says nothing cannot wait without a limit for its protocol to be detected.

use super::{
    audit::Peer,
    idle::{Connection, IdleLine},
    limits::Crowded,
    listener::{Listener, Wire},
    protocol::{ALPN, MAX_HEADERS, Protocol},
};
use axum::{
    BoxError, Router,
    body::{Bytes, HttpBody},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{convert::Infallible, io, path::Path, pin::pin, sync::Arc, time::Duration};
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
    /// Connections at once. For one more the one that has been idle for longest is closed; where none is idle, it waits. Requests
    /// over connections of HTTP/2, of which one carries many, are as many at once; one more is refused.
    pub connections: usize,
    /// Time for the TLS handshake; and for a request's head, from the handshake or from the answer before it.
    pub head: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections: 2048, head: Duration::from_secs(30) }
    }
}

/// How long a connection without a place waits before it looks again whether another has become idle.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long a client of HTTP/2 has to notice that its connection ends, and to take the last of what was asked for; a request that
/// is on its way meanwhile is answered.
const PARTING: Duration = Duration::from_secs(3);
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
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
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
    let requests = Arc::new(Semaphore::new(limits.connections));
    let server = Arc::new(Server { router, limits, requests, stop });
    let places = Arc::new(Semaphore::new(limits.connections));
    let line = Arc::new(IdleLine::default());
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = server.stop.run_until_cancelled(accept(&listener, &places, &line)).await {
        let (server, tls) = (server.clone(), tls.clone());
        let connection = Connection::new(line.clone());
        connections.spawn(async move {
            let _place = place;
            let closed = connection.closed.clone();
            let served = async {
                match tls {
                    None => server.serve_connection(stream, Protocol::Http1, peer, connection).await,
                    Some(tls) => match tokio::time::timeout(limits.head, tls.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            let protocol = Protocol::agreed(stream.get_ref().1);
                            server.serve_connection(stream, protocol, peer, connection).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "a connection was not secured"),
                        Err(_) => tracing::debug!("a connection was not secured in time"),
                    },
                }
            };
            if closed.run_until_cancelled(served).await.is_none() {
                tracing::debug!("a connection was closed that nobody worked at, or that gave up all it asked for");
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

/// What all connections are answered with.
struct Server {
    router: Router,
    limits: ConnectionLimits,
    /// Places for requests over connections of HTTP/2.
    requests: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// Answers the requests of one connection; after `stop` those under way are its last.
    async fn serve_connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        protocol: Protocol,
        peer: Peer,
        connection: Arc<Connection>,
    ) {
        let http = protocol.builder(self.limits);
        let (stop, limits) = (self.stop.clone(), self.limits);
        let answers = connection.clone();
        let service = tower::service_fn(move |mut request: Request<_>| {
            request.extensions_mut().insert(peer);
            self.clone().answer(request, protocol, &answers)
        });
        let mut served = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        let ended = tokio::select! {
            ended = served.as_mut() => Some(ended),
            () = stop.cancelled() => None,
            // The library does it for HTTP/1.1, with the time for a head.
            () = connection.idle_for(limits.head), if protocol == Protocol::Http2 => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                served.as_mut().graceful_shutdown();
                // A client of HTTP/2 is told, and may not heed it.
                let parting = limits.head.min(PARTING);
                let ignored = async {
                    tokio::time::sleep(parting).await;
                    connection.idle_for(parting).await;
                };
                tokio::select! {
                    ended = served.as_mut() => ended,
                    () = ignored, if protocol == Protocol::Http2 => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Answers a request. It is under way from here on, whether the answer is waited for or not.
    fn answer<B>(
        self: Arc<Self>,
        mut request: Request<B>,
        protocol: Protocol,
        connection: &Arc<Connection>,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<B>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // A connection of HTTP/1.1 has one request at a time, and the place for it.
        let place = match protocol {
            Protocol::Http1 => None,
            Protocol::Http2 => self.requests.clone().try_acquire_owned().ok(),
        };
        let is_crowded = protocol == Protocol::Http2 && place.is_none();
        let busy = connection.begin(protocol, place);
        if is_crowded {
            connection.make_room();
            request.extensions_mut().insert(Crowded);
        }
        async move {
            // The library counts those of HTTP/1.1.
            let response = match request.headers().len() > MAX_HEADERS {
                true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response(),
                false => self.router.clone().oneshot(request).await?,
            };
            Ok(busy.until_sent(response))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::protocol::{MAX_HEAD_BYTES, MAX_STREAMS},
        *,
    };
    use axum::{Extension, body::Body, routing};
    use futures_util::{StreamExt, stream};
    use h2::client::SendRequest;
    use std::{future::poll_fn, net::SocketAddr, pin::Pin, time::Instant};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
    };

    async fn start(limits: ConnectionLimits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        (address, stop.clone(), tokio::spawn(serve(Listener::Tcp(listener), None, routes(), limits, stop)))
    }

    fn routes() -> Router {
        let endless =
            || Body::from_stream(stream::once(async { Ok::<_, io::Error>("first") }).chain(stream::pending()));
        let here = async |crowded: Option<Extension<Crowded>>| match crowded {
            Some(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            None => "here".into_response(),
        };
        Router::new().route("/", routing::get(here)).route("/stream", routing::get(move || async move { endless() }))
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

    /// A connection of HTTP/2 to a server of its own, with the server's task and what stops it.
    fn open_http2(limits: ConnectionLimits) -> (DuplexStream, CancellationToken, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let stop = CancellationToken::new();
        let requests = Arc::new(Semaphore::new(limits.connections));
        let server = Arc::new(Server { router: routes(), limits, requests, stop: stop.clone() });
        let connection = Connection::new(Arc::default());
        let closed = connection.closed.clone();
        let serve = async move {
            let served = server.serve_connection(theirs, Protocol::Http2, Peer(None), connection);
            closed.run_until_cancelled(served).await;
        };
        (ours, stop, tokio::spawn(serve))
    }

    /// As `open_http2`, with a client that keeps to the protocol.
    async fn greet(limits: ConnectionLimits) -> (SendRequest<Bytes>, CancellationToken, JoinHandle<()>) {
        let (stream, stop, server) = open_http2(limits);
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        (client, stop, server)
    }

    fn get(path: &str) -> Request<()> {
        Request::get(format!("https://localhost{path}")).body(()).unwrap()
    }

    /// The status of an answer over HTTP/2.
    async fn status(client: &mut SendRequest<Bytes>, request: Request<()>) -> Option<StatusCode> {
        poll_fn(|context| client.poll_ready(context)).await.ok()?;
        let answer = client.send_request(request, true).ok()?.0.await.ok()?;
        Some(answer.status())
    }

    /// A frame of HTTP/2.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;

    #[tokio::test]
    async fn requests_share_a_connection_of_http2() {
        let (mut client, _, _) = greet(ConnectionLimits::default()).await;
        let (endless, _) = client.send_request(get("/stream"), true).unwrap();
        let mut endless = endless.await.unwrap().into_body();
        assert_eq!(endless.data().await.unwrap().unwrap(), "first");
        assert_eq!(status(&mut client, get("/")).await, Some(StatusCode::OK), "while another is answered");

        let many = (0..=MAX_HEADERS).fold(Request::get("https://localhost/"), |request, _| request.header("x", "y"));
        let many = status(&mut client, many.body(()).unwrap()).await;
        assert_eq!(many, Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        let large = Request::get("https://localhost/").header("x", "x".repeat(2 * MAX_HEAD_BYTES)).body(()).unwrap();
        assert_ne!(status(&mut client, large).await, Some(StatusCode::OK));
    }

    #[tokio::test]
    async fn requests_over_http2_have_as_many_places_as_connections() {
        let limits = ConnectionLimits { connections: 2, ..ConnectionLimits::default() };
        let (mut client, _, _) = greet(limits).await;
        let (first, _) = client.send_request(get("/stream"), true).unwrap();
        let (second, _) = client.send_request(get("/stream"), true).unwrap();
        let held = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(status(&mut client, get("/")).await, Some(StatusCode::SERVICE_UNAVAILABLE));
        drop(held);
        let until = Instant::now() + Duration::from_secs(5);
        while status(&mut client, get("/")).await != Some(StatusCode::OK) {
            assert!(Instant::now() < until, "the places are free again");
        }
    }

    #[tokio::test]
    async fn a_client_of_http2_learns_how_much_it_may_send() {
        let (stream, _, _) = open_http2(ConnectionLimits::default());
        let (_client, mut connection) = h2::client::handshake::<_>(stream).await.unwrap();
        let read = poll_fn(|context| Pin::new(&mut connection).poll(context));
        assert!(tokio::time::timeout(Duration::from_millis(300), read).await.is_err());
        assert_eq!(connection.max_concurrent_send_streams(), MAX_STREAMS as usize);
    }

    #[tokio::test]
    async fn a_connection_of_http2_without_a_request_ends() {
        let limits = ConnectionLimits { head: Duration::from_millis(200), ..ConnectionLimits::default() };
        let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        // An index of HPACK's table: the method GET.
        let half_a_head = [&greeting[..], &frame(HEADERS, 0, 1, &[0x82])].concat();
        for said in [&b""[..], &PREFACE[..10], PREFACE, &greeting, &half_a_head] {
            let (mut stream, _, server) = open_http2(limits);
            stream.write_all(said).await.unwrap();
            tokio::time::timeout(Duration::from_secs(10), server).await.expect("it ends").unwrap();
        }
        // One that is worked at does not.
        let (mut client, _, server) = greet(limits).await;
        let (endless, _) = client.send_request(get("/stream"), true).unwrap();
        let endless = endless.await.unwrap();
        tokio::time::sleep(4 * limits.head).await;
        assert!(!server.is_finished());
        drop(endless);
        tokio::time::timeout(Duration::from_secs(10), server).await.expect("it ends").unwrap();
    }

    #[tokio::test]
    async fn floods_of_frames_end_their_connection() {
        let limits = ConnectionLimits { head: Duration::from_secs(1), ..ConnectionLimits::default() };
        let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let head = [&greeting[..], &frame(HEADERS, 0, 1, &[0x82])].concat();
        // Neither says anything of a request: a header without a name or a value, again and again.
        let floods = [
            (&head, frame(CONTINUATION, 0, 1, &[0; 16 << 10])),
            (&head, frame(CONTINUATION, 0, 1, &[])),
            (&greeting, frame(PING, 0, 0, &[0; 8])),
            (&greeting, frame(SETTINGS, 0, 0, &[])),
        ];
        for (said, flood) in floods {
            let (mut stream, _, server) = open_http2(limits);
            stream.write_all(said).await.unwrap();
            // What comes back is not read, so that nothing but the server's memory could hold it.
            let flooding = async { while stream.write_all(&flood).await.is_ok() {} };
            tokio::time::timeout(Duration::from_secs(20), flooding).await.expect("nobody reads that for ever");
            tokio::time::timeout(Duration::from_secs(20), server).await.expect("it ends").unwrap();
        }
    }

    #[tokio::test]
    async fn a_client_of_http2_that_takes_back_all_it_asks_for_is_cut_off() {
        let (mut client, _, server) = greet(ConnectionLimits::default()).await;
        let asking = async {
            loop {
                if poll_fn(|context| client.poll_ready(context)).await.is_err() {
                    return;
                }
                let Ok((answer, mut stream)) = client.send_request(get("/stream"), true) else { return };
                // Once it is worked at, so that it is not taken back before the server has seen it.
                if answer.await.is_err() {
                    return;
                }
                stream.send_reset(h2::Reason::CANCEL);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it is cut off");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn connections_of_http2_end_when_the_server_stops() {
        let (mut client, stop, server) = greet(ConnectionLimits::default()).await;
        assert_eq!(status(&mut client, get("/")).await, Some(StatusCode::OK));
        stop.cancel();
        tokio::time::timeout(2 * PARTING, server).await.expect("it ends").unwrap();
        let (mut deaf, stop, server) = open_http2(ConnectionLimits::default());
        deaf.write_all(PREFACE).await.unwrap();
        stop.cancel();
        tokio::time::timeout(3 * PARTING, server).await.expect("whether its client heeds it or not").unwrap();
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
