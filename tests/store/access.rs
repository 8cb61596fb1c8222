//! Keys and tenants: who gets in, and that nothing of one tenant is another's.

use crate::common::{create_job, job_spec, new_dataset, ready_dataset, tenant};
use autodenoise::{
    store::{
        StoreError, datasets, events,
        jobs::{self, CancelOutcome, Creation, Idempotency, JobFilter},
        keys::{self, ApiKey, NewKey, Revocation},
        sessions, tenants,
        testing::TestDb,
    },
    types::{KeyId, Quota, Scope, TenantId},
};

fn other() -> TenantId {
    "other".parse().unwrap()
}

fn new_key(scope: Scope) -> NewKey {
    NewKey { tenant: tenant(), name: "ci".to_owned(), scope, expires_in_days: Some(7) }
}

#[tokio::test]
async fn a_key_lets_its_holder_in_until_it_is_revoked_or_expires() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    assert_eq!(tenants::quota_without_keys(conn, &tenant()).await.unwrap(), Some(Quota::default()));
    let (row, key) = keys::create(conn, &new_key(Scope::Read)).await.unwrap();
    assert_eq!((row.expires_at.unwrap() - row.created_at).num_days(), 7);

    let holder = keys::find_holder(conn, &key).await.unwrap().unwrap();
    assert_eq!(
        (holder.key, holder.tenant, holder.scope, holder.quota),
        (row.id, tenant(), Scope::Read, Quota::default())
    );
    let used = keys::list(conn, None).await.unwrap()[0].last_used_at.unwrap();
    assert!(keys::find_holder(conn, &key).await.unwrap().is_some());
    assert_eq!(keys::list(conn, None).await.unwrap()[0].last_used_at, Some(used), "not written for every request");

    // Neither the id alone nor what the database holds is of use.
    let text = key.reveal();
    let wrong: ApiKey = format!("{}{}", &text[..text.len() - 64], "0".repeat(64)).parse().unwrap();
    assert!(keys::find_holder(conn, &wrong).await.unwrap().is_none());
    let stored: Vec<u8> = sqlx::query_scalar("select secret_sha256 from api_keys").fetch_one(&mut *conn).await.unwrap();
    let digest: ApiKey = format!("{}{}", &text[..text.len() - 64], hex::encode(stored)).parse().unwrap();
    assert!(keys::find_holder(conn, &digest).await.unwrap().is_none());

    sqlx::query("update api_keys set expires_at = now()").execute(&mut *conn).await.unwrap();
    assert!(keys::find_holder(conn, &key).await.unwrap().is_none());
    assert_eq!(tenants::quota_without_keys(conn, &tenant()).await.unwrap(), None);
    assert!(!keys::any_usable(conn).await.unwrap());

    let (second, key) = keys::create(conn, &new_key(Scope::Admin)).await.unwrap();
    assert!(keys::any_usable(conn).await.unwrap());
    assert_eq!(keys::revoke(conn, second.id).await.unwrap(), Revocation::Revoked);
    assert_eq!(keys::revoke(conn, second.id).await.unwrap(), Revocation::Unchanged);
    assert_eq!(keys::revoke(conn, KeyId::new()).await.unwrap(), Revocation::Missing);
    assert!(keys::find_holder(conn, &key).await.unwrap().is_none());
    assert_eq!(tenants::quota_without_keys(conn, &tenant()).await.unwrap(), None);
    assert!(!keys::any_usable(conn).await.unwrap());
    assert_eq!(keys::list(conn, Some(&other())).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_database_orders_scopes_as_the_program_does() {
    let db = TestDb::new().await;
    let words: Vec<String> = sqlx::query_scalar("select unnest(enum_range(null::key_scope))::text")
        .fetch_all(db.store.pool())
        .await
        .unwrap();
    assert_eq!(words, Scope::ALL.map(Scope::as_str));
    assert!(Scope::ALL.is_sorted());
}

#[tokio::test]
async fn a_key_needs_its_tenant() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let new = NewKey { tenant: other(), ..new_key(Scope::Write) };
    let error: StoreError = keys::create(conn, &new).await.unwrap_err();
    assert_eq!(error.constraint(), Some("api_keys_tenant_fkey"));
    assert!(tenants::create(conn, &other()).await.unwrap());
    assert!(!tenants::create(conn, &other()).await.unwrap());
    keys::create(conn, &new).await.unwrap();
}

