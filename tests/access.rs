//! Who gets in and what they see: keys, scopes, tenants, limits and TLS, through the real service.

#[path = "access/audit.rs"]
mod audit;
#[path = "access/browsers.rs"]
mod browsers;
#[path = "access/crowds.rs"]
mod crowds;
#[path = "access/disk.rs"]
mod disk;
#[path = "access/figures.rs"]
mod figures;
mod harness;
#[path = "access/http2.rs"]
mod http2;
#[path = "access/places.rs"]
mod places;
#[path = "access/protocols.rs"]
mod protocols;
#[path = "access/tables.rs"]
mod tables;
#[path = "access/trainers.rs"]
mod trainers;

use autodenoise::{api::openapi_json, types::TenantId};
use harness::{BIN, CLICKS, Service, autodenoise, autodenoise_ok, clicks, scratch};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Makes a key on the database of the data folder, whether a server runs there or not.
fn make_key(data: &Path, args: &[&str]) -> String {
    let data = data.to_str().unwrap();
    autodenoise_ok(&[&["keys", "create", "--data-dir", data], args].concat()).trim().to_owned()
}

fn keys(data: &Path, args: &[&str]) -> Output {
    autodenoise(&[&["keys"], args, &["--data-dir", data.to_str().unwrap()]].concat())
}

/// The files of a certificate for this machine, and of its key.
fn make_certificate(dir: &Path) -> (String, String) {
    make_certificate_as(dir, rcgen::IsCa::ExplicitNoCa)
}

fn make_certificate_as(dir: &Path, is_ca: rcgen::IsCa) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let write = |name: &str, text: String| {
        let file = dir.join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    (write("cert.pem", certificate.pem()), write("key.pem", key.serialize_pem()))
}

fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn answer(request: RequestBuilder) -> (u16, String) {
    code(request.send().unwrap())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn the_first_key_closes_the_server_and_scopes_say_who_may_what() {
    let dir = scratch();
    let data = dir.path().join("data");
    let service = Service::start(&data);
    let jobs = || service.get("/v1/jobs");
    assert_eq!(answer(jobs()).0, 200, "without keys, on loopback, whoever is there gets in");
    assert_eq!(answer(jobs().basic_auth("proxy", Some("x"))).0, 200, "what a proxy asks for is not ours");

    let read = make_key(&data, &["--scope", "read", "--name", "dashboard"]);
    let response = jobs().send().unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(code(response), refused(401, "unauthorized"));
    let write = make_key(&data, &["--scopes", "write"]);
    let admin = make_key(&data, &["--scope", "admin", "--expires-in-days", "30"]);

    let cancel = format!("/v1/jobs/job_{}/cancel", "0".repeat(32));
    for (key, read, write, admin) in [(&read, 200, 403, 403), (&write, 200, 404, 403), (&admin, 200, 404, 200)] {
        assert_eq!(answer(jobs().bearer_auth(key)).0, read);
        assert_eq!(answer(service.post(&cancel).bearer_auth(key)).0, write);
        for path in ["/metrics", "/v1/workers", "/v1/audit"] {
            assert_eq!(answer(service.get(path).bearer_auth(key)).0, admin, "{path}");
        }
    }
    assert_eq!(answer(service.get("/metrics").bearer_auth(&read)).1, "forbidden");
    for path in ["/healthz", "/readyz", "/v1/capabilities", "/openapi.json", "/docs/", "/problems/unauthorized"] {
        assert_eq!(service.get(path).send().unwrap().status(), 200, "{path} is open");
    }
    assert_eq!(answer(service.get("/v1/nothing")), refused(404, "not_found"));

    // One wrong digit, another scheme, no key at all.
    let last = if read.ends_with('0') { "1" } else { "0" };
    let near = format!("{}{last}", &read[..read.len() - 1]);
    for wrong in [format!("Bearer {near}"), "Bearer".to_owned(), format!("Basic {read}"), read.clone()] {
        assert_eq!(answer(jobs().header("authorization", &wrong)), refused(401, "unauthorized"), "{wrong}");
    }

    // Listed without its secret, revoked, and refused from then on.
    let listed = String::from_utf8(keys(&data, &["list"]).stdout).unwrap();
    let line = listed.lines().find(|line| line.contains("dashboard")).unwrap();
    assert!(line.contains("read") && line.contains("good") && !listed.contains(&read[40..]), "{listed}");
    let id = line.split_whitespace().next().unwrap();
    assert!(keys(&data, &["revoke", id]).status.success());
    assert_eq!(answer(jobs().bearer_auth(&read)), refused(401, "unauthorized"));
    assert!(String::from_utf8(keys(&data, &["list"]).stdout).unwrap().contains("revoked"));
    assert_eq!(keys(&data, &["revoke", &format!("key_{}", "0".repeat(32))]).status.code(), Some(1));

    // The command line sends its key, and says how to give one.
    let status = |key: Option<&str>| {
        let mut command = Command::new(BIN);
        command.args(["status", "--server", &service.url]).env_remove("AUTODENOISE_API_KEY");
        key.map(|key| command.env("AUTODENOISE_API_KEY", key));
        command.output().unwrap()
    };
    assert!(status(Some(&write)).status.success());
    let output = status(None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("AUTODENOISE_API_KEY"), "{said}");
}

#[test]
fn what_is_not_loopback_needs_a_key_before_it_starts() {
    let dir = scratch();
    let data = dir.path().join("data");
    let serve = ["serve", "--listen", "0.0.0.0:0", "--no-worker", "--data-dir", data.to_str().unwrap()];
    let output = autodenoise(&serve);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("autodenoise keys create"), "{said}");

    let key = make_key(&data, &[]);
    let service = Service::start_with(&data, &["--listen", "0.0.0.0:0", "--no-worker"]);
    assert_eq!(answer(service.get("/v1/jobs")), refused(401, "unauthorized"));
    assert_eq!(answer(service.get("/v1/jobs").bearer_auth(&key)).0, 200);
    assert!(service.terminate().success());

    // A revoked key lets nobody in, so a server that only it could reach is of no use.
    let listed = String::from_utf8(keys(&data, &["list"]).stdout).unwrap();
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(keys(&data, &["revoke", &id]).status.success());
    assert_eq!(autodenoise(&serve).status.code(), Some(1));
    // On loopback it may start, and goes on asking.
    let service = Service::start_with(&data, &["--no-worker"]);
    assert_eq!(answer(service.get("/v1/jobs")), refused(401, "unauthorized"));
}

