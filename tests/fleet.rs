//! Jobs over HTTP as pipelines schedule them, and several processes on one database and one folder.

mod harness;

use harness::{
    Service, assert_gapless, clicks,
    fleet::{Shared, Worker},
    job::NewJob,
    scratch, signal,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

fn job<'s>(service: &'s Service, dataset: &Value, epochs: u32) -> NewJob<'s> {
    service.job(dataset).in_small_batches().epochs(epochs)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn starts(events: &[Value]) -> usize {
    events.iter().filter(|event| event["type"] == "job.started").count()
}

#[test]
fn a_pipeline_can_wait_pause_and_repeat_itself() {
    let dir = scratch();
    let table = clicks(dir.path(), 100, 60);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let reference = job(&service, &dataset, 5).submit();
    service.wait_for(&reference, "job.succeeded");
    let show = |id: &str| service.get(&format!("/v1/jobs/{id}"));
    let post = |id: &str, how: &str| service.post(&format!("/v1/jobs/{id}/{how}"));

    // An ended job is shown at once, however long the client would wait; with its ETag it is 304.
    let asked = Instant::now();
    let ended = show(&reference).header("prefer", "wait=60").send().unwrap();
    assert_eq!(ended.status(), 200);
    assert_eq!(ended.headers()["preference-applied"], "wait=60");
    let same = show(&reference).header("prefer", "wait=60").header("if-none-match", &ended.headers()["etag"]);
    assert_eq!(same.send().unwrap().status(), 304);
    assert!(asked.elapsed() < Duration::from_secs(10));

    // Of fifty equal requests at once one makes a job, and the others are told of it.
    let long = job(&service, &dataset, 10_000).spec();
    let submit = |spec: &Value| service.post("/v1/jobs").header("idempotency-key", "nightly-7").json(spec);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let mut response = submit(&long).send().unwrap();
                    // Told to come back, a client does, with the same key.
                    while response.status() == 503 {
                        assert_eq!(response.headers()["retry-after"], "2");
                        std::thread::sleep(Duration::from_millis(200));
                        response = submit(&long).send().unwrap();
                    }
                    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
                    assert_eq!(response.status(), 201);
                    (response.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned(), replayed)
                })
            })
            .collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: BTreeSet<_> = answers.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!((ids.len(), answers.iter().filter(|(_, replayed)| *replayed).count()), (1, 49));
    service.expect(submit(&job(&service, &dataset, 5).spec()), 422);
    let running = ids.into_iter().next().unwrap();

    // One that waits is told of the change of state at once, and of nothing until its time is over.
    service.events_until(&running, |event| event["type"] == "epoch.completed");
    let asked = Instant::now();
    let waited = show(&running).header("prefer", "respond-async, wait=1").send().unwrap();
    assert_eq!(&waited.headers()["preference-applied"], "wait=1");
    assert!(asked.elapsed() >= Duration::from_secs(1));
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| service.expect(show(&running).header("prefer", "wait=60"), 200));
        std::thread::sleep(Duration::from_millis(300));
        service.expect(post(&running, "cancel"), 202);
        let status = waiting.join().unwrap()["status"].clone();
        assert!(status == "cancelling" || status == "cancelled", "{status}");
    });
    service.wait_for(&running, "job.cancelled");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(service.trainers(), Vec::<u32>::new());
    service.expect(post(&running, "pause"), 409);

    // A job that was paused half-way comes to the same bytes as one that was not.
    let paused = job(&service, &dataset, 5).submit();
    service.events_until(&paused, |event| event["type"] == "checkpoint.saved");
    service.expect(post(&paused, "pause"), 202);
    service.events_until(&paused, |event| event["type"] == "job.paused");
    assert_eq!(service.trainers(), Vec::<u32>::new(), "a paused job holds no worker");
    assert_eq!(service.expect(post(&paused, "pause"), 200)["status"], "paused");
    let checkpoints = service.expect(service.get(&format!("/v1/jobs/{paused}/checkpoints")), 200);
    let newest = &checkpoints["data"][0];
    let events = service.expect(service.get(&format!("/v1/jobs/{paused}/events")), 200);
    let last_pass =
        events["data"].as_array().unwrap().iter().rfind(|event| event["type"] == "epoch.completed").unwrap();
    assert!(newest["seq"].as_i64() > last_pass["seq"].as_i64(), "every pass is in the newest checkpoint");
    service.expect(post(&paused, "resume"), 202);
    let events = service.wait_for(&paused, "job.succeeded");
    assert_gapless(&events);
    assert_eq!(events.iter().rfind(|event| event["type"] == "job.started").unwrap()["data"]["resumed"], true);
    for name in ["indices", "scores", "policy", "model", "denoised"] {
        assert!(service.artifact(&paused, name) == service.artifact(&reference, name), "{name} differs");
    }
    let attempts = service.expect(service.get(&format!("/v1/jobs/{paused}/attempts?limit=1")), 200);
    assert_eq!((&attempts["data"][0]["outcome"], &attempts["next"]), (&json!("paused"), &json!(1)));
    let attempts = service.expect(service.get(&format!("/v1/jobs/{paused}/attempts?after=1")), 200);
    assert_eq!((&attempts["data"][0]["outcome"], attempts.get("next")), (&json!("succeeded"), None));

    // What no worker here can run says what it waits for.
    let stranded = job(&service, &dataset, 5).requires(&[("place", "elsewhere")]).priority(9).submit();
    let view = service.expect(show(&stranded), 200);
    assert_eq!((view["status"].as_str(), view["priority"].as_i64()), (Some("queued"), Some(9)));
    assert!(view["waiting_for"].as_str().unwrap().contains("place=elsewhere"), "{view:#}");
    let labelled = job(&service, &dataset, 5).requires(&[("pool", "nightly")]).submit();
    let list = service.expect(service.get("/v1/jobs?limit=1"), 200);
    assert_eq!(list["data"][0]["id"], labelled.as_str());
    assert!(list["data"][0]["waiting_for"].as_str().unwrap().contains("pool=nightly"), "{list:#}");
    let workers = service.expect(service.get("/v1/workers"), 200);
    assert_eq!((workers["data"].as_array().unwrap().len(), &workers["data"][0]["state"]), (1, &json!("ready")));
    let refused = service.post("/v1/jobs").json(&job(&service, &dataset, 5).priority(101).spec());
    assert_eq!(service.expect(refused, 422)["errors"][0]["pointer"], "/priority");
    until("the queue's figures are told", || {
        let figures = service.get("/metrics").send().unwrap().text().unwrap();
        figures.contains("autodenoise_jobs{state=\"queued\",priority=\"9\"} 1").then_some(())
    });
}

