//! A job whose parts several worker processes do, each with a folder of its own, over a shared bucket: `make test-bucket`
//! installs an S3 server and runs this, `make scale` measures what more workers gain.

mod harness;

use chrono::{DateTime, Utc};
use harness::{
    Service, assert_gapless,
    bucket::Bucket,
    clicks,
    fleet::{Shared, Worker},
    pass_key, scratch, signal, trainers_of,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

/// A verdict of enough parts to go round: four arms with three seeds each, and the races for their settings.
fn verdict(dataset: &Value) -> Value {
    let options = json!({"batch_size": 64, "retrain_max_epoch": 4, "warmup_epochs": 1, "select_ratio": 0.9});
    json!({
        "dataset_id": dataset["id"], "seed": 7, "device": "cpu", "certify": {"seeds": 3},
        "method": {"name": "loss_drop", "backbone": "deepfm", "options": options},
        "tuning": {"weight_decay": [0.0, 0.001], "patience": 4},
    })
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn show(service: &Service, job: &str) -> Value {
    service.expect(service.get(&format!("/v1/jobs/{job}")), 200)
}

/// Waits until a part of the job is as wanted, and gives it.
fn until_part(service: &Service, job: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until("a part as wanted", || {
        let view = show(service, job);
        assert_eq!(view["is_terminal"], false, "the job ended first: {view:#}");
        view["parts"].as_array().and_then(|parts| parts.iter().find(|part| wanted(part)).cloned())
    })
}

/// Everything of a report but what differs from run to run.
fn timeless(report: &Value) -> Value {
    match report {
        Value::Object(fields) => {
            let differs = |name: &str| name.ends_with("seconds") || name == "peak_memory_bytes";
            let kept = fields.iter().filter(|(name, _)| !differs(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), timeless(value))).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(timeless).collect()),
        value => value.clone(),
    }
}

/// Whether two jobs came to the same: results to the byte, reports but for their times, and each pass once.
fn assert_same(service: &Service, [one, two]: [&str; 2]) {
    for name in ["indices", "scores", "model", "denoised"] {
        let read = |job: &str| {
            let address = format!("/v1/jobs/{job}/artifacts/{name}?allow=uncertified");
            service.get(&address).send().unwrap().bytes().unwrap()
        };
        assert!(read(one) == read(two), "{name} differs");
    }
    let report = |job: &str| timeless(&service.expect(service.get(&format!("/v1/jobs/{job}/report")), 200));
    assert_eq!(report(one), report(two));
    let passes = |job: &str| {
        let page = service.expect(service.get(&format!("/v1/jobs/{job}/metrics?limit=1000")), 200);
        let untimed = page["data"].as_array().unwrap().iter().map(|row| {
            let mut row = row.clone();
            row["seconds"] = Value::Null;
            row
        });
        let mut rows: Vec<Value> = untimed.collect();
        rows.sort_by_key(pass_key);
        rows
    };
    assert_eq!(passes(one), passes(two));
}

/// The worker process of this name.
fn find<'w>(workers: &'w [Worker], name: &str) -> &'w Worker {
    let pid: u32 = name.split(':').nth(1).unwrap().parse().unwrap();
    workers.iter().find(|worker| worker.child.id() == pid).unwrap()
}

fn start(folder: &Path, database: &str) -> Worker {
    let flags = ["--lease-seconds", "4", "--checkpoint-seconds", "0.5", "--retry-seconds", "0.1"];
    Worker::start_with(folder, database, &flags)
}

