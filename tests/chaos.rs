//! Uploads and jobs while trainers, workers, servers and PostgreSQL are killed at random moments: what was acknowledged is
//! there at the end, whole, and once.
//!
//! `CHAOS_SECONDS` sets how long the killing lasts, `CHAOS_SEED` what is killed when; `make chaos` runs it for minutes.

mod common;
mod harness;

use autodenoise::store::Durability;
use common::tus::{Tus, checksum, dataset_of, hex_sha256, location_of, offset_of};
use harness::{BIN, CLICKS, assert_gapless, autodenoise, clicks, fleet::Shared, pass_key, scratch, trainers_of};
use reqwest::{
    StatusCode,
    blocking::{Client, RequestBuilder},
    header::HeaderMap,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Seconds of killing in `make test`; `make chaos` asks for more.
const SHORT: u64 = 25;
/// In as many seconds of killing each kind of process dies at least once.
const ENOUGH_FOR_EACH: u64 = 300;
/// After the killing all must come to its end within this.
const AFTERMATH: Duration = Duration::from_secs(180);
const RESULTS: [&str; 5] = ["indices", "scores", "policy", "model", "denoised"];
const UPLOADERS: u64 = 2;
const SUBMITTERS: u64 = 3;

/// Moments, sizes and choices, by SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A process that is started again whenever it has ended, as an operator's supervisor does.
struct Kept {
    arguments: Vec<String>,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Kept {
    fn start(arguments: &[&str], log: &Path) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = Mutex::new(Self::spawn(&arguments, log));
        Self { arguments, log: log.to_owned(), child }
    }

    fn spawn(arguments: &[String], log: &Path) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(BIN);
        command.args(arguments).env_remove("DATABASE_URL").stdout(Stdio::null()).stderr(log);
        command.spawn().unwrap()
    }

    fn keep(&self) {
        let mut child = self.child.lock().unwrap();
        if child.try_wait().unwrap().is_some() {
            *child = Self::spawn(&self.arguments, &self.log);
        }
    }

    fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill().ok();
        child.wait().ok();
    }
}

/// kill -9; false where nothing is left to be killed: what has just died is not there again yet.
fn kill(pid: u32) -> bool {
    // SAFETY: a process of this test, or a child of one, and not waited for by anybody else meanwhile.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) == 0 }
}

/// Says that all is over, however a thread ends.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that tries again, as pipelines do. What it is told is an answer or "try again", never "something broke".
struct Caller {
    tus: Tus,
    url: String,
    retries: AtomicU64,
    give_up: Instant,
    log: PathBuf,
}

