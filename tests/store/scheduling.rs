//! Which job a worker gets, how long one waits after a death, and what pausing does to it.

use crate::common::{
    LEASE, RETRIES, claim, claim_for, create_job, event_types, find_job, job_spec, queued_job, ready_dataset, recover,
    tenant,
};
use autodenoise::{
    store::{
        JOB_CANCEL,
        endings::{self, Retries},
        jobs::{self, PauseOutcome},
        queue,
        testing::TestDb,
        workers::{self, WorkerPulse},
    },
    types::{Ability, DatasetFacts, Device, ErrorKind, Failure, JobId, JobSpec, JobState, Phase, TenantId},
};
use chrono::Utc;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

fn failure() -> Failure {
    Failure::new(ErrorKind::OutOfMemory, "signal 9")
}

fn words(words: &[(&str, &str)]) -> BTreeMap<String, String> {
    words.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn the_highest_priority_goes_first_and_then_the_oldest() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let mut made = Vec::new();
    for priority in [0, -5, 7, 0, 7] {
        let mut spec = job_spec(dataset, &[]);
        spec.priority = priority;
        made.push(create_job(&db.store, &spec).await);
    }
    let mut claimed = Vec::new();
    while let Some(job) = claim(&db.store, "w").await {
        claimed.push(job.lease.job);
    }
    assert_eq!(claimed, [made[2], made[4], made[0], made[3], made[1]]);
}

/// The claim's SQL and `Ability::suits` say the same of every worker and job.
#[tokio::test]
async fn a_job_goes_to_a_worker_that_has_what_it_asks_for() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let devices = [Device::Auto, Device::Cpu, Device::Cuda(0), Device::Cuda(1)];
    let wanted = [words(&[]), words(&[("pool", "nightly")]), words(&[("pool", "nightly"), ("zone", "a")])];
    let workers = [
        Ability::default(),
        Ability { labels: words(&[("pool", "nightly")]), gpus: vec![Device::Cuda(0)], torch: true },
        Ability {
            labels: words(&[("pool", "nightly"), ("zone", "a")]),
            gpus: vec![Device::Cuda(0), Device::Cuda(1)],
            torch: true,
        },
        Ability { labels: words(&[("pool", "daily"), ("zone", "a")]), gpus: vec![Device::Cuda(1)], torch: true },
    ];
    let mut suited = 0;
    for device in devices {
        for requires in &wanted {
            for ability in &workers {
                let mut spec = job_spec(dataset, &[]);
                (spec.device, spec.requires) = (device, requires.clone());
                let job = create_job(&db.store, &spec).await;
                let conn = &mut *db.store.acquire().await.unwrap();
                let claimed = queue::claim(conn, "w", ability, LEASE).await.unwrap();
                assert_eq!(claimed.is_some(), ability.suits(&spec), "{device} {requires:?} by {ability:?}");
                suited += usize::from(claimed.is_some());
                jobs::request_cancel(conn, &tenant(), job).await.unwrap();
            }
        }
    }
    assert!((10..40).contains(&suited), "{suited} of 48");
    // What needs libtorch stands in many places of a spec.
    for (change, needs) in [
        (json!({}), false),
        (json!({"engine": "tch"}), true),
        (json!({"engine": "fused"}), false),
        (json!({"method": {"backbone": "afm"}}), true),
        (json!({"method": {"backbone": "ipnn"}, "transfer": ["dcn", "fm"]}), false),
        (json!({"transfer": ["dcn", "lr"]}), true),
        (json!({"compare": [{"name": "none"}, {"name": "enn", "backbone": "wide_deep"}]}), false),
        (json!({"compare": [{"name": "none"}, {"name": "enn", "backbone": "ffm"}]}), true),
        (json!({"method": {"preset": "robust"}}), false),
        (json!({"method": {"preset": "robust", "options": {"teacher": "nfm"}}}), true),
    ] {
        let mut asked = json!({"dataset_id": dataset, "device": "cpu"});
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let asked: JobSpec = serde_json::from_value(asked).unwrap();
        let spec = asked.resolve(&DatasetFacts::default()).unwrap();
        assert_eq!(spec.needs_torch(), needs, "{change}");
        for torch in [false, true] {
            let ability = Ability { torch, ..Ability::default() };
            let job = create_job(&db.store, &spec).await;
            let conn = &mut *db.store.acquire().await.unwrap();
            let claimed = queue::claim(conn, "w", &ability, LEASE).await.unwrap();
            assert_eq!(claimed.is_some(), ability.suits(&spec), "{change} with libtorch: {torch}");
            jobs::request_cancel(conn, &tenant(), job).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_job_that_died_waits_longer_each_time() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let retries = Retries { max_deaths: 10, pause: Duration::from_secs(60) };
    for (deaths, most) in [60.0, 120.0, 240.0, 480.0, 600.0, 600.0].into_iter().enumerate() {
        let lease = claim(&db.store, "w").await.unwrap().lease;
        assert_eq!(endings::retry_or_fail(conn, &lease, &failure(), retries).await.unwrap(), JobState::Queued);
        let row = find_job(&db.store, job).await;
        let wait = (row.not_before.unwrap() - Utc::now()).num_milliseconds() as f64 / 1000.0;
        assert!((most / 2.0 - 5.0..=most).contains(&wait), "after death {deaths}: {wait}");
        assert!(claim(&db.store, "w").await.is_none(), "it is not claimed before");
        let due = queue::next_due(conn).await.unwrap().unwrap().as_secs_f64();
        assert!((due - wait).abs() < 5.0, "{due}");
        sqlx::query("update jobs set not_before = now()").execute(&mut *conn).await.unwrap();
    }
    claim(&db.store, "w").await.unwrap();
    assert_eq!((find_job(&db.store, job).await.not_before, queue::next_due(conn).await.unwrap()), (None, None));

    let requeued = autodenoise::store::events::list(conn, &tenant(), job, 0, 100).await.unwrap();
    let first = &requeued.iter().find(|event| event.kind == "job.requeued").unwrap().data;
    assert_eq!((first["kind"].as_str(), first["reason"].as_str()), (Some("out_of_memory"), Some("signal 9")));
    assert!(first["not_before"].is_string(), "{first}");
    let attempts = jobs::list_attempts(conn, &tenant(), job, 1, 2).await.unwrap();
    let seen: Vec<_> = attempts.iter().map(|row| (row.attempt, row.error_kind.as_deref())).collect();
    assert_eq!(seen, [(2, Some("out_of_memory")), (3, Some("out_of_memory"))], "a page of them");
}

/// What was found out late counts as run until the lease ended.
#[tokio::test]
async fn time_in_which_nobody_was_there_is_not_time_the_job_ran() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    claim_for(&db.store, "w", Duration::from_secs(10)).await.unwrap();
    sqlx::query("update job_attempts set started_at = started_at - interval '3 hours'")
        .execute(db.store.pool())
        .await
        .unwrap();
    sqlx::query("update jobs set lease_until = now() - interval '2 hours'").execute(db.store.pool()).await.unwrap();
    assert_eq!(recover(&db.store).await, [(job, JobState::Queued)]);
    let ran = claim(&db.store, "w").await.unwrap().ran.as_secs_f64();
    assert!((3590.0..3610.0).contains(&ran), "{ran}");
}

