//! Uploads in parts: whose they are, how far they have come, when they go.

use crate::common::new_dataset;
use autodenoise::{
    store::{
        artifacts, datasets, objects,
        testing::TestDb,
        uploads::{self, NewUpload},
    },
    types::{TenantId, UploadId},
};
use sqlx::Connection;
use std::time::Duration;

const EXPIRY: Duration = Duration::from_secs(60);

fn new_upload() -> NewUpload {
    NewUpload {
        id: UploadId::new(),
        tenant: TenantId::default(),
        length: Some(10),
        metadata: "filename eA==".to_owned(),
    }
}

#[tokio::test]
async fn an_upload_is_its_tenants_alone() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    sqlx::query("insert into tenants (name) values ('other')").execute(&mut *conn).await.unwrap();
    let (ours, other): (_, TenantId) = (TenantId::default(), "other".parse().unwrap());
    let new = new_upload();
    let row = uploads::create(conn, &new, EXPIRY, 1).await.unwrap().unwrap();
    assert_eq!((row.length, row.received, row.metadata.as_str(), row.is_expired), (10, 0, "filename eA==", false));
    assert!(uploads::find(conn, &other, new.id).await.unwrap().is_none());
    assert!(uploads::renew(conn, &other, new.id, EXPIRY).await.unwrap().is_none());
    assert!(!uploads::delete(conn, &other, new.id).await.unwrap());

    // So is the number of unfinished ones.
    assert!(uploads::create(conn, &new_upload(), EXPIRY, 1).await.unwrap().is_none());
    let others = NewUpload { tenant: other, ..new_upload() };
    assert!(uploads::create(conn, &others, EXPIRY, 1).await.unwrap().is_some());
    assert!(uploads::find(conn, &ours, new.id).await.unwrap().is_some());
    assert!(uploads::delete(conn, &ours, new.id).await.unwrap());
    assert!(uploads::create(conn, &new_upload(), EXPIRY, 1).await.unwrap().is_some());
}

#[tokio::test]
async fn bytes_are_counted_from_where_the_upload_is_and_within_its_length() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let new = new_upload();
    uploads::create(conn, &new, EXPIRY, 9).await.unwrap().unwrap();
    assert_eq!(uploads::advance(conn, new.id, 0, 4, EXPIRY).await.unwrap().unwrap().received, 4);
    assert!(uploads::advance(conn, new.id, 0, 6, EXPIRY).await.unwrap().is_none(), "another has written");
    let beyond = uploads::advance(conn, new.id, 4, 11, EXPIRY).await.unwrap_err();
    assert_eq!(beyond.constraint(), Some("uploads_received_within_length"));
    let early = uploads::use_up(conn, new.id, &new_dataset("a").sha256).await.unwrap_err();
    assert_eq!(early.constraint(), Some("uploads_used_is_whole"));
    uploads::advance(conn, new.id, 4, 10, EXPIRY).await.unwrap().unwrap();

    // Used up by one dataset's bytes, as often as asked, it is written to and deleted no more.
    assert_eq!(uploads::unfinished(conn, None, 9).await.unwrap().len(), 1);
    assert_eq!(uploads::unneeded(conn, &[new.id]).await.unwrap(), []);
    for (content, done) in [("a", true), ("a", true), ("b", false)] {
        assert_eq!(uploads::use_up(conn, new.id, &new_dataset(content).sha256).await.unwrap(), done, "{content}");
    }
    assert!(uploads::advance(conn, new.id, 10, 10, EXPIRY).await.unwrap().is_none());
    assert!(!uploads::delete(conn, &TenantId::default(), new.id).await.unwrap());
    assert!(uploads::unfinished(conn, None, 9).await.unwrap().is_empty());
    assert_eq!(uploads::unneeded(conn, &[new.id]).await.unwrap(), [new.id]);
}

#[tokio::test]
async fn an_upload_without_a_length_grows_by_what_it_is_granted_until_it_has_one() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let new = NewUpload { length: None, ..new_upload() };
    let row = uploads::create(conn, &new, EXPIRY, 9).await.unwrap().unwrap();
    assert_eq!((row.known_length(), row.is_complete()), (None, false));
    assert!(uploads::grant(conn, new.id, 8).await.unwrap());
    assert!(uploads::grant(conn, new.id, 4).await.unwrap(), "what was granted stays");
    let row = uploads::advance(conn, new.id, 0, 8, EXPIRY).await.unwrap().unwrap();
    assert!(!row.is_complete(), "more may come");
    assert!(uploads::grant(conn, new.id, 50).await.unwrap());
    uploads::settle(conn, new.id).await.unwrap();
    assert_eq!(uploads::find(conn, &new.tenant, new.id).await.unwrap().unwrap().length, 8);
    let early = uploads::use_up(conn, new.id, &new_dataset("a").sha256).await.unwrap_err();
    assert_eq!(early.constraint(), Some("uploads_used_has_length"));
    assert!(uploads::set_length(conn, new.id, 7).await.unwrap().is_none(), "more has come");
    assert!(uploads::set_length(conn, new.id, 8).await.unwrap().unwrap().is_complete());
    assert!(uploads::set_length(conn, new.id, 8).await.unwrap().is_some(), "an answer that got lost");
    assert!(uploads::set_length(conn, new.id, 9).await.unwrap().is_none());
    assert!(!uploads::grant(conn, new.id, 100).await.unwrap());
    assert!(uploads::use_up(conn, new.id, &new_dataset("a").sha256).await.unwrap());
}

#[tokio::test]
async fn an_upload_that_expired_is_not_renewed_and_goes() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let (old, new) = (new_upload(), new_upload());
    assert!(uploads::create(conn, &old, Duration::ZERO, 1).await.unwrap().is_some());
    assert!(uploads::create(conn, &new, EXPIRY, 1).await.unwrap().is_some(), "an expired one does not count");
    assert!(uploads::find(conn, &old.tenant, old.id).await.unwrap().unwrap().is_expired);
    assert!(uploads::renew(conn, &old.tenant, old.id, EXPIRY).await.unwrap().is_none());
    assert!(uploads::renew(conn, &new.tenant, new.id, EXPIRY).await.unwrap().is_some());
    assert_eq!(uploads::expire(conn).await.unwrap(), [old.id]);
    assert!(uploads::find(conn, &old.tenant, old.id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_object_that_is_held_or_named_is_not_claimed() {
    let db = TestDb::new().await;
    let mut creator = db.store.begin().await.unwrap();
    let sweep = &mut *db.store.acquire().await.unwrap();
    let new = new_dataset("a");
    let name = format!("uploads/{}", new.sha256);
    let mut claims = async || {
        let mut tx = sweep.begin().await.unwrap();
        let claimed = objects::claim(&mut tx, &name, "uploads/").await.unwrap();
        tx.commit().await.unwrap();
        claimed
    };
    assert!(claims().await);
    objects::hold(&mut creator, &name).await.unwrap();
    assert!(!claims().await, "held");
    datasets::create(&mut creator, &new).await.unwrap();
    creator.commit().await.unwrap();
    assert!(!claims().await, "named");
    let found = objects::find(sweep, "uploads/", &name).await.unwrap().unwrap();
    assert_eq!((found.bytes, &found.sha256), (1, &new.sha256));
    assert_eq!(objects::list(sweep, "uploads/", "", 10).await.unwrap(), [found]);
    assert!(artifacts::unreferenced(sweep, &[name], "uploads/").await.unwrap().is_empty());
}