#[test]
fn a_database_that_stands_still_for_longer_than_the_lease_costs_no_attempt() {
    let dir = scratch();
    let table = clicks(dir.path(), 100, 60);
    let data = dir.path().join("data");
    let shared = Shared::start(dir.path());
    let service = Service::start_with(&data, &["--no-worker", "--database-url", &shared.url]);
    // One has nothing to do but to take the job of the other over.
    let workers = [0, 1].map(|_| Worker::start(&data, &shared.url, "8"));
    until("both workers are there", || {
        let workers = service.expect(service.get("/v1/workers"), 200);
        (workers["data"].as_array().unwrap().len() == 2).then_some(())
    });
    let dataset = service.upload_clicks(&table);
    let reference = job(&service, &dataset, 6).submit();
    service.wait_for(&reference, "job.succeeded");
    let id = job(&service, &dataset, 6).submit();
    service.events_until(&id, |event| event["type"] == "checkpoint.saved");
    shared.signal(libc::SIGSTOP);
    std::thread::sleep(Duration::from_secs(10));
    for worker in &workers {
        assert_eq!(worker.get("/readyz").status(), 503);
    }
    shared.signal(libc::SIGCONT);
    let events = service.wait_for(&id, "job.succeeded");
    assert_gapless(&events);
    assert_eq!(starts(&events), 1, "{}", service.log());
    for name in ["indices", "scores", "policy", "model", "denoised"] {
        assert!(service.artifact(&id, name) == service.artifact(&reference, name), "{name} differs");
    }
    until("the workers are ready again", || workers.iter().all(|it| it.get("/readyz").status() == 200).then_some(()));
    let figures: String = workers.iter().map(|worker| worker.get("/metrics").text().unwrap()).collect();
    for figure in
        ["autodenoise_attempts_total{outcome=\"succeeded\"", "autodenoise_rows_total", "autodenoise_worker_fit 1"]
    {
        assert!(figures.contains(figure), "{figure} in {figures}");
    }
}

