//! Datasets: one for the same bytes and spec, never deleted under a job, read by one worker at a time.

use crate::common::{
    LEASE, MAX_DEATHS, claim, create_job, dataset_spec, feature_map, job_spec, new_dataset, profile, ready_dataset,
    tenant,
};
use autodenoise::{
    store::{
        StoreError, artifacts, datasets, datasets::Deletion, endings, ingest_queue, jobs, tenants, testing::TestDb,
    },
    types::{DatasetStatus, ErrorKind, Failure, FieldError, ProblemItem, RowError, Split, TenantId, UploadedPart},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Ends the claims that ran out.
async fn recover(db: &TestDb) {
    let conn = &mut *db.store.acquire().await.unwrap();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    ingest_queue::recover_expired(conn, now, MAX_DEATHS).await.unwrap();
}

/// What is wrong with the dataset's file as a whole, which is all that is wrong.
fn file_problem(row: &datasets::DatasetRow) -> &str {
    match &row.errors[..] {
        [ProblemItem::Field(error)] if error.pointer.is_empty() => &error.rule,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_same_bytes_and_spec_are_one_dataset() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let first = datasets::create(conn, &new_dataset("a")).await.unwrap();
    let second = datasets::create(conn, &new_dataset("a")).await.unwrap();
    assert!(first.new && !second.new);
    assert_eq!(first.row.id, second.row.id);
    let other = datasets::NewDataset { spec: dataset_spec("other"), ..new_dataset("a") };
    assert!(datasets::create(conn, &other).await.unwrap().new);
    let row = datasets::find(conn, &tenant(), first.row.id).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_deref(), row.status, row.spec.0),
        (Some("clicks"), DatasetStatus::Processing, dataset_spec("click"))
    );
}

#[tokio::test]
async fn an_invalid_dataset_does_not_stand_in_the_way_of_another_try() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let first = datasets::create(conn, &new_dataset("a")).await.unwrap().row.id;
    let claimed = ingest_queue::claim(conn, "w", LEASE).await.unwrap().unwrap();
    let errors = [
        ProblemItem::Row(RowError {
            row: 3,
            part: None,
            line: None,
            column: None,
            value: None,
            rule: "0 or 1".to_owned(),
        }),
        ProblemItem::Field(FieldError::new("/label", "a column of the table")),
    ];
    ingest_queue::finish_invalid(conn, &claimed.lease, &errors, 17).await.unwrap();
    let row = datasets::find(conn, &tenant(), first).await.unwrap().unwrap();
    assert_eq!((row.status, row.error_total, row.errors.0), (DatasetStatus::Invalid, 17, errors.to_vec()));
    let stored: Value = sqlx::query_scalar("select errors from datasets").fetch_one(&mut *conn).await.unwrap();
    let expected = json!([{"row": 3, "rule": "0 or 1"}, {"pointer": "/label", "rule": "a column of the table"}]);
    assert_eq!(stored, expected);
    assert!(datasets::create(conn, &new_dataset("a")).await.unwrap().new);
}

#[tokio::test]
async fn errors_that_cannot_be_read_are_an_error() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let id = datasets::create(conn, &new_dataset("a")).await.unwrap().row.id;
    sqlx::query(r#"update datasets set errors = '[{"row": "three"}]'"#).execute(&mut *conn).await.unwrap();
    let error = datasets::find(conn, &tenant(), id).await.unwrap_err();
    assert!(error.to_string().contains("errors"), "the column is named: {error}");
    assert!(datasets::list(conn, &tenant(), 10, None).await.is_err(), "none is left out in silence");
}

#[tokio::test]
async fn pages_hold_every_dataset_once_newest_first() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let mut ids = Vec::new();
    for index in 0..7 {
        ids.push(datasets::create(conn, &new_dataset(&index.to_string())).await.unwrap().row.id);
    }
    ids.reverse();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = datasets::list(conn, &tenant(), 3, after).await.unwrap();
        listed.extend(page.rows.iter().map(|row| row.id));
        // The cursor goes through its text form, as it does for a client.
        after = page.next.map(|cursor| cursor.to_string().parse().unwrap());
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_dataset_is_deleted_only_when_no_active_job_needs_it() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let job = create_job(&db.store, &job_spec(dataset, &[])).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    assert_eq!(datasets::delete(conn, &tenant(), dataset).await.unwrap(), datasets::Deletion::InUse);
    let running = claim(&db.store, "w").await.unwrap();
    assert_eq!(datasets::delete(conn, &tenant(), dataset).await.unwrap(), datasets::Deletion::InUse);
    endings::finish_failed(conn, &running.lease, &Failure::new(ErrorKind::Invalid, "no")).await.unwrap();
    assert!(matches!(datasets::delete(conn, &tenant(), dataset).await.unwrap(), datasets::Deletion::Deleted(_)));
    assert_eq!(datasets::delete(conn, &tenant(), dataset).await.unwrap(), datasets::Deletion::Missing);
    let row = jobs::find(conn, &tenant(), job).await.unwrap().unwrap();
    assert_eq!(row.spec.dataset_id, dataset, "the finished job keeps its spec");
    let again = jobs::create(conn, &tenant(), &job_spec(dataset, &[]), None, None).await.unwrap();
    assert!(matches!(again, jobs::Creation::DatasetNotReady), "{again:?}");
}

