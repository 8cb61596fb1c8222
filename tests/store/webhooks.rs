//! The outbox: filled with the event, claimed by one sender at a time, and nobody else's business.

use crate::common::{self, LEASE, claim, job_spec, queued_job, ready_dataset, report};
use autodenoise::{
    store::{
        Store, StoreError, endings, jobs,
        outbox::{self, Attempted, ClaimedMessage, Outcome, Queued, TEST},
        testing::TestDb,
        webhooks::{self, NewWebhook},
    },
    types::{JobId, JobState, ResolvedSpec, TenantId, WebhookEvent, WebhookId, WebhookSecret},
};
use std::time::Duration;

/// Long past.
const NO_LEASE: Duration = Duration::ZERO;

async fn webhook(store: &Store, tenant: &str, events: &[WebhookEvent]) -> WebhookId {
    let conn = &mut *store.acquire().await.unwrap();
    sqlx::query("insert into tenants (name) values ($1) on conflict do nothing")
        .bind(tenant)
        .execute(&mut *conn)
        .await
        .unwrap();
    let new = NewWebhook {
        url: "https://ci.example.com/hook".to_owned(),
        events: events.to_vec(),
        secret: WebhookSecret::new([7; 32]),
    };
    webhooks::create(conn, &tenant.parse().unwrap(), &new).await.unwrap().unwrap().id
}

async fn job_telling(store: &Store, ids: &[WebhookId]) -> JobId {
    let dataset = ready_dataset(store, &uuid::Uuid::now_v7().simple().to_string()).await;
    common::create_job(store, &ResolvedSpec { webhook_ids: ids.to_vec(), ..job_spec(dataset, &[]) }).await
}

async fn cancel(store: &Store, job: JobId) {
    jobs::request_cancel(&mut store.acquire().await.unwrap(), &common::tenant(), job).await.unwrap();
}

async fn next(store: &Store, busy: &[WebhookId], lease: Duration) -> Option<ClaimedMessage> {
    outbox::claim(&mut store.acquire().await.unwrap(), busy, 8, lease).await.unwrap()
}

async fn finish(store: &Store, message: &ClaimedMessage, outcome: Outcome) -> Result<(), StoreError> {
    let attempted =
        Attempted { outcome, status: Some(500), duration: Duration::from_millis(12), error: Some("no".to_owned()) };
    outbox::finish(&mut store.acquire().await.unwrap(), &message.lease, &attempted).await
}

#[tokio::test]
async fn every_way_a_job_ends_fills_the_outbox_with_what_was_asked_for() {
    let db = TestDb::new().await;
    let store = &db.store;
    let ends = webhook(store, "default", &WebhookEvent::ENDS).await;
    let failures = webhook(store, "default", &[WebhookEvent::JobFailed]).await;

    // Another tenant's webhook is not told, whoever names it.
    let foreign = webhook(store, "other", &WebhookEvent::ENDS).await;
    let cancelled = job_telling(store, &[ends, failures, foreign]).await;
    let silent = queued_job(store).await;
    cancel(store, cancelled).await;
    cancel(store, silent).await;
    let message = next(store, &[], LEASE).await.unwrap();
    assert_eq!((message.lease.webhook, &message.kind[..]), (ends, "job.cancelled"));
    assert_eq!(message.secret, WebhookSecret::new([7; 32]));
    let job = message.job.unwrap();
    assert_eq!((job.id, job.state, job.attempt, job.verdict), (cancelled, JobState::Cancelled, 0, None));
    assert!(next(store, &[], LEASE).await.is_none());

    let succeeded = job_telling(store, &[ends]).await;
    let claimed = claim(store, "w").await.unwrap();
    let conn = &mut *store.acquire().await.unwrap();
    endings::finish_succeeded(conn, &claimed.lease, &report(claimed.spec)).await.unwrap();
    let message = next(store, &[], LEASE).await.unwrap();
    let job = message.job.unwrap();
    assert_eq!(
        (&message.kind[..], job.id, job.state, job.attempt),
        ("job.succeeded", succeeded, JobState::Succeeded, 1)
    );
    assert_eq!(job.verdict.as_deref(), Some("not_evaluated"));

    // A worker that vanished ends its job by a statement of its own.
    job_telling(store, &[failures]).await;
    for _ in 0..common::MAX_DEATHS {
        common::claim_for(store, "w", NO_LEASE).await.unwrap();
        common::recover(store).await;
    }
    let message = next(store, &[], LEASE).await.unwrap();
    assert_eq!((message.lease.webhook, &message.kind[..]), (failures, "job.failed"));
}

