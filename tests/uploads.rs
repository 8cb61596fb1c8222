//! Uploads in parts (tus 1.0.0) through the real service, over connections that break and under a server that is killed.

mod common;
mod harness;
#[path = "uploads/parts.rs"]
mod parts;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::tus::{PART, Tus, checksum, dataset_of, hex_sha256, id_of, location_of, offset_of};
use harness::{BIN, Service, scratch};
use reqwest::{
    Method, StatusCode,
    blocking::{RequestBuilder, Response},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A table that can be read, of about `bytes` bytes and few rows.
fn table(bytes: usize) -> Vec<u8> {
    let mut text = "user,item,click\n".to_owned();
    for row in 0_u64.. {
        if text.len() >= bytes {
            break;
        }
        let item = hex::encode(Sha256::digest(row.to_le_bytes())).repeat(4);
        writeln!(text, "u{},{item},{}", row % 7, row % 2).unwrap();
    }
    text.into_bytes()
}

/// A client of a service, which expects of each request that it is answered well.
struct Session<'a> {
    service: &'a Service,
    tus: Tus,
}

impl<'a> Session<'a> {
    fn new(service: &'a Service) -> Self {
        Self { service, tus: Tus::new(&service.url, PATIENCE) }
    }

    /// An upload begun; gives its address.
    fn begin(&self, length: usize) -> String {
        let response = self.tus.begin(length).send().unwrap();
        assert_eq!(response.status(), 201, "{}", self.service.log());
        assert!(response.headers().contains_key("upload-expires"));
        location_of(response.headers())
    }

    fn head(&self, upload: &str) -> Response {
        let response = self.tus.head(upload).send().unwrap();
        assert_eq!(response.headers()["tus-resumable"], "1.0.0");
        response
    }

    /// How far the upload has come.
    fn offset(&self, upload: &str) -> usize {
        let response = self.head(upload);
        assert_eq!(
            (response.status(), &response.headers()["cache-control"]),
            (StatusCode::OK, &"no-store".parse().unwrap())
        );
        offset_of(response.headers())
    }

    /// Sends a part and expects it to be taken; a writer that has not noticed the end of its connection is waited for.
    fn send(&self, upload: &str, offset: usize, part: &[u8]) {
        let response = until(|| {
            let response = self.tus.patch(upload, offset, part).send().unwrap();
            (response.status() != 423).then_some(response)
        });
        let status = response.status();
        assert_eq!((status, offset_of(response.headers())), (StatusCode::NO_CONTENT, offset + part.len()));
    }

    fn create_dataset(&self, upload: &str, bytes: &[u8]) -> RequestBuilder {
        let mut body = dataset_of(upload, bytes);
        body["name"] = "in parts".into();
        self.service.post("/v1/datasets").json(&body)
    }

    /// A connection that has sent the head of a PATCH for the rest of `bytes`, and the first `sent` of it.
    fn half_a_patch(&self, upload: &str, offset: usize, bytes: &[u8], sent: usize, more: &str) -> TcpStream {
        let address = self.service.url.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let head = format!(
            "PATCH {upload} HTTP/1.1\r\nhost: {address}\r\ntus-resumable: 1.0.0\r\ncontent-type: {PART}\r\n\
             upload-offset: {offset}\r\ncontent-length: {}\r\n{more}\r\n",
            bytes.len() - offset,
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&bytes[offset..offset + sent]).unwrap();
        connection
    }

    /// Sends a part of a length that its request does not say.
    fn send_in_chunks(&self, upload: &str, offset: usize, part: &[u8]) -> RawAnswer {
        until(|| {
            let address = self.service.url.strip_prefix("http://").unwrap();
            let mut connection = TcpStream::connect(address).unwrap();
            let head = format!(
                "PATCH {upload} HTTP/1.1\r\nhost: {address}\r\ntus-resumable: 1.0.0\r\ncontent-type: {PART}\r\n\
                 upload-offset: {offset}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            );
            connection.write_all(head.as_bytes()).unwrap();
            // The server may answer, and stop to read, before all was sent.
            for chunk in part.chunks(50_000) {
                let sent = write!(connection, "{:x}\r\n", chunk.len()).and_then(|()| connection.write_all(chunk));
                if sent.and_then(|()| connection.write_all(b"\r\n")).is_err() {
                    break;
                }
            }
            connection.write_all(b"0\r\n\r\n").ok();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).ok();
            (!answer.starts_with("HTTP/1.1 423")).then_some(RawAnswer(answer))
        })
    }

