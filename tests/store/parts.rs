//! Parts of jobs: each is held by one, what is done stays done, and they end with their job.

use crate::common::{
    LEASE, claim, claim_for, create_job, find_job, job_spec, queued_job, ready_dataset, recover, report, tenant,
};
use autodenoise::{
    store::{
        Lease, Store, StoreError, artifacts, endings, jobs, objects,
        parts::{self, ClaimedPart, NewPart, PartObject, PartRelease},
        testing::TestDb,
    },
    types::{Ability, Arm, BackboneKind, JobId, JobState, PartWork, Phase, ResolvedSpec},
};
use serde_json::json;
use std::time::Duration;

fn object(name: &str) -> PartObject {
    PartObject { name: format!("parts/job_1/{name}"), bytes: 4, sha256: format!("digest of {name}") }
}

fn part(number: i32) -> NewPart {
    let work = PartWork { phase: Phase::Certify, arm: Arm::Denoised, seed: 42, backbone: BackboneKind::Fm };
    NewPart { number, work, task: json!({"train": number}), rows: Some(object("rows")), is_own: false }
}

/// A job that a worker runs, with these parts.
async fn running_job(store: &Store, numbers: &[i32]) -> Lease {
    queued_job(store).await;
    let lease = claim(store, "own").await.unwrap().lease;
    offer(store, &lease, numbers).await.unwrap();
    lease
}

async fn offer(store: &Store, lease: &Lease, numbers: &[i32]) -> Result<(), StoreError> {
    let new: Vec<NewPart> = numbers.iter().map(|number| part(*number)).collect();
    parts::offer(&mut store.acquire().await.unwrap(), lease, &new).await
}

async fn claim_part(store: &Store, lease: Duration) -> Option<ClaimedPart> {
    let conn = &mut *store.acquire().await.unwrap();
    parts::claim(conn, "other", &Ability::default(), lease, false).await.unwrap()
}

async fn claim_own(store: &Store, lease: &Lease, open: &[i32], begun: Option<i32>) -> Option<i32> {
    parts::claim_own(&mut store.acquire().await.unwrap(), lease, "own", open, begun).await.unwrap()
}

async fn recover_parts(store: &Store) -> u64 {
    let conn = &mut *store.acquire().await.unwrap();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    parts::recover_expired(conn, now).await.unwrap()
}

async fn states(store: &Store, job: JobId) -> Vec<(i32, String)> {
    let rows = parts::list(&mut store.acquire().await.unwrap(), &tenant(), job).await.unwrap();
    rows.into_iter().map(|row| (row.number, row.state)).collect()
}

fn is_lost<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::LeaseLost { .. }))
}

#[tokio::test]
async fn a_part_is_held_by_one_and_done_once() {
    let db = TestDb::new().await;
    let lease = running_job(&db.store, &[1, 3, 5]).await;
    let claimed = claim_part(&db.store, LEASE).await.unwrap();
    assert_eq!((claimed.lease.job, claimed.lease.number, claimed.lease.attempt), (lease.job, 1, 1));
    assert_eq!((claimed.task, claimed.rows, claimed.work), (json!({"train": 1}), Some(object("rows")), part(1).work));
    assert_eq!(claimed.spec, find_job(&db.store, lease.job).await.spec.0);
    assert_eq!(claim_own(&db.store, &lease, &[1, 3, 5], Some(5)).await, Some(5), "the one half done");
    assert_eq!(claim_own(&db.store, &lease, &[1, 3, 5], None).await, Some(3));
    assert_eq!(claim_own(&db.store, &lease, &[1, 3, 5], None).await, None);
    assert!(claim_part(&db.store, LEASE).await.is_none());

    let conn = &mut *db.store.acquire().await.unwrap();
    assert_eq!(parts::find_done(conn, lease.job, &[1, 3, 5]).await.unwrap(), None);
    parts::finish(conn, &claimed.lease, &object("1-1")).await.unwrap();
    parts::finish_own(conn, &lease, 3, Some(&object("3-own"))).await.unwrap();
    let done = parts::find_done(conn, lease.job, &[5, 3, 1]).await.unwrap().unwrap();
    assert_eq!((done.number, &done.result), (3, &object("3-own")), "in the order of those asked for");
    assert_eq!(parts::find_done(conn, lease.job, &[1]).await.unwrap().unwrap().result, object("1-1"));
    // What cannot be read is done again.
    parts::reopen(conn, &lease, &done).await.unwrap();
    assert_eq!(claim_part(&db.store, LEASE).await.unwrap().lease.number, 3);
    let word = |state: &str| state.to_owned();
    assert_eq!(states(&db.store, lease.job).await, [(1, word("done")), (3, word("running")), (5, word("running"))]);
}