/// The job waits for the deletion to end, and then has no dataset; the other way round the dataset is in use.
#[tokio::test]
async fn a_job_and_the_deletion_of_its_dataset_do_not_pass_each_other() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "a").await;
    let spec = job_spec(dataset, &[]);
    let (conn, who) = (&mut *db.store.acquire().await.unwrap(), tenant());
    let later = async |tx: sqlx::Transaction<'static, sqlx::Postgres>| {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tx.commit().await.unwrap();
    };

    let mut creating = db.store.begin().await.unwrap();
    jobs::create(&mut creating, &tenant(), &spec, None, None).await.unwrap();
    let (deleted, ()) = tokio::join!(datasets::delete(conn, &who, dataset), later(creating));
    assert_eq!(deleted.unwrap(), datasets::Deletion::InUse);

    sqlx::query("delete from jobs").execute(&mut *conn).await.unwrap();
    let mut deleting = db.store.begin().await.unwrap();
    assert!(matches!(
        datasets::delete(&mut deleting, &tenant(), dataset).await.unwrap(),
        datasets::Deletion::Deleted(_)
    ));
    let (created, ()) = tokio::join!(jobs::create(conn, &who, &spec, None, None), later(deleting));
    assert!(matches!(created.unwrap(), jobs::Creation::DatasetNotReady));
}

#[tokio::test]
async fn bytes_are_unreferenced_when_their_last_dataset_is_gone() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let one = datasets::create(conn, &new_dataset("a")).await.unwrap().row.id;
    let other = datasets::NewDataset { spec: dataset_spec("other"), ..new_dataset("a") };
    let two = datasets::create(conn, &other).await.unwrap().row.id;
    let names = [format!("uploads/{}", new_dataset("a").sha256), "uploads/none".to_owned()];
    datasets::delete(conn, &tenant(), one).await.unwrap();
    assert_eq!(artifacts::unreferenced(conn, &names, "uploads/").await.unwrap(), names[1..]);
    datasets::delete(conn, &tenant(), two).await.unwrap();
    assert_eq!(artifacts::unreferenced(conn, &names, "uploads/").await.unwrap(), names);
}

#[tokio::test]
async fn eight_readers_share_datasets_without_overlap() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let mut made = BTreeSet::new();
    for index in 0..20 {
        made.insert(datasets::create(conn, &new_dataset(&index.to_string())).await.unwrap().row.id);
    }
    let readers = (0..8).map(|reader| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            let conn = &mut *store.acquire().await.unwrap();
            while let Some(dataset) = ingest_queue::claim(conn, &format!("r{reader}"), LEASE).await.unwrap() {
                claimed.push(dataset.lease.dataset);
            }
            claimed
        })
    });
    let claimed: Vec<_> = futures_util::future::join_all(readers).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 20);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), made);
}

#[tokio::test]
async fn a_reader_that_was_replaced_writes_nothing() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let id = datasets::create(conn, &new_dataset("a")).await.unwrap().row.id;
    let stale = ingest_queue::claim(conn, "one", Duration::ZERO).await.unwrap().unwrap().lease;
    recover(&db).await;
    let holder = ingest_queue::claim(conn, "two", LEASE).await.unwrap().unwrap().lease;
    assert_eq!((stale.dataset, holder.dataset), (id, id));
    for result in [
        ingest_queue::heartbeat(conn, &stale, LEASE, 1).await,
        ingest_queue::finish_ready(conn, &stale, &dataset_spec("click"), &feature_map(), &profile()).await,
        ingest_queue::finish_invalid(conn, &stale, &[], 1).await,
        ingest_queue::release(conn, &stale).await,
        ingest_queue::retry_or_fail(conn, &stale, "x", MAX_DEATHS).await,
    ] {
        assert!(matches!(result, Err(StoreError::LeaseLost { .. })), "{result:?}");
    }
    ingest_queue::heartbeat(conn, &holder, LEASE, 5).await.unwrap();
    assert_eq!(datasets::find(conn, &tenant(), id).await.unwrap().unwrap().rows_read, 5);
    ingest_queue::release(conn, &holder).await.unwrap();
    let row = datasets::find(conn, &tenant(), id).await.unwrap().unwrap();
    assert_eq!((row.deaths, row.worker), (1, None), "the first reader died, the second handed back");
}

