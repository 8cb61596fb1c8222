//! What a tenant sees of another that takes all it can get: 50 clients at its limits, each with the worst requests that are let
//! through. `make hostile` runs it on a release build and prints the figures of docs/reliability.md.

use super::{Seen, poll};
use crate::harness::{CLICKS, Service, autodenoise_ok, clicks, scratch};
use reqwest::{
    Client, RequestBuilder,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const HOSTILE: usize = 50;
/// Clients of the other tenant, each of which asks once a second.
const OTHERS: usize = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// The goal for the other tenant.
const MOST_P99_MS: f64 = 100.0;

fn make_key(data: &Path, tenant: &str) -> String {
    autodenoise_ok(&["keys", "create", "--tenant", tenant, "--data-dir", data.to_str().unwrap()]).trim().to_owned()
}

fn client(key: &str) -> Client {
    let value = format!("Bearer {key}").parse().unwrap();
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    Client::builder().default_headers(headers).timeout(2 * WINDOW).build().unwrap()
}

/// A few kilobytes that unpack to cells of megabytes.
fn long_cells() -> Vec<u8> {
    let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
    writeln!(packed, "click,note").unwrap();
    for row in 0..40 {
        writeln!(packed, "{},{row}{}", row % 2, "a".repeat(3_900_000)).unwrap();
    }
    packed.finish().unwrap()
}

/// What hostile clients do again and again, each as bad as the limits let it be.
struct Attack {
    url: String,
    dataset: Value,
    job: String,
    bomb: Vec<u8>,
    /// Nearly the largest JSON that is read.
    junk: String,
}

impl Attack {
    /// The next request of a client of this kind.
    fn request(&self, http: &Client, kind: usize) -> RequestBuilder {
        let Self { url, dataset, job, .. } = self;
        let values: Vec<f64> = (0..32).map(|step| 0.3 + 0.02 * f64::from(step)).collect();
        match kind % 7 {
            0 => http.get(format!("{url}/v1/jobs/{job}")).header("prefer", "wait=60"),
            1 => http.get(format!("{url}/v1/jobs/{job}/events")).header("accept", "text/event-stream"),
            2 => http
                .post(format!("{url}/v1/datasets?label=click&name={}", uuid::Uuid::now_v7()))
                .header("content-type", "text/csv")
                .body(self.bomb.clone()),
            3 => {
                let sweep = json!({"option": "select_ratio", "values": values});
                http.post(format!("{url}/v1/jobs/plan"))
                    .json(&json!({"dataset_id": dataset, "sweep": sweep, "seeds": 64}))
            }
            4 => http.post(format!("{url}/v1/jobs")).header("content-type", "application/json").body(self.junk.clone()),
            5 => http.get(format!("{url}/openapi.json")).header("accept-encoding", "zstd"),
            _ => http.get(format!("{url}/v1/jobs?limit=100")),
        }
    }
}

/// Sends without a pause until the end; counts the answers by status.
async fn attack(attack: Arc<Attack>, http: Client, kind: usize, end: Instant, told: Arc<Mutex<BTreeMap<u16, u64>>>) {
    while Instant::now() < end {
        let asked = async {
            let answer = attack.request(&http, kind).send().await?;
            let status = answer.status().as_u16();
            answer.bytes().await?;
            Ok::<_, reqwest::Error>(status)
        };
        // A client of its kind does not wait as `Retry-After` asks it to.
        let status = match tokio::time::timeout_at(end.into(), asked).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) | Err(_) => 0,
        };
        *told.lock().unwrap().entry(status).or_default() += 1;
    }
}

/// Asks for a dataset of the other tenant; gives the sorted milliseconds of the answers.
async fn ask(url: &str, key: &str, dataset: &Value, seen: &Arc<Seen>, end: Instant) -> Vec<f64> {
    let address = format!("{url}/v1/datasets/{}", dataset.as_str().unwrap());
    let (start, mut polls) = (Instant::now(), JoinSet::new());
    for number in 0..OTHERS {
        let first = start + Duration::from_secs(1).mul_f64(number as f64 / OTHERS as f64);
        polls.spawn(poll(client(key), address.clone(), seen.clone(), first, end));
    }
    let mut took: Vec<f64> = polls.join_all().await.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    took
}

#[test]
#[ignore = "two minutes, and its figures are of a release build alone: make hostile"]
fn a_hostile_tenant_at_its_limits_leaves_others_their_answers() {
    let dir = scratch();
    let data = dir.path().join("data");
    let (theirs, ours) = (make_key(&data, "theirs"), make_key(&data, "ours"));
    let service = Service::start_as(&data, &["--threads", "1"]);
    let table = fs::read(clicks(dir.path(), 60, 40)).unwrap();
    let upload = |key: &str| {
        let request = service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv").bearer_auth(key);
        let id = service.expect(request.body(table.clone()), 201)["id"].clone();
        let address = format!("/v1/datasets/{}", id.as_str().unwrap());
        while service.expect(service.get(&address).bearer_auth(key), 200)["status"] == "processing" {
            std::thread::sleep(Duration::from_millis(50));
        }
        id
    };
    let (their_dataset, our_dataset) = (upload(&theirs), upload(&ours));
    let later = json!({"dataset_id": their_dataset, "requires": {"nowhere": "yes"}});
    let job = service.expect(service.post("/v1/jobs").json(&later).bearer_auth(&theirs), 201)["id"].clone();
    let worst = Arc::new(Attack {
        url: service.url.clone(),
        dataset: their_dataset,
        job: job.as_str().unwrap().to_owned(),
        bomb: long_cells(),
        junk: json!({"dataset_id": our_dataset, "labels": {"x": "y".repeat(1_000_000)}}).to_string(),
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (seen, told) = (Arc::new(Seen::default()), Arc::<Mutex<BTreeMap<u16, u64>>>::default());
    let describe = |what: &str, took: &[f64]| {
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        println!("{what}: {} polls, ms p50 {:.1}, p99 {:.1}, most {:.1}", took.len(), at(0.5), at(0.99), at(1.0));
        at(0.99)
    };
    let p99 = runtime.block_on(async {
        let alone = ask(&service.url, &ours, &our_dataset, &seen, Instant::now() + WINDOW).await;
        describe("alone", &alone);
        let end = Instant::now() + WINDOW;
        // In a thread of their own, so that what they take of this process does not count as the server's.
        let (theirs, counted) = (theirs.clone(), Arc::clone(&told));
        let hostile = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut attacks = JoinSet::new();
                for kind in 0..HOSTILE {
                    attacks.spawn(attack(worst.clone(), client(&theirs), kind, end, counted.clone()));
                }
                attacks.join_all().await;
            });
        });
        let beside = ask(&service.url, &ours, &our_dataset, &seen, end).await;
        hostile.join().unwrap();
        describe("beside 50 hostile clients", &beside)
    });
    println!("what the hostile clients were told (0: cut off): {:?}", told.lock().unwrap());
    assert_eq!(seen.errors.load(Ordering::Relaxed), 0, "nobody else was refused");
    assert!(p99 < MOST_P99_MS, "p99 {p99:.1} ms");
}