    /// The upload's file on the server's disk.
    fn file(&self, upload: &str) -> PathBuf {
        self.service.data.join("partial").join(id_of(upload))
    }

    fn wait_for_file(&self, upload: &str, bytes: usize) {
        let file = self.file(upload);
        until(|| (fs::metadata(&file).unwrap().len() >= bytes as u64).then_some(()));
    }
}

/// What came back over a connection.
struct RawAnswer(String);

impl RawAnswer {
    fn expect_status(&self, status: u16) {
        assert!(self.0.starts_with(&format!("HTTP/1.1 {status} ")), "{}", self.0);
    }
}

/// Looks until there is something to see.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn twenty_cut_connections_cost_nothing() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let bytes = table(2 << 20);
    let upload = session.begin(bytes.len());
    let mut offset = 0;
    for cut in 0..20 {
        let sent = 40_000 + 3_001 * cut;
        // The connection before may not be over yet for the server.
        until(|| {
            let connection = session.half_a_patch(&upload, offset, &bytes, sent, "");
            connection.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            (&connection).read_to_string(&mut answer).ok();
            (!answer.starts_with("HTTP/1.1 423")).then_some(())
        });
        // What arrived before the cut is kept, to the byte.
        until(|| (session.offset(&upload) == offset + sent).then_some(()));
        offset += sent;
    }
    session.send(&upload, offset, &bytes[offset..]);
    let dataset = service.expect(session.create_dataset(&upload, &bytes), 201);
    assert_eq!((&dataset["sha256"], &dataset["bytes"]), (&json!(hex_sha256(&bytes)), &json!(bytes.len())));
    assert_eq!(fs::read(service.data.join("objects/uploads").join(hex_sha256(&bytes))).unwrap(), bytes);
    assert!(!session.file(&upload).exists(), "the bytes are an object now");
}

#[test]
fn a_wrong_checksum_never_moves_the_offset() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let bytes = table(300_000);
    let upload = session.begin(bytes.len());
    let (first, second) = bytes.split_at(100_000);

    let damaged = session.tus.patch(&upload, 0, first).header("upload-checksum", checksum(second));
    assert_eq!(service.expect(damaged, 460)["code"], "checksum_mismatch");
    assert_eq!(session.offset(&upload), 0);
    let taken = session.tus.patch(&upload, 0, first).header("upload-checksum", checksum(first)).send().unwrap();
    assert_eq!((taken.status(), offset_of(taken.headers())), (StatusCode::NO_CONTENT, first.len()));

    // Of a part with a checksum whose connection breaks nothing is kept, though it reached the disk.
    let more = format!("upload-checksum: {}\r\n", checksum(second));
    let connection = session.half_a_patch(&upload, first.len(), &bytes, 50_000, &more);
    session.wait_for_file(&upload, first.len() + 1);
    drop(connection);
    session.send(&upload, first.len(), second);
    service.expect(session.create_dataset(&upload, &bytes), 201);
}

#[test]
fn a_killed_server_knows_to_the_byte_what_it_acknowledged() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let bytes = table(3 << 20);
    let acknowledged = 1 << 20;
    let upload = {
        let session = Session::new(&service);
        let upload = session.begin(bytes.len());
        session.send(&upload, 0, &bytes[..acknowledged]);
        let connection = session.half_a_patch(&upload, acknowledged, &bytes, 1 << 20, "");
        // Bytes nobody was promised lie behind those that count when the server dies.
        session.wait_for_file(&upload, acknowledged + 1);
        drop(connection);
        upload
    };
    let service = Service::start(&service.kill());
    let session = Session::new(&service);
    // The cut connection may have been noticed, and what it brought acknowledged, before the server died.
    let offset = session.offset(&upload);
    assert!((acknowledged..=2 << 20).contains(&offset), "{offset}");
    session.send(&upload, offset, &bytes[offset..]);
    assert_eq!(service.expect(session.create_dataset(&upload, &bytes), 201)["sha256"], hex_sha256(&bytes));
}