#[test]
fn two_servers_and_two_workers_share_jobs_through_restarts_and_deaths() {
    let dir = scratch();
    let table = clicks(dir.path(), 100, 60);
    let data = dir.path().join("data");
    let shared = Shared::start(dir.path());
    let flags = ["--no-worker", "--database-url", &shared.url];
    let servers = [Service::start_with(&data, &flags), Service::start_with(&data, &flags)];
    let mut workers: Vec<_> = (0..2).map(|_| Worker::start(&data, &shared.url, "4")).collect();
    let dataset = servers[0].upload_clicks(&table);
    let jobs: Vec<_> = (0..6).map(|number| job(&servers[number % 2], &dataset, 4).submit()).collect();
    for id in &jobs[..2] {
        servers[1].events_until(id, |event| event["type"] == "checkpoint.saved");
    }
    // One is restarted as an upgrade would, the other one dies.
    signal(workers[0].child.id(), libc::SIGTERM);
    assert!(workers[0].child.wait().unwrap().success());
    workers[0] = Worker::start(&data, &shared.url, "4");
    workers.pop();
    workers.push(Worker::start(&data, &shared.url, "4"));
    let mut names = BTreeSet::new();
    for (number, id) in jobs.iter().enumerate() {
        let server = &servers[(number + 1) % 2];
        let events = server.wait_for(id, "job.succeeded");
        assert_gapless(&events);
        let keys: Vec<_> = events
            .iter()
            .filter(|event| event["type"] == "epoch.completed")
            .map(|event| harness::pass_key(&event["data"]))
            .collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "no pass twice");
        let started = events.iter().filter(|event| event["type"] == "job.started");
        names.extend(started.map(|event| event["data"]["worker"].as_str().unwrap().to_owned()));
        for name in ["indices", "scores", "policy", "model", "denoised"] {
            assert!(server.artifact(id, name) == servers[0].artifact(&jobs[0], name), "{name} of {id} differs");
        }
    }
    assert!(names.len() >= 3, "the jobs were spread: {names:?}");
}

/// A way to the database that can be cut: what is sent then is neither delivered nor refused, as on a network that parted.
struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::<AtomicBool>::default());
        let parted = cut.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), UnixStream::connect(&socket));
                // The server has gone: the test is over.
                let Ok(far) = far else { return };
                let (near_back, far_back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (parted.clone(), parted.clone());
                std::thread::spawn(move || {
                    carry(near, far, |far: &UnixStream| drop(far.shutdown(std::net::Shutdown::Both)), &there)
                });
                std::thread::spawn(move || {
                    carry(far_back, near_back, |near: &TcpStream| drop(near.shutdown(std::net::Shutdown::Both)), &back)
                });
            }
        });
        Self { port, cut }
    }
}

fn carry<R: Read, W: Write>(mut from: R, mut to: W, close: impl Fn(&W), cut: &AtomicBool) {
    let mut bytes = [0; 1 << 14];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        while cut.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    close(&to);
}

#[test]
fn a_worker_that_was_cut_off_and_comes_back_writes_nothing() {
    let dir = scratch();
    let table = clicks(dir.path(), 100, 60);
    let data = dir.path().join("data");
    let shared = Shared::start(dir.path());
    let service = Service::start_with(&data, &["--no-worker", "--database-url", &shared.url]);
    let wire = Wire::to(shared.socket.clone());
    let (user, rest) = shared.url.split_once('@').unwrap();
    let database = rest.split_once('/').unwrap().1.split('?').next().unwrap();
    let far_url = format!("{user}@127.0.0.1:{}/{database}", wire.port);
    let far = Worker::start(&data, &far_url, "4");
    let dataset = service.upload_clicks(&table);
    let reference = job(&service, &dataset, 8).submit();
    service.wait_for(&reference, "job.succeeded");
    let id = job(&service, &dataset, 8).submit();
    service.events_until(&id, |event| event["type"] == "checkpoint.saved");
    wire.cut.store(true, Ordering::Relaxed);
    let near = Worker::start(&data, &shared.url, "4");
    let mut events = service.events_until(&id, |event| event["type"] == "job.requeued");
    events = service.events_until(&id, |event| {
        event["type"] == "job.started" && event["seq"].as_i64() > events.last().unwrap()["seq"].as_i64()
    });
    let successor = events.last().unwrap()["data"]["worker"].clone();
    // It comes back while its successor is at work, with all it wanted to write meanwhile in its hands.
    wire.cut.store(false, Ordering::Relaxed);
    until("it finds that its lease is lost", || {
        far.get("/metrics").text().unwrap().contains("autodenoise_leases_lost_total 1").then_some(())
    });
    let events = service.wait_for(&id, "job.succeeded");
    assert_gapless(&events);
    assert_eq!(starts(&events), 2);
    let attempts = service.expect(service.get(&format!("/v1/jobs/{id}/attempts")), 200);
    let ends: Vec<_> =
        attempts["data"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["lost", "succeeded"]);
    assert_eq!(attempts["data"][1]["worker"], successor);
    for name in ["indices", "scores", "policy", "model", "denoised"] {
        assert!(service.artifact(&id, name) == service.artifact(&reference, name), "{name} differs");
    }
    drop(near);
}