#[tokio::test]
async fn a_dataset_that_kills_its_readers_is_invalid() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let id = datasets::create(conn, &new_dataset("a")).await.unwrap().row.id;
    for _ in 0..MAX_DEATHS {
        assert!(ingest_queue::claim(conn, "w", Duration::ZERO).await.unwrap().is_some());
        recover(&db).await;
    }
    assert!(ingest_queue::claim(conn, "w", LEASE).await.unwrap().is_none());
    let row = datasets::find(conn, &tenant(), id).await.unwrap().unwrap();
    assert_eq!((row.status, row.error_total), (DatasetStatus::Invalid, 1));
    assert!(file_problem(&row).contains("died"));

    let other = datasets::create(conn, &new_dataset("b")).await.unwrap().row.id;
    for _ in 0..MAX_DEATHS {
        let claimed = ingest_queue::claim(conn, "w", LEASE).await.unwrap().unwrap();
        ingest_queue::retry_or_fail(conn, &claimed.lease, "the disk is full", MAX_DEATHS).await.unwrap();
    }
    let row = datasets::find(conn, &tenant(), other).await.unwrap().unwrap();
    assert_eq!((row.status, file_problem(&row)), (DatasetStatus::Invalid, "the disk is full"));
}

/// A part whose bytes are `content`.
fn part(content: &str, name: &str) -> UploadedPart {
    UploadedPart {
        name: name.to_owned(),
        sha256: new_dataset(content).sha256,
        bytes: content.len() as u64,
        split: None,
        partitions: vec![("day".to_owned(), "1".to_owned())],
    }
}

#[tokio::test]
async fn the_parts_of_a_table_come_and_go_with_it() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    // Two parts may have the same bytes, and so may two datasets.
    let parts = vec![part("one", "b"), part("two", "a"), part("one", "c")];
    let new = datasets::NewDataset { parts: parts.clone(), ..new_dataset("list") };
    let made = datasets::create(conn, &new).await.unwrap();
    let again = datasets::create(conn, &new).await.unwrap();
    assert!(made.new && !again.new && made.row.id == again.row.id);
    assert_eq!((&made.row.parts.0, &again.row.parts.0), (&parts, &parts));
    assert_eq!((made.row.bytes(), made.row.table().parts.len()), (9, 3));
    let splits = parts.iter().map(|part| UploadedPart { split: Some(Split::Train), ..part.clone() });
    let otherwise = datasets::NewDataset { parts: splits.collect(), ..new.clone() };
    let split = datasets::create(conn, &otherwise).await.unwrap();
    assert!(split.new, "the same bytes, split otherwise");
    let single = datasets::create(conn, &new_dataset("two")).await.unwrap();
    assert!(single.row.parts.is_empty());
    assert_eq!(tenants::usage(conn, &tenant()).await.unwrap().bytes, 4 + 3 + 3, "each object once");

    let claimed = ingest_queue::claim(conn, "w", LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.table, made.row.table());
    let named = async |conn: &mut sqlx::PgConnection| -> BTreeSet<String> {
        sqlx::query_scalar("select sha256 from objects").fetch_all(conn).await.unwrap().into_iter().collect()
    };
    let sha256 = |content: &str| new_dataset(content).sha256;
    assert_eq!(
        datasets::delete(conn, &TenantId::try_from("other".to_owned()).unwrap(), made.row.id).await.unwrap(),
        Deletion::Missing
    );
    let Deletion::Deleted(mut freed) = datasets::delete(conn, &tenant(), made.row.id).await.unwrap() else { panic!() };
    freed.sort();
    let mut objects = ["one", "two", "list"].map(sha256);
    objects.sort();
    assert_eq!(freed, objects);
    assert_eq!(named(conn).await, objects.clone().into(), "the other datasets have them too");
    datasets::delete(conn, &tenant(), split.row.id).await.unwrap();
    assert_eq!(named(conn).await, [sha256("two")].into());
    datasets::delete(conn, &tenant(), single.row.id).await.unwrap();
    assert!(named(conn).await.is_empty());
    let left: i64 = sqlx::query_scalar("select count(*) from dataset_parts").fetch_one(conn).await.unwrap();
    assert_eq!(left, 0);
}
