//! Slots, readers and senders are shared between tenants: one that has much to do does not keep another waiting.

use crate::common::{LEASE, claim, create_job, feature_map, job_spec, new_dataset, profile, ready_dataset};
use autodenoise::{
    store::{
        Store, datasets, ingest_queue, jobs, outbox, tenants,
        testing::TestDb,
        webhooks::{self, NewWebhook},
    },
    types::{DatasetId, JobId, TenantId, WebhookEvent, WebhookId, WebhookSecret},
};

fn other() -> TenantId {
    "other".parse().unwrap()
}

async fn dataset_of_other(store: &Store, content: &str) -> DatasetId {
    let conn = &mut *store.acquire().await.unwrap();
    tenants::create(conn, &other()).await.unwrap();
    let new = datasets::NewDataset { tenant: other(), ..new_dataset(content) };
    datasets::create(conn, &new).await.unwrap().row.id
}

async fn read_next(store: &Store) -> DatasetId {
    let conn = &mut *store.acquire().await.unwrap();
    let claimed = ingest_queue::claim(conn, "reader", LEASE).await.unwrap().unwrap();
    ingest_queue::finish_ready(conn, &claimed.lease, &claimed.spec, &feature_map(), &profile()).await.unwrap();
    claimed.lease.dataset
}

#[tokio::test]
async fn the_tenant_with_the_fewest_jobs_at_work_goes_first() {
    let db = TestDb::new().await;
    let store = &db.store;
    let ours = ready_dataset(store, "a").await;
    let theirs = dataset_of_other(store, "b").await;
    assert_eq!(read_next(store).await, theirs);
    let mut many = Vec::new();
    for _ in 0..3 {
        many.push(create_job(store, &job_spec(ours, &[])).await);
    }
    let mut tx = store.begin().await.unwrap();
    let creation = jobs::create(&mut tx, &other(), &job_spec(theirs, &[]), None, None).await.unwrap();
    tx.commit().await.unwrap();
    let jobs::Creation::New(late) = creation else { panic!("{creation:?}") };
    let claimed: Vec<JobId> = [claim(store, "w").await, claim(store, "w").await, claim(store, "w").await]
        .map(|job| job.unwrap().lease.job)
        .into();
    assert_eq!(claimed, [many[0], late.id, many[1]]);
}

#[tokio::test]
async fn the_tenant_of_whom_the_fewest_tables_are_read_goes_first() {
    let db = TestDb::new().await;
    let store = &db.store;
    let mut many = Vec::new();
    for content in ["a", "b", "c"] {
        let conn = &mut *store.acquire().await.unwrap();
        many.push(datasets::create(conn, &new_dataset(content)).await.unwrap().row.id);
    }
    let late = dataset_of_other(store, "d").await;
    let conn = &mut *store.acquire().await.unwrap();
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.push(ingest_queue::claim(conn, "reader", LEASE).await.unwrap().unwrap().lease.dataset);
    }
    assert_eq!(claimed, [many[0], late, many[1]]);
}

#[tokio::test]
async fn receivers_of_one_tenant_take_some_of_the_senders() {
    let db = TestDb::new().await;
    let store = &db.store;
    let webhook = async |tenant: &TenantId| -> WebhookId {
        let conn = &mut *store.acquire().await.unwrap();
        tenants::create(conn, tenant).await.unwrap();
        let new = NewWebhook {
            url: "https://ci.example.com/hook".to_owned(),
            events: WebhookEvent::ENDS.to_vec(),
            secret: WebhookSecret::new([7; 32]),
        };
        let id = webhooks::create(conn, tenant, &new).await.unwrap().unwrap().id;
        outbox::queue_test(conn, tenant, id).await.unwrap();
        id
    };
    for _ in 0..4 {
        webhook(&TenantId::default()).await;
    }
    let late = webhook(&other()).await;
    let conn = &mut *store.acquire().await.unwrap();
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(outbox::claim(conn, &busy, 2, LEASE).await.unwrap().unwrap().lease.webhook);
    }
    assert_eq!(busy[2], late, "two senders are busy with the first tenant");
    assert!(outbox::claim(conn, &busy, 2, LEASE).await.unwrap().is_none());
}