#[tokio::test]
async fn a_message_has_one_sender_at_a_time_and_a_late_one_changes_nothing() {
    let db = TestDb::new().await;
    let store = &db.store;
    let id = webhook(store, "default", &WebhookEvent::ENDS).await;
    let other = webhook(store, "default", &WebhookEvent::ENDS).await;
    cancel(store, job_telling(store, &[id, other]).await).await;
    // One that vanishes leaves its message to the end of its claim.
    let vanished = next(store, &[other], NO_LEASE).await.unwrap();
    let second = next(store, &[other], LEASE).await.unwrap();
    assert_eq!((second.lease.message, second.lease.attempt), (vanished.lease.message, 2));
    assert!(next(store, &[other], LEASE).await.is_none(), "claimed");
    assert_eq!(next(store, &[id], LEASE).await.unwrap().lease.webhook, other);
    let late = finish(store, &vanished, Outcome::Delivered).await.unwrap_err();
    assert!(matches!(late, StoreError::LeaseLost { .. }), "{late}");

    // Tried again in time, with the same id, then given up; the log has both.
    finish(store, &second, Outcome::Retrying(Duration::from_secs(3600))).await.unwrap();
    assert!(next(store, &[], LEASE).await.is_none());
    let conn = &mut *store.acquire().await.unwrap();
    let log = webhooks::deliveries(conn, id, 10, None).await.unwrap().rows;
    assert!(log[0].next_at.is_some_and(|at| at > log[0].at + Duration::from_secs(3000)), "{log:?}");
    sqlx::query("update webhook_messages set next_at = now()").execute(&mut *conn).await.unwrap();
    let third = next(store, &[other], LEASE).await.unwrap();
    finish(store, &third, Outcome::Failed).await.unwrap();
    let log = webhooks::deliveries(conn, id, 10, None).await.unwrap().rows;
    let rows: Vec<_> = log.iter().map(|row| (row.message_id, row.attempt, &row.outcome[..], row.next_at)).collect();
    let message = second.lease.message;
    assert_eq!(rows, [(message, 3, "failed", None), (message, 2, "retrying", None)]);
    assert_eq!((log[0].status, log[0].duration_ms, log[0].error.as_deref()), (Some(500), 12, Some("no")));
    assert_eq!(outbox::backlog(conn).await.unwrap().messages, 1, "the other webhook's");

    // Forgotten once it is old.
    assert_eq!(outbox::sweep(conn, Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(outbox::sweep(conn, Duration::ZERO).await.unwrap(), 1);
    assert!(webhooks::deliveries(conn, id, 10, None).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_gets_no_more() {
    let db = TestDb::new().await;
    let store = &db.store;
    let id = webhook(store, "default", &WebhookEvent::ENDS).await;
    let later = job_telling(store, &[id]).await;
    for _ in 0..2 {
        cancel(store, job_telling(store, &[id]).await).await;
    }
    let message = next(store, &[], LEASE).await.unwrap();
    finish(store, &message, Outcome::Gone).await.unwrap();
    let conn = &mut *store.acquire().await.unwrap();
    let tenant = TenantId::default();
    assert!(webhooks::find(conn, &tenant, id).await.unwrap().unwrap().disabled_at.is_some());
    cancel(store, later).await;
    assert_eq!(outbox::backlog(conn).await.unwrap().messages, 0);
    assert_eq!(outbox::queue_test(conn, &tenant, id).await.unwrap(), Queued::Disabled);
}

#[tokio::test]
async fn a_tenant_sees_its_own_webhooks_and_a_test_waits_once() {
    let db = TestDb::new().await;
    let store = &db.store;
    let (own, foreign) =
        (webhook(store, "default", &WebhookEvent::ENDS).await, webhook(store, "other", &WebhookEvent::ENDS).await);
    let conn = &mut *store.acquire().await.unwrap();
    let tenant = TenantId::default();
    let listed = webhooks::list(conn, &tenant, 10, None).await.unwrap().rows;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [own]);
    assert!(webhooks::find(conn, &tenant, foreign).await.unwrap().is_none());
    assert_eq!(webhooks::missing(conn, &tenant, &[own, foreign]).await.unwrap(), [foreign]);
    assert_eq!(outbox::queue_test(conn, &tenant, foreign).await.unwrap(), Queued::Missing);
    assert!(!webhooks::delete(conn, &tenant, foreign).await.unwrap());

    let first = outbox::queue_test(conn, &tenant, own).await.unwrap();
    assert_eq!(outbox::queue_test(conn, &tenant, own).await.unwrap(), first);
    let message = next(store, &[], LEASE).await.unwrap();
    assert_eq!((first, &message.kind[..], message.job.is_none()), (Queued::As(message.lease.message), TEST, true));
    // Deleted under its sender, who then has nothing to say.
    assert!(webhooks::delete(conn, &tenant, own).await.unwrap());
    let late = finish(store, &message, Outcome::Delivered).await.unwrap_err();
    assert!(matches!(late, StoreError::LeaseLost { .. }), "{late}");
    assert_eq!(outbox::backlog(conn).await.unwrap().messages, 0);
}

#[tokio::test]
async fn a_secret_has_a_successor_and_both_sign_for_a_while() {
    let db = TestDb::new().await;
    let store = &db.store;
    let id = webhook(store, "default", &WebhookEvent::ENDS).await;
    let conn = &mut *store.acquire().await.unwrap();
    let tenant = TenantId::default();
    let second = WebhookSecret::new([8; 32]);
    let day = Duration::from_secs(24 * 3600);
    let row = webhooks::rotate_secret(conn, &tenant, id, &second, day).await.unwrap().unwrap();
    assert!((row.former_until.unwrap() - row.created_at).num_hours() >= 23);
    cancel(store, job_telling(store, &[id]).await).await;
    let message = next(store, &[], NO_LEASE).await.unwrap();
    assert_eq!((&message.secret, message.former_secret), (&second, Some(WebhookSecret::new([7; 32]))));
    sqlx::query("update webhooks set former_until = now()").execute(&mut *conn).await.unwrap();
    assert_eq!(next(store, &[], LEASE).await.unwrap().former_secret, None, "the day is over");
    assert_eq!(webhooks::find(conn, &tenant, id).await.unwrap().unwrap().former_until, None);
    let other: TenantId = "other".parse().unwrap();
    assert!(webhooks::rotate_secret(conn, &other, id, &second, day).await.unwrap().is_none());
}

#[tokio::test]
async fn a_message_is_sent_again_when_asked_and_a_webhook_enabled_again() {
    let db = TestDb::new().await;
    let store = &db.store;
    let id = webhook(store, "default", &WebhookEvent::ENDS).await;
    let conn = &mut *store.acquire().await.unwrap();
    let (tenant, other) = (TenantId::default(), "other".parse().unwrap());
    cancel(store, job_telling(store, &[id]).await).await;
    let message = next(store, &[], LEASE).await.unwrap();
    let name = message.lease.message;
    assert_eq!(outbox::resend(conn, &tenant, id, name).await.unwrap(), Queued::As(name));
    assert!(next(store, &[], LEASE).await.is_none(), "it is being sent");
    finish(store, &message, Outcome::Delivered).await.unwrap();
    for outcome in [Outcome::Retrying(Duration::from_secs(3600)), Outcome::Failed, Outcome::Gone] {
        assert_eq!(outbox::resend(conn, &tenant, id, name).await.unwrap(), Queued::As(name));
        let again = next(store, &[], LEASE).await.unwrap();
        assert_eq!(again.lease.message, name, "a receiver knows it by its id");
        finish(store, &again, outcome).await.unwrap();
    }
    assert_eq!(outbox::resend(conn, &tenant, id, name).await.unwrap(), Queued::Disabled);
    assert!(webhooks::enable(conn, &other, id).await.unwrap().is_none());
    assert!(webhooks::enable(conn, &tenant, id).await.unwrap().unwrap().disabled_at.is_none());
    assert_eq!(outbox::resend(conn, &tenant, id, name).await.unwrap(), Queued::As(name));
    assert_eq!(outbox::resend(conn, &other, id, name).await.unwrap(), Queued::Missing);
    let foreign = webhook(store, "default", &WebhookEvent::ENDS).await;
    assert_eq!(outbox::resend(conn, &tenant, foreign, name).await.unwrap(), Queued::Missing);
}
