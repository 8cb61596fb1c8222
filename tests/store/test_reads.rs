//! Verdicts on a table's test rows are counted across jobs, each job once.

use crate::common::{
    LEASE, MAX_DEATHS, claim, claim_for, create_job, find_job, job_spec, new_dataset, ready_dataset, recover, report,
    tenant,
};
use autodenoise::{
    store::{
        Store, datasets, endings, ingest_queue,
        jobs::{self, Creation},
        queue::ClaimedJob,
        tenants, test_reads,
        testing::TestDb,
    },
    types::{Certify, DatasetId, ResolvedSpec, TenantId, json_sha256},
};
use std::{collections::BTreeSet, time::Duration};

/// A job that asks for a verdict. Every dataset of these tests has the digest `d1`.
fn asking(dataset: DatasetId, seed: u64) -> ResolvedSpec {
    ResolvedSpec { seed, certify: Some(Certify::default()), ..job_spec(dataset, &[]) }
}

async fn take(store: &Store, claimed: &ClaimedJob) -> u32 {
    test_reads::take(&mut store.acquire().await.unwrap(), &claimed.lease).await.unwrap()
}

/// The number of a job of this spec, from the queue to its end.
async fn run(store: &Store, spec: &ResolvedSpec) -> u32 {
    let job = create_job(store, spec).await;
    let claimed = claim(store, "w").await.unwrap();
    assert_eq!(claimed.lease.job, job);
    let number = take(store, &claimed).await;
    assert_eq!(find_job(store, job).await.test_read, Some(number as i32));
    let conn = &mut *store.acquire().await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
    number
}

#[tokio::test]
async fn jobs_of_one_table_are_counted_and_the_same_job_again_is_not() {
    let db = TestDb::new().await;
    let (one, other) = (ready_dataset(&db.store, "a").await, ready_dataset(&db.store, "b").await);
    assert_eq!(run(&db.store, &asking(one, 1)).await, 1);
    assert_eq!(run(&db.store, &asking(one, 2)).await, 2);
    assert_eq!(run(&db.store, &asking(one, 1)).await, 1, "to the byte the first job");
    assert_eq!(run(&db.store, &asking(other, 1)).await, 3, "the same table, sent again");
    let conn = &mut *db.store.acquire().await.unwrap();
    let foresee = async |conn: &mut _, spec: &ResolvedSpec, digest: &str| {
        test_reads::foresee(conn, &tenant(), digest, &json_sha256(spec)).await.unwrap()
    };
    assert_eq!(foresee(conn, &asking(one, 2), "d1").await, 2);
    assert_eq!(foresee(conn, &asking(one, 9), "d1").await, 4);
    assert_eq!(foresee(conn, &asking(one, 9), "d2").await, 1, "another table");
    assert_eq!(run(&db.store, &asking(one, 9)).await, 4);
}

#[tokio::test]
async fn deleting_jobs_and_the_dataset_does_not_give_a_read_back() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let conn = &mut *db.store.acquire().await.unwrap();
    for seed in [1, 2] {
        run(&db.store, &asking(dataset, seed)).await;
    }
    let all = jobs::list(conn, &tenant(), &jobs::JobFilter::default(), 10, None).await.unwrap();
    for row in &all.rows {
        assert!(matches!(jobs::delete(conn, &tenant(), row.id).await.unwrap(), jobs::Deletion::Deleted(_)));
    }
    assert!(matches!(datasets::delete(conn, &tenant(), dataset).await.unwrap(), datasets::Deletion::Deleted(_)));
    let again = ready_dataset(&db.store, "a").await;
    assert_ne!(again, dataset);
    assert_eq!(run(&db.store, &asking(again, 3)).await, 3);
}

#[tokio::test]
async fn jobs_of_another_tenant_do_not_count() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    assert_eq!(run(&db.store, &asking(dataset, 1)).await, 1);
    let conn = &mut *db.store.acquire().await.unwrap();
    let other: TenantId = "other".parse().unwrap();
    tenants::create(conn, &other).await.unwrap();
    let new = datasets::NewDataset { tenant: other.clone(), ..new_dataset("a") };
    let theirs = datasets::create(conn, &new).await.unwrap().row.id;
    let read = ingest_queue::claim(conn, "reader", LEASE).await.unwrap().unwrap();
    let (map, profile) = (crate::common::feature_map(), crate::common::profile());
    ingest_queue::finish_ready(conn, &read.lease, &read.spec, &map, &profile).await.unwrap();
    let spec = asking(theirs, 1);
    let created = jobs::create(conn, &other, &spec, None, None).await.unwrap();
    assert!(matches!(created, Creation::New(_)), "{created:?}");
    assert_eq!(take(&db.store, &claim(&db.store, "w").await.unwrap()).await, 1);
    assert_eq!(run(&db.store, &asking(dataset, 2)).await, 2);
}

#[tokio::test]
async fn a_later_attempt_keeps_the_number() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let job = create_job(&db.store, &asking(dataset, 1)).await;
    let first = claim_for(&db.store, "one", Duration::ZERO).await.unwrap();
    assert_eq!(take(&db.store, &first).await, 1);
    assert!(MAX_DEATHS > 1 && recover(&db.store).await.len() == 1);
    let second = claim(&db.store, "two").await.unwrap();
    create_job(&db.store, &asking(dataset, 2)).await;
    let beside = claim(&db.store, "three").await.unwrap();
    assert_eq!(take(&db.store, &beside).await, 2);
    assert_eq!((second.lease.job, second.lease.attempt), (job, 2));
    assert_eq!((take(&db.store, &second).await, take(&db.store, &second).await), (1, 1));
}

/// Without the lock both of two jobs would count the same verdicts before them.
#[tokio::test]
async fn jobs_that_are_claimed_together_get_numbers_of_their_own() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    for seed in 0..12 {
        create_job(&db.store, &asking(dataset, seed)).await;
    }
    let takers = (0..12).map(|_| {
        let store = db.store.clone();
        tokio::spawn(async move { take(&store, &claim(&store, "w").await.unwrap()).await })
    });
    let numbers: BTreeSet<u32> = futures_util::future::join_all(takers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (1..=12).collect());
}

/// Verdicts of a version that did not count them.
#[tokio::test]
async fn verdicts_from_before_the_count_are_in_it() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    for seed in [1, 2, 1] {
        run(&db.store, &asking(dataset, seed)).await;
    }
    // A job that was never begun read nothing, and one without a verdict is none.
    create_job(&db.store, &asking(dataset, 3)).await;
    run_without_verdict(&db.store, dataset).await;
    autodenoise::store::MIGRATOR.undo(db.store.pool(), BEFORE).await.unwrap();
    db.store.migrate().await.unwrap();
    let conn = &mut *db.store.acquire().await.unwrap();
    let number = async |conn: &mut _, spec: &ResolvedSpec| {
        test_reads::foresee(conn, &tenant(), "d1", &json_sha256(spec)).await.unwrap()
    };
    assert_eq!(number(conn, &asking(dataset, 1)).await, 1);
    assert_eq!(number(conn, &asking(dataset, 2)).await, 2);
    assert_eq!(number(conn, &asking(dataset, 3)).await, 3);
}

/// The newest migration without the count.
const BEFORE: i64 = 20_261_128_030_000;

async fn run_without_verdict(store: &Store, dataset: DatasetId) {
    let high = ResolvedSpec { priority: 1, ..job_spec(dataset, &[]) };
    create_job(store, &high).await;
    let claimed = claim(store, "w").await.unwrap();
    assert_eq!(claimed.spec, high);
    let conn = &mut *store.acquire().await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
}