#[test]
fn an_upload_has_one_writer_at_a_time() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let bytes = table(200_000);
    let upload = session.begin(bytes.len());
    let mut writer = session.half_a_patch(&upload, 0, &bytes, 60_000, "connection: close\r\n");
    session.wait_for_file(&upload, 1);

    assert_eq!(service.expect(session.tus.patch(&upload, 0, &bytes), 423)["code"], "locked");
    assert_eq!(service.expect(session.tus.request(Method::DELETE, &upload), 423)["code"], "locked");
    assert_eq!(session.offset(&upload), 0, "what is not synced yet is not acknowledged");
    assert_eq!(service.expect(session.create_dataset(&upload, &bytes), 409)["code"], "conflict");

    writer.write_all(&bytes[60_000..]).unwrap();
    let mut answer = String::new();
    writer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let late = session.tus.patch(&upload, 0, &bytes).send().unwrap();
    assert_eq!((late.status(), offset_of(late.headers())), (StatusCode::CONFLICT, bytes.len()));
    service.expect(session.create_dataset(&upload, &bytes), 201);
}

#[test]
fn the_protocol_is_kept_to() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--max-upload-bytes", "1000000"]);
    let session = Session::new(&service);

    // What the server says it can do is what a client reads in the capabilities.
    let options = session.tus.http.request(Method::OPTIONS, format!("{}/v1/uploads", service.url)).send().unwrap();
    let header = |name: &str| options.headers()[name].to_str().unwrap().to_owned();
    let capabilities = service.expect(service.get("/v1/capabilities"), 200);
    let words = |value: &Value| -> String {
        value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(options.status(), 204);
    assert_eq!(header("tus-version"), capabilities["uploads"]["tus_version"].as_str().unwrap());
    assert_eq!(header("tus-extension"), words(&capabilities["uploads"]["tus_extensions"]));
    assert_eq!(header("tus-checksum-algorithm"), words(&capabilities["uploads"]["checksum_algorithms"]));
    assert_eq!(header("tus-max-size"), capabilities["max_upload_bytes"].to_string());

    let begin = || session.tus.request(Method::POST, "/v1/uploads");
    let upload = session.begin(100);
    let patch = |offset: &str, part: usize| {
        let request = session.tus.request(Method::PATCH, &upload).header("upload-offset", offset);
        request.header("content-type", PART).body(vec![b'x'; part])
    };
    let unknown = "/v1/uploads/up_00000000000000000000000000000000";
    let cases = [
        (service.post("/v1/uploads").header("upload-length", "5"), 412, "unsupported_version"),
        (begin(), 400, "bad_request"),
        (begin().header("upload-length", "-5"), 400, "bad_request"),
        (begin().header("upload-length", "0"), 400, "bad_request"),
        (begin().header("upload-length", "5").header("upload-defer-length", "1"), 400, "bad_request"),
        (begin().header("upload-length", "5").header("upload-metadata", "filename ?"), 400, "bad_request"),
        (begin().header("upload-length", "1000001"), 413, "too_large"),
        (
            begin().header("upload-length", "5").header("content-type", "text/csv").body("abcde"),
            415,
            "unsupported_media_type",
        ),
        (session.tus.patch(unknown, 0, b"x"), 404, "not_found"),
        (
            session.tus.request(Method::PATCH, &upload).header("upload-offset", "0").body("x"),
            415,
            "unsupported_media_type",
        ),
        (patch("", 1), 400, "bad_request"),
        (patch("5", 1), 409, "wrong_offset"),
        (patch("0", 101), 413, "too_large"),
        (patch("0", 1).header("upload-checksum", "md5 YQ=="), 400, "bad_request"),
        (session.tus.request(Method::DELETE, unknown), 404, "not_found"),
        (
            service.post("/v1/datasets").json(&json!({"upload_id": "up_1", "sha256": "", "label": "click"})),
            422,
            "invalid_spec",
        ),
    ];
    for (request, status, code) in cases {
        let problem = service.expect(request, status);
        assert_eq!(problem["code"], code, "{problem:#}");
    }
    assert_eq!(session.head(unknown).status(), 404);
    assert_eq!(session.offset(&upload), 0);
    service.expect(session.tus.request(Method::DELETE, &upload), 204);
    assert_eq!((session.head(&upload).status(), session.file(&upload).exists()), (StatusCode::NOT_FOUND, false));

    // The first part may come with the creation; the name tells the format where the bytes do not.
    let bytes = String::from_utf8(table(60_000)).unwrap().replace(',', "\t").into_bytes();
    let response = begin()
        .header("upload-length", bytes.len())
        .header("upload-metadata", format!("filename {}", BASE64_STANDARD.encode("clicks.tsv")))
        .header("content-type", PART)
        .body(bytes[..9_000].to_vec())
        .send()
        .unwrap();
    assert_eq!((response.status(), offset_of(response.headers())), (StatusCode::CREATED, 9_000));
    let upload = location_of(response.headers());
    session.send(&upload, 9_000, &bytes[9_000..]);
    assert_eq!(session.head(&upload).headers()["upload-length"], bytes.len().to_string());

    // Only the right digest makes a dataset of it, once; then the upload is the dataset's.
    let problem = service.expect(session.create_dataset(&upload, b"other"), 422);
    assert_eq!(problem["errors"][0]["pointer"], "/sha256", "{problem:#}");
    let dataset = service.expect(session.create_dataset(&upload, &bytes), 201);
    assert_eq!((&dataset["name"], &dataset["spec"]["separator"]), (&json!("in parts"), &json!("\t")));
    assert_eq!(
        service.expect(session.create_dataset(&upload, &bytes), 200)["id"],
        dataset["id"],
        "an answer that got lost"
    );
    assert_eq!(service.expect(session.tus.request(Method::DELETE, &upload), 409)["code"], "conflict");
    let raw = service.post("/v1/datasets?label=click").header("content-type", "text/tab-separated-values").body(bytes);
    assert_eq!(service.expect(raw, 200)["id"], dataset["id"], "however they came");
}