#[tokio::test]
async fn a_lost_part_goes_to_another_and_its_late_result_is_refused() {
    let db = TestDb::new().await;
    let lease = running_job(&db.store, &[1]).await;
    let stale = claim_part(&db.store, Duration::ZERO).await.unwrap().lease;
    assert_eq!(recover_parts(&db.store).await, 1);
    let holder = claim_part(&db.store, LEASE).await.unwrap().lease;
    assert_eq!((holder.number, holder.attempt), (1, 2));
    let conn = &mut *db.store.acquire().await.unwrap();
    assert!(is_lost(parts::finish(conn, &stale, &object("late")).await));
    assert!(is_lost(parts::heartbeat(conn, &stale, LEASE).await));
    assert!(is_lost(parts::release(conn, &stale, PartRelease::HandedBack).await));
    assert!(parts::heartbeat(conn, &holder, LEASE).await.unwrap());
    parts::finish(conn, &holder, &object("1-2")).await.unwrap();
    assert!(is_lost(parts::finish(conn, &holder, &object("twice")).await));
    assert_eq!(parts::find_done(conn, lease.job, &[1]).await.unwrap().unwrap().result, object("1-2"));
    assert_eq!(recover_parts(&db.store).await, 0);
    assert_eq!(find_job(&db.store, lease.job).await.deaths, 0, "it cost the job nothing");
}

#[tokio::test]
async fn a_part_that_fails_elsewhere_is_left_to_the_worker_of_its_job() {
    let db = TestDb::new().await;
    let lease = running_job(&db.store, &[1, 3]).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let handed_back = claim_part(&db.store, LEASE).await.unwrap();
    parts::release(conn, &handed_back.lease, PartRelease::HandedBack).await.unwrap();
    for how in [PartRelease::Failed, PartRelease::Failed] {
        let claimed = claim_part(&db.store, LEASE).await.unwrap();
        assert_eq!(claimed.lease.number, 1);
        parts::release(conn, &claimed.lease, how).await.unwrap();
    }
    let refused = claim_part(&db.store, LEASE).await.unwrap();
    assert_eq!(refused.lease.number, 3);
    parts::release(conn, &refused.lease, PartRelease::Refused).await.unwrap();
    assert!(claim_part(&db.store, LEASE).await.is_none());
    assert_eq!(claim_own(&db.store, &lease, &[1, 3], None).await, Some(1));
}

#[tokio::test]
async fn another_attempt_keeps_what_is_done_and_frees_what_the_last_one_held() {
    let db = TestDb::new().await;
    queued_job(&db.store).await;
    let first = claim_for(&db.store, "one", Duration::ZERO).await.unwrap().lease;
    offer(&db.store, &first, &[1, 3, 5, 7]).await.unwrap();
    for number in [1, 3] {
        assert_eq!(claim_own(&db.store, &first, &[number], None).await, Some(number));
    }
    let conn = &mut *db.store.acquire().await.unwrap();
    parts::finish_own(conn, &first, 1, Some(&object("1-own-1"))).await.unwrap();
    let elsewhere = claim_part(&db.store, LEASE).await.unwrap();
    assert_eq!(elsewhere.lease.number, 5);
    assert_eq!(recover(&db.store).await, [(first.job, JobState::Queued)]);
    // While the job waits its parts go on, and none is begun.
    assert!(parts::heartbeat(conn, &elsewhere.lease, LEASE).await.unwrap());
    assert!(claim_part(&db.store, LEASE).await.is_none());

    let second = claim(&db.store, "two").await.unwrap().lease;
    assert!(is_lost(offer(&db.store, &first, &[9]).await));
    assert!(is_lost(parts::finish_own(conn, &first, 3, None).await));
    offer(&db.store, &second, &[1, 3, 5, 7]).await.unwrap();
    let word = |state: &str| state.to_owned();
    let expected = [(1, word("done")), (3, word("waiting")), (5, word("running")), (7, word("waiting"))];
    assert_eq!(states(&db.store, first.job).await, expected);
    parts::finish(conn, &elsewhere.lease, &object("5-1")).await.unwrap();
    assert_eq!(parts::find_done(conn, second.job, &[3, 1]).await.unwrap().unwrap().result, object("1-own-1"));
    // One that could not be stored, or that says something else now, is done again.
    assert_eq!(claim_own(&db.store, &second, &[3], None).await, Some(3));
    parts::finish_own(conn, &second, 3, None).await.unwrap();
    let changed = NewPart { rows: Some(object("other rows")), ..part(5) };
    parts::offer(conn, &second, &[part(3), changed]).await.unwrap();
    let expected = [(1, word("done")), (3, word("waiting")), (5, word("waiting")), (7, word("waiting"))];
    assert_eq!(states(&db.store, first.job).await, expected);
}

