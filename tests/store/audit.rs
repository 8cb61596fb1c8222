//! Who did what, as the operator finds it.

use crate::common::tenant;
use autodenoise::{
    store::{
        audit::{self, EntryFilter, NewEntry},
        testing::TestDb,
    },
    types::{AuditOutcome, KeyId},
};
use std::time::Duration;

fn entry(action: &str) -> NewEntry {
    NewEntry {
        tenant: Some(tenant()),
        key: None,
        address: Some("192.0.2.7".to_owned()),
        forwarded_for: None,
        action: action.to_owned(),
        object: Some("job_1".to_owned()),
        status: Some(204),
        outcome: AuditOutcome::Done,
        request_id: Some("r1".to_owned()),
    }
}

#[tokio::test]
async fn entries_are_found_by_what_they_say_and_paged_newest_first() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let key = KeyId::new();
    for number in 0..5 {
        audit::record(conn, &entry(&format!("DELETE {number}"))).await.unwrap();
    }
    let other = NewEntry {
        tenant: Some("other".parse().unwrap()),
        key: Some(key),
        object: None,
        status: None,
        outcome: AuditOutcome::Unknown,
        ..entry("POST /v1/jobs")
    };
    audit::record(conn, &other).await.unwrap();

    let all = EntryFilter::default();
    let first = audit::list(conn, &all, 4, None).await.unwrap();
    let rest = audit::list(conn, &all, 4, first.next).await.unwrap();
    let actions: Vec<_> = first.rows.iter().chain(&rest.rows).map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["POST /v1/jobs", "DELETE 4", "DELETE 3", "DELETE 2", "DELETE 1", "DELETE 0"]);
    assert!(rest.next.is_none());
    let newest = &first.rows[0];
    assert_eq!((newest.key_id, newest.status, &newest.outcome[..]), (Some(key), None, "unknown"));

    let mut count = async |filter: EntryFilter| audit::list(conn, &filter, 100, None).await.unwrap().rows.len();
    assert_eq!(count(EntryFilter { tenant: Some(tenant()), ..all.clone() }).await, 5);
    assert_eq!(count(EntryFilter { key: Some(key), ..all.clone() }).await, 1);
    assert_eq!(count(EntryFilter { object: Some("job_1".to_owned()), ..all.clone() }).await, 5);
    assert_eq!(count(EntryFilter { action: Some("DELETE 3".to_owned()), ..all.clone() }).await, 1);
    assert_eq!(count(EntryFilter { outcome: Some(AuditOutcome::Done), ..all.clone() }).await, 5);
    let now = newest.at + Duration::from_secs(1);
    assert_eq!(count(EntryFilter { since: Some(now), ..all.clone() }).await, 0);
    assert_eq!(count(EntryFilter { until: Some(now), ..all.clone() }).await, 6);
}

#[tokio::test]
async fn entries_are_forgotten_when_their_time_is_over() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    for action in ["old", "new"] {
        audit::record(conn, &entry(action)).await.unwrap();
    }
    sqlx::query("update audit_entries set at = now() - interval '91 days' where action = 'old'")
        .execute(&mut *conn)
        .await
        .unwrap();
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    assert_eq!(audit::sweep(conn, days(92)).await.unwrap(), 0);
    assert_eq!(audit::sweep(conn, days(90)).await.unwrap(), 1);
    let left = audit::list(conn, &EntryFilter::default(), 10, None).await.unwrap().rows;
    assert_eq!(left.iter().map(|row| row.action.as_str()).collect::<Vec<_>>(), ["new"]);
}
