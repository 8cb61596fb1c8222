//! The outbox: messages that are to be sent to webhooks. Sending is `crate::webhooks`.
//!
//! A trigger on `job_events` fills the outbox, in the transaction that writes the event. A message is claimed like a job:
//! in one short statement, with (message, attempt) as the lease. Every message is sent at least once, or tried for as long
//! as the schedule says.

use super::{StoreError, leave, webhooks::uuids};
use crate::types::{JobId, JobState, MessageId, TenantId, WebhookId, WebhookSecret};
use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};
use std::time::Duration;

/// The type of a message that a client asked for to see whether it arrives.
pub const TEST: &str = "webhook.test";

/// The right to say what came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLease {
    pub message: MessageId,
    pub webhook: WebhookId,
    /// Counts from 1.
    pub attempt: i32,
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct ClaimedMessage {
    pub lease: MessageLease,
    pub url: String,
    pub secret: WebhookSecret,
    /// The secret before it, as long as messages are signed with that too.
    pub former_secret: Option<WebhookSecret>,
    /// One of `WebhookEvent`'s words, or `TEST`.
    pub kind: String,
    pub at: DateTime<Utc>,
    /// Absent in a test.
    pub job: Option<MessageJob>,
}

/// What a message says of its job.
#[derive(Debug, Clone)]
pub struct MessageJob {
    pub id: JobId,
    pub state: JobState,
    pub attempt: i32,
    /// One of `Verdict`'s words, once the job has succeeded.
    pub verdict: Option<String>,
}

/// What an attempt came to, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    Delivered,
    /// Another attempt in about so long.
    Retrying(Duration),
    /// That was the last one.
    Failed,
    /// The receiver wants no more, of this or of anything.
    Gone,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retrying(_) => "retrying",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

/// An attempt that ended.
#[derive(Debug, Clone)]
pub struct Attempted {
    pub outcome: Outcome,
    /// Of the answer, where one came.
    pub status: Option<u16>,
    pub duration: Duration,
    pub error: Option<String>,
}

/// Messages that wait, and for how long the first of them has been due.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub struct Backlog {
    pub messages: i64,
    pub overdue_seconds: f64,
}

/// What a request to send a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// In the outbox, as this message.
    As(MessageId),
    /// Nothing is sent to a webhook whose receiver wants no more.
    Disabled,
    /// There is no such webhook, or no such message of it.
    Missing,
}

/// Puts a test message into the outbox. If one waits there already, it answers this request too.
pub async fn queue_test(conn: &mut PgConnection, tenant: &TenantId, id: WebhookId) -> Result<Queued, StoreError> {
    let mut tx = conn.begin().await?;
    // Locked, so that two requests at the same time make one message.
    if let Some(refused) = hold_webhook(&mut tx, tenant, id).await? {
        return leave(tx, refused).await;
    }
    let waiting: Option<MessageId> = sqlx::query_scalar(
        "select id from webhook_messages where webhook_id = $1 and state = 'pending' and job_id is null",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    let message = match waiting {
        Some(message) => message,
        None => {
            sqlx::query_scalar("insert into webhook_messages (webhook_id, type) values ($1, $2) returning id")
                .bind(id)
                .bind(TEST)
                .fetch_one(&mut *tx)
                .await?
        }
    };
    tx.commit().await?;
    Ok(Queued::As(message))
}

/// Locks a webhook until the transaction ends; says so where nothing is sent to it.
async fn hold_webhook(tx: &mut PgConnection, tenant: &TenantId, id: WebhookId) -> Result<Option<Queued>, StoreError> {
    let enabled: Option<bool> =
        sqlx::query_scalar("select disabled_at is null from webhooks where id = $1 and tenant = $2 for no key update")
            .bind(id)
            .bind(tenant)
            .fetch_optional(tx)
            .await?;
    Ok(match enabled {
        None => Some(Queued::Missing),
        Some(false) => Some(Queued::Disabled),
        Some(true) => None,
    })
}

/// Has a job's message sent once more, now, whatever became of it before. Its id stays, so that a receiver that has it knows.
pub async fn resend(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: WebhookId,
    message: MessageId,
) -> Result<Queued, StoreError> {
    let mut tx = conn.begin().await?;
    if let Some(refused) = hold_webhook(&mut tx, tenant, id).await? {
        return leave(tx, refused).await;
    }
    // One that is being sent now is left to its sender: of its attempt nothing is written down yet.
    let found = sqlx::query(
        "update webhook_messages m
         set state = 'pending', finished_at = null,
             next_at = case when m.state = 'pending' and m.attempt > 0 and not exists (
                     select from webhook_deliveries d where d.message_id = m.id and d.attempt = m.attempt
                 ) then m.next_at else now() end
         where m.id = $1 and m.webhook_id = $2 and m.job_id is not null",
    )
    .bind(message)
    .bind(id)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(if found.rows_affected() > 0 { Queued::As(message) } else { Queued::Missing })
}

/// Claims the message that has been due for longest, except of the webhooks in `busy`, so that a receiver that hangs keeps one
/// sender busy and no more; and except of tenants who have `most_of_tenant` of these. The message is due again after `lease`,
/// whatever becomes of the claimer.
pub async fn claim(
    conn: &mut PgConnection,
    busy: &[WebhookId],
    most_of_tenant: u32,
    lease: Duration,
) -> Result<Option<ClaimedMessage>, StoreError> {
    #[derive(FromRow)]
    struct Claimed {
        id: MessageId,
        attempt: i32,
        webhook_id: WebhookId,
        #[sqlx(rename = "type")]
        kind: String,
        at: DateTime<Utc>,
        url: String,
        secret: WebhookSecret,
        former_secret: Option<WebhookSecret>,
        job_id: Option<JobId>,
        state: Option<JobState>,
        job_attempt: Option<i32>,
        verdict: Option<String>,
    }
    let row: Option<Claimed> = sqlx::query_as(
        "with full_tenants as (
             select tenant from webhooks where id = any($1) group by tenant having count(*) >= $3
         ), next as (
             select m.id from webhook_messages m join webhooks w on w.id = m.webhook_id
             where m.state = 'pending' and m.next_at <= now() and m.webhook_id <> all($1)
               and w.tenant not in (select tenant from full_tenants)
             order by m.next_at limit 1 for update of m skip locked
         ), claimed as (
             update webhook_messages m set attempt = m.attempt + 1, next_at = now() + make_interval(secs => $2)
             from next where m.id = next.id
             returning m.id, m.attempt, m.webhook_id, m.type, m.at, m.job_id
         )
         select c.id, c.attempt, c.webhook_id, c.type, c.at, w.url, w.secret,
                case when w.former_until > now() then w.former_secret end as former_secret, c.job_id, j.state,
                j.attempt as job_attempt, j.verdict
         from claimed c join webhooks w on w.id = c.webhook_id left join jobs j on j.id = c.job_id",
    )
    .bind(uuids(busy))
    .bind(lease.as_secs_f64())
    .bind(i64::from(most_of_tenant))
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| ClaimedMessage {
        lease: MessageLease { message: row.id, webhook: row.webhook_id, attempt: row.attempt },
        url: row.url,
        secret: row.secret,
        former_secret: row.former_secret,
        kind: row.kind,
        at: row.at,
        job: row.job_id.zip(row.state).zip(row.job_attempt).map(|((id, state), attempt)| MessageJob {
            id,
            state,
            attempt,
            verdict: row.verdict,
        }),
    }))
}