#[test]
fn a_key_from_a_file_opens_the_server_at_its_first_start() {
    let dir = scratch();
    let (data, file) = (dir.path().join("data"), dir.path().join("first.key"));
    let (id, secret) = ("0123456789abcdef".repeat(2), "89abcdef".repeat(8));
    let key = format!("adk_{id}_{secret}");
    let serve = ["serve", "--listen", "0.0.0.0:0", "--no-worker", "--data-dir", data.to_str().unwrap()];
    let serve = [&serve[..], &["--first-key-file", file.to_str().unwrap()]].concat();
    let fails = |what: &str| {
        let output = autodenoise(&serve);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(what), "{said}");
        assert!(!said.contains(&secret[..32]), "no message repeats a secret: {said}");
    };
    fails("No such file");
    fs::write(&file, "secret\n").unwrap();
    fails("no API key");
    fs::write(&file, &key[..key.len() - 2]).unwrap();
    fails("no API key");

    fs::write(&file, format!("{key}\n")).unwrap();
    let flags = ["--listen", "0.0.0.0:0", "--no-worker", "--log", "debug", "--first-key-file", file.to_str().unwrap()];
    for _ in 0..2 {
        let service = Service::start_with(&data, &flags);
        assert_eq!(answer(service.get("/v1/jobs")), refused(401, "unauthorized"));
        assert_eq!(answer(service.get("/v1/workers").bearer_auth(&key)).0, 200, "its scope is admin");
        assert!(!service.log().contains(&secret), "a log has no key");
        let address = service.url.strip_prefix("http://").unwrap().to_owned();
        autodenoise_ok(&["healthcheck", "--address", &address]);
        autodenoise_ok(&["healthcheck", "--address", &address, "--ready"]);
        assert!(service.terminate().success());
        assert_eq!(autodenoise(&["healthcheck", "--address", &address]).status.code(), Some(1));
    }
    let listed = String::from_utf8(keys(&data, &["list"]).stdout).unwrap();
    assert_eq!(listed.matches("first key").count(), 1, "the second start made no other: {listed}");

    // Another secret of the same id is no key, and a key that was revoked stays revoked.
    fs::write(&file, format!("adk_{id}_{}", "0".repeat(64))).unwrap();
    fails("another secret");
    fs::write(&file, &key).unwrap();
    assert!(keys(&data, &["revoke", &format!("key_{id}")]).status.success());
    fails("no API key that is good");
}