#[tokio::test]
async fn the_same_bytes_are_a_dataset_of_each_tenant_and_bytes_go_with_the_last() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    tenants::create(conn, &other()).await.unwrap();
    let ours = datasets::create(conn, &new_dataset("a")).await.unwrap();
    let theirs_new = datasets::NewDataset { tenant: other(), ..new_dataset("a") };
    let theirs = datasets::create(conn, &theirs_new).await.unwrap();
    assert!(ours.new && theirs.new && ours.row.id != theirs.row.id);
    assert_eq!(ours.row.object, theirs.row.object, "the bytes are one object");
    let again = datasets::create(conn, &theirs_new).await.unwrap();
    assert_eq!((again.new, again.row.id), (false, theirs.row.id));

    // Another tenant's is not there.
    assert!(datasets::find(conn, &other(), ours.row.id).await.unwrap().is_none());
    assert_eq!(datasets::delete(conn, &other(), ours.row.id).await.unwrap(), datasets::Deletion::Missing);
    let listed = datasets::list(conn, &other(), 10, None).await.unwrap();
    assert_eq!(listed.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [theirs.row.id]);

    for (tenant, id) in [(tenant(), ours.row.id), (other(), theirs.row.id)] {
        let objects: i64 = sqlx::query_scalar("select count(*) from objects").fetch_one(&mut *conn).await.unwrap();
        assert_eq!(objects, 1);
        assert!(matches!(datasets::delete(conn, &tenant, id).await.unwrap(), datasets::Deletion::Deleted(_)));
    }
    let objects: i64 = sqlx::query_scalar("select count(*) from objects").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(objects, 0);
}

#[tokio::test]
async fn an_idempotency_key_is_the_tenants_own() {
    let db = TestDb::new().await;
    let ours = ready_dataset(&db.store, "a").await;
    let conn = &mut *db.store.acquire().await.unwrap();
    tenants::create(conn, &other()).await.unwrap();
    let key = Idempotency { key: "nightly".to_owned(), request_sha256: "one".to_owned() };
    let made = jobs::create(conn, &tenant(), &job_spec(ours, &[]), Some(&key), None).await.unwrap();
    let Creation::New(job) = made else { panic!("{made:?}") };

    // Another tenant's dataset is none, whatever key comes along.
    let theirs = jobs::create(conn, &other(), &job_spec(ours, &[]), Some(&key), None).await.unwrap();
    assert!(matches!(theirs, Creation::DatasetNotReady), "{theirs:?}");
    sqlx::query("update datasets set tenant = 'other'").execute(&mut *conn).await.unwrap();
    let theirs = jobs::create(conn, &other(), &job_spec(ours, &[]), Some(&key), None).await.unwrap();
    let Creation::New(theirs) = theirs else { panic!("{theirs:?}") };
    assert_ne!(theirs.id, job.id);
    let again = jobs::create(conn, &other(), &job_spec(ours, &[]), Some(&key), None).await.unwrap();
    assert!(matches!(&again, Creation::Replayed(row) if row.id == theirs.id), "{again:?}");

    assert!(jobs::find(conn, &other(), job.id).await.unwrap().is_none());
    assert!(events::list(conn, &other(), job.id, 0, 10).await.unwrap().is_empty());
    assert_eq!(jobs::request_cancel(conn, &other(), job.id).await.unwrap(), CancelOutcome::Missing);
    let listed = jobs::list(conn, &other(), &JobFilter::default(), 10, None).await.unwrap();
    assert_eq!(listed.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [theirs.id]);
}

/// The statements of the version before tenants, which may run beside this one while a service is brought up to date.
#[tokio::test]
async fn a_program_of_the_version_before_still_writes() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "b").await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let inserted = sqlx::query(
        "insert into datasets (id, object, spec, spec_sha256)
         select gen_random_uuid(), object, spec, spec_sha256 from datasets
         on conflict (object, spec_sha256) where status <> 'invalid' do nothing",
    );
    assert_eq!(inserted.execute(&mut *conn).await.unwrap().rows_affected(), 0, "it finds the same dataset");
    let job = create_job(&db.store, &job_spec(dataset, &[])).await;
    let inserted = sqlx::query(
        "insert into jobs (id, dataset_id, spec, spec_sha256, idempotency_key, request_sha256)
         select gen_random_uuid(), dataset_id, spec, spec_sha256, 'k', 'r' from jobs where id = $1
         on conflict (idempotency_key) where idempotency_key is not null do nothing",
    );
    assert_eq!(inserted.bind(job).execute(&mut *conn).await.unwrap().rows_affected(), 1);
    let key = Idempotency { key: "k".to_owned(), request_sha256: "r".to_owned() };
    let seen = jobs::create(conn, &tenant(), &job_spec(dataset, &[]), Some(&key), None).await.unwrap();
    assert!(matches!(seen, Creation::Replayed(_)), "its keys are ours: {seen:?}");
}