#[test]
#[ignore = "needs an S3 server: make test-bucket"]
fn a_job_done_by_four_workers_is_that_of_one_whoever_dies() {
    let dir = scratch();
    let bucket = Bucket::start();
    bucket.set_environment();
    let table = clicks(dir.path(), 200, 100);
    let shared = Shared::start(dir.path());
    let service = Service::start_with(&dir.path().join("server"), &["--no-worker", "--database-url", &shared.url]);
    let folder = |number: usize| dir.path().join(format!("worker-{number}"));
    let mut workers = vec![start(&folder(0), &shared.url)];
    let dataset = service.upload_clicks(&table);
    let spec = verdict(&dataset);

    // A lone worker does all parts itself.
    let alone = service.submit(spec.clone());
    let by = until_part(&service, &alone, |part| part["state"] == "running")["worker"].clone();
    find(&workers, by.as_str().unwrap());
    service.wait_for(&alone, "job.succeeded");
    assert_eq!(show(&service, &alone).get("parts"), None, "parts end with their job");

    workers.extend((1..4).map(|number| start(&folder(number), &shared.url)));
    until("four workers are there", || {
        let list = service.expect(service.get("/v1/workers"), 200);
        (list["data"].as_array().unwrap().len() == 4).then_some(())
    });
    let own_of = |job: &str| {
        let events = service.events_until(job, |event| event["type"] == "job.started");
        events.last().unwrap()["data"]["worker"].as_str().unwrap().to_owned()
    };

    // By four.
    let job = service.submit(spec.clone());
    let own = own_of(&job);
    let mut names = BTreeSet::new();
    until("three workers do parts of it, the job's own among them", || {
        let view = show(&service, &job);
        let parts = view["parts"].as_array().cloned().unwrap_or_default();
        names.extend(parts.iter().filter_map(|part| Some(part["worker"].as_str()?.to_owned())));
        assert_eq!(view["is_terminal"], false, "{names:?}");
        (names.len() >= 3 && names.contains(&own)).then_some(())
    });
    assert_gapless(&service.wait_for(&job, "job.succeeded"));
    assert_same(&service, [&alone, &job]);

    // A worker dies that does a part: the part goes to another, and the job does not notice.
    let job = service.submit(spec.clone());
    let own = own_of(&job);
    let lost = until_part(&service, &job, |part| part["state"] == "running" && part["worker"] != own.as_str());
    let victim = find(&workers, lost["worker"].as_str().unwrap());
    signal(victim.child.id(), libc::SIGKILL);
    let events = service.wait_for(&job, "job.succeeded");
    assert_eq!(events.iter().filter(|event| event["type"] == "job.started").count(), 1, "no attempt was lost");
    assert_same(&service, [&alone, &job]);

    // The worker of the job dies: the next attempt takes what is done.
    let job = service.submit(spec.clone());
    let own = own_of(&job);
    until("parts are done", || {
        let view = show(&service, &job);
        assert_eq!(view["is_terminal"], false);
        let parts = view["parts"].as_array().cloned().unwrap_or_default();
        (parts.iter().filter(|part| part["state"] == "done").count() >= 3).then_some(())
    });
    let done_before = show(&service, &job)["parts"].as_array().unwrap().clone();
    let done_before: Vec<_> = done_before.into_iter().filter(|part| part["state"] == "done").collect();
    signal(find(&workers, &own).child.id(), libc::SIGKILL);
    let events = service.events_until(&job, |event| event["type"] == "job.started" && event["data"]["attempt"] == 2);
    assert_eq!(events.last().unwrap()["data"]["resumed"], true);
    let now = show(&service, &job)["parts"].as_array().unwrap().clone();
    assert!(done_before.iter().all(|part| now.contains(part)), "{now:#?} of {done_before:#?}");
    assert_gapless(&service.wait_for(&job, "job.succeeded"));
    assert_same(&service, [&alone, &job]);

    // A pause stops parts everywhere, and the job goes on from there.
    let left: Vec<&Worker> = workers.iter().filter(|worker| worker.get_status("/readyz") == Some(200)).collect();
    assert_eq!(left.len(), 2);
    let no_trainer = || {
        until("no trainer is left", || left.iter().all(|it| trainers_of(it.child.id()).is_empty()).then_some(()));
    };
    let job = service.submit(spec.clone());
    let own = own_of(&job);
    until_part(&service, &job, |part| part["state"] == "running" && part["worker"] != own.as_str());
    service.expect(service.post(&format!("/v1/jobs/{job}/pause")), 202);
    service.events_until(&job, |event| event["type"] == "job.paused");
    no_trainer();
    let parts = show(&service, &job)["parts"].as_array().unwrap().clone();
    assert!(parts.iter().any(|part| part["state"] == "waiting"), "{parts:#?}");
    service.expect(service.post(&format!("/v1/jobs/{job}/resume")), 202);
    service.wait_for(&job, "job.succeeded");
    assert_same(&service, [&alone, &job]);

    // A cancel ends parts everywhere.
    let job = service.submit(spec);
    let own = own_of(&job);
    until_part(&service, &job, |part| part["state"] == "running" && part["worker"] != own.as_str());
    service.expect(service.post(&format!("/v1/jobs/{job}/cancel")), 202);
    service.wait_for(&job, "job.cancelled");
    no_trainer();
    assert!(left.iter().all(|worker| worker.get_status("/readyz") == Some(200)));
}