#[test]
fn an_upload_may_say_at_its_end_how_long_it_is() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--max-upload-bytes", "1000000"]);
    let session = Session::new(&service);
    let bytes = table(300_000);
    let (first, rest) = bytes.split_at(100_000);

    let begin = || session.tus.request(Method::POST, "/v1/uploads").header("upload-defer-length", "1");
    let begun = begin().header("content-type", PART).body(first[..40_000].to_vec()).send().unwrap();
    assert_eq!((begun.status(), offset_of(begun.headers())), (StatusCode::CREATED, 40_000));
    let upload = location_of(begun.headers());
    // A part that does not say its own length either.
    session.send_in_chunks(&upload, 40_000, &first[40_000..]).expect_status(204);
    let head = session.head(&upload);
    assert_eq!(head.headers()["upload-defer-length"], "1");
    assert!(!head.headers().contains_key("upload-length"));
    assert_eq!(offset_of(head.headers()), first.len());

    // No table is made of what may go on.
    let refused = [session.create_dataset(&upload, first), service.get(&format!("{upload}/sample"))];
    for request in refused {
        let problem = service.expect(request, 409);
        assert!(problem["detail"].as_str().unwrap().contains("Upload-Length"), "{problem:#}");
    }

    let patch = |part: &[u8], length: usize| {
        session.tus.patch(&upload, first.len(), part).header("upload-length", length.to_string())
    };
    for (request, status) in [
        (patch(b"", 0), 400),
        (patch(b"", first.len() - 1), 400),
        (patch(b"", 1_000_001), 413),
        (patch(b"too much", first.len() + 1), 413),
        (begin().header("upload-length", "5"), 400),
        (session.tus.request(Method::POST, "/v1/uploads").header("upload-defer-length", "2"), 400),
    ] {
        service.expect(request, status);
    }
    let taken = patch(&rest[..10], bytes.len()).send().unwrap();
    assert_eq!((taken.status(), offset_of(taken.headers())), (StatusCode::NO_CONTENT, first.len() + 10));
    let offset = first.len() + 10;
    assert_eq!(session.head(&upload).headers()["upload-length"], bytes.len().to_string());
    let other = session.tus.patch(&upload, offset, &rest[10..]).header("upload-length", bytes.len() + 1);
    service.expect(other, 400);
    let again = session.tus.patch(&upload, offset, &rest[10..]).header("upload-length", bytes.len());
    service.expect(again, 204);
    service.expect(session.create_dataset(&upload, &bytes), 201);
}

