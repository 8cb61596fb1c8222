//! Webhooks as a receiver meets them: signed, tried again, never sent where they must not go.

mod harness;

use autodenoise::webhooks::signature;
use harness::{BIN, Service, scratch};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Far more than anything here takes. The longest is the 30 seconds of a claim whose sender was killed before it wrote down
/// what came of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// A poll of the outbox, and some.
const QUIET: Duration = Duration::from_millis(2500);

/// A request as it came.
struct Received {
    target: String,
    headers: HashMap<String, String>,
    body: String,
}

impl Received {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks the signature as a receiver does.
    fn assert_signed(&self, secret: &str) {
        let timestamp: i64 = self.headers["webhook-timestamp"].parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now - timestamp).abs() < 60, "signed now, not when the message was made");
        let expected = signature(&secret.parse().unwrap(), self.id(), timestamp, &self.body);
        assert_eq!(self.headers["webhook-signature"], expected);
    }
}

/// A receiver of webhooks that answers as told, else 204.
struct Receiver {
    url: String,
    answers: Arc<Mutex<VecDeque<String>>>,
    received: mpsc::Receiver<Received>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?key=k1", listener.local_addr().unwrap());
        let (sender, received) = mpsc::channel();
        let answers = Arc::new(Mutex::new(VecDeque::<String>::new()));
        let told = answers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = reader.by_ref().lines().map_while(Result::ok);
                let Some(request) = lines.next() else { continue };
                let headers: HashMap<_, _> = lines
                    .take_while(|line| !line.is_empty())
                    .filter_map(|line| {
                        line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                    })
                    .collect();
                let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = told.lock().unwrap().pop_front().unwrap_or("204 No Content".to_owned());
                write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
                let target = request.split(' ').nth(1).unwrap().to_owned();
                // The test may have ended.
                sender.send(Received { target, headers, body: String::from_utf8(body).unwrap() }).ok();
            }
        });
        Self { url, answers, received }
    }

    fn answer(&self, answers: &[&str]) {
        self.answers.lock().unwrap().extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    fn next(&self) -> Received {
        self.received.recv_timeout(PATIENCE).expect("a message comes")
    }

    fn assert_quiet(&self) {
        match self.received.recv_timeout(QUIET) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(error) => panic!("{error}"),
            Ok(received) => panic!("{}", received.body),
        }
    }
}

fn start(data: &Path, retry_seconds: &str) -> Service {
    Service::start_with(data, &["--webhooks-allow-insecure", "--webhooks-retry-seconds", retry_seconds])
}

fn add(service: &Service, spec: &Value) -> (String, String) {
    let made = service.expect(service.post("/v1/webhooks").json(spec), 201);
    let word = |name: &str| made[name].as_str().unwrap().to_owned();
    (word("id"), word("secret"))
}

fn dataset(service: &Service) -> Value {
    let rows = (0..400).map(|row| format!("{},{},{}\n", row % 7, row % 5, row % 2)).collect::<String>();
    service.upload_bytes(format!("user,item,click\n{rows}").into_bytes(), "text/csv", &[("label", "click")])["id"]
        .clone()
}

fn job(dataset: &Value, webhooks: &[&str]) -> Value {
    let options = json!({"batch_size": 16, "retrain_max_epoch": 1});
    json!({"dataset_id": dataset, "device": "cpu", "method": {"name": "random_drop", "backbone": "fm", "options": options}, "webhook_ids": webhooks})
}

fn deliveries(service: &Service, id: &str) -> Vec<Value> {
    let page = service.expect(service.get(&format!("/v1/webhooks/{id}/deliveries")), 200);
    page["data"].as_array().unwrap().clone()
}

