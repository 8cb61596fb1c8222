//! Leases: one holder at a time, and a holder that was replaced writes nothing.

use crate::common::{
    LEASE, MAX_DEATHS, RETRIES, claim, claim_for, create_job, epoch, event_types, find_job, job_spec, queued_job,
    ready_dataset, recover, report, tenant,
};
use autodenoise::{
    store::{
        Lease, Store, StoreError, artifacts, checkpoints, endings, events,
        jobs::{self, Deletion, PauseOutcome},
        metrics, queue, test_reads,
        testing::TestDb,
    },
    types::{ErrorKind, EventType, Failure, JobFailure, JobState, Phase, Progress},
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

fn failure() -> Failure {
    Failure::new(ErrorKind::TrainerDied, "signal 9")
}

#[tokio::test]
async fn eight_claimers_share_jobs_without_overlap() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let mut made = BTreeSet::new();
    for _ in 0..40 {
        made.insert(create_job(&db.store, &job_spec(dataset, &[])).await);
    }
    let claimers = (0..8).map(|worker| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            while let Some(job) = claim(&store, &format!("w{worker}")).await {
                assert_eq!(job.lease.attempt, 1);
                claimed.push(job.lease.job);
            }
            claimed
        })
    });
    let claimed: Vec<_> = futures_util::future::join_all(claimers).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), made);
}

#[tokio::test]
async fn a_claim_brings_all_that_is_needed_to_run_the_job() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let spec = job_spec(dataset, &[]);
    let job = create_job(&db.store, &spec).await;
    let claimed = claim(&db.store, "w1").await.unwrap();
    assert_eq!((claimed.lease.job, claimed.lease.attempt, claimed.spec), (job, 1, spec));
    assert_eq!(claimed.table.sha256, crate::common::new_dataset("a").sha256);
    assert_eq!((claimed.checkpoint, claimed.ran, claimed.deaths), (None, Duration::ZERO, 0));
    let row = find_job(&db.store, job).await;
    assert_eq!((row.state, row.worker.as_deref()), (JobState::Running, Some("w1")));
    assert!(row.lease_until.is_some() && row.started_at.is_some());
}

#[tokio::test]
async fn a_request_that_changes_nothing_holds_nobody_up() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    assert_eq!(jobs::request_resume(conn, &tenant(), job).await.unwrap(), PauseOutcome::Unchanged);
    // A claim passes over a job that somebody else has locked.
    assert_eq!(claim(&db.store, "w1").await.unwrap().lease.job, job);
    assert_eq!(jobs::delete(conn, &tenant(), job).await.unwrap(), Deletion::Active(JobState::Running));
    assert_eq!(jobs::request_pause(conn, &tenant(), job).await.unwrap(), PauseOutcome::Changed(JobState::Pausing));
    assert_eq!(jobs::request_pause(conn, &tenant(), job).await.unwrap(), PauseOutcome::Unchanged);
    let other = &mut *db.store.acquire().await.unwrap();
    let locked = "select count(*) from jobs where id = $1 and id not in (select id from jobs for update skip locked)";
    assert_eq!(sqlx::query_scalar::<_, i64>(locked).bind(job).fetch_one(other).await.unwrap(), 0);
}

