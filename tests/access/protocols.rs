//! What clients that others wrote do, and what proxies between them and the server need.

use super::{answer, harness, make_key, refused};
use harness::{CLICKS, Service, clicks, scratch};
use reqwest::blocking::RequestBuilder;
use serde_json::json;
use sha2::{Digest, Sha512};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

fn tus(request: RequestBuilder) -> RequestBuilder {
    request.header("tus-resumable", "1.0.0")
}

#[test]
fn uploads_of_other_clients_get_through() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let begin = || tus(service.post("/v1/uploads")).header("upload-length", "4");
    // Clients on aiohttp name a type for a body that is empty.
    let begun = begin().header("content-type", "application/octet-stream").send().unwrap();
    assert_eq!((begun.status().as_u16(), &begun.headers()["upload-offset"]), (201, &"0".parse().unwrap()));
    let location = begun.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("uploads/up_"), "relative, for proxies with a prefix: {location}");
    let address = format!("/v1/{location}");
    assert_eq!(answer(begin().header("content-type", "text/csv").body("user")), refused(415, "unsupported_media_type"));
    // A part whose type has parameters, sent by a client that may only POST.
    let part = tus(service.post(&address)).header("x-http-method-override", "PATCH").header("upload-offset", "0");
    let sent =
        part.header("content-type", "application/offset+octet-stream; charset=utf-8").body("user").send().unwrap();
    assert_eq!((sent.status().as_u16(), &sent.headers()["upload-offset"]), (204, &"4".parse().unwrap()));
    let gone = tus(service.post(&address)).header("x-http-method-override", "DELETE").send().unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(service.post("/v1/jobs").header("x-http-method-override", "DELETE").send().unwrap().status(), 415);
}

#[test]
fn answers_come_in_the_form_that_was_asked_for() {
    let dir = scratch();
    let table = fs::read_to_string(clicks(dir.path(), 60, 40)).unwrap().replace(',', "\t");
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_bytes(table.into_bytes(), "text/tab-separated-values", &CLICKS);
    let options = json!({"retrain_max_epoch": 1, "select_ratio": 0.9});
    let spec = json!({"dataset_id": dataset["id"], "method": {"name": "random_drop", "options": options}});
    let job = service.submit(spec);
    service.wait_for(&job, "job.succeeded");
    let events = format!("/v1/jobs/{job}/events");
    let kind = |accept: &str| {
        let response = service.get(&events).header("accept", accept).send().unwrap();
        let buffering = response.headers().get("x-accel-buffering").is_some_and(|value| value == "no");
        let kind = response.headers()["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(buffering, kind == "text/event-stream", "nginx passes events on at once");
        kind
    };
    for (accept, expected) in [
        ("Text/Event-Stream", "text/event-stream"),
        ("application/json;q=0.2, text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream;q=0.5", "application/json"),
        ("text/event-stream;q=0, */*", "application/json"),
        ("image/png", "application/problem+json"),
    ] {
        assert_eq!(kind(accept), expected, "{accept}");
    }

    let denoised = service.get(&format!("/v1/jobs/{job}/artifacts/denoised")).send().unwrap();
    assert_eq!(denoised.headers()["content-type"], "text/tab-separated-values");
    assert!(denoised.headers()["content-disposition"].to_str().unwrap().contains("denoised.tsv"), "as it came");
    let table = denoised.text().unwrap();
    assert!(table.lines().next().unwrap().ends_with("\tsplit"), "{table:.80}");

    let report = format!("/v1/jobs/{job}/artifacts/report.json");
    let whole = service.get(&report).send().unwrap();
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    for (tag, status) in [(&etag[..], 200), ("*", 200), ("\"other\"", 412), (&format!("W/{etag}"), 412)] {
        assert_eq!(answer(service.get(&report).header("if-match", tag)).0, status, "{tag}");
    }

    // The client here takes no compression unless it is told to.
    let document = service.get("/openapi.json").header("accept-encoding", "gzip").send().unwrap();
    assert_eq!(document.headers()["content-encoding"], "gzip");
    let bytes = document.bytes().unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert!(text.len() > 4 * bytes.len() && text.contains("\"openapi\""));
    let plain = service.get("/openapi.json").header("accept-encoding", "gzip;q=0").send().unwrap();
    assert_eq!(plain.text().unwrap(), text);
}

#[test]
fn a_table_has_an_address_of_its_own_and_digests_of_every_kind() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let body = fs::read(&table).unwrap();
    let upload =
        || service.post("/v1/datasets/table").query(&CLICKS).header("content-type", "text/csv").body(body.clone());
    use base64::Engine;
    let digest = base64::prelude::BASE64_STANDARD.encode(Sha512::digest(&body));
    let made = upload().header("content-digest", format!("md5=:AAAA:, sha-512=:{digest}:")).send().unwrap();
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!((made.status().as_u16(), location.starts_with("ds_")), (201, true), "{location}");
    let other = base64::prelude::BASE64_STANDARD.encode(Sha512::digest(b"other"));
    assert_eq!(answer(upload().header("content-digest", format!("sha-512=:{other}:"))), refused(400, "bad_digest"));
    assert_eq!(answer(upload().header("content-digest", "sha-512=:AAAA:")).0, 400);
    assert_eq!(
        answer(upload().header("content-digest", "id-crc=:AAAA:")).0,
        200,
        "an unknown one is nobody's business"
    );

    let cursor = format!("-fffffffffffffff{}", "0".repeat(32));
    assert_eq!(answer(service.get("/v1/jobs").query(&[("after", cursor)])), refused(400, "bad_cursor"));
}

#[test]
fn answers_are_packed_as_the_client_likes_best() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    for path in ["/openapi.json", "/sign-in"] {
        let plain = service.get(path).send().unwrap().bytes().unwrap();
        let packed = service.get(path).header("accept-encoding", "gzip, deflate, br, zstd").send().unwrap();
        assert_eq!(packed.headers()["content-encoding"], "zstd", "{path}");
        assert_eq!(zstd::decode_all(&packed.bytes().unwrap()[..]).unwrap(), plain, "{path}");
    }
}

#[test]
fn an_address_that_is_too_long_is_a_problem() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let ask = |bytes: usize| answer(service.get(&format!("/v1/datasets?{}", "x".repeat(bytes))));
    assert_eq!(ask(65_200), refused(414, "address_too_long"));
    assert_eq!(ask(50_000).0, 400, "a parameter that is none");
}

#[test]
fn who_is_refused_before_all_was_sent_is_told_why() {
    let dir = scratch();
    let data = dir.path().join("data");
    let key = make_key(&data, &[]);
    let service = Service::start_with(&data, &["--no-worker"]);
    let body = vec![b'z'; 8 << 20];
    let send = |path: &str, key: &str| {
        let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\n");
        write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
        // As clients do that read nothing before they have sent everything.
        stream.write_all(&body).expect("the connection stays open");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    };
    let long = "y".repeat(60_000);
    for (path, key, status) in [
        (&format!("/v1/datasets?label={long}")[..], &key[..], 422),
        ("/v1/datasets?label=click", "adk_0", 401),
        ("/v1/jobs", &key, 415),
        ("/nowhere", &key, 404),
    ] {
        let heard = send(path, key);
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {heard}");
    }
}
