//! Several processes on one database and one folder.

use super::{BIN, children, signal};
use autodenoise::store::{Durability, EmbeddedPostgres};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A worker process; killed with the value.
pub struct Worker {
    pub child: Child,
    pub health: String,
}

impl Worker {
    /// Quick to notice a death and to go on, for tests that kill.
    pub fn start(data: &Path, database: &str, lease: &str) -> Self {
        let quick = ["--lease-seconds", lease, "--checkpoint-seconds", "0", "--retry-seconds", "0.1"];
        Self::start_with(data, database, &quick)
    }

    /// With one thread, these flags, and the defaults of whoever runs it.
    pub fn start_with(data: &Path, database: &str, flags: &[&str]) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log")).unwrap();
        let mut child = Command::new(BIN)
            .args(["worker", "--threads", "1", "--health-listen", "127.0.0.1:0", "--database-url", database])
            .args(flags)
            .arg("--data-dir")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        Self { child, health: line.strip_prefix("health on ").unwrap().to_owned() }
    }

    /// The status of an answer; none where the worker is gone.
    pub fn get_status(&self, path: &str) -> Option<u16> {
        reqwest::blocking::get(format!("{}{path}", self.health)).ok().map(|answer| answer.status().as_u16())
    }

    pub fn get(&self, path: &str) -> reqwest::blocking::Response {
        reqwest::blocking::get(format!("{}{path}", self.health)).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A PostgreSQL that several processes share.
pub struct Shared {
    postgres: Option<EmbeddedPostgres>,
    runtime: tokio::runtime::Runtime,
    pub url: String,
    pub socket: PathBuf,
}

impl Shared {
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, Durability::TestOnly)
    }

    pub fn start_with(dir: &Path, durability: Durability) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = dir.join("shared-pg");
        let postgres = runtime.block_on(EmbeddedPostgres::start(&folder, None, durability)).unwrap();
        let socket = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let socket = socket.filter(|path| !path.to_string_lossy().ends_with(".lock"));
        let socket = socket.into_iter().find(|path| path.to_string_lossy().contains(".s.PGSQL.")).unwrap();
        Self { url: postgres.url(), postgres: Some(postgres), runtime, socket }
    }

    /// The server's process; another one once it was killed and started again.
    pub fn pid(&self) -> u32 {
        self.postgres.as_ref().unwrap().pid()
    }

    /// All processes of the server: it and its children.
    pub fn signal(&self, which: i32) {
        signal_tree(self.pid(), which);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(postgres) = self.postgres.take() {
            self.runtime.block_on(postgres.stop());
        }
    }
}

/// Signals a PostgreSQL server and the processes it started.
fn signal_tree(server: u32, which: i32) {
    signal(server, which);
    for child in children(server, |_| true) {
        // SAFETY: a child of a server of this test. One that ended meanwhile is no matter.
        unsafe { libc::kill(child as i32, which) };
    }
}
