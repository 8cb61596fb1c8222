//! What one client, or one tenant, can take from all others: places, connections and time.

use super::{answer, code, harness, make_key, refused};
use harness::{CLICKS, Service, clicks, scratch};
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A table on disk, read by a service that has ended: what follows finds it without a worker.
fn read_table(data: &Path, dir: &Path) -> Value {
    let table = clicks(dir, 60, 40);
    let service = Service::start(data);
    let dataset = service.upload_clicks(&table);
    assert!(service.terminate().success());
    dataset["id"].clone()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn connect(service: &Service) -> TcpStream {
    TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap()
}

/// An upload whose bytes do not come.
fn hold_a_place(service: &Service) -> TcpStream {
    let mut stream = connect(service);
    let head = "POST /v1/datasets?label=click HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n";
    write!(stream, "{head}Content-Length: 1000\r\n\r\nu").unwrap();
    stream
}

#[test]
fn a_server_with_its_hands_full_says_so_at_once() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--max-requests", "1", "--no-worker"]);
    let mut held = Vec::new();
    until("an upload has the only place", || {
        // Refused itself where it comes while the other request is answered.
        held.push(hold_a_place(&service));
        answer(service.get("/v1/jobs")).0 == 503
    });
    let full = service.get("/v1/jobs").send().unwrap();
    assert!(full.headers().contains_key("retry-after"));
    assert_eq!(code(full), refused(503, "unavailable"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.get(path).send().unwrap().status(), 200, "who watches {path} is not misled");
    }
    drop(held);
    until("the place is free again", || answer(service.get("/v1/jobs")).0 == 200);
}

#[test]
fn a_tenant_holds_half_of_the_places_at_most() {
    let dir = scratch();
    let data = dir.path().join("data");
    let (ours, theirs) = (make_key(&data, &["--tenant", "ours"]), make_key(&data, &["--tenant", "theirs"]));
    let service = Service::start_with(&data, &["--max-requests", "4", "--no-worker"]);
    let mut held = Vec::new();
    until("they hold their half", || {
        let mut stream = connect(&service);
        let head = format!("POST /v1/datasets?label=click HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {theirs}\r\n");
        write!(stream, "{head}Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\nu").unwrap();
        held.push(stream);
        answer(service.get("/v1/jobs").bearer_auth(&theirs)).0 == 429
    });
    let refused_one = service.get("/v1/jobs").bearer_auth(&theirs).send().unwrap();
    assert!(refused_one.headers().contains_key("retry-after"));
    assert_eq!(code(refused_one), refused(429, "too_many_requests"));
    assert_eq!(answer(service.get("/v1/jobs").bearer_auth(&ours)).0, 200, "the other half is for others");
    drop(held);
}

#[test]
fn whoever_waits_takes_no_place_from_those_who_work() {
    let dir = scratch();
    let data = dir.path().join("data");
    let dataset = read_table(&data, dir.path());
    // A tenant has two of the places, and may wait with three more requests.
    let flags = ["--max-requests", "4", "--max-waits", "4", "--tenant-max-waits", "3", "--no-worker"];
    let service = Service::start_with(&data, &flags);
    let job = service.submit(json!({"dataset_id": dataset}));
    let path = format!("/v1/jobs/{job}");
    let waiting = || service.get(&path).header("prefer", "wait=60");
    let events = || service.get(&format!("{path}/events?after=1&wait=60"));
    std::thread::scope(|scope| {
        let patiently = |request: RequestBuilder| loop {
            // Refused while others are just about to wait.
            let status = request.try_clone().unwrap().send().unwrap().status();
            if status != 429 {
                return status;
            }
        };
        let send = |request: RequestBuilder| scope.spawn(move || patiently(request));
        let waiters = [send(waiting()), send(events())];
        let stream = service.get(&format!("{path}/events")).header("accept", "text/event-stream");
        let stream = loop {
            let response = stream.try_clone().unwrap().send().unwrap();
            if response.status() == 200 {
                break response;
            }
        };
        let brief = || service.get(&path).header("prefer", "wait=1");
        let asks = |word: &str| brief().send().unwrap().text().unwrap().contains(word);
        until("three wait", || asks("wait for news"));
        for path in ["/v1/jobs", &path, "/healthz"] {
            assert_eq!(answer(service.get(path)).0, 200, "{path}");
        }
        drop(stream);
        until("the stream's place is free", || answer(brief()).0 == 200);
        // A stop ends the waits, and they are answered.
        harness::signal(service.pid(), libc::SIGTERM);
        assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [200, 200]);
    });
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--max-connections", "8", "--no-worker"]);
    let silent: Vec<_> = (0..40).map(|_| connect(&service)).collect();
    let started = Instant::now();
    assert_eq!(answer(service.get("/healthz")).0, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(silent);
}