/// Every write of a worker, called by one whose lease went to another.
#[tokio::test]
async fn a_stale_holder_is_refused_every_write() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let stale = claim_for(&db.store, "one", Duration::ZERO).await.unwrap();
    assert_eq!(recover(&db.store).await, [(job, JobState::Queued)]);
    let holder = claim(&db.store, "two").await.unwrap().lease;
    assert_eq!((holder.job, holder.attempt), (job, 2));
    let before = event_types(&db.store, job).await;
    let lease = stale.lease;
    let checkpoint = checkpoints::NewCheckpoint {
        phase: Phase::Search,
        epoch: 1,
        object: "checkpoints/x".to_owned(),
        bytes: 1,
        sha256: "0".to_owned(),
    };
    let artifact = artifacts::NewArtifact {
        name: "indices".to_owned(),
        object: "results/x".to_owned(),
        bytes: 1,
        sha256: "0".to_owned(),
        media_type: "a/b".to_owned(),
        download_name: "x".to_owned(),
    };
    let progress = Progress { done: 1, total: 2, eta_seconds: None };
    let refused = [
        queue::heartbeat(conn, &lease, LEASE).await.map(drop),
        queue::start_phase(conn, &lease, 0, Phase::Search, 1).await,
        queue::set_progress(conn, &lease, progress).await,
        endings::finish_succeeded(conn, &lease, &report(stale.spec)).await,
        endings::finish_failed(conn, &lease, &failure()).await,
        endings::finish_cancelled(conn, &lease).await,
        endings::retry_or_fail(conn, &lease, &failure(), RETRIES).await.map(drop),
        endings::release(conn, &lease, "x", Duration::ZERO).await.map(drop),
        events::record(conn, &lease, EventType::Log, &json!({})).await.map(drop),
        metrics::record(conn, &lease, &epoch(1)).await.map(drop),
        checkpoints::record(conn, &lease, &checkpoint).await.map(drop),
        artifacts::record(conn, &lease, &artifact).await,
        test_reads::take(conn, &lease).await.map(drop),
    ];
    for (index, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::LeaseLost { .. })), "write {index}: {result:?}");
    }
    assert_eq!(event_types(&db.store, job).await, before);
    assert!(metrics::list(conn, &tenant(), job, &metrics::MetricFilter::default(), 0, 10).await.unwrap().is_empty());
    assert!(checkpoints::list(conn, &tenant(), job).await.unwrap().is_empty());
    assert!(artifacts::list(conn, &tenant(), job).await.unwrap().is_empty());
    assert!(!queue::heartbeat(conn, &holder, LEASE).await.unwrap().cancel);
    assert_eq!(find_job(&db.store, job).await.state, JobState::Running);
}

/// A job in this state, and the lease of whoever claimed it, or would have.
async fn job_in(store: &Store, state: JobState) -> Lease {
    let conn = &mut *store.acquire().await.unwrap();
    let job = queued_job(store).await;
    let claimed = match state {
        JobState::Queued | JobState::Paused | JobState::Cancelled => None,
        _ => claim(store, "w").await,
    };
    let lease = claimed.as_ref().map_or(Lease { job, attempt: 0 }, |claimed| claimed.lease);
    match state {
        JobState::Queued | JobState::Running => {}
        JobState::Pausing | JobState::Paused => drop(jobs::request_pause(conn, &tenant(), job).await.unwrap()),
        JobState::Cancelling | JobState::Cancelled => drop(jobs::request_cancel(conn, &tenant(), job).await.unwrap()),
        JobState::Succeeded => endings::finish_succeeded(conn, &lease, &report(claimed.unwrap().spec)).await.unwrap(),
        JobState::Failed => endings::finish_failed(conn, &lease, &failure()).await.unwrap(),
    }
    assert_eq!(find_job(store, job).await.state, state);
    lease
}

/// A worker may write in exactly the states `JobState::is_leased` names, and in those nothing that it stored is swept: the
/// object is there before its row.
#[tokio::test]
async fn every_statement_knows_the_same_states_as_leased() {
    for state in JobState::ALL {
        let db = TestDb::new().await;
        let lease = job_in(&db.store, state).await;
        let conn = &mut *db.store.acquire().await.unwrap();
        let stored = [format!("checkpoints/{}/1-1", lease.job)];
        let leftovers = artifacts::unreferenced(conn, &stored, "uploads/").await.unwrap();
        assert_eq!(leftovers.is_empty(), state.is_leased(), "the sweep, {state:?}");
        let progress = Progress { done: 1, total: 2, eta_seconds: None };
        let writes = [
            queue::heartbeat(conn, &lease, LEASE).await.map(drop),
            queue::set_progress(conn, &lease, progress).await,
            events::record(conn, &lease, EventType::Log, &json!({})).await.map(drop),
        ];
        for (index, write) in writes.into_iter().enumerate() {
            assert_eq!(write.is_ok(), state.is_leased(), "write {index}, {state:?}: {write:?}");
        }
    }
}