/// Ids of the first tenant for every parameter of a path; a new family of addresses needs its own here.
fn fill(path: &str, ids: &[(&str, &str)]) -> String {
    let family = path.split('/').nth(2);
    let id = ids.iter().find(|(of, _)| Some(*of) == family).map_or("", |(_, id)| id);
    let filled = path.replace("{id}", id).replace("{name}", "denoised");
    let judgement = ids.iter().find(|(of, _)| *of == "judgements").map_or("", |(_, id)| id);
    let filled = filled.replace("{judgement_id}", judgement).replace("{training}", "full-2023");
    let filled = filled.replace("{message_id}", &format!("msg_{}", "0".repeat(32)));
    assert!(!filled.contains('{') && !filled.contains("//"), "no id of the first tenant is known for {path}");
    filled
}

#[test]
fn a_tenant_sees_nothing_of_another_on_any_route() {
    let dir = scratch();
    let data = dir.path().join("data");
    let table = clicks(dir.path(), 60, 40);
    let service = Service::start_with(&data, &["--require-keys"]);
    assert_eq!(answer(service.get("/v1/jobs")), refused(401, "unauthorized"), "also while there is no key");
    let ours = make_key(&data, &["--tenant", "ours"]);
    let theirs = make_key(&data, &["--tenant", "theirs"]);
    let bytes = fs::read(&table).unwrap();
    let upload = |key: &str| {
        let request = service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv");
        service.expect(request.body(bytes.clone()).bearer_auth(key), 201)["id"].as_str().unwrap().to_owned()
    };
    let dataset = upload(&ours);
    let ready = |key: &str, id: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        let path = format!("/v1/datasets/{id}");
        while service.expect(service.get(&path).bearer_auth(key), 200)["status"] != "ready" {
            assert!(Instant::now() < deadline, "{}", service.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    ready(&ours, &dataset);
    let spec = |dataset: &str| {
        let options = json!({"batch_size": 512, "retrain_max_epoch": 1, "select_ratio": 0.9});
        json!({"dataset_id": dataset, "device": "cpu", "method": {"name": "random_drop", "options": options}})
    };
    let submit = |key: &str, dataset: &str| {
        service.post("/v1/jobs").bearer_auth(key).header("idempotency-key", "nightly").json(&spec(dataset))
    };
    let job = service.expect(submit(&ours, &dataset), 201)["id"].as_str().unwrap().to_owned();
    let events = format!("/v1/jobs/{job}/events");
    let stream = service.get(&events).bearer_auth(&ours).header("accept", "text/event-stream").send().unwrap();
    assert!(stream.text().unwrap().contains("event: job.succeeded"), "{}", service.log());

    let tus = |request: RequestBuilder| request.header("tus-resumable", "1.0.0");
    let begun = tus(service.post("/v1/uploads")).header("upload-length", "10").bearer_auth(&ours).send().unwrap();
    let upload_id = begun.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let hook = json!({"url": "https://93.184.216.34/hook"});
    let webhook = service.expect(service.post("/v1/webhooks").json(&hook).bearer_auth(&ours), 201)["id"].clone();
    let judgements = format!("/v1/jobs/{job}/judgements");
    let judged = json!({"model": "ours"});
    let judgement = service.expect(service.post(&judgements).json(&judged).bearer_auth(&ours), 201)["id"].clone();
    let ids = [
        ("judgements", judgement.as_str().unwrap()),
        ("datasets", &dataset[..]),
        ("jobs", &job[..]),
        ("uploads", &upload_id[..]),
        ("webhooks", webhook.as_str().unwrap()),
    ];

    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let operation = format!("{method} {path}");
            let request = |key: Option<&str>| {
                let address = format!("{}{}", service.url, fill(path, &ids));
                let request = Client::new().request(method.to_uppercase().parse().unwrap(), address);
                let request = match operation.as_str() {
                    "post /v1/jobs" | "post /v1/jobs/plan" => request.json(&spec(&dataset)),
                    "post /v1/webhooks" => request.json(&hook),
                    "post /v1/jobs/{id}/judgements" => request.json(&judged),
                    "post /v1/webhooks/{id}/rotate" => request.json(&json!({})),
                    "post /v1/uploads" => tus(request).header("upload-length", "10"),
                    "patch /v1/uploads/{id}" => tus(request)
                        .header("content-type", "application/offset+octet-stream")
                        .header("upload-offset", "0")
                        .body("user,click"),
                    _ if path.starts_with("/v1/uploads") => tus(request),
                    "get /v1/jobs/{id}/overlap" => request.query(&[("with", &job)]),
                    "post /v1/datasets" | "post /v1/datasets/table" => {
                        request.query(&CLICKS).header("content-type", "text/csv").body(bytes.clone())
                    }
                    _ => request,
                };
                key.into_iter().fold(request, |request, key| request.bearer_auth(key))
            };
            if ["/healthz", "/readyz", "/v1/capabilities"].contains(&path.as_str()) {
                assert_eq!(answer(request(None)).0, 200, "{operation}");
                assert_eq!(item[method]["security"], json!([]), "{operation}");
                continue;
            }
            walked += 1;
            // Answers to HEAD have no body.
            let (missing, unknown) =
                if method == "head" { ("", Value::Null) } else { ("unauthorized", json!("not_found")) };
            assert_eq!(answer(request(None)), refused(401, missing), "{operation}");
            assert!(item[method]["responses"]["401"].is_object(), "{operation}");
            let response = request(Some(&theirs)).send().unwrap();
            let status = response.status().as_u16();
            let text = response.text().unwrap();
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            match operation.as_str() {
                "get /metrics" | "get /v1/workers" | "get /v1/audit" => assert_eq!(status, 403, "it is the operator's"),
                "get /v1/jobs" | "get /v1/datasets" | "get /v1/webhooks" => {
                    assert_eq!((status, &body["data"]), (200, &json!([])))
                }
                "post /v1/jobs" | "post /v1/jobs/plan" => {
                    assert_eq!((status, &body["errors"][0]["pointer"]), (422, &json!("/dataset_id")), "{text}");
                    assert!(text.contains("there is no dataset"), "{text}");
                }
                "post /v1/datasets" | "post /v1/datasets/table" => {
                    assert_eq!(status, 201, "the same bytes are a dataset of their own: {text}");
                    assert_ne!(body["id"], dataset);
                    service.expect(
                        service.delete(&format!("/v1/datasets/{}", body["id"].as_str().unwrap())).bearer_auth(&theirs),
                        204,
                    );
                }
                "post /v1/uploads" | "post /v1/webhooks" => assert_eq!(status, 201, "one of its own: {text}"),
                "options /v1/uploads" => assert_eq!(status, 204, "what the protocol can do is nobody's"),
                _ => assert_eq!((status, &body["code"]), (404, &unknown), "{operation}: {text}"),
            }
            assert!(!text.contains("\"succeeded\"") && !text.contains("clicks.csv"), "{operation}: {text}");
        }
    }
    assert!(walked > 20, "{walked}");
    // The pages too. A key may stand in for a session; without either, browsers are led to the sign-in.
    let pages = autodenoise::web::listed();
    assert!(pages.len() > 20, "{}", pages.len());
    for (method, path) in pages {
        let page = format!("{method} {path}");
        let id = match path.split('/').nth(1) {
            Some("datasets") => &dataset,
            Some("new" | "uploads") => &upload_id,
            _ => &job,
        };
        let address = format!("{}{}", service.url, path.replace("{id}", id).replace("{name}", "denoised"));
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = |key: Option<&str>| {
            let request = http.request(method.clone(), &address).header("accept", "text/html");
            let request = request.header("origin", &service.url);
            let request = match page.as_str() {
                "POST /uploads" => tus(request).header("upload-length", "10"),
                "PATCH /uploads/{id}" => tus(request)
                    .header("content-type", "application/offset+octet-stream")
                    .header("upload-offset", "0")
                    .body("user,click"),
                "HEAD /uploads/{id}" => tus(request),
                "POST /new" => request.header("content-type", "multipart/form-data; boundary=b").body("--b--\r\n"),
                _ if method == "POST" => request.header("content-type", "application/x-www-form-urlencoded").body(""),
                _ => request,
            };
            key.into_iter().fold(request, |request, key| request.bearer_auth(key)).send().unwrap()
        };
        assert_eq!(request(None).status(), if method == "GET" { 303 } else { 401 }, "{page}");
        let response = request(Some(&theirs));
        let status = response.status().as_u16();
        let text = response.text().unwrap();
        let expected = match page.as_str() {
            "GET /jobs" | "GET /datasets" | "GET /compare" | "GET /new" => 200,
            "POST /new" => 400,
            "POST /uploads" => 201,
            "POST /sign-out" => 303,
            "GET /audit" => 403,
            _ => 404,
        };
        assert_eq!(status, expected, "{page}: {text}");
        // A page that is not found repeats the id that was asked for, and knows no more.
        let shown = status == 200 && (text.contains(&dataset) || text.contains(&job[..]));
        assert!(!shown && !text.contains("clicks.csv"), "{page}: {text}");
    }
    // As a stream too.
    let stream = service.get(&events).bearer_auth(&theirs).header("accept", "text/event-stream");
    assert_eq!(answer(stream), refused(404, "not_found"));
    let of_ours = service.get("/v1/jobs").query(&[("dataset_id", &dataset)]).bearer_auth(&theirs);
    assert_eq!(service.expect(of_ours, 200)["data"], json!([]));

    // Their deletions and cancels did nothing to ours; the same Idempotency-Key is theirs to use.
    assert_eq!(service.expect(service.get(&format!("/v1/jobs/{job}")).bearer_auth(&ours), 200)["status"], "succeeded");
    let copy = upload(&theirs);
    ready(&theirs, &copy);
    let their_job = service.expect(submit(&theirs, &copy), 201)["id"].as_str().unwrap().to_owned();
    assert_ne!(their_job, job);
    service.expect(service.post(&format!("/v1/jobs/{their_job}/cancel")).bearer_auth(&theirs), 202);
    service.expect(service.get(&format!("/v1/datasets/{dataset}")).bearer_auth(&ours), 200);
}