/// Seconds of a verdict with one, two and four workers of a thread each, as a table.
#[test]
#[ignore = "minutes, on a release build: make scale"]
fn a_verdict_takes_less_time_with_more_workers() {
    let dir = scratch();
    let bucket = Bucket::start();
    bucket.set_environment();
    let users: u32 = std::env::var("SCALE_USERS").map_or(5000, |users| users.parse().unwrap());
    let table = clicks(dir.path(), users, 2000);
    let shared = Shared::start(dir.path());
    let service = Service::start_with(&dir.path().join("server"), &["--no-worker", "--database-url", &shared.url]);
    let options = json!({"retrain_max_epoch": 12});
    let method = json!({"name": "loss_drop", "backbone": "deepfm", "options": options});
    println!("| workers | whole job s | of it verdict s | times one worker's verdict | parts done elsewhere |");
    println!("|---|---|---|---|---|");
    let (mut dataset, mut alone) = (None, None);
    for count in [1, 2, 4] {
        let folder = |number| dir.path().join(format!("worker-{count}-{number}"));
        // A short lease, so that those of the row before are soon off the list.
        let flags = ["--lease-seconds", "5"];
        let _workers: Vec<_> = (0..count).map(|n| Worker::start_with(&folder(n), &shared.url, &flags)).collect();
        until("the workers are there", || {
            let list = service.expect(service.get("/v1/workers"), 200);
            (list["data"].as_array().unwrap().len() == count).then_some(())
        });
        let dataset: &Value = dataset.get_or_insert_with(|| service.upload_clicks(&table));
        let certify = json!({"seeds": 5});
        let job = service.submit(json!({
            "dataset_id": dataset["id"], "seed": 7, "device": "cpu", "method": method, "certify": certify,
        }));
        let mut elsewhere = 0;
        let own = service.events_until(&job, |event| event["type"] == "job.started").pop().unwrap();
        let own = own["data"]["worker"].as_str().unwrap().to_owned();
        loop {
            let view = show(&service, &job);
            let parts = view["parts"].as_array().cloned().unwrap_or_default();
            let of_others = |part: &&Value| part["state"] == "done" && part["worker"] != own.as_str();
            elsewhere = elsewhere.max(parts.iter().filter(of_others).count());
            if view["is_terminal"] == true {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let events = service.wait_for(&job, "job.succeeded");
        let time = |event: &Value| event["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let first = |wanted: &dyn Fn(&Value) -> bool| time(events.iter().find(|event| wanted(event)).unwrap());
        let end = time(events.last().unwrap());
        let seconds = |from: DateTime<Utc>| (end - from).num_milliseconds() as f64 / 1000.0;
        let whole = seconds(first(&|event| event["type"] == "job.started"));
        let verdict = seconds(first(&|event| event["data"]["phase"] == "certify"));
        let gain = *alone.get_or_insert(verdict) / verdict;
        println!("| {count} | {whole:.0} | {verdict:.0} | {gain:.2} | {elsewhere} |");
    }
}
