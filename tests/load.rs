//! The service under load, beside two jobs: how long answers take, what training loses, what memory the server takes.
//! `make load` runs it on a release build and prints the figures of docs/reliability.md.

mod harness;
#[path = "load/hostile.rs"]
mod hostile;

use base64::{Engine, prelude::BASE64_STANDARD};
use harness::{Service, children, clicks, scratch};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const POLLERS: usize = 200;
const UPLOADERS: usize = 20;
const STREAMS: usize = 50;
/// How often each of them asks, or sends a part.
const EVERY: Duration = Duration::from_secs(1);
const PART: usize = 128 << 10;
const WINDOW: Duration = Duration::from_secs(60);

/// What the clients saw.
#[derive(Default)]
struct Seen {
    errors: AtomicU64,
    parts: AtomicU64,
    events: AtomicU64,
}

/// Asks for the job once a second until the end; gives the milliseconds each answer took.
async fn poll(http: Client, address: String, seen: Arc<Seen>, start: Instant, end: Instant) -> Vec<f64> {
    let mut took = Vec::new();
    let mut next = start;
    while next < end {
        tokio::time::sleep_until(next.into()).await;
        let asked = Instant::now();
        let answer = async { http.get(&address).send().await?.error_for_status()?.bytes().await };
        match answer.await {
            Ok(_) => took.push(asked.elapsed().as_secs_f64() * 1e3),
            Err(_) => drop(seen.errors.fetch_add(1, Ordering::Relaxed)),
        }
        next += EVERY;
    }
    took
}

/// Sends a part with its checksum once a second.
async fn upload(http: Client, url: String, seen: Arc<Seen>, start: Instant, end: Instant) -> reqwest::Result<()> {
    let part = vec![b'x'; PART];
    let checksum = format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(&part)));
    let begun =
        http.post(format!("{url}/v1/uploads")).header("tus-resumable", "1.0.0").header("upload-length", 1 << 30);
    let begun = begun.send().await?.error_for_status()?;
    let address = format!("{url}/v1/{}", begun.headers()["location"].to_str().unwrap());
    let mut next = start;
    for number in 0.. {
        if next >= end {
            break;
        }
        tokio::time::sleep_until(next.into()).await;
        let request = http.patch(&address).header("tus-resumable", "1.0.0").header("upload-offset", number * PART);
        let request = request.header("content-type", "application/offset+octet-stream");
        request.header("upload-checksum", &checksum).body(part.clone()).send().await?.error_for_status()?;
        seen.parts.fetch_add(1, Ordering::Relaxed);
        next += EVERY;
    }
    http.delete(&address).header("tus-resumable", "1.0.0").send().await?.error_for_status()?;
    Ok(())
}