#[test]
fn health_is_answered_on_a_listener_of_its_own() {
    let dir = scratch();
    let data = dir.path().join("data");
    let key = make_key(&data, &[]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let health = format!("127.0.0.1:{port}");
    let service = Service::start_with(&data, &["--no-worker", "--max-connections", "1", "--health-listen", &health]);
    let _held = hold_a_place(&service);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(reqwest::blocking::get(format!("http://{health}{path}")).unwrap().status(), 200, "{path}");
    }
    assert_eq!(
        reqwest::blocking::get(format!("http://{health}/v1/jobs")).unwrap().status(),
        404,
        "nothing else is there"
    );
    drop(key);
}

#[test]
fn a_spec_costs_no_more_than_it_weighs() {
    let dir = scratch();
    let data = dir.path().join("data");
    let dataset = read_table(&data, dir.path());
    let service = Service::start_with(&data, &["--no-worker"]);
    let many = 40_000;
    let errors = |spec: Value| -> Value {
        let started = Instant::now();
        let problem = service.expect(service.post("/v1/jobs/plan").json(&spec), 422);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}: {problem}", started.elapsed());
        assert!(problem.to_string().len() < 64 << 10, "{}", problem.to_string().len());
        problem
    };
    for (pointer, part, value) in [
        ("/sweep/values", "sweep", json!({"option": "epochs", "values": vec!["x"; many]})),
        ("/compare", "compare", json!(vec![json!({"name": "none", "options": {"a": 1}}); many / 2])),
        ("/transfer", "transfer", json!(vec!["fm"; many])),
        (
            "/method/options/user_column",
            "method",
            json!({"name": "aum", "options": {"user_column": "u".repeat(900_000)}}),
        ),
    ] {
        let mut spec = json!({"dataset_id": dataset});
        spec[part] = value;
        assert_eq!(errors(spec)["errors"][0]["pointer"], pointer);
    }
    let long = "k".repeat(900_000);
    let named = errors(json!({"dataset_id": dataset, long: 1}));
    assert!(named["detail"].as_str().unwrap().contains("unknown field"), "{named}");

    // More faults than anybody reads, and a spec that is long once every default stands in it.
    let options = serde_json::Map::from_iter((0..100).map(|number| (format!("o{number}"), json!(1))));
    let compare = vec![json!({"name": "enn", "options": options}); 10];
    let told = errors(json!({"dataset_id": dataset, "compare": compare}));
    assert_eq!((told["errors"].as_array().unwrap().len(), &told["errors_truncated"]), (100, &json!(true)));
    let swept: Vec<f64> = (1..=32).map(|number| f64::from(number) / 1000.0).collect();
    let method = json!({"preset": "paper"});
    let sweep = json!({"option": "lr", "values": swept});
    let compare: Vec<Value> = (1..=31).map(|k| json!({"name": "drop3", "options": {"k": k}})).collect();
    let long = errors(json!({"dataset_id": dataset, "method": method, "sweep": sweep, "compare": compare}));
    assert!(long["detail"].as_str().unwrap().contains("65536"), "{long}");
}

#[test]
fn lists_of_jobs_do_not_repeat_their_specs() {
    let dir = scratch();
    let data = dir.path().join("data");
    let dataset = read_table(&data, dir.path());
    let service = Service::start_with(&data, &["--no-worker"]);
    let job = service.submit(json!({"dataset_id": dataset, "labels": {"commit": "3fe1"}}));
    let listed = service.expect(service.get("/v1/jobs"), 200)["data"][0].clone();
    assert_eq!((&listed["id"], listed.get("spec")), (&json!(job), None));
    assert_eq!(
        (&listed["method"], &listed["backbone"], &listed["labels"]["commit"]),
        (&json!("robust"), &json!("deepfm"), &json!("3fe1"))
    );
    assert!(service.expect(service.get(&format!("/v1/jobs/{job}")), 200)["spec"].is_object());
}

#[test]
fn names_in_a_tables_spec_are_short() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let upload = |label: &str| {
        let query = [("label", label), CLICKS[1]];
        service.post("/v1/datasets").query(&query).header("content-type", "text/csv").body("user,click\n1,0\n")
    };
    let started = Instant::now();
    assert_eq!(answer(upload(&"y".repeat(60_000))), refused(422, "invalid_spec"));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(answer(upload("click")).0, 201);
    assert_eq!(fs::read_dir(service.data.join("incoming")).unwrap().count(), 0);
}

#[test]
fn the_operator_bounds_priority_and_run_time() {
    let dir = scratch();
    let data = dir.path().join("data");
    let dataset = read_table(&data, dir.path());
    let service = Service::start_with(&data, &["--no-worker", "--max-priority", "5", "--max-run-seconds", "600"]);
    let submit = |changes: Value| {
        let mut spec = json!({"dataset_id": dataset});
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        service.post("/v1/jobs").json(&spec)
    };
    let refused = service.expect(submit(json!({"priority": 6, "deadline_seconds": 601})), 422);
    let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/priority", "/deadline_seconds"]);
    let job = service.expect(submit(json!({"priority": 5})), 201);
    assert_eq!(job["spec"]["deadline_seconds"], 600);
}
