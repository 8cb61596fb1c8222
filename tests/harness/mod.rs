//! The service as its users run it: the built binary on its embedded default, talked to over HTTP.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod bucket;
pub mod fleet;
pub mod job;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const BIN: &str = env!("CARGO_BIN_EXE_autodenoise");

/// A folder below /tmp that the user PostgreSQL runs as can reach.
pub fn scratch() -> TempDir {
    let dir = tempfile::Builder::new().prefix("autodenoise-test-").tempdir_in("/tmp").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Runs the program to its end.
pub fn autodenoise(args: &[&str]) -> Output {
    Command::new(BIN).args(args).env_remove("AUTODENOISE_SERVER").output().unwrap()
}

/// Runs the program and expects it to end well; gives its standard output.
pub fn autodenoise_ok(args: &[&str]) -> String {
    let output = autodenoise(args);
    assert!(output.status.success(), "autodenoise {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a table of `clicks` is, as the query of an upload.
pub const CLICKS: [(&str, &str); 3] = [("label", "click"), ("split_column", "split"), ("exclude", "timestamp")];

/// A table with planted noise: `clicks.csv` in the folder.
pub fn clicks(dir: &Path, users: u32, items: u32) -> PathBuf {
    let path = dir.join("clicks.csv");
    let (users, items) = (users.to_string(), items.to_string());
    let args = [
        "synth",
        path.to_str().unwrap(),
        "--users",
        &users,
        "--items",
        &items,
        "--density",
        "0.1",
        "--flip-rate",
        "0.2",
        "--seed",
        "3",
    ];
    autodenoise_ok(&args);
    path
}

/// A running `autodenoise serve`; ended with the value.
pub struct Service {
    child: Child,
    pub url: String,
    pub data: PathBuf,
    http: reqwest::blocking::Client,
}

impl Service {
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Quick to notice a death and to go on, for tests that kill.
    pub fn start_with(data: &Path, flags: &[&str]) -> Self {
        let quick = ["--lease-seconds", "3", "--checkpoint-seconds", "0", "--retry-seconds", "0.1", "--threads", "1"];
        Self::start_as(data, &[&quick[..], flags].concat())
    }

    /// With these flags and the defaults of whoever runs it.
    pub fn start_as(data: &Path, flags: &[&str]) -> Self {
        Self::start_program(Path::new(BIN), data, flags)
    }

    /// The same of a program that stands elsewhere.
    pub fn start_program(program: &Path, data: &Path, flags: &[&str]) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log")).unwrap();
        let listen: &[&str] = if flags.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = Command::new(program)
            .arg("serve")
            .args(listen)
            .arg("--data-dir")
            .arg(data)
            .args(flags)
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().and_then(Result::ok).unwrap_or_else(|| {
            panic!("the service did not start: {}", fs::read_to_string(data.with_extension("log")).unwrap())
        });
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
        Self { child, url, data: data.to_owned(), http }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.with_extension("log")).unwrap()
    }

    /// kill -9, as a power cut would.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.data.clone()
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        signal(self.child.id(), libc::SIGTERM);
        self.child.wait().unwrap()
    }

    /// Waits for its end, which was asked for.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn get(&self, path: &str) -> reqwest::blocking::RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> reqwest::blocking::RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    pub fn put(&self, path: &str) -> reqwest::blocking::RequestBuilder {
        self.http.put(format!("{}{path}", self.url))
    }

    pub fn delete(&self, path: &str) -> reqwest::blocking::RequestBuilder {
        self.http.delete(format!("{}{path}", self.url))
    }

    /// The JSON of an answer with this status.
    pub fn expect(&self, request: reqwest::blocking::RequestBuilder, status: u16) -> Value {
        let response = request.send().unwrap();
        let (got, body) = (response.status().as_u16(), response.text().unwrap());
        assert_eq!(got, status, "{body}\n{}", self.log());
        if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() }
    }

    /// Uploads a file and waits until it is read.
    pub fn upload(&self, file: &Path, query: &[(&str, &str)]) -> Value {
        let body = fs::read(file).unwrap();
        self.upload_bytes(body, "text/csv", query)
    }

    /// Uploads a table that `clicks` made.
    pub fn upload_clicks(&self, file: &Path) -> Value {
        self.upload(file, &CLICKS)
    }

    pub fn upload_bytes(&self, body: Vec<u8>, media_type: &str, query: &[(&str, &str)]) -> Value {
        let request = self.post("/v1/datasets").query(query).header("content-type", media_type).body(body);
        let mut dataset = self.expect(request, 201);
        let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
        let deadline = Instant::now() + Duration::from_secs(120);
        while dataset["status"] == "processing" {
            assert!(Instant::now() < deadline, "the dataset was not read in time: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
            dataset = self.expect(self.get(&path), 200);
        }
        dataset
    }

    /// Submits a job and gives its id.
    pub fn submit(&self, spec: Value) -> String {
        self.expect(self.post("/v1/jobs").json(&spec), 201)["id"].as_str().unwrap().to_owned()
    }

    /// Events of a job as they come, until `until` says so.
    pub fn events_until(&self, job: &str, until: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = 0;
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            assert!(Instant::now() < deadline, "the event did not come: {events:#?}\n{}", self.log());
            let response = self.get(&format!("/v1/jobs/{job}/events?after={after}&wait=30")).send().unwrap();
            // A database that is just being started again; the client's next try finds it.
            if response.status() == 503 {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            assert_eq!(response.status(), 200, "{}", self.log());
            let page: Value = response.json().unwrap();
            for event in page["data"].as_array().unwrap() {
                after = event["seq"].as_i64().unwrap();
                events.push(event.clone());
                if until(event) {
                    return events;
                }
            }
            let terminal = page["is_terminal"] == true && page["has_more"] == false;
            assert!(!terminal, "the job ended first: {events:#?}\n{}", self.log());
        }
    }

    /// Waits for the job's end, which must be this event; gives all events.
    pub fn wait_for(&self, job: &str, kind: &str) -> Vec<Value> {
        let events = self.events_until(job, |event| {
            ["job.succeeded", "job.failed", "job.cancelled"].contains(&event["type"].as_str().unwrap())
        });
        assert_eq!(events.last().unwrap()["type"], kind, "{:#?}\n{}", events.last(), self.log());
        events
    }

    pub fn artifact(&self, job: &str, name: &str) -> Vec<u8> {
        let response = self.get(&format!("/v1/jobs/{job}/artifacts/{name}")).send().unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().unwrap().to_vec()
    }

    /// The trainer processes of this service.
    pub fn trainers(&self) -> Vec<u32> {
        trainers_of(self.pid())
    }

    /// The private database of this service.
    pub fn database(&self) -> u32 {
        children(self.pid(), |words| words[0].ends_with("/postgres"))[0]
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(self.child.id(), libc::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// The trainer processes of a server or worker.
pub fn trainers_of(pid: u32) -> Vec<u32> {
    children(pid, |words| words.contains(&"trainer"))
}

/// The processes that a process has started, by the words of their command lines.
pub fn children(of: u32, is_wanted: impl Fn(&[&str]) -> bool) -> Vec<u32> {
    let is_ours = |pid: &u32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        // The name in parentheses may hold spaces; the parent stands two words after it.
        let parent =
            read("stat").rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parent == Some(of) && is_wanted(&read("cmdline").split('\0').collect::<Vec<_>>())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).collect()
}

pub fn signal(pid: u32, signal: i32) {
    // SAFETY: the process is a child of this test, or a child of one.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

/// Whether events are numbered 1, 2, 3, ...
pub fn assert_gapless(events: &[Value]) {
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as i64).collect::<Vec<_>>());
}

/// What names a pass: arm, seed, phase, epoch, pass.
pub fn pass_key(row: &Value) -> String {
    format!("{} {} {} {} {} {}", row["contender"], row["arm"], row["seed"], row["phase"], row["epoch"], row["pass"])
}