/// The log once it has so many rows: an answer is sent before it is written down that it came.
fn deliveries_of(service: &Service, id: &str, rows: usize) -> Vec<Value> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let log = deliveries(service, id);
        if log.len() >= rows {
            return log;
        }
        assert!(std::time::Instant::now() < until, "{log:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_finished_job_is_told_signed_and_again_until_it_arrives() {
    let dir = scratch();
    let service = start(&dir.path().join("data"), "0.1,0.1,0.1");
    let (told, other) = (Receiver::start(), Receiver::start());
    let (id, secret) = add(&service, &json!({"url": told.url}));
    let (failures, _) = add(&service, &json!({"url": other.url, "events": ["job.failed"]}));
    let shown = service.expect(service.get(&format!("/v1/webhooks/{id}")), 200);
    assert_eq!((&shown["url"], shown.get("secret")), (&json!(told.url), None), "the secret is shown once");

    told.answer(&["500 Oh", "302 Found\r\nLocation: /elsewhere"]);
    let dataset = dataset(&service);
    let job_id = service.submit(job(&dataset, &[&id, &failures]));
    let attempts = [told.next(), told.next(), told.next()];
    for attempt in &attempts {
        attempt.assert_signed(&secret);
        assert_eq!((attempt.id(), &attempt.body), (attempts[0].id(), &attempts[0].body));
        assert_eq!(attempt.target, "/hook?key=k1", "redirects are not followed");
    }
    let body = attempts[0].json();
    assert_eq!(body["type"], "job.succeeded");
    assert_eq!(
        body["data"],
        json!({"job_id": job_id, "status": "succeeded", "verdict": "not_evaluated", "attempt": 1})
    );

    let log = deliveries_of(&service, &id, 3);
    let rows: Vec<_> = log.iter().map(|row| (&row["attempt"], &row["status"], &row["outcome"])).collect();
    let expected = [json!([3, 204, "delivered"]), json!([2, 302, "retrying"]), json!([1, 500, "retrying"])];
    assert_eq!(rows, expected.iter().map(|row| (&row[0], &row[1], &row[2])).collect::<Vec<_>>(), "{log:#?}");
    assert!(log[1]["error"].as_str().unwrap().contains("redirects are not followed"), "{log:#?}");
    let metrics = service.get("/metrics").send().unwrap().text().unwrap();
    for line in
        ["deliveries_total{outcome=\"delivered\"} 1", "deliveries_total{outcome=\"retrying\"} 2", "outbox_messages 0"]
    {
        assert!(metrics.contains(&format!("autodenoise_webhook_{line}")), "{line}\n{metrics}");
    }
    assert!(!service.log().contains(&secret[6..]), "secrets stay out of logs");

    // A test is sent once, whatever comes of it, and the command says what did.
    let webhooks =
        |args: &[&str]| Command::new(BIN).arg("webhooks").args(args).args(["--server", &service.url]).output().unwrap();
    assert!(webhooks(&["test", &failures]).status.success());
    assert_eq!(other.next().json()["type"], "webhook.test");
    other.answer(&["503 Busy"]);
    let failed = webhooks(&["test", &failures]);
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(failed.status.code() == Some(1) && said.contains("the receiver answered 503"), "{said}");
    assert_eq!(deliveries(&service, &failures)[0]["outcome"], "failed");
    let listed = String::from_utf8(webhooks(&["list"]).stdout).unwrap();
    assert!(listed.contains(&id) && listed.contains("job.failed"), "{listed}");

    // 410 ends it.
    other.next();
    other.answer(&["410 Gone"]);
    assert!(!webhooks(&["test", &failures]).status.success());
    let shown = service.expect(service.get(&format!("/v1/webhooks/{failures}")), 200);
    assert!(shown["disabled_at"].is_string(), "{shown:#}");
    assert_eq!(service.expect(service.post(&format!("/v1/webhooks/{failures}/test")), 409)["code"], "conflict");

    // A webhook that is deleted hears of its jobs no more, and no new job may name it.
    let waiting = service.submit(job(&dataset, &[&id]));
    assert!(webhooks(&["remove", &id]).status.success());
    service.wait_for(&waiting, "job.succeeded");
    told.assert_quiet();
    for path in ["/v1/jobs", "/v1/jobs/plan"] {
        let problem = service.expect(service.post(path).json(&job(&dataset, &[&failures, &id])), 422);
        assert_eq!(problem["errors"][0]["pointer"], "/webhook_ids/1", "{problem:#}");
    }
    service.expect(service.get(&format!("/v1/webhooks/{id}")), 404);
}

#[test]
fn a_killed_service_delivers_after_its_start() {
    let dir = scratch();
    let receiver = Receiver::start();
    let data = dir.path().join("data");
    let service = Service::start(&data);
    let dataset = dataset(&service);
    assert!(service.terminate().success());
    // Without a worker the job waits until it is cancelled.
    let start = || {
        let flags = ["--no-worker", "--webhooks-allow-insecure", "--webhooks-retry-seconds", "1,1,1"];
        Service::start_with(&data, &flags)
    };
    let service = start();
    let (id, secret) = add(&service, &json!({"url": receiver.url, "events": ["job.cancelled"]}));
    let job_id = service.submit(job(&dataset, &[&id]));
    receiver.answer(&["503 Busy"]);
    service.expect(service.post(&format!("/v1/jobs/{job_id}/cancel")), 202);
    let first = receiver.next();
    service.kill();
    let service = start();
    let second = receiver.next();
    second.assert_signed(&secret);
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    assert_eq!(second.json()["data"]["status"], "cancelled");
    assert!(service.terminate().success());
}