#[test]
fn a_tenant_gets_no_more_than_its_limits() {
    let dir = scratch();
    let data = dir.path().join("data");
    let table = clicks(dir.path(), 60, 40);
    let size = fs::metadata(&table).unwrap().len();
    let flags = ["--tenant-max-jobs", "1", "--tenant-max-bytes", &(size + 50).to_string(), "--no-worker"];
    // A worker reads the table, and none runs the jobs: they stay unfinished.
    let service = Service::start_with(&data, &flags[..4]);
    let published = service.expect(service.get("/v1/capabilities"), 200)["tenant_limits"].clone();
    assert_eq!(published, json!({"max_bytes": size + 50, "max_jobs": 1, "requests_per_minute": 6000}));
    let dataset = service.upload_clicks(&table);

    // One upload more would be too many bytes, whether its length is known or not.
    let upload = |body: reqwest::blocking::Body| {
        service.post("/v1/datasets?label=click").header("content-type", "text/csv").body(body).send().unwrap()
    };
    let more = || "user,click\n".repeat(10);
    let response = upload(more().into());
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(code(response), refused(429, "quota_exceeded"));
    let chunked = reqwest::blocking::Body::new(std::io::Cursor::new(more()));
    assert_eq!(code(upload(chunked)), refused(429, "quota_exceeded"));
    assert!(service.terminate().success());

    let service = Service::start_with(&data, &flags);
    let submit = |seed: u32| service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"], "seed": seed}));
    let first = service.expect(submit(1), 201)["id"].as_str().unwrap().to_owned();
    let response = submit(2).send().unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(code(response), refused(429, "quota_exceeded"));
    assert_eq!(
        service.expect(service.get("/v1/jobs"), 200)["data"].as_array().unwrap().len(),
        1,
        "nothing is left of it"
    );
    // One that is paused has not ended either.
    service.expect(service.post(&format!("/v1/jobs/{first}/pause")), 202);
    assert_eq!(answer(submit(2)), refused(429, "quota_exceeded"));
    service.expect(service.post(&format!("/v1/jobs/{first}/cancel")), 202);
    service.expect(submit(2), 201);

    // A tenant's own limits win over the server's, at once.
    let tenant = TenantId::default();
    let changed = keys(&data, &["tenants", tenant.as_str(), "--max-jobs", "2", "--max-requests", "3"]);
    let said = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert!(changed.status.success() && said.contains("default") && said.contains(&size.to_string()), "{said}");
    service.expect(submit(3), 201);
    let statuses: Vec<_> = (0..4).map(|_| service.get("/v1/jobs").send().unwrap()).collect();
    let last = statuses.into_iter().last().unwrap();
    let wait: u32 = last.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "three a minute: {wait}");
    assert_eq!(code(last), refused(429, "too_many_requests"));
    assert_eq!(answer(service.get("/healthz")).0, 200);
    assert!(keys(&data, &["tenants", "default", "--max-requests", "default"]).status.success());
    assert_eq!(answer(service.get("/v1/jobs")).0, 200);
}