#[tokio::test]
async fn parts_end_with_their_job() {
    let db = TestDb::new().await;
    let lease = running_job(&db.store, &[1, 3]).await;
    let held = claim_part(&db.store, LEASE).await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    jobs::request_cancel(conn, &tenant(), lease.job).await.unwrap();
    assert!(!parts::heartbeat(conn, &held, LEASE).await.unwrap(), "whoever does one hears of the cancel");
    assert!(claim_part(&db.store, LEASE).await.is_none(), "none is begun");
    endings::finish_cancelled(conn, &lease).await.unwrap();
    assert_eq!(states(&db.store, lease.job).await, []);
    assert!(is_lost(parts::finish(conn, &held, &object("late")).await));

    let lease = running_job(&db.store, &[1]).await;
    let held = claim_part(&db.store, LEASE).await.unwrap().lease;
    let spec: ResolvedSpec = find_job(&db.store, lease.job).await.spec.0;
    endings::finish_succeeded(conn, &lease, &report(spec)).await.unwrap();
    assert!(is_lost(parts::heartbeat(conn, &held, LEASE).await));
    assert_eq!(states(&db.store, lease.job).await, []);
}

/// The objects of parts are named by their rows: a sweep lets them be, and `fsck` knows them.
#[tokio::test]
async fn the_objects_of_parts_are_named() {
    let db = TestDb::new().await;
    let lease = running_job(&db.store, &[1, 3]).await;
    let held = claim_part(&db.store, LEASE).await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    parts::finish(conn, &held, &object("1-1")).await.unwrap();
    let names = |objects: &[objects::NamedObject]| objects.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    let ours = ["parts/job_1/1-1".to_owned(), "parts/job_1/rows".to_owned()];
    let all = objects::list(conn, "uploads/", "parts/", 10).await.unwrap();
    assert_eq!(names(&all)[..2], ours);
    let asked = [&ours[..], &["parts/job_1/left".to_owned()]].concat();
    assert_eq!(artifacts::unreferenced(conn, &asked, "uploads/").await.unwrap(), ["parts/job_1/left"]);
    jobs::request_cancel(conn, &tenant(), lease.job).await.unwrap();
    endings::finish_cancelled(conn, &lease).await.unwrap();
    assert_eq!(artifacts::unreferenced(conn, &asked, "uploads/").await.unwrap(), asked);
}

#[tokio::test]
async fn parts_and_jobs_are_claimed_in_one_order() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let of_priority = |priority| ResolvedSpec { priority, ..job_spec(dataset, &[]) };
    create_job(&db.store, &of_priority(0)).await;
    let lease = claim(&db.store, "own").await.unwrap().lease;
    offer(&db.store, &lease, &[1, 3, 5]).await.unwrap();
    create_job(&db.store, &of_priority(0)).await;
    assert_eq!(claim_part(&db.store, LEASE).await.unwrap().lease.number, 1, "the older job goes first");
    let urgent = create_job(&db.store, &of_priority(5)).await;
    assert!(claim_part(&db.store, LEASE).await.is_none(), "a job of higher priority goes first");
    let conn = &mut *db.store.acquire().await.unwrap();
    let any = parts::claim(conn, "other", &Ability::default(), LEASE, true).await.unwrap().unwrap();
    assert_eq!(any.lease.number, 3);
    assert_eq!(claim(&db.store, "other").await.unwrap().lease.job, urgent);
    assert_eq!(claim_part(&db.store, LEASE).await.unwrap().lease.number, 5);
}