#[test]
fn an_upload_of_any_length_stays_within_what_there_may_be() {
    let dir = scratch();
    let limits = ["--max-upload-bytes", "200000", "--tenant-max-bytes", "300000"];
    let service = Service::start_with(&dir.path().join("data"), &limits);
    let session = Session::new(&service);
    let begin = || {
        let request = session.tus.request(Method::POST, "/v1/uploads").header("upload-defer-length", "1");
        location_of(request.send().unwrap().headers())
    };
    let bytes = table(400_000);
    // Neither a part that says how long it is nor one that does not gets beyond the largest upload.
    let first = begin();
    service.expect(session.tus.patch(&first, 0, &bytes[..200_001]), 413);
    session.send_in_chunks(&first, 0, &bytes[..200_001]).expect_status(413);
    assert_eq!(session.offset(&first), 0);
    session.send(&first, 0, &bytes[..150_000]);
    // What one has been granted is not there for the others.
    let second = begin();
    assert_eq!(service.expect(session.tus.patch(&second, 0, &bytes[..160_000]), 429)["code"], "quota_exceeded");
    session.send_in_chunks(&second, 0, &bytes[..160_000]).expect_status(429);
    let length = session.tus.patch(&second, 0, b"x").header("upload-length", "160000");
    assert_eq!(service.expect(length, 429)["code"], "quota_exceeded");
    session.send(&second, 0, &bytes[..140_000]);
    service.expect(session.tus.request(Method::DELETE, &first), 204);
    let end = session.tus.patch(&second, 140_000, &bytes[140_000..200_000]).header("upload-length", "200000");
    service.expect(end, 204);
}

#[test]
fn an_upload_nothing_is_sent_to_expires_with_its_bytes() {
    let dir = scratch();
    let data = dir.path().join("data");
    let service = Service::start_with(&data, &["--upload-expiry-seconds", "0.5"]);
    let session = Session::new(&service);
    let upload = session.begin(100);
    until(|| (session.head(&upload).status() == 410).then_some(()));
    assert_eq!(service.expect(session.tus.patch(&upload, 0, b"x"), 410)["code"], "expired");
    assert!(session.file(&upload).exists());
    assert!(service.terminate().success());
    // A worker sweeps when it starts.
    let service = Service::start(&data);
    let session = Session::new(&service);
    until(|| (!session.file(&upload).exists()).then_some(()));
    assert_eq!(session.head(&upload).status(), 404);
}

/// Bytes after which the first connections are cut.
const LIVES: [u64; 6] = [3_000_000, 500_000, 90_000, 1_200_000, 20, 700_000];

/// Passes connections on to the service, and cuts the first of them.
fn flaky(service: &Service, cuts: Arc<AtomicU32>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = service.url.strip_prefix("http://").unwrap().to_owned();
    std::thread::spawn(move || {
        let lives = LIVES.into_iter().chain(std::iter::repeat(u64::MAX));
        for (client, life) in listener.incoming().zip(lives) {
            let (mut client, cuts) = (client.unwrap(), cuts.clone());
            let mut server = TcpStream::connect(&target).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back).ok());
            std::thread::spawn(move || {
                let passed = std::io::copy(&mut (&mut client).take(life), &mut server).unwrap_or(life);
                cuts.fetch_add(u32::from(passed == life), Ordering::SeqCst);
                client.shutdown(Shutdown::Both).ok();
                server.shutdown(Shutdown::Both).ok();
            });
        }
    });
    url
}

#[test]
fn the_client_uploads_over_a_network_that_breaks_all_the_time() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let file = dir.path().join("large.csv");
    let bytes = table(9 << 20);
    fs::write(&file, &bytes).unwrap();
    let cuts = Arc::new(AtomicU32::new(0));
    let url = flaky(&service, cuts.clone());
    let output = Command::new(BIN)
        .args(["datasets", "upload", file.to_str().unwrap(), "--label", "click", "--server", &url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(cuts.load(Ordering::SeqCst) as usize, LIVES.len());
    let id = String::from_utf8(output.stdout).unwrap();
    let dataset = service.expect(service.get(&format!("/v1/datasets/{}", id.trim())), 200);
    assert_eq!((&dataset["sha256"], &dataset["status"]), (&json!(hex_sha256(&bytes)), &json!("ready")));
}
