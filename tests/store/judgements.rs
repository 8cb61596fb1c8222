//! Judgements: whose they are, the claims of workers, predictions in, verdicts counted, and what becomes of the files.

use crate::common::{LEASE, MAX_DEATHS, claim, create_job, job_spec, queued_job, ready_dataset, report, tenant};
use autodenoise::{
    store::{
        Store, StoreError, artifacts, endings,
        jobs::{self, Deletion, Idempotency},
        judgement_queue::{self, ClaimedJudgement, JudgementLease},
        judgements::{self, Asked, Creation, FileRow, JudgementRow, NewJudgement, PredictionsRow, Taken},
        objects, tenants, test_reads,
        testing::TestDb,
    },
    types::{Arm, Certification, Certify, JobId, JudgementId, JudgementManifest, JudgementState, TenantId, Training},
};
use serde_json::json;
use std::time::Duration;

const EXPIRY: Duration = Duration::from_secs(3600);

async fn succeeded_job(store: &Store) -> JobId {
    let job = queued_job(store).await;
    let claimed = claim(store, "w").await.unwrap();
    assert_eq!(claimed.lease.job, job);
    let conn = &mut *store.acquire().await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
    job
}

fn new(job: JobId) -> NewJudgement {
    NewJudgement { job, model: "ours".to_owned(), certify: Certify::default(), expiry: EXPIRY }
}

async fn create(store: &Store, of: &TenantId, new: &NewJudgement, key: Option<(&str, &str)>) -> Creation {
    let idempotency = key.map(|(key, request)| Idempotency { key: key.to_owned(), request_sha256: request.to_owned() });
    let mut tx = store.begin().await.unwrap();
    let made = judgements::create(&mut tx, of, new, idempotency.as_ref()).await.unwrap();
    tx.commit().await.unwrap();
    made
}

async fn made(store: &Store, job: JobId) -> JudgementId {
    match create(store, &tenant(), &new(job), None).await {
        Creation::New(row) => row.id,
        other => panic!("{other:?}"),
    }
}

async fn next(store: &Store) -> Option<ClaimedJudgement> {
    judgement_queue::claim(&mut store.acquire().await.unwrap(), "w", LEASE).await.unwrap()
}

async fn find(store: &Store, job: JobId, id: JudgementId) -> JudgementRow {
    judgements::find(&mut store.acquire().await.unwrap(), &tenant(), job, id).await.unwrap().unwrap()
}

fn manifest(names: &[&str]) -> JudgementManifest {
    let training = |name: &&str| Training {
        name: (*name).to_owned(),
        arm: Arm::Full,
        seed: 1,
        rows: "full".to_owned(),
        targets: None,
        weights: None,
    };
    JudgementManifest { trainings: names.iter().map(training).collect(), test_rows: 3, valid_rows: 2 }
}

fn file(name: &str, object: &str) -> FileRow {
    FileRow {
        name: name.to_owned(),
        object: object.to_owned(),
        bytes: 10,
        sha256: "a".repeat(64),
        media_type: "application/octet-stream".to_owned(),
        download_name: format!("{name}.npy"),
    }
}

async fn open(store: &Store, lease: &JudgementLease, names: &[&str]) {
    let conn = &mut *store.acquire().await.unwrap();
    let files = [file("test", &format!("judgements/{}/f", lease.judgement))];
    judgement_queue::finish_open(conn, lease, &manifest(names), &files, EXPIRY).await.unwrap();
}

