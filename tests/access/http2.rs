//! HTTP/2 over TLS: it is spoken, and what guards the server does not depend on which protocol a request came by.

use super::{harness, make_certificate};
use axum::http::{Request, StatusCode, Version, request::Builder};
use h2::{SendStream, client::SendRequest};
use harness::{CLICKS, Service, scratch};
use reqwest::blocking::Client;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    fs,
    future::poll_fn,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, runtime::Runtime};
use tokio_rustls::TlsConnector;

/// A server with TLS, and a client's view of it.
struct Secured {
    service: Service,
    address: String,
    certificate: String,
}

impl Secured {
    fn start(dir: &Path, flags: &[&str]) -> Self {
        let (certificate, key) = make_certificate(dir);
        let tls = ["--no-worker", "--tls-cert", &certificate, "--tls-key", &key];
        let service = Service::start_with(&dir.join("data"), &[&tls[..], flags].concat());
        let address = service.url.strip_prefix("https://").expect("it says so").to_owned();
        Self { service, address, certificate }
    }

    fn trusting(&self) -> reqwest::blocking::ClientBuilder {
        let root = reqwest::Certificate::from_pem(&fs::read(&self.certificate).unwrap()).unwrap();
        Client::builder().tls_certs_only([root])
    }

    /// A connection on which a test says itself what a request is.
    async fn connect(&self) -> SendRequest<bytes::Bytes> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("https://{}{path}", self.address))
    }
}

/// The status of an answer.
async fn status(client: &mut SendRequest<bytes::Bytes>, request: Builder) -> StatusCode {
    poll_fn(|context| client.poll_ready(context)).await.unwrap();
    client.send_request(request.body(()).unwrap(), true).unwrap().0.await.unwrap().status()
}

#[test]
fn clients_that_know_it_speak_http2() {
    let dir = scratch();
    let secured = Secured::start(dir.path(), &[]);
    let url = &secured.service.url;
    let client = secured.trusting().build().unwrap();
    let health = client.get(format!("{url}/healthz")).send().unwrap();
    assert_eq!((health.status().as_u16(), health.version()), (200, Version::HTTP_2));
    let other = secured.trusting().http1_only().build().unwrap();
    let health = other.get(format!("{url}/healthz")).send().unwrap();
    assert_eq!((health.status().as_u16(), health.version()), (200, Version::HTTP_11));

    // A table of several windows.
    let rows: String = (0..200_000).map(|row| format!("u{},i{},{}\n", row % 997, row % 89, row % 2)).collect();
    let table = format!("user,item,click\n{rows}");
    let upload = client.post(format!("{url}/v1/datasets")).query(&CLICKS[..1]).header("content-type", "text/csv");
    assert_eq!(upload.body(table).send().unwrap().status(), 201);
    let jobs = client.get(format!("{url}/v1/jobs")).send().unwrap();
    assert_eq!((jobs.status().as_u16(), jobs.version()), (200, Version::HTTP_2));

    // Pages tell their own forms from those of others by the host, which has another name in this protocol.
    let form = |origin: &str| {
        let request = client.post(format!("{url}/sign-out")).header("origin", origin);
        request.header("content-type", "application/x-www-form-urlencoded").body("").send().unwrap().status()
    };
    assert_eq!(form("https://evil.example"), 403);
    assert_ne!(form(url), 403);
    assert!(secured.service.terminate().success());
}

#[test]
fn a_host_is_one_whatever_it_is_called() {
    let dir = scratch();
    let secured = Secured::start(dir.path(), &[]);
    Runtime::new().unwrap().block_on(async {
        let client = &mut secured.connect().await;
        assert_eq!(status(client, secured.request("GET", "/v1/jobs")).await, 200);
        let same = secured.request("GET", "/v1/jobs").header("host", &secured.address);
        assert_eq!(status(client, same).await, 200);
        let two = secured.request("GET", "/healthz").header("host", "evil.example");
        assert_eq!(status(client, two).await, 400);
        // Without keys only names of loopback are served.
        let rebound = Request::builder().uri("https://evil.example/v1/jobs");
        assert_eq!(status(client, rebound).await, 403);
        let many = (0..200).fold(secured.request("GET", "/healthz"), |request, _| request.header("x", "y"));
        assert_eq!(status(client, many).await, 431);
        let large = secured.request("GET", "/healthz").header("x", "y".repeat(200_000));
        assert_eq!(status(client, large).await, 431);
    });
}

#[test]
fn many_requests_of_one_connection_are_counted_one_by_one() {
    let dir = scratch();
    let secured = Secured::start(dir.path(), &["--max-requests", "4"]);
    Runtime::new().unwrap().block_on(async {
        let client = &mut secured.connect().await;
        // Uploads whose bytes do not come; a tenant holds half of the places at most.
        let mut held: Vec<SendStream<bytes::Bytes>> = Vec::new();
        let until = Instant::now() + Duration::from_secs(30);
        while status(client, secured.request("GET", "/v1/jobs")).await != StatusCode::TOO_MANY_REQUESTS {
            assert!(Instant::now() < until, "{} are held", held.len());
            poll_fn(|context| client.poll_ready(context)).await.unwrap();
            let upload = secured.request("POST", "/v1/datasets?label=click").header("content-type", "text/csv");
            held.push(client.send_request(upload.body(()).unwrap(), false).unwrap().1);
        }
        assert_eq!(status(client, secured.request("GET", "/healthz")).await, 200, "who watches is not misled");
        // They are free again once their client takes them back.
        for mut upload in held {
            upload.send_reset(h2::Reason::CANCEL);
        }
        while status(client, secured.request("GET", "/v1/jobs")).await != 200 {
            assert!(Instant::now() < until, "the places are free again");
        }
    });
}