#[test]
fn https_with_a_certificate_of_ones_own() {
    let dir = scratch();
    let data = dir.path().join("data");
    let (cert, key) = make_certificate(dir.path());
    let (cert, key) = (&cert[..], &key[..]);
    let api_key = make_key(&data, &[]);

    // A wrong pair is said before anything runs.
    let serve = |cert: &str, key: &str| {
        autodenoise(&["serve", "--data-dir", data.to_str().unwrap(), "--tls-cert", cert, "--tls-key", key])
    };
    for (cert, key, words) in [(key, key, "--tls-cert"), (cert, cert, "--tls-key"), ("/nowhere", key, "/nowhere")] {
        let output = serve(cert, key);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(words), "{said}");
    }

    let service = Service::start_with(&data, &["--no-worker", "--tls-cert", cert, "--tls-key", key]);
    let address = service.url.strip_prefix("https://").expect("it says so");
    let root = reqwest::Certificate::from_pem(&fs::read(cert).unwrap()).unwrap();
    let client = Client::builder().tls_certs_only([root]).build().unwrap();
    let jobs = client.get(format!("https://{address}/v1/jobs"));
    assert_eq!(answer(jobs.try_clone().unwrap()), refused(401, "unauthorized"));
    assert_eq!(answer(jobs.try_clone().unwrap().bearer_auth(&api_key)).0, 200);
    assert!(Client::new().get(&service.url).send().is_err(), "who does not know the certificate does not trust it");
    let plain = Client::new().get(format!("http://{address}/healthz")).send();
    assert!(plain.is_err(), "nothing is answered in the clear");

    // The command line trusts what the system does, and what SSL_CERT_FILE names.
    let mut command = Command::new(BIN);
    command.args(["status", "--server", &service.url]).env("AUTODENOISE_API_KEY", &api_key).env("SSL_CERT_FILE", cert);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(service.terminate().success(), "it stops as it does without TLS");

    // What openssl makes unless it is told otherwise is refused by clients, and they say what to do.
    let authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let (cert, key) = make_certificate_as(dir.path(), authority);
    let service = Service::start_with(&data, &["--no-worker", "--tls-cert", &cert, "--tls-key", &key]);
    let mut command = Command::new(BIN);
    let output = command.args(["status", "--server", &service.url]).env("SSL_CERT_FILE", &cert).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(4) && said.contains("CA:FALSE"), "{said}");
}