/// A database that was stopped with the call in its hands carries it out when the leases have run out.
#[tokio::test]
async fn a_call_that_comes_late_ends_no_lease() {
    let db = TestDb::new().await;
    queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let sent = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    claim_for(&db.store, "w", Duration::ZERO).await.unwrap();
    assert_eq!(endings::recover_expired(conn, sent, RETRIES).await.unwrap(), []);
    assert_eq!(recover(&db.store).await.len(), 1);
}

struct Pauser(TestDb);

impl Pauser {
    async fn pause(&self, job: JobId) -> PauseOutcome {
        jobs::request_pause(&mut self.0.store.acquire().await.unwrap(), &tenant(), job).await.unwrap()
    }

    async fn resume(&self, job: JobId) -> PauseOutcome {
        jobs::request_resume(&mut self.0.store.acquire().await.unwrap(), &tenant(), job).await.unwrap()
    }
}

#[tokio::test]
async fn a_queued_job_is_paused_and_resumed_at_once() {
    let db = Pauser(TestDb::new().await);
    let store = &db.0.store;
    let job = queued_job(store).await;
    let other: TenantId = "other".parse().unwrap();
    let foreign = jobs::request_pause(&mut store.acquire().await.unwrap(), &other, job).await.unwrap();
    assert_eq!((foreign, db.pause(JobId::new()).await), (PauseOutcome::Missing, PauseOutcome::Missing));
    assert_eq!(db.resume(job).await, PauseOutcome::Unchanged);
    assert_eq!(db.pause(job).await, PauseOutcome::Changed(JobState::Paused));
    assert_eq!(db.pause(job).await, PauseOutcome::Unchanged);
    assert!(claim(store, "w").await.is_none(), "a paused job is not run");
    assert_eq!(db.resume(job).await, PauseOutcome::Changed(JobState::Queued));
    assert_eq!(event_types(store, job).await, ["job.queued", "job.paused", "job.resumed"]);
    assert!(claim(store, "w").await.is_some());

    let cancelled = queued_job(store).await;
    db.pause(cancelled).await;
    let outcome = jobs::request_cancel(&mut store.acquire().await.unwrap(), &tenant(), cancelled).await.unwrap();
    assert_eq!(outcome, jobs::CancelOutcome::Cancelled);
    assert_eq!(db.pause(cancelled).await, PauseOutcome::Refused(JobState::Cancelled));
    assert_eq!(db.resume(cancelled).await, PauseOutcome::Refused(JobState::Cancelled));
}