/// Records how an attempt ended. If the receiver wants no more, the webhook is disabled and all its waiting messages fail.
pub async fn finish(conn: &mut PgConnection, lease: &MessageLease, attempted: &Attempted) -> Result<(), StoreError> {
    let lost = || StoreError::LeaseLost { what: lease.message.to_string(), attempt: lease.attempt };
    let mut tx = conn.begin().await?;
    // The webhook first: its deletion locks it before its messages.
    let webhook = sqlx::query("select from webhooks where id = $1 for no key update")
        .bind(lease.webhook)
        .fetch_optional(&mut *tx)
        .await?;
    webhook.ok_or_else(lost)?;
    let state = match attempted.outcome {
        Outcome::Delivered => "delivered",
        Outcome::Retrying(_) => "pending",
        Outcome::Failed | Outcome::Gone => "failed",
    };
    let wait = match attempted.outcome {
        Outcome::Retrying(wait) => wait.as_secs_f64(),
        _ => 0.0,
    };
    let done = sqlx::query(
        "update webhook_messages
         set state = $3::webhook_message_state, next_at = now() + make_interval(secs => $4),
             finished_at = case when $3 <> 'pending' then now() end
         where id = $1 and attempt = $2 and state = 'pending'",
    )
    .bind(lease.message)
    .bind(lease.attempt)
    .bind(state)
    .bind(wait)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(lost());
    }
    sqlx::query(
        "insert into webhook_deliveries (webhook_id, message_id, attempt, outcome, status, duration_ms, error)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(lease.webhook)
    .bind(lease.message)
    .bind(lease.attempt)
    .bind(attempted.outcome.as_str())
    .bind(attempted.status.map(i32::from))
    .bind(attempted.duration.as_millis().try_into().unwrap_or(i64::MAX))
    .bind(&attempted.error)
    .execute(&mut *tx)
    .await?;
    if attempted.outcome == Outcome::Gone {
        sqlx::query("update webhooks set disabled_at = now() where id = $1 and disabled_at is null")
            .bind(lease.webhook)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "update webhook_messages set state = 'failed', finished_at = now() where webhook_id = $1 and state = 'pending'",
        )
        .bind(lease.webhook)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What waits to be sent.
pub async fn backlog(conn: &mut PgConnection) -> Result<Backlog, StoreError> {
    let row = sqlx::query_as(
        "select count(*) as messages,
                coalesce(greatest(extract(epoch from now() - min(next_at)), 0), 0)::float8 as overdue_seconds
         from webhook_messages where state = 'pending'",
    )
    .fetch_one(conn)
    .await?;
    Ok(row)
}

/// Deletes messages that ended longer than `age` ago, with their attempts; returns how many.
pub async fn sweep(conn: &mut PgConnection, age: Duration) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from webhook_messages where state <> 'pending' and finished_at < now() - make_interval(secs => $1)",
    )
    .bind(age.as_secs_f64())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
