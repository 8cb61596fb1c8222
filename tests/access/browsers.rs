//! What pages of other origins try on a server, as their browsers send it.

use super::{answer, code, harness, make_key, refused};
use harness::{Service, scratch};
use reqwest::blocking::Client;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn a_page_of_another_origin_gets_nothing_of_a_server_without_keys() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let jobs = || service.get("/v1/jobs");
    assert_eq!(answer(jobs()).0, 200);
    // A name that the attacker's DNS has made mean this machine.
    assert_eq!(answer(jobs().header("host", "rebound.example:8080")), refused(403, "forbidden"));
    // A simple request that a browser sends without asking first.
    let upload = service.post("/v1/datasets?label=click").header("content-type", "text/csv").body("user,click\n1,0\n");
    let of_page = upload.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
    assert_eq!(answer(of_page), refused(403, "forbidden"));
    // Another program's page on this machine is of the same site, and of another origin.
    assert_eq!(answer(jobs().header("sec-fetch-site", "same-site")), refused(403, "forbidden"));
    let own = jobs().header("origin", &service.url).header("sec-fetch-site", "same-origin");
    assert_eq!(answer(own).0, 200, "the server's own pages");
    assert_eq!(answer(service.get("/v1/datasets")).0, 200);
    assert_eq!(service.expect(service.get("/v1/datasets"), 200)["data"], serde_json::json!([]), "nothing was made");
}

#[test]
fn without_keys_nothing_is_answered_behind_a_proxy() {
    let dir = scratch();
    let data = dir.path().join("data");
    let service = Service::start_with(&data, &["--no-worker"]);
    for (name, value) in
        [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9"), ("x-real-ip", "203.0.113.9")]
    {
        let response = service.get("/v1/jobs").header(name, value).send().unwrap();
        let said = response.text().unwrap();
        assert!(said.contains("--require-keys") && said.contains("forbidden"), "{said}");
    }
    let key = make_key(&data, &[]);
    let through = service.get("/v1/jobs").header("x-forwarded-for", "203.0.113.9").header("host", "denoise.example");
    assert_eq!(answer(through.bearer_auth(&key)).0, 200, "who has a key may come from anywhere");
}

#[test]
fn pages_of_the_origins_that_were_named_may_use_the_api_with_a_key() {
    let dir = scratch();
    let data = dir.path().join("data");
    let key = make_key(&data, &[]);
    let allow = "access-control-allow-origin";
    let asked = |service: &Service, origin: &str| {
        let request = Client::new().request(reqwest::Method::OPTIONS, format!("{}/v1/jobs", service.url));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization").send().unwrap()
    };
    let service = Service::start_with(&data, &["--no-worker"]);
    assert!(asked(&service, "https://team.example").headers().get(allow).is_none(), "off unless asked for");
    assert!(service.terminate().success());

    let service = Service::start_with(&data, &["--no-worker", "--cors-origin", "https://team.example"]);
    let response = asked(&service, "https://team.example");
    assert_eq!(
        (response.status().as_u16(), &response.headers()[allow]),
        (204, &"https://team.example".parse().unwrap())
    );
    assert!(response.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    assert!(asked(&service, "https://evil.example").headers().get(allow).is_none());
    let jobs = service.get("/v1/jobs").header("origin", "https://team.example");
    let response = jobs.bearer_auth(&key).send().unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[allow]),
        (200, &"https://team.example".parse().unwrap())
    );
    let without = service.get("/v1/jobs").header("origin", "https://team.example").send().unwrap();
    assert!(without.headers().contains_key(allow), "the page can read why it was refused");
    assert_eq!(code(without), refused(401, "unauthorized"));
}

#[test]
fn a_request_names_one_host() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let talk = |head: &str| {
        let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    };
    for hosts in ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"] {
        let heard = talk(&format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
        assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
    }
    assert!(talk("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 200"));
}