/// On a network that parted, a session that was in the middle of a transaction stays there and keeps its locks, for all the
/// database can tell for hours.
#[tokio::test]
async fn a_holder_that_fell_silent_in_a_transaction_does_not_keep_its_job() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    claim_for(&db.store, "cut off", Duration::ZERO).await.unwrap();
    let lock = "select from jobs where id = $1 for update";
    let mut silent = db.store.begin().await.unwrap();
    sqlx::query(lock).bind(job).execute(&mut *silent).await.unwrap();
    assert_eq!(recover(&db.store).await, [], "its row is locked");
    let unlocked = async { sqlx::query(lock).bind(job).execute(db.store.pool()).await.unwrap() };
    tokio::time::timeout(Duration::from_secs(30), unlocked).await.expect("the silent session was ended");
    assert_eq!(recover(&db.store).await, [(job, JobState::Queued)]);
    let told = silent.commit().await.expect_err("nothing of it is written");
    assert!(StoreError::from(told).is_transient(), "its holder, once back, tries again and finds its lease lost");
    // On a network the database's last words may be read first.
    let last_words = "do $$ begin raise exception 'ended' using errcode = '25P03'; end $$";
    let told = sqlx::raw_sql(last_words).execute(db.store.pool()).await.expect_err("raised");
    assert!(StoreError::from(told).is_transient());
}

/// sqlx 0.9 does not know of a transaction whose beginning nobody waited for to the end.
#[tokio::test]
async fn a_connection_left_inside_a_transaction_is_not_used_again() {
    let db = TestDb::new().await;
    let store = Store::connect(db.connect_options(), 1).await.unwrap();
    let job = queued_job(&store).await;
    let mut left = store.acquire().await.unwrap();
    sqlx::raw_sql("begin").execute(&mut *left).await.unwrap();
    drop(left);
    // The pool has one connection: without a look at it, this would be claimed inside that transaction, for nobody to see.
    claim(&store, "w").await.unwrap();
    assert_eq!(find_job(&db.store, job).await.state, JobState::Running);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_renewed_while_nobody_took_the_job() {
    let db = TestDb::new().await;
    queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let lease = claim_for(&db.store, "w", Duration::ZERO).await.unwrap().lease;
    queue::heartbeat(conn, &lease, LEASE).await.unwrap();
    assert_eq!(recover(&db.store).await, []);
}

#[tokio::test]
async fn workers_that_vanish_cost_attempts_until_the_job_has_failed() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    for death in 1..=MAX_DEATHS {
        claim_for(&db.store, &format!("w{death}"), Duration::ZERO).await.unwrap();
        let state = if death < MAX_DEATHS { JobState::Queued } else { JobState::Failed };
        assert_eq!(recover(&db.store).await, [(job, state)]);
    }
    let row = find_job(&db.store, job).await;
    assert_eq!((row.attempt, row.deaths, row.error.as_ref().unwrap().attempt), (3, 3, 3));
    assert!(row.error.unwrap().message.contains("worker w3"), "the reason names the worker");
    assert_eq!(event_types(&db.store, job).await, ["job.queued", "job.requeued", "job.requeued", "job.failed"]);
    let attempts = jobs::list_attempts(conn, &tenant(), job, 0, 100).await.unwrap();
    assert_eq!(attempts.iter().map(|a| a.outcome.as_deref()).collect::<Vec<_>>(), [Some("lost"); 3]);
    let other = "other".parse().unwrap();
    assert!(jobs::list_attempts(conn, &other, job, 0, 100).await.unwrap().is_empty(), "another tenant's");
    assert!(claim(&db.store, "w").await.is_none());
}