/// Listens to a job's events.
async fn listen(http: Client, address: String, seen: Arc<Seen>, end: Instant) -> reqwest::Result<()> {
    let mut response = http.get(address).header("accept", "text/event-stream").send().await?.error_for_status()?;
    while let Ok(chunk) = tokio::time::timeout_at(end.into(), response.chunk()).await {
        // A stream that ends before its job is an error too.
        let Some(bytes) = chunk? else {
            seen.errors.fetch_add(1, Ordering::Relaxed);
            break;
        };
        seen.events.fetch_add(bytes.windows(5).filter(|word| word == b"data:").count() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Runs all clients for the window; gives the sorted milliseconds of the polls.
async fn load(url: &str, jobs: &[String], seen: &Arc<Seen>) -> Vec<f64> {
    // Before the start: reading the system's certificates takes each of them milliseconds.
    let client = |_| Client::builder().timeout(WINDOW * 2).build().unwrap();
    let mut clients: Vec<Client> = (0..POLLERS + UPLOADERS + STREAMS).map(client).collect();
    let mut http = || clients.pop().unwrap();
    let (start, mut polls, mut others) = (Instant::now(), JoinSet::new(), JoinSet::new());
    let end = start + WINDOW;
    for client in 0..POLLERS {
        let address = format!("{url}/v1/jobs/{}", jobs[client % jobs.len()]);
        let first = start + EVERY.mul_f64(client as f64 / POLLERS as f64);
        polls.spawn(poll(http(), address, seen.clone(), first, end));
    }
    for client in 0..UPLOADERS {
        let first = start + EVERY.mul_f64(client as f64 / UPLOADERS as f64);
        others.spawn(upload(http(), url.to_owned(), seen.clone(), first, end));
    }
    for client in 0..STREAMS {
        let address = format!("{url}/v1/jobs/{}/events", jobs[client % jobs.len()]);
        others.spawn(listen(http(), address, seen.clone(), end));
    }
    for ended in others.join_all().await {
        if let Err(error) = ended {
            println!("{error:?}");
            seen.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
    let mut took: Vec<f64> = polls.join_all().await.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    took
}

/// Passes the jobs have made.
fn passes(service: &Service, jobs: &[String]) -> u64 {
    let made = |job: &String| {
        let mut after = 0;
        let mut count = 0;
        loop {
            let page = service.expect(service.get(&format!("/v1/jobs/{job}/metrics?after={after}")), 200);
            count += page["data"].as_array().unwrap().len() as u64;
            match page["next"].as_i64() {
                Some(next) => after = next,
                None => return count,
            }
        }
    };
    jobs.iter().map(made).sum()
}

fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Processor seconds so far of the processes that take part, by what they are.
fn processors(service: &Service) -> [(&'static str, HashMap<u32, f64>); 4] {
    // SAFETY: no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let seconds = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let times = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        (pid, times.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / ticks)
    };
    let of = |pids: Vec<u32>| pids.into_iter().map(seconds).collect();
    let database = service.database();
    [
        ("trainers", of(service.trainers())),
        ("server", of(vec![service.pid()])),
        ("PostgreSQL", of([vec![database], children(database, |_| true)].concat())),
        ("clients", of(vec![std::process::id()])),
    ]
}

/// Confines the processes, and what they start from now on, to one processor.
fn confine(pids: impl IntoIterator<Item = u32>, processor: usize) {
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let thread: i32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: a set of processors is plain bits, and the threads are of this test's processes.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(processor, &mut set);
                libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &set);
            }
        }
    }
}

struct Load {
    service: Service,
    jobs: Vec<String>,
    seen: Arc<Seen>,
}

impl Load {
    /// Passes a second that the jobs make while nobody asks.
    fn alone(&self) -> f64 {
        let (before, start) = (passes(&self.service, &self.jobs), Instant::now());
        std::thread::sleep(WINDOW);
        let rate = (passes(&self.service, &self.jobs) - before) as f64 / start.elapsed().as_secs_f64();
        println!("  alone: {rate:.2} passes/s");
        rate
    }

    /// Load between two times without; prints what each takes from whom.
    fn measure(&self, how: &str) {
        println!("{how}");
        let before = self.alone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut polls, mut rates) = (Vec::new(), Vec::new());
        let (used_before, start) = (processors(&self.service), Instant::now());
        for minute in 1..=2 {
            let (made, began) = (passes(&self.service, &self.jobs), Instant::now());
            let took = runtime.block_on(load(&self.service.url, &self.jobs, &self.seen));
            rates.push((passes(&self.service, &self.jobs) - made) as f64 / began.elapsed().as_secs_f64());
            let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
            println!(
                "  minute {minute}: {} polls, ms p50 {:.1}, p99 {:.1}, most {:.1}; {:.2} passes/s; server {:.1} MiB",
                took.len(),
                at(0.5),
                at(0.99),
                at(1.0),
                rates.last().unwrap(),
                resident_mib(self.service.pid()),
            );
            polls.extend(took);
        }
        let seconds = start.elapsed().as_secs_f64();
        let used_after = processors(&self.service);
        let shares = used_after.iter().zip(&used_before).map(|((what, after), (_, before))| {
            let used = after.iter().map(|(pid, seconds)| seconds - before.get(pid).unwrap_or(&0.0)).sum::<f64>();
            format!("{what} {:.2}", used / seconds)
        });
        println!("  cores: {}", shares.collect::<Vec<_>>().join(", "));
        let after = self.alone();
        polls.sort_by(f64::total_cmp);
        let loaded = rates.iter().sum::<f64>() / rates.len() as f64;
        println!(
            "  p99 {:.1} ms; training slowed by {:.1} %; so far {} parts of {} KiB, {} events, {} errors",
            polls[(polls.len() - 1) * 99 / 100],
            100.0 * (1.0 - 2.0 * loaded / (before + after)),
            self.seen.parts.load(Ordering::Relaxed),
            PART >> 10,
            self.seen.events.load(Ordering::Relaxed),
            self.seen.errors.load(Ordering::Relaxed),
        );
        assert_eq!(self.seen.errors.load(Ordering::Relaxed), 0);
    }
}

#[test]
#[ignore = "minutes, and its figures are of a release build alone: make load"]
fn answers_are_quick_and_training_goes_on_under_load() {
    let dir = scratch();
    let table = clicks(dir.path(), 4000, 2000);
    let service = Service::start_as(
        &dir.path().join("data"),
        &["--slots", "2", "--threads", "1", "--tenant-max-requests", "100000"],
    );
    let dataset = service.upload_clicks(&table);
    let options = json!({"epochs": 10_000, "batch_size": 2048});
    let method = json!({"preset": "paper", "backbone": "deepfm", "options": options});
    let jobs: Vec<_> = (0..2)
        .map(|seed| {
            service.submit(json!({"dataset_id": dataset["id"], "seed": seed, "device": "cpu", "method": method}))
        })
        .collect();
    for job in &jobs {
        service.events_until(job, |event: &Value| {
            event["type"] == "epoch.completed" && event["data"]["phase"] == "search" && event["data"]["epoch"] == 2
        });
    }
    let load = Load { service, jobs, seen: Arc::default() };
    load.measure("as the system places them");
    let database = load.service.database();
    confine(load.service.trainers(), 0);
    confine([load.service.pid(), database, std::process::id()].into_iter().chain(children(database, |_| true)), 1);
    load.measure("both jobs on one core, all else on another");
    for job in &load.jobs {
        load.service.expect(load.service.post(&format!("/v1/jobs/{job}/cancel")), 202);
    }
}