impl Caller {
    fn ask(&self, good: &[u16], request: impl Fn(&Client) -> RequestBuilder) -> (StatusCode, HeaderMap, String) {
        loop {
            assert!(Instant::now() < self.give_up, "no answer in time\n{}", self.last_words(""));
            if let Ok(response) = request(&self.tus.http).send() {
                let (status, headers) = (response.status(), response.headers().clone());
                // The answer may break off in its middle.
                if let Ok(body) = response.text() {
                    if good.contains(&status.as_u16()) {
                        return (status, headers, body);
                    }
                    assert_eq!(status, 503, "{body}");
                }
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The end of the log, as far as it is about this.
    fn last_words(&self, about: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains(about)).collect::<Vec<_>>();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn get(&self, path: &str) -> Value {
        let (_, _, body) = self.ask(&[200], |http| http.get(format!("{}{path}", self.url)));
        serde_json::from_str(&body).unwrap()
    }

    fn post(&self, good: &[u16], path: &str, request: impl Fn(RequestBuilder) -> RequestBuilder) -> Value {
        let (_, _, body) = self.ask(good, |http| request(http.post(format!("{}{path}", self.url))));
        serde_json::from_str(&body).unwrap()
    }

    /// An upload in parts of random sizes, from begin to dataset; gives the dataset's id.
    fn upload(&self, dice: &mut Dice, bytes: &[u8], parts: &AtomicU64) -> String {
        let (_, headers, _) = self.ask(&[201], |_| self.tus.begin(bytes.len()));
        let address = location_of(&headers);
        let mut acknowledged = 0;
        while acknowledged < bytes.len() {
            let (_, headers, _) = self.ask(&[200], |_| self.tus.head(&address));
            let offset = offset_of(&headers);
            assert!(offset >= acknowledged, "{acknowledged} bytes were acknowledged, and {offset} are there");
            let end = bytes.len().min(offset + 1 + dice.below(100_000) as usize);
            let part = &bytes[offset..end];
            // 423: whoever wrote it before is not done; 409: its answer was lost, the part was not.
            let (status, headers, _) = self.ask(&[204, 409, 423], |_| {
                self.tus.patch(&address, offset, part).header("upload-checksum", checksum(part))
            });
            if status == 204 {
                acknowledged = offset_of(&headers);
                parts.fetch_add(1, Ordering::Relaxed);
            }
        }
        let body = dataset_of(&address, bytes);
        loop {
            let made = self.post(&[200, 201, 423], "/v1/datasets", |request| request.json(&body));
            if let Some(dataset) = made["id"].as_str() {
                return dataset.to_owned();
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// All events of a job from `seen` on.
    fn follow(&self, job: &str, seen: &mut Vec<Value>) {
        let page = self.get(&format!("/v1/jobs/{job}/events?after={}", seen.len()));
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        assert_gapless(seen);
    }
}

#[derive(Default)]
struct Promised {
    /// Dataset to the sha-256 and the bytes of its upload.
    uploads: BTreeMap<String, (String, usize)>,
    /// Job to the events that were seen of it.
    jobs: BTreeMap<String, Vec<Value>>,
}

#[derive(Default)]
struct Kills([AtomicU32; 4]);

const VICTIMS: [&str; 4] = ["trainer", "worker", "server", "postgres"];

#[test]
fn what_was_acknowledged_outlives_every_death() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (seconds, seed) = (number("CHAOS_SECONDS").unwrap_or(SHORT), number("CHAOS_SEED").unwrap_or(1));
    let dir = scratch();
    let table = clicks(dir.path(), 100, 60);
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let postgres = Shared::start_with(dir.path(), Durability::Full);
    // The address stays the same through all restarts.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, folder) = (format!("127.0.0.1:{port}"), data.to_str().unwrap());
    let common = ["--data-dir", folder, "--database-url", &postgres.url];
    // The checks at the end ask as quickly as they can, all as one tenant.
    let serve = ["serve", "--no-worker", "--listen", &listen, "--tenant-max-requests", "1000000"];
    let server = Kept::start(&[&serve[..], &common].concat(), &log);
    // Deaths are not the jobs' fault here: none is to fail of too many, nor to wait for minutes after its twelfth.
    let patience = ["--lease-seconds", "3", "--retry-seconds", "0.001", "--max-attempts", "100"];
    let quick = ["--checkpoint-seconds", "0", "--threads", "1"];
    let worker = || Kept::start(&[&["worker"][..], &common, &patience, &quick].concat(), &log);
    let workers = [worker(), worker()];

    let url = format!("http://{listen}");
    let caller = Caller {
        tus: Tus::new(&url, Duration::from_secs(20)),
        url,
        retries: AtomicU64::new(0),
        give_up: Instant::now() + Duration::from_secs(seconds) + AFTERMATH,
        log: log.clone(),
    };
    let clicks = fs::read(table).unwrap();
    let dataset = caller.post(&[200, 201], "/v1/datasets", |request| {
        request.query(&CLICKS).header("content-type", "text/csv").body(clicks.clone())
    });
    let dataset = dataset["id"].as_str().unwrap().to_owned();
    while caller.get(&format!("/v1/datasets/{dataset}"))["status"] != "ready" {
        thread::sleep(Duration::from_millis(50));
    }
    let options =
        json!({"epochs": 3, "warmup_epochs": 1, "batch_size": 256, "retrain_max_epoch": 1, "select_ratio": 0.9});
    let spec = json!({"dataset_id": dataset, "seed": 7, "device": "cpu", "method": {"preset": "paper", "backbone": "fm", "options": options}});
    let submit = |key: &str| {
        let made = caller.post(&[201], "/v1/jobs", |request| request.header("idempotency-key", key).json(&spec));
        made["id"].as_str().unwrap().to_owned()
    };
    // What a job comes to that nobody disturbs.
    let reference = submit("reference");
    let mut undisturbed = Vec::new();
    while undisturbed.last().is_none_or(|event: &Value| event["type"] != "job.succeeded") {
        caller.follow(&reference, &mut undisturbed);
        thread::sleep(Duration::from_millis(50));
    }

    let (over, promised, kills, parts) =
        (AtomicBool::new(false), Mutex::new(Promised::default()), Kills::default(), AtomicU64::new(0));
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for uploader in 0..UPLOADERS {
            let (caller, over, promised, parts) = (&caller, &over, &promised, &parts);
            clients.push(scope.spawn(move || {
                let mut dice = Dice(seed << 8 | uploader);
                while !over.load(Ordering::Relaxed) {
                    let rows = 1000 + dice.below(15_000);
                    let lines = (0..rows).map(|row| format!("u{},{},{}\n", row % 9, dice.below(1 << 40), row % 2));
                    let bytes = format!("user,item,click\n{}", lines.collect::<String>()).into_bytes();
                    let id = caller.upload(&mut dice, &bytes, parts);
                    let sha256 = hex_sha256(&bytes);
                    promised.lock().unwrap().uploads.insert(id, (sha256, bytes.len()));
                }
            }));
        }
        for submitter in 0..SUBMITTERS {
            let (caller, over, promised, submit) = (&caller, &over, &promised, &submit);
            clients.push(scope.spawn(move || {
                let mut dice = Dice(seed << 8 | 100 | submitter);
                for turn in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = submit(&format!("{submitter}-{turn}"));
                    promised.lock().unwrap().jobs.insert(id.clone(), Vec::new());
                    let (mut seen, fate) = (Vec::new(), dice.below(8));
                    let how =
                        |how: &str| caller.post(&[200, 202, 409], &format!("/v1/jobs/{id}/{how}"), |request| request);
                    thread::sleep(Duration::from_millis(dice.below(2000)));
                    match fate {
                        0 => drop(how("cancel")),
                        1 => {
                            how("pause");
                            caller.follow(&id, &mut seen);
                            how("resume");
                        }
                        _ => {}
                    }
                    loop {
                        caller.follow(&id, &mut seen);
                        let job = caller.get(&format!("/v1/jobs/{id}"));
                        if job["is_terminal"] == true {
                            break;
                        }
                        assert!(
                            Instant::now() + Duration::from_secs(20) < caller.give_up,
                            "{job:#}\n{:#}\n{}\n\n{}",
                            caller.get("/v1/workers"),
                            caller.last_words(&id),
                            caller.last_words("")
                        );
                        // A pause that took hold after the answer to "resume", which then found nothing to resume.
                        if job["status"] == "paused" {
                            how("resume");
                        }
                        thread::sleep(Duration::from_millis(200));
                    }
                    promised.lock().unwrap().jobs.insert(id, seen);
                }
            }));
        }
        let ending = Ending(&over);
        let mut dice = Dice(seed);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut next = Instant::now();
        while Instant::now() < end {
            server.keep();
            workers.iter().for_each(Kept::keep);
            if Instant::now() >= next {
                next = Instant::now() + Duration::from_millis(300 + dice.below(2500));
                let worker = &workers[dice.below(2) as usize];
                let victim = match dice.below(10) {
                    0..4 => trainers_of(worker.pid()).first().filter(|trainer| kill(**trainer)).map(|_| 0),
                    4..6 => kill(worker.pid()).then_some(1),
                    6..8 => kill(server.pid()).then_some(2),
                    _ => kill(postgres.pid()).then_some(3),
                };
                if let Some(victim) = victim {
                    kills.0[victim].fetch_add(1, Ordering::Relaxed);
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(ending);
        // The clients end what they began. A process that found no database when it was started is started again.
        while clients.iter().any(|client| !client.is_finished()) {
            server.keep();
            workers.iter().for_each(Kept::keep);
            thread::sleep(Duration::from_millis(20));
        }
    });

    let deaths = kills.0.map(AtomicU32::into_inner);
    let said = VICTIMS.iter().zip(&deaths).map(|(name, count)| format!("{name} {count}"));
    println!("seed {seed}, {seconds} s; killed: {}", said.collect::<Vec<_>>().join(", "));
    assert!(seconds < ENOUGH_FOR_EACH || !deaths.contains(&0), "each kind of process was there to be killed");

    // Every acknowledged upload is there, to the byte, and is read.
    let promised = promised.into_inner().unwrap();
    let mut bytes = 0;
    for (id, (sha256, length)) in &promised.uploads {
        let view = loop {
            let view = caller.get(&format!("/v1/datasets/{id}"));
            if view["status"] != "processing" {
                break view;
            }
            thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(
            (&view["status"], &view["sha256"], &view["bytes"]),
            (&json!("ready"), &json!(sha256), &json!(length)),
            "{view:#}"
        );
        let file = fs::read(data.join("objects/uploads").join(sha256)).unwrap();
        assert_eq!(hex_sha256(&file), *sha256);
        bytes += length;
    }
    // Every acknowledged job has ended, its passes are all there and once, and what succeeded is what it would have been.
    let passes = |events: &[Value]| {
        let rows = events.iter().filter(|event| event["type"] == "epoch.completed");
        rows.map(|event| pass_key(&event["data"])).collect::<Vec<_>>()
    };
    let artifact = |id: &str, name: &str| {
        let (_, headers, _) =
            caller.ask(&[200], |http| http.get(format!("{}/v1/jobs/{id}/artifacts/{name}", caller.url)));
        headers["etag"].clone()
    };
    let expected = passes(&undisturbed);
    let mut outcomes = BTreeMap::<String, u32>::new();
    for (id, seen) in &promised.jobs {
        let mut events = Vec::new();
        caller.follow(id, &mut events);
        assert_eq!(events[..seen.len()], seen[..], "what was told once is never told otherwise");
        let status = caller.get(&format!("/v1/jobs/{id}"))["status"].as_str().unwrap().to_owned();
        let keys = passes(&events);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "no pass of {id} twice");
        let rows = caller.get(&format!("/v1/jobs/{id}/metrics"))["data"].as_array().unwrap().clone();
        assert_eq!(rows.iter().map(pass_key).collect::<Vec<_>>(), keys, "each pass of {id} has its row");
        match status.as_str() {
            "succeeded" => {
                assert_eq!(keys, expected, "the passes of {id}");
                for name in RESULTS {
                    assert_eq!(artifact(id, name), artifact(&reference, name), "{name} of {id}");
                }
            }
            "cancelled" => {}
            other => panic!("{id} is {other}: {:#}", events.last().unwrap()),
        }
        *outcomes.entry(status).or_default() += 1;
    }
    // No request that was sent again has made a second job.
    let (mut jobs, mut after) = (0, String::new());
    loop {
        let page = caller.get(&format!("/v1/jobs?limit=100{after}"));
        jobs += page["data"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(jobs, promised.jobs.len() + 1);

    // What dead processes left is removed by the sweep of a worker that starts, once it is old; then nothing is amiss.
    for file in files_below(&data.join("objects")) {
        let old = SystemTime::now() - Duration::from_secs(7200);
        fs::File::options().append(true).open(file).unwrap().set_modified(old).unwrap();
    }
    kill(workers[0].pid());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        workers[0].keep();
        let output = autodenoise(&["fsck", "--data-dir", folder, "--database-url", &postgres.url]);
        if output.status.success() {
            break;
        }
        assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&output.stdout));
        thread::sleep(Duration::from_millis(500));
    }
    let log = fs::read_to_string(&log).unwrap();
    assert!(!log.contains("panicked"), "{}", log.lines().find(|line| line.contains("panicked")).unwrap());

    println!(
        "uploads: {} of {:.1} MB in {} parts; jobs: {outcomes:?}; requests sent again: {}",
        promised.uploads.len(),
        bytes as f64 / 1e6,
        parts.load(Ordering::Relaxed),
        caller.retries.load(Ordering::Relaxed),
    );
    assert!(!promised.uploads.is_empty() && outcomes.contains_key("succeeded"), "there was something to lose");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