#[tokio::test]
async fn a_cancelled_job_whose_worker_vanished_is_cancelled() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    claim_for(&db.store, "w", Duration::ZERO).await.unwrap();
    jobs::request_cancel(conn, &tenant(), job).await.unwrap();
    assert_eq!(recover(&db.store).await, [(job, JobState::Cancelled)]);
    assert_eq!(event_types(&db.store, job).await, ["job.queued", "job.cancelling", "job.cancelled"]);
}

#[tokio::test]
async fn a_job_handed_back_costs_nothing_and_one_that_died_an_attempt() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    for _ in 0..5 {
        let lease = claim(&db.store, "w").await.unwrap().lease;
        assert_eq!(endings::release(conn, &lease, "the worker stops", Duration::ZERO).await.unwrap(), JobState::Queued);
    }
    assert_eq!(find_job(&db.store, job).await.deaths, 0);
    for expected in [JobState::Queued, JobState::Queued, JobState::Failed] {
        let lease = claim(&db.store, "w").await.unwrap().lease;
        queue::start_phase(conn, &lease, 0, Phase::Search, 2).await.unwrap();
        assert_eq!(endings::retry_or_fail(conn, &lease, &failure(), RETRIES).await.unwrap(), expected);
        let row = find_job(&db.store, job).await;
        assert_eq!(row.phase.is_some(), expected == JobState::Failed, "a waiting job is in no phase");
    }
    let row = find_job(&db.store, job).await;
    assert_eq!((row.attempt, row.deaths), (8, 3));
    assert_eq!(
        row.error.unwrap().0,
        JobFailure { message: "signal 9".to_owned(), attempt: 8, kind: Some(ErrorKind::TrainerDied) }
    );
}

#[tokio::test]
async fn an_attempt_that_ends_while_cancelling_is_cancelled() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    for release in [true, false] {
        let job = queued_job(&db.store).await;
        let lease = claim(&db.store, "w").await.unwrap().lease;
        jobs::request_cancel(conn, &tenant(), job).await.unwrap();
        let state = if release {
            endings::release(conn, &lease, "the worker stops", Duration::ZERO).await.unwrap()
        } else {
            endings::retry_or_fail(conn, &lease, &failure(), RETRIES).await.unwrap()
        };
        assert_eq!(state, JobState::Cancelled);
    }
}

#[tokio::test]
async fn a_result_that_was_there_before_the_cancel_counts() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let claimed = claim(&db.store, "w").await.unwrap();
    jobs::request_cancel(conn, &tenant(), job).await.unwrap();
    let report = report(claimed.spec);
    endings::finish_succeeded(conn, &claimed.lease, &report).await.unwrap();
    let row = find_job(&db.store, job).await;
    assert_eq!((row.state, row.report.unwrap().0), (JobState::Succeeded, report));
    assert_eq!(
        event_types(&db.store, job).await,
        ["job.queued", "job.cancelling", "seed.completed", "seed.completed", "job.succeeded"]
    );
    let error = endings::finish_failed(conn, &claimed.lease, &failure()).await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost { .. }), "an ended job has no lease: {error}");
}

#[tokio::test]
async fn the_time_of_earlier_attempts_is_added_up() {
    let db = TestDb::new().await;
    queued_job(&db.store).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let lease = claim(&db.store, "w").await.unwrap().lease;
    sqlx::query("update job_attempts set started_at = started_at - interval '90 seconds'")
        .execute(&mut *conn)
        .await
        .unwrap();
    endings::release(conn, &lease, "x", Duration::ZERO).await.unwrap();
    let ran = claim(&db.store, "w").await.unwrap().ran.as_secs_f64();
    assert!((90.0..100.0).contains(&ran), "{ran}");
}