#[tokio::test]
async fn a_tenant_has_its_own_limits_and_what_it_has_is_counted_once() {
    let db = TestDb::new().await;
    let dataset = ready_dataset(&db.store, "four").await;
    create_job(&db.store, &job_spec(dataset, &[])).await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let spec = crate::common::dataset_spec("other");
    datasets::create(conn, &datasets::NewDataset { spec, ..new_dataset("four") }).await.unwrap();
    assert_eq!(
        tenants::usage(conn, &tenant()).await.unwrap(),
        tenants::Usage { bytes: 4, unfinished_bytes: 0, table_bytes: 90, judgement_bytes: 0, jobs: 1 }
    );

    let quota = Quota { max_bytes: Some(9), max_jobs: None, requests_per_minute: Some(5) };
    assert!(!tenants::set_quota(conn, &other(), &quota).await.unwrap());
    tenants::create(conn, &other()).await.unwrap();
    assert!(tenants::set_quota(conn, &other(), &quota).await.unwrap());
    assert_eq!(tenants::quota(conn, &other()).await.unwrap(), quota);
    assert_eq!(tenants::quota_without_keys(conn, &other()).await.unwrap(), Some(quota));
    let listed = tenants::list(conn).await.unwrap();
    let names: Vec<_> = listed.iter().map(|row| (row.name.as_str(), row.quota, row.usage.bytes)).collect();
    assert_eq!(names, [("default", Quota::default(), 4), ("other", quota, 0)]);
    let server = Quota { max_bytes: Some(1), max_jobs: Some(2), requests_per_minute: None };
    assert_eq!(quota.or(server), Quota { max_bytes: Some(9), max_jobs: Some(2), requests_per_minute: Some(5) });
}

#[tokio::test]
async fn a_session_is_good_for_what_its_key_is_until_either_ends() {
    let db = TestDb::new().await;
    let conn = &mut *db.store.acquire().await.unwrap();
    let (row, _) = keys::create(conn, &new_key(Scope::Read)).await.unwrap();
    let token = sessions::begin(conn, row.id, 60).await.unwrap();
    let holder = sessions::find_holder(conn, &token).await.unwrap().unwrap();
    assert_eq!((holder.key, holder.tenant, holder.scope), (row.id, tenant(), Scope::Read));
    // What the database holds lets nobody in.
    let stored: Vec<u8> = sqlx::query_scalar("select token_sha256 from sessions").fetch_one(&mut *conn).await.unwrap();
    assert!(sessions::find_holder(conn, &hex::encode(stored).parse().unwrap()).await.unwrap().is_none());

    // Signed out of: that one, or all of the key.
    let others = [sessions::begin(conn, row.id, 60).await.unwrap(), sessions::begin(conn, row.id, 60).await.unwrap()];
    sessions::end(conn, &token).await.unwrap();
    assert!(sessions::find_holder(conn, &token).await.unwrap().is_none());
    assert!(sessions::find_holder(conn, &others[0]).await.unwrap().is_some());
    sessions::end_all(conn, &others[0]).await.unwrap();
    assert!(sessions::find_holder(conn, &others[1]).await.unwrap().is_none());

    // Over by itself, and removed when the next one begins.
    let token = sessions::begin(conn, row.id, 60).await.unwrap();
    sqlx::query("update sessions set expires_at = now()").execute(&mut *conn).await.unwrap();
    assert!(sessions::find_holder(conn, &token).await.unwrap().is_none());
    let token = sessions::begin(conn, row.id, 60).await.unwrap();
    let count: i64 = sqlx::query_scalar("select count(*) from sessions").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(count, 1);

    // The key's end is the session's.
    sqlx::query("update api_keys set expires_at = now()").execute(&mut *conn).await.unwrap();
    assert!(sessions::find_holder(conn, &token).await.unwrap().is_none());
    sqlx::query("update api_keys set expires_at = null").execute(&mut *conn).await.unwrap();
    assert!(sessions::find_holder(conn, &token).await.unwrap().is_some());
    keys::revoke(conn, row.id).await.unwrap();
    assert!(sessions::find_holder(conn, &token).await.unwrap().is_none());
}
