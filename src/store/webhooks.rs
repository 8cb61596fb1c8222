//! Webhooks: who is told what, and the log of what was sent to them. The messages themselves are `outbox`.

use super::{Cursor, Page, StoreError};
use crate::types::{JobId, MessageId, TenantId, WebhookEvent, WebhookId, WebhookSecret};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;
use uuid::Uuid;

/// Most webhooks of a tenant.
pub const MOST_WEBHOOKS: i64 = 100;

/// A webhook without its secret.
#[derive(Debug, Clone, FromRow)]
pub struct WebhookRow {
    pub id: WebhookId,
    pub url: String,
    /// Words of `WebhookEvent`.
    pub events: Vec<String>,
    pub created_at: DateTime<Utc>,
    /// When its receiver said that it wants no more.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Until when messages are signed with the secret before this one too.
    pub former_until: Option<DateTime<Utc>>,
}

macro_rules! columns {
    () => {
        "id, url, events, created_at, disabled_at, case when former_until > now() then former_until end as former_until"
    };
}

#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub url: String,
    pub events: Vec<WebhookEvent>,
    pub secret: WebhookSecret,
}

/// One attempt as it is kept.
#[derive(Debug, Clone, FromRow)]
pub struct DeliveryRow {
    pub id: Uuid,
    pub message_id: MessageId,
    #[sqlx(rename = "type")]
    pub kind: String,
    pub job_id: Option<JobId>,
    pub attempt: i32,
    pub at: DateTime<Utc>,
    /// One of `Outcome`'s words.
    pub outcome: String,
    pub status: Option<i32>,
    pub duration_ms: i64,
    pub error: Option<String>,
    /// When the message is tried again, while it is to be.
    pub next_at: Option<DateTime<Utc>>,
}

/// Makes a webhook; none where the tenant has `MOST_WEBHOOKS`.
pub async fn create(
    conn: &mut PgConnection,
    tenant: &TenantId,
    new: &NewWebhook,
) -> Result<Option<WebhookRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "insert into webhooks (id, tenant, url, events, secret)
         select $1, $2, $3, $4, $5 where (select count(*) from webhooks where tenant = $2) < $6 returning ",
        columns!()
    ))
    .bind(WebhookId::new())
    .bind(tenant)
    .bind(&new.url)
    .bind(new.events.iter().map(|event| event.as_str()).collect::<Vec<_>>())
    .bind(&new.secret)
    .bind(MOST_WEBHOOKS)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

pub async fn find(conn: &mut PgConnection, tenant: &TenantId, id: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
    let row = sqlx::query_as(concat!("select ", columns!(), " from webhooks where id = $1 and tenant = $2"))
        .bind(id)
        .bind(tenant)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// Newest first.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<WebhookRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from webhooks
          where tenant = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3))
          order by created_at desc, id desc limit $4"
    ))
    .bind(tenant)
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &WebhookRow| Cursor { created_at: row.created_at, id: row.id.0 }))
}

/// Gives the webhook another secret. For `both_for` messages are signed with the one before too. None where there is no such
/// webhook.
pub async fn rotate_secret(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: WebhookId,
    secret: &WebhookSecret,
    both_for: Duration,
) -> Result<Option<WebhookRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "update webhooks
         set former_secret = secret, former_until = now() + make_interval(secs => $4), secret = $3
         where id = $1 and tenant = $2 returning ",
        columns!()
    ))
    .bind(id)
    .bind(tenant)
    .bind(secret)
    .bind(both_for.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Has the webhook told again, after its receiver wanted no more. None where there is no such webhook.
pub async fn enable(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: WebhookId,
) -> Result<Option<WebhookRow>, StoreError> {
    let row = sqlx::query_as(concat!(
        "update webhooks set disabled_at = null where id = $1 and tenant = $2 returning ",
        columns!()
    ))
    .bind(id)
    .bind(tenant)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Deletes the webhook with all that was to be sent to it; false where there is none.
pub async fn delete(conn: &mut PgConnection, tenant: &TenantId, id: WebhookId) -> Result<bool, StoreError> {
    let done =
        sqlx::query("delete from webhooks where id = $1 and tenant = $2").bind(id).bind(tenant).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// Which of these the tenant does not have.
pub async fn missing(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[WebhookId],
) -> Result<Vec<WebhookId>, StoreError> {
    let rows = sqlx::query_scalar(
        "select id from unnest($1::uuid[]) as asked (id)
         where not exists (select from webhooks w where w.id = asked.id and w.tenant = $2)",
    )
    .bind(uuids(ids))
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Has these webhooks told of the job, as far as its tenant has them.
pub(super) async fn attach(tx: &mut PgConnection, job: JobId, ids: &[WebhookId]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into job_webhooks (job_id, webhook_id)
         select j.id, w.id from jobs j join webhooks w on w.tenant = j.tenant
         where j.id = $1 and w.id = any($2) for key share of w",
    )
    .bind(job)
    .bind(uuids(ids))
    .execute(tx)
    .await?;
    Ok(())
}

/// Attempts to deliver to the webhook, newest first.
pub async fn deliveries(
    conn: &mut PgConnection,
    id: WebhookId,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<DeliveryRow>, StoreError> {
    let rows = sqlx::query_as(
        "select d.id, d.message_id, m.type, m.job_id, d.attempt, d.at, d.outcome, d.status, d.duration_ms, d.error,
                case when m.state = 'pending' and m.attempt = d.attempt then m.next_at end as next_at
         from webhook_deliveries d join webhook_messages m on m.id = d.message_id
         where d.webhook_id = $1 and ($2::timestamptz is null or (d.at, d.id) < ($2, $3))
         order by d.at desc, d.id desc limit $4",
    )
    .bind(id)
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &DeliveryRow| Cursor { created_at: row.at, id: row.id }))
}

/// Ids as they are bound to a statement.
pub(super) fn uuids(ids: &[WebhookId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}