#[test]
fn no_secret_stands_in_a_log_or_an_answer() {
    let dir = scratch();
    let data = dir.path().join("data");
    let key = make_key(&data, &["--scope", "read"]);
    let service = Service::start_with(&data, &["--no-worker", "--log", "trace"]);
    let secret = &key[key.len() - 64..];
    // Another key, a good one's beginning, and one where it does not belong.
    let forged = format!("{}{}", &key[..key.len() - 64], "e".repeat(64));
    let requests = [
        service.get("/v1/jobs").bearer_auth(&key),
        service.post("/v1/jobs").bearer_auth(&key).json(&json!({})),
        service.get("/v1/jobs").bearer_auth(&forged),
        service.get("/v1/jobs").bearer_auth(format!("{key}0")),
        service.get("/v1/jobs").header("authorization", &key),
        service.get(&format!("/v1/jobs?limit=1&key={key}")),
    ];
    for request in requests {
        let response = request.send().unwrap();
        let said = format!("{:?} {}", response.headers().clone(), response.text().unwrap());
        assert!(!said.contains(secret) && !said.contains(&"e".repeat(64)), "{said}");
    }
    let mut command = Command::new(BIN);
    command.args(["status", "--log", "trace", "--server", &service.url]).env("AUTODENOISE_API_KEY", &key);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let client = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(client.contains("TRACE") || client.contains("DEBUG"), "it does log: {client}");
    let help = autodenoise_ok(&["status", "--help"]);
    let log = service.log();
    assert!(log.contains("/v1/jobs"), "{log}");
    let password = fs::read_to_string(data.join("postgres/password")).unwrap();
    for (what, text) in [("the server's log", &log), ("the client's log", &client), ("the help", &help)] {
        for hidden in [secret, &"e".repeat(64), password.trim()] {
            assert!(!text.contains(hidden), "{what} has {hidden}");
        }
    }
    let stored: Vec<u8> = hex::decode(secret).unwrap();
    use sha2::Digest;
    assert!(!log.contains(&hex::encode(sha2::Sha256::digest(stored))), "not even its digest");
}