#[tokio::test]
async fn a_running_job_is_paused_by_its_worker() {
    let db = Pauser(TestDb::new().await);
    let store = &db.0.store;
    let conn = &mut *store.acquire().await.unwrap();
    let job = queued_job(store).await;
    let lease = claim(store, "w").await.unwrap().lease;
    queue::start_phase(conn, &lease, 0, Phase::Search, 2).await.unwrap();
    let mut listener = store.listen(&[JOB_CANCEL]).await.unwrap();
    assert_eq!(db.pause(job).await, PauseOutcome::Changed(JobState::Pausing));
    let said = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
    assert_eq!(said.payload(), job.0.to_string(), "the worker is told at once");
    let beat = queue::heartbeat(conn, &lease, LEASE).await.unwrap();
    assert_eq!(beat, queue::Beat { cancel: false, pause: true });
    assert_eq!(endings::release(conn, &lease, "paused", Duration::ZERO).await.unwrap(), JobState::Paused);
    let row = find_job(store, job).await;
    assert_eq!((row.worker, row.lease_until, row.phase, row.deaths), (None, None, None, 0), "it holds no worker");
    assert_eq!(jobs::list_attempts(conn, &tenant(), job, 0, 9).await.unwrap()[0].outcome.as_deref(), Some("paused"));

    // A resume that comes before the trainer has stopped: the job goes back into the queue.
    db.resume(job).await;
    let lease = claim(store, "w").await.unwrap().lease;
    db.pause(job).await;
    assert_eq!(db.resume(job).await, PauseOutcome::Changed(JobState::Running));
    assert_eq!(endings::release(conn, &lease, "paused", Duration::ZERO).await.unwrap(), JobState::Queued);

    // A worker or trainer that dies meanwhile: paused all the same, until that was the last death allowed.
    for expected in [JobState::Paused, JobState::Paused, JobState::Failed] {
        let lease = claim_for(store, "w", Duration::ZERO).await.unwrap().lease;
        db.pause(job).await;
        let state = match expected {
            JobState::Paused if find_job(store, job).await.deaths == 0 => recover(store).await[0].1,
            _ => endings::retry_or_fail(conn, &lease, &failure(), RETRIES).await.unwrap(),
        };
        assert_eq!(state, expected);
        if state == JobState::Paused {
            db.resume(job).await;
        }
    }

    // Cancelling comes before pausing.
    let job = queued_job(store).await;
    let lease = claim(store, "w").await.unwrap().lease;
    db.pause(job).await;
    assert_eq!(jobs::request_cancel(conn, &tenant(), job).await.unwrap(), jobs::CancelOutcome::Cancelling);
    assert_eq!(endings::release(conn, &lease, "paused", Duration::ZERO).await.unwrap(), JobState::Cancelled);
}

#[tokio::test]
async fn workers_are_listed_while_they_are_heard_of() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let ability = Ability { labels: words(&[("pool", "nightly")]), gpus: vec![Device::Cuda(1)], torch: true };
    let mut pulse = WorkerPulse {
        id: Uuid::new_v4(),
        name: "w",
        ability: &ability,
        slots: 4,
        busy: 0,
        state: "ready",
        reasons: &[],
    };
    workers::refresh(conn, &pulse, LEASE).await.unwrap();
    let reasons = ["the disk is full".to_owned()];
    (pulse.busy, pulse.state, pulse.reasons) = (3, "unfit", &reasons);
    workers::refresh(conn, &pulse, LEASE).await.unwrap();
    workers::refresh(conn, &WorkerPulse { id: Uuid::new_v4(), name: "gone", ..pulse.clone() }, Duration::ZERO)
        .await
        .unwrap();
    let page = workers::list(conn, 10, None).await.unwrap();
    let [row] = &page.rows[..] else { panic!("{page:?}") };
    assert_eq!((row.name.as_str(), row.slots, row.busy, row.state.as_str()), ("w", 4, 3, "unfit"));
    assert_eq!((row.ability(), &row.reasons[..]), (ability.clone(), &reasons[..]));
    workers::remove(conn, pulse.id).await.unwrap();
    assert!(workers::list(conn, 10, None).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn jobs_that_have_not_ended_are_counted_by_state_and_priority() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    for priority in [0, 0, 3] {
        let mut spec = job_spec(dataset, &[]);
        spec.priority = priority;
        create_job(&db.store, &spec).await;
    }
    claim(&db.store, "w").await.unwrap();
    let conn = &mut *db.store.acquire().await.unwrap();
    sqlx::query("update jobs set created_at = now() - interval '1 minute'").execute(&mut *conn).await.unwrap();
    let mut rows = jobs::count_waiting(conn).await.unwrap();
    rows.sort_by_key(|row| row.priority);
    let counts: Vec<_> = rows.iter().map(|row| (row.state, row.priority, row.jobs)).collect();
    assert_eq!(counts, [(JobState::Queued, 0, 2), (JobState::Running, 3, 1)]);
    assert!(rows.iter().all(|row| row.oldest_seconds >= 60.0));
}
