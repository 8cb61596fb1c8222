//! What operators rely on: a stop that lets go in order and in time, and logs that name each request.

mod harness;

use harness::{Service, scratch, signal};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);
const TABLE: &str = "user,click\n1,0\n2,1\n";

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An upload that has begun.
fn half_an_upload(service: &Service) -> TcpStream {
    let address = service.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("POST /v1/datasets?label=click HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/csv\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{}", TABLE.len(), &TABLE[..5]).unwrap();
    stream
}

#[test]
fn a_stop_finishes_what_it_can_and_ends_in_time() {
    let dir = scratch();
    let flags = ["--no-worker", "--drain-seconds", "3", "--drain-lead-seconds", "1.5"];
    let service = Service::start_with(&dir.path().join("data"), &flags);
    let (mut finished, stuck) = (half_an_upload(&service), half_an_upload(&service));
    let incoming = service.data.join("incoming");
    wait_until("both uploads have begun", || fs::read_dir(&incoming).is_ok_and(|files| files.count() == 2));

    signal(service.pid(), libc::SIGTERM);
    let asked = Instant::now();
    // The door is open yet, and says that it is about to close.
    wait_until("readiness says no", || service.get("/readyz").send().unwrap().status() == 503);
    let reasons = service.expect(service.get("/readyz"), 503)["reasons"].to_string();
    assert!(reasons.contains("stopping"), "{reasons}");
    let refused = service.post("/v1/jobs").json(&json!({})).send().unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert_eq!(refused.json::<Value>().unwrap()["code"], "unavailable");
    service.expect(service.get("/healthz"), 200);

    // What was under way is finished; what does not come to an end is broken off.
    finished.write_all(&TABLE.as_bytes()[5..]).unwrap();
    let mut answer = String::new();
    finished.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let log = service.data.with_extension("log");
    assert!(service.wait().success());
    let took = asked.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert!(fs::read_to_string(log).unwrap().contains("requests that did not end in time were broken off"));
    drop(stuck);
}

#[test]
fn a_request_that_failed_or_changed_something_has_a_line_in_the_log() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let path = format!("/v1/jobs/job_{}", "0".repeat(32));
    service.expect(service.get("/v1/jobs"), 200);
    let missing = service.get(&path).header("x-request-id", "r-17").send().unwrap();
    assert_eq!(missing.status(), 404);
    let bytes = missing.bytes().unwrap().len();
    service.expect(
        service.post("/v1/datasets").query(&[("label", "click")]).header("content-type", "text/csv").body(TABLE),
        201,
    );

    let lines = || -> Vec<Value> {
        let lines =
            service.log().lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect::<Vec<Value>>();
        lines.into_iter().filter(|line| line["route"].is_string()).collect()
    };
    // Written when the answer has gone.
    wait_until("two lines", || lines().len() >= 2);
    let lines = lines();
    assert_eq!(lines.len(), 2, "reads that go well are not logged: {lines:#?}");
    let (read, made) = (&lines[0], &lines[1]);
    assert_eq!(
        (&read["route"], &read["status"], &read["bytes"], &read["level"]),
        (&json!("/v1/jobs/{id}"), &json!(404), &json!(bytes), &json!("INFO"))
    );
    assert!(read["duration_ms"].is_u64(), "{read:#}");
    let named = |line: &Value| ["method", "path", "request_id"].map(|field| line["span"][field].clone());
    assert_eq!(named(read), [json!("GET"), json!(path), json!("r-17")]);
    assert_eq!((&made["status"], &made["span"]["method"]), (&json!(201), &json!("POST")));
}