#[test]
fn nothing_is_sent_into_the_servers_own_network() {
    let dir = scratch();
    // As operators run it.
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    for url in [
        "http://8.8.8.8/",
        "https://127.0.0.1/",
        "https://localhost:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://user:password@8.8.8.8/",
        "https://8.8.8.8:25/",
        "nonsense",
    ] {
        let problem = service.expect(service.post("/v1/webhooks").json(&json!({"url": url})), 422);
        assert_eq!(
            (&problem["code"], &problem["errors"][0]["pointer"]),
            (&json!("blocked_url"), &json!("/url")),
            "{url}"
        );
    }
    let made = service.expect(service.post("/v1/webhooks").json(&json!({"url": "https://8.8.8.8/hook"})), 201);
    assert_eq!(made["events"], json!(["job.succeeded", "job.failed", "job.cancelled"]));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    // What is wrong is pointed at; a secret with a slip in it is not repeated.
    let wrong = |more: Value| {
        let mut spec = json!({"url": "https://8.8.8.8/"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = service.expect(service.post("/v1/webhooks").json(&spec), 422);
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
        problem["errors"][0]["pointer"].clone()
    };
    assert_eq!(wrong(json!({"events": []})), "/events");
    assert_eq!(wrong(json!({"events": ["job.failed", "job.failed"]})), "/events");
    assert_eq!(wrong(json!({"events": ["job.started"]})), "/events/0");
    assert_eq!(wrong(json!({"secret": "whsec_hunter2"})), "/secret");
    // An address that was good when it was named is judged again when it is sent to: here the flag is gone since.
    let data = service.data.clone();
    drop(service);
    let service = start(&data, "1");
    let receiver = Receiver::start();
    let (id, _) = add(&service, &json!({"url": receiver.url}));
    drop(service);
    let service = Service::start_with(&data, &["--no-worker"]);
    service.expect(service.post(&format!("/v1/webhooks/{id}/test")), 201);
    let log = deliveries_of(&service, &id, 1);
    assert!(log[0]["error"].as_str().unwrap().starts_with("not sent"), "{log:#?}");
    receiver.assert_quiet();
}

/// Whether one of the signatures is by this secret, as a receiver looks for it.
fn is_signed(message: &Received, secret: &str) -> bool {
    let timestamp: i64 = message.headers["webhook-timestamp"].parse().unwrap();
    let expected = signature(&secret.parse().unwrap(), message.id(), timestamp, &message.body);
    message.headers["webhook-signature"].split(' ').any(|signed| signed == expected)
}

#[test]
fn secrets_are_changed_messages_sent_again_and_receivers_in_the_cluster_allowed() {
    let dir = scratch();
    // As operators run it, with a receiver that they vouch for.
    let flags = ["--webhooks-allow", "127.0.0.1", "--webhooks-retry-seconds", "1"];
    let service = Service::start_with(&dir.path().join("data"), &flags);
    let receiver = Receiver::start();
    let (id, first) = add(&service, &json!({"url": receiver.url}));
    let other = json!({"url": "http://127.0.0.2:9/"});
    assert_eq!(service.expect(service.post("/v1/webhooks").json(&other), 422)["code"], "blocked_url");
    let webhooks = |args: &[&str]| {
        let done = Command::new(BIN).arg("webhooks").args(args).args(["--server", &service.url]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let second = webhooks(&["rotate", &id]).trim().to_owned();
    assert_ne!(first, second);
    let shown = service.expect(service.get(&format!("/v1/webhooks/{id}")), 200);
    assert!(shown["former_secret_until"].is_string() && !shown.to_string().contains(&second[6..]), "{shown:#}");

    let job_id = service.submit(job(&dataset(&service), &[&id]));
    let message = receiver.next();
    assert!(is_signed(&message, &first) && is_signed(&message, &second), "both are good for a day");
    // What Slack and its like show.
    assert_eq!(message.json()["text"], format!("AutoDenoise: {job_id} succeeded; the verdict: not evaluated"));

    deliveries_of(&service, &id, 1);
    receiver.answer(&["410 Gone"]);
    webhooks(&["resend", &id, message.id()]);
    assert_eq!(receiver.next().id(), message.id());
    deliveries_of(&service, &id, 2);
    let resend = format!("/v1/webhooks/{id}/deliveries/{}/resend", message.id());
    assert_eq!(service.expect(service.post(&resend), 409)["code"], "conflict");
    webhooks(&["enable", &id]);
    service.expect(service.post(&resend), 201);
    assert_eq!(receiver.next().body, message.body);
    let unknown = format!("/v1/webhooks/{id}/deliveries/msg_{}/resend", "0".repeat(32));
    service.expect(service.post(&unknown), 404);
    assert!(!service.log().contains(&second[6..]), "secrets stay out of logs");
}