async fn take(store: &Store, id: JudgementId, training: &str, of_valid: bool, object: &str) -> Taken {
    let row = PredictionsRow {
        training: training.to_owned(),
        of_valid,
        object: object.to_owned(),
        bytes: 5,
        sha256: "b".repeat(64),
    };
    let mut tx = store.begin().await.unwrap();
    let taken = judgements::take_predictions(&mut tx, &tenant(), id, &row, EXPIRY).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

async fn ask(store: &Store, id: JudgementId) -> Asked {
    judgements::ask_for_verdict(&mut store.acquire().await.unwrap(), &tenant(), id).await.unwrap()
}

fn certification() -> Certification {
    serde_json::from_value(json!({
        "verdict": "not_better", "reasons": [], "backbone": "fm", "asked": {}, "arms": [], "gains": [], "delta_logloss": 0.0,
    }))
    .unwrap()
}

#[tokio::test]
async fn only_who_has_the_results_makes_a_judgement_and_the_same_request_makes_one() {
    let db = TestDb::new().await;
    let store = &db.store;
    let waiting = queued_job(store).await;
    assert!(matches!(create(store, &tenant(), &new(waiting), None).await, Creation::NoResults));
    let conn = &mut *store.acquire().await.unwrap();
    jobs::request_cancel(conn, &tenant(), waiting).await.unwrap();
    let job = succeeded_job(store).await;
    let other: TenantId = "other".parse().unwrap();
    tenants::create(conn, &other).await.unwrap();
    assert!(matches!(create(store, &other, &new(job), None).await, Creation::NoResults));

    let Creation::New(row) = create(store, &tenant(), &new(job), Some(("k", "one"))).await else { panic!("it is new") };
    assert_eq!((row.state, row.job_id, &row.certify.0), (JudgementState::Preparing, job, &Certify::default()));
    let again = create(store, &tenant(), &new(job), Some(("k", "one"))).await;
    assert!(matches!(again, Creation::Replayed(found) if found.id == row.id));
    assert!(matches!(create(store, &tenant(), &new(job), Some(("k", "two"))).await, Creation::KeyReused));
    assert_eq!(judgements::count_unfinished(conn, &tenant()).await.unwrap(), 1);

    // For another tenant, and under another job, it does not exist.
    assert!(judgements::find(conn, &other, job, row.id).await.unwrap().is_none());
    assert!(judgements::find(conn, &tenant(), waiting, row.id).await.unwrap().is_none());
    assert!(judgements::list(conn, &other, job, 10, None).await.unwrap().rows.is_empty());
    assert_eq!(judgements::delete(conn, &other, job, row.id).await.unwrap(), None);
    assert_eq!(judgements::ask_for_verdict(conn, &other, row.id).await.unwrap(), Asked::Missing);
    let second = made(store, job).await;
    let page = judgements::list(conn, &tenant(), job, 1, None).await.unwrap();
    assert_eq!(page.rows[0].id, second);
    let page = judgements::list(conn, &tenant(), job, 1, page.next).await.unwrap();
    assert_eq!((page.rows[0].id, page.next), (row.id, None));
}

#[tokio::test]
async fn a_claim_is_one_workers_and_a_lost_one_writes_nothing() {
    let db = TestDb::new().await;
    let store = &db.store;
    let job = succeeded_job(store).await;
    let id = made(store, job).await;
    let first = next(store).await.unwrap();
    assert_eq!((first.lease.judgement, first.job, first.state), (id, job, JudgementState::Preparing));
    assert!(first.dataset.is_some() && next(store).await.is_none(), "it is claimed");
    let conn = &mut *store.acquire().await.unwrap();
    judgement_queue::heartbeat(conn, &first.lease, LEASE).await.unwrap();
    judgement_queue::release(conn, &first.lease).await.unwrap();
    let second = next(store).await.unwrap();
    for lost in [
        judgement_queue::heartbeat(conn, &first.lease, LEASE).await,
        judgement_queue::finish_open(conn, &first.lease, &manifest(&[]), &[], EXPIRY).await,
        judgement_queue::finish_failed(conn, &first.lease, "x").await,
        judgement_queue::release(conn, &first.lease).await,
    ] {
        assert!(matches!(lost, Err(StoreError::LeaseLost { .. })), "{lost:?}");
    }
    // A verdict is written of one that is judged, and of no other.
    let early = judgement_queue::finish_judged(conn, &second.lease, &certification(), &[]).await;
    assert!(matches!(early, Err(StoreError::LeaseLost { .. })), "{early:?}");

    // Deaths are counted, whether they are told or found out.
    judgement_queue::retry_or_fail(conn, &second.lease, "the disk", MAX_DEATHS).await.unwrap();
    let third = next(store).await.unwrap();
    sqlx::query("update judgements set lease_until = now() - interval '1 minute'").execute(&mut *conn).await.unwrap();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    judgement_queue::recover_expired(conn, now, MAX_DEATHS).await.unwrap();
    assert!(matches!(judgement_queue::heartbeat(conn, &third.lease, LEASE).await, Err(StoreError::LeaseLost { .. })));
    let last = next(store).await.unwrap();
    judgement_queue::retry_or_fail(conn, &last.lease, "the disk", MAX_DEATHS).await.unwrap();
    let row = find(store, job, id).await;
    assert_eq!((row.state, row.error.as_deref()), (JudgementState::Failed, Some("the disk")));
    assert!(row.ended_at.is_some() && next(store).await.is_none());
}

#[tokio::test]
async fn a_judgement_whose_workers_die_fails() {
    let db = TestDb::new().await;
    let store = &db.store;
    let job = succeeded_job(store).await;
    let id = made(store, job).await;
    next(store).await.unwrap();
    let conn = &mut *store.acquire().await.unwrap();
    sqlx::query("update judgements set lease_until = now() - interval '1 minute'").execute(&mut *conn).await.unwrap();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    judgement_queue::recover_expired(conn, now, 1).await.unwrap();
    assert!(find(store, job, id).await.error.unwrap().contains("1 workers in a row died over it"));
}

#[tokio::test]
async fn a_verdict_that_cannot_be_asked_for_holds_nobody_up() {
    let db = TestDb::new().await;
    let store = &db.store;
    let id = made(store, succeeded_job(store).await).await;
    let conn = &mut *store.acquire().await.unwrap();
    let asked = judgements::ask_for_verdict(conn, &tenant(), id).await.unwrap();
    assert_eq!(asked, Asked::Refused(JudgementState::Preparing));
    // A claim passes over a judgement that somebody else has locked.
    assert_eq!(next(store).await.unwrap().lease.judgement, id);
}

#[tokio::test]
async fn predictions_come_while_it_is_open_and_the_verdict_is_asked_for_once() {
    let db = TestDb::new().await;
    let store = &db.store;
    let job = succeeded_job(store).await;
    let id = made(store, job).await;
    assert_eq!(take(store, id, "a", false, "o").await, Taken::Refused(JudgementState::Preparing));
    assert_eq!(ask(store, id).await, Asked::Refused(JudgementState::Preparing));
    let claimed = next(store).await.unwrap();
    open(store, &claimed.lease, &["a", "b"]).await;
    assert!(next(store).await.is_none(), "there is nothing to do for an open one");

    let missing = |of_valid, names: &[&str]| Asked::Incomplete {
        of_valid,
        trainings: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(ask(store, id).await, missing(false, &["a", "b"]));
    assert_eq!(take(store, id, "a", false, "one").await, Taken::In { replaced: None });
    assert_eq!(take(store, id, "a", false, "two").await, Taken::In { replaced: Some("one".to_owned()) });
    take(store, id, "b", false, "three").await;
    take(store, id, "b", true, "four").await;
    assert_eq!(ask(store, id).await, missing(true, &["a"]));
    take(store, id, "a", true, "five").await;
    let conn = &mut *store.acquire().await.unwrap();
    let rows = judgements::list_predictions(conn, &tenant(), id).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (&row.training[..], row.of_valid, &row.object[..])).collect();
    assert_eq!(rows, [("a", false, "two"), ("a", true, "five"), ("b", false, "three"), ("b", true, "four")]);
    assert_eq!(test_reads::foresee(conn, &tenant(), "d1", "").await.unwrap(), 1, "nothing was read");

    assert_eq!(ask(store, id).await, Asked::Judging);
    assert_eq!(ask(store, id).await, Asked::Unchanged);
    assert_eq!(find(store, job, id).await.test_read, Some(1));
    assert_eq!(test_reads::foresee(conn, &tenant(), "d1", "").await.unwrap(), 2);
    assert_eq!(take(store, id, "a", false, "six").await, Taken::Refused(JudgementState::Judging));
    let claimed = next(store).await.unwrap();
    assert_eq!((claimed.state, claimed.test_read), (JudgementState::Judging, Some(1)));
    let report = file("report.json", "judgements/x/report");
    judgement_queue::finish_judged(conn, &claimed.lease, &certification(), &[report]).await.unwrap();
    let row = find(store, job, id).await;
    assert_eq!((row.state, row.certification.map(|it| it.0)), (JudgementState::Judged, Some(certification())));
    assert_eq!(ask(store, id).await, Asked::Unchanged);
    let files = judgements::list_files(conn, &tenant(), id).await.unwrap();
    assert_eq!(files.iter().map(|file| &file.name[..]).collect::<Vec<_>>(), ["report.json", "test"]);

    // The next one is the second verdict; what there is nothing to train for reads nothing.
    let second = made(store, job).await;
    open(store, &next(store).await.unwrap().lease, &["a"]).await;
    take(store, second, "a", false, "seven").await;
    assert_eq!(ask(store, second).await, Asked::Judging);
    assert_eq!(find(store, job, second).await.test_read, Some(2));
    judgement_queue::finish_failed(conn, &next(store).await.unwrap().lease, "x").await.unwrap();
    let empty = made(store, job).await;
    open(store, &next(store).await.unwrap().lease, &[]).await;
    assert_eq!(ask(store, empty).await, Asked::Judging);
    assert_eq!(find(store, job, empty).await.test_read, None);
    // What was read stays read.
    jobs::delete(conn, &tenant(), job).await.unwrap();
    assert_eq!(test_reads::foresee(conn, &tenant(), "d1", "").await.unwrap(), 3);
}

#[tokio::test]
async fn files_are_named_and_counted_until_their_judgement_goes() {
    let db = TestDb::new().await;
    let store = &db.store;
    let job = succeeded_job(store).await;
    let id = made(store, job).await;
    open(store, &next(store).await.unwrap().lease, &["a"]).await;
    let handed_out = format!("judgements/{id}/f");
    take(store, id, "a", false, "judgements/p").await;
    let conn = &mut *store.acquire().await.unwrap();
    let names = [handed_out.clone(), "judgements/p".to_owned(), "judgements/unknown".to_owned()];
    let unnamed = artifacts::unreferenced(conn, &names, "uploads/").await.unwrap();
    assert_eq!(unnamed, ["judgements/unknown"]);
    assert!(objects::find(conn, "uploads/", &handed_out).await.unwrap().is_some());
    assert!(objects::find(conn, "uploads/", "judgements/p").await.unwrap().is_some());
    assert_eq!(tenants::usage(conn, &tenant()).await.unwrap().judgement_bytes, 15);

    // One that is left lying goes, and one that has ended after its time; others stay.
    let (objects, gone) = judgements::expire(conn, Some(EXPIRY), 10).await.unwrap();
    assert_eq!((objects.len(), gone), (0, 0));
    sqlx::query("update judgements set expires_at = now() - interval '1 second'").execute(&mut *conn).await.unwrap();
    let (mut objects, gone) = judgements::expire(conn, None, 10).await.unwrap();
    objects.sort();
    assert_eq!((objects, gone), (vec![handed_out, "judgements/p".to_owned()], 1));
    let failed = made(store, job).await;
    judgement_queue::finish_failed(conn, &next(store).await.unwrap().lease, "x").await.unwrap();
    assert_eq!(judgements::expire(conn, None, 10).await.unwrap().1, 0);
    sqlx::query("update judgements set ended_at = now() - interval '2 hours'").execute(&mut *conn).await.unwrap();
    assert_eq!(judgements::expire(conn, Some(EXPIRY), 10).await.unwrap().1, 1);
    assert!(judgements::find(conn, &tenant(), job, failed).await.unwrap().is_none());

    // A job takes its judgements along.
    let id = made(store, job).await;
    open(store, &next(store).await.unwrap().lease, &["a"]).await;
    take(store, id, "a", true, "judgements/q").await;
    let Deletion::Deleted(objects) = jobs::delete(conn, &tenant(), job).await.unwrap() else { panic!("it has ended") };
    assert_eq!(objects, [format!("judgements/{id}/f"), "judgements/q".to_owned()]);
    assert_eq!(tenants::usage(conn, &tenant()).await.unwrap().judgement_bytes, 0);
}

#[tokio::test]
async fn a_judgement_of_a_deleted_dataset_has_none() {
    let db = TestDb::new().await;
    let store = &db.store;
    let dataset = ready_dataset(store, "a").await;
    let job = create_job(store, &job_spec(dataset, &[])).await;
    let claimed = claim(store, "w").await.unwrap();
    let conn = &mut *store.acquire().await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
    made(store, job).await;
    autodenoise::store::datasets::delete(conn, &tenant(), dataset).await.unwrap();
    assert!(next(store).await.unwrap().dataset.is_none());
}

/// The words of the database's enum are those on the wire.
#[tokio::test]
async fn states_have_the_same_words_everywhere() {
    let db = TestDb::new().await;
    for state in JudgementState::ALL {
        let text: String = sqlx::query_scalar("select ($1::judgement_state)::text")
            .bind(state)
            .fetch_one(db.store.pool())
            .await
            .unwrap();
        assert_eq!(text, state.as_str());
        assert_eq!(serde_json::to_value(state).unwrap(), text);
    }
}
