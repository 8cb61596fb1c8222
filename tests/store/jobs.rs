//! Jobs as clients see them: creation, lists, cancelling.

use crate::common::{claim, create_job, event_types, find_job, job_spec, queued_job, ready_dataset, report, tenant};
use autodenoise::{
    store::{
        JOB_CANCEL, JOB_EVENT, WORK, endings,
        jobs::{self, CancelOutcome, Creation, Idempotency, JobFilter},
        queue,
        testing::TestDb,
    },
    types::{DatasetId, JobId, JobState},
};
use std::{collections::BTreeMap, time::Duration};

#[tokio::test]
async fn a_new_job_waits_and_says_so() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let spec = job_spec(dataset, &[("commit", "3fe1")]);
    let mut listener = db.store.listen(&[JOB_EVENT, WORK]).await.unwrap();
    let job = create_job(&db.store, &spec).await;
    let row = find_job(&db.store, job).await;
    assert_eq!((row.state, row.attempt, row.last_event_seq), (JobState::Queued, 0, 1));
    assert_eq!((row.spec.0, row.spec_sha256.len()), (spec, 64));
    assert_eq!(event_types(&db.store, job).await, ["job.queued"]);
    let mut heard = BTreeMap::new();
    for _ in 0..2 {
        let said = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
        heard.insert(said.channel().to_owned(), said.payload().to_owned());
    }
    assert_eq!(heard[JOB_EVENT], job.0.to_string());
    assert_eq!(heard[WORK], "job");
}

#[tokio::test]
async fn a_job_needs_a_ready_dataset() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let created = jobs::create(conn, &tenant(), &job_spec(DatasetId::new(), &[]), None, None).await.unwrap();
    assert!(matches!(created, Creation::DatasetNotReady), "{created:?}");
}

#[tokio::test]
async fn a_repeated_request_makes_one_job() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let spec = job_spec(dataset, &[]);
    let key = |request: &str| Idempotency { key: "k".to_owned(), request_sha256: request.to_owned() };
    let tries = (0..8).map(|_| {
        let (store, spec, key) = (db.store.clone(), spec.clone(), key("one"));
        tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let created = jobs::create(&mut tx, &tenant(), &spec, Some(&key), None).await.unwrap();
            tx.commit().await.unwrap();
            created
        })
    });
    let mut new = 0;
    let mut ids = std::collections::BTreeSet::new();
    for created in futures_util::future::join_all(tries).await {
        match created.unwrap() {
            Creation::New(row) => {
                new += 1;
                ids.insert(row.id);
            }
            Creation::Replayed(row) => {
                ids.insert(row.id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    let conn = &mut *db.store.acquire().await.unwrap();
    let reused = jobs::create(conn, &tenant(), &spec, Some(&key("two")), None).await.unwrap();
    assert!(matches!(reused, Creation::KeyReused), "{reused:?}");
    sqlx::query("update jobs set created_at = now() - interval '25 hours'").execute(&mut *conn).await.unwrap();
    let later = jobs::create(conn, &tenant(), &spec, Some(&key("two")), None).await.unwrap();
    assert!(matches!(later, Creation::New(_)), "a key is good for a day: {later:?}");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let db = TestDb::new().await;
    let (a, b) = (ready_dataset(&db.store, "a").await, ready_dataset(&db.store, "b").await);
    let mut made = Vec::new();
    for index in 0..6 {
        let dataset = if index % 2 == 0 { a } else { b };
        let labels = [("commit", if index < 3 { "old" } else { "new" }), ("team", "ads")];
        made.push(create_job(&db.store, &job_spec(dataset, &labels)).await);
    }
    assert_eq!(claim(&db.store, "w").await.unwrap().lease.job, made[0], "the oldest first");
    let list = async |filter: JobFilter| -> Vec<JobId> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let conn = &mut *db.store.acquire().await.unwrap();
            let page = jobs::list(conn, &tenant(), &filter, 2, after).await.unwrap();
            assert!(page.rows.len() <= 2);
            ids.extend(page.rows.iter().map(|row| row.id));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    };
    let newest_first: Vec<_> = made.iter().rev().copied().collect();
    assert_eq!(list(JobFilter::default()).await, newest_first);
    assert_eq!(list(JobFilter { state: Some(JobState::Running), ..JobFilter::default() }).await, [made[0]]);
    assert_eq!(list(JobFilter { dataset: Some(b), ..JobFilter::default() }).await, [made[5], made[3], made[1]]);
    let labels = BTreeMap::from([("commit".to_owned(), "new".to_owned())]);
    assert_eq!(list(JobFilter { labels: labels.clone(), ..JobFilter::default() }).await, [made[5], made[4], made[3]]);
    assert_eq!(list(JobFilter { labels, dataset: Some(a), state: Some(JobState::Queued) }).await, [made[4]]);
}

#[tokio::test]
async fn cancel_does_what_the_state_allows() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    assert_eq!(jobs::request_cancel(conn, &tenant(), JobId::new()).await.unwrap(), CancelOutcome::Missing);

    let queued = queued_job(&db.store).await;
    assert_eq!(jobs::request_cancel(conn, &tenant(), queued).await.unwrap(), CancelOutcome::Cancelled);
    assert_eq!(
        jobs::request_cancel(conn, &tenant(), queued).await.unwrap(),
        CancelOutcome::Unchanged(JobState::Cancelled)
    );
    assert_eq!(event_types(&db.store, queued).await, ["job.queued", "job.cancelled"]);
    assert!(claim(&db.store, "w").await.is_none(), "a cancelled job is not run");

    let running = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let mut listener = db.store.listen(&[JOB_CANCEL]).await.unwrap();
    assert_eq!(jobs::request_cancel(conn, &tenant(), running).await.unwrap(), CancelOutcome::Cancelling);
    let said = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
    assert_eq!(said.payload(), running.0.to_string());
    assert_eq!(
        jobs::request_cancel(conn, &tenant(), running).await.unwrap(),
        CancelOutcome::Unchanged(JobState::Cancelling)
    );
    assert!(queue::heartbeat(conn, &lease, Duration::from_secs(9)).await.unwrap().cancel);
    endings::finish_cancelled(conn, &lease).await.unwrap();
    assert_eq!(event_types(&db.store, running).await, ["job.queued", "job.cancelling", "job.cancelled"]);

    let done = queued_job(&db.store).await;
    let claimed = claim(&db.store, "w").await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
    assert_eq!(
        jobs::request_cancel(conn, &tenant(), done).await.unwrap(),
        CancelOutcome::Unchanged(JobState::Succeeded)
    );
}
