//! `/v1/webhooks`: addresses that are told what became of jobs; and the log of what was sent to them.

use super::{
    access::Caller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{PageParams, answer_page},
    state::AppState,
    views::{CreatedWebhook, DeliveryView, Page, QueuedMessage, WebhookView},
};
use crate::{
    store::{
        outbox::{self, Queued},
        webhooks::{self, DeliveryRow, MOST_WEBHOOKS, NewWebhook, WebhookRow},
    },
    types::{FieldError, MessageId, TenantId, WebhookEvent, WebhookId, WebhookSecret},
    webhooks::new_secret,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::time::Duration;
use utoipa::ToSchema;

/// How long messages are signed with a secret's successor and with itself.
const BOTH_SECRETS: Duration = Duration::from_secs(24 * 3600);

/// A webhook as a client asks for it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// An https address on the public internet, of at most 2000 bytes, on port 443 or one from 1024 on.
    pub url: String,
    /// What it is told [default: a job's end, whichever it is].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<WebhookEvent>>,
    /// The key its messages are signed with [default: a new one].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WebhookSecret>,
}

/// Another secret.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// The key that messages are signed with from now on [default: a new one].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WebhookSecret>,
}

/// Make a webhook. Jobs that name it in `webhook_ids` tell it what becomes of them.
///
/// Messages are WebhookPayload, signed as Standard Webhooks has it: `webhook-signature` is `v1,` and the base64 of
/// HMAC-SHA256 over `webhook-id`, `.`, `webhook-timestamp`, `.` and the body. Any 2xx within 15 seconds is a receipt;
/// redirects are not followed. Else the message is tried again for about a day, with the same `webhook-id`, which is also how
/// to tell one that came twice; 410 ends it and disables the webhook. The secret is shown here and never again. The server
/// keeps it as it is, since it signs with it.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookSpec,
    responses(
        (status = 201, body = CreatedWebhook), (status = 400),
        (status = 409, description = "There are as many as may be"),
        (status = 422, description = "Nothing is sent to such an address")
    ))]
pub async fn create_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Json(spec): Json<WebhookSpec>,
) -> Result<Response, ApiError> {
    let events = spec.events.unwrap_or(WebhookEvent::ENDS.into());
    let repeated = (1..events.len()).any(|at| events[..at].contains(&events[at]));
    if events.is_empty() || repeated {
        return Err(ApiError::invalid_spec(vec![FieldError::new("/events", "one event or more, each once")]));
    }
    let url = state.config.webhooks.check(&spec.url).await.map_err(|blocked| ApiError::blocked_url(&blocked))?;
    let new = NewWebhook { url: url.into(), events, secret: spec.secret.unwrap_or_else(new_secret) };
    let row = webhooks::create(&mut *state.connection().await?, &caller.tenant, &new).await?.ok_or_else(|| {
        ApiError::conflict(format!("there are {MOST_WEBHOOKS} webhooks already, which is the most; delete one first"))
    })?;
    let location = format!("webhooks/{}", row.id);
    let body = Json(CreatedWebhook { webhook: view(row), secret: new.secret.into() });
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

fn view(row: WebhookRow) -> WebhookView {
    WebhookView {
        id: row.id,
        url: row.url,
        events: row.events,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
        former_secret_until: row.former_until,
    }
}

/// List webhooks, newest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", params(PageParams),
    responses((status = 200, body = Page<WebhookView>), (status = 400)))]
pub async fn list_webhooks(
    State(state): State<AppState>,
    caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<WebhookView>>, ApiError> {
    let (limit, after) = page.check()?;
    let page = webhooks::list(&mut *state.connection().await?, &caller.tenant, limit, after).await?;
    Ok(answer_page(page, view))
}

/// Show a webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = WebhookView), (status = 404)))]
pub async fn find_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(view(find(&state, &caller, id).await?)))
}

async fn find(state: &AppState, caller: &Caller, id: WebhookId) -> Result<WebhookRow, ApiError> {
    let row = webhooks::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    row.ok_or_else(|| ApiError::not_found("webhook", id))
}

/// Delete a webhook, with the messages that wait for it and its log.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
) -> Result<StatusCode, ApiError> {
    match webhooks::delete(&mut *state.connection().await?, &caller.tenant, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("webhook", id)),
    }
}

/// Send a test: a message of type `webhook.test`, tried once. `deliveries` says what came of it.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses(
        (status = 201, body = QueuedMessage), (status = 404), (status = 409, description = "The webhook is disabled")
    ))]
pub async fn test_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
) -> Result<Response, ApiError> {
    let queued = outbox::queue_test(&mut *state.connection().await?, &caller.tenant, id).await?;
    answer_queued(queued, id, || ApiError::not_found("webhook", id))
}

fn answer_queued(queued: Queued, id: WebhookId, missing: impl FnOnce() -> ApiError) -> Result<Response, ApiError> {
    match queued {
        Queued::As(message_id) => Ok((StatusCode::CREATED, Json(QueuedMessage { message_id })).into_response()),
        Queued::Disabled => Err(ApiError::conflict(format!(
            "{id} is disabled, because its receiver answered 410 Gone; enable it first (POST /v1/webhooks/{id}/enable)"
        ))),
        Queued::Missing => Err(missing()),
    }
}

/// Send a message once more, now, whatever became of it before. `webhook-id` stays the same. Tests are not sent again.
#[utoipa::path(post, path = "/v1/webhooks/{id}/deliveries/{message_id}/resend", tag = "webhooks",
    params(("id" = WebhookId, Path), ("message_id" = MessageId, Path)),
    responses(
        (status = 201, body = QueuedMessage), (status = 404), (status = 409, description = "The webhook is disabled")
    ))]
pub async fn resend_message(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, message)): Path<(WebhookId, MessageId)>,
) -> Result<Response, ApiError> {
    let queued = outbox::resend(&mut *state.connection().await?, &caller.tenant, id, message).await?;
    answer_queued(queued, id, || ApiError::not_found("message of a job to this webhook", message))
}

/// Give a webhook another secret, which is shown here and never again.
///
/// For a day messages are signed with the secret before it too: `webhook-signature` has both, with a blank between them, so that
/// receivers have time to change theirs.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks", params(("id" = WebhookId, Path)),
    request_body = SecretSpec,
    responses((status = 200, body = CreatedWebhook), (status = 400), (status = 404), (status = 422, description = "No such secret")))]
pub async fn rotate_webhook_secret(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
    Json(spec): Json<SecretSpec>,
) -> Result<Json<CreatedWebhook>, ApiError> {
    let secret = spec.secret.unwrap_or_else(new_secret);
    let connection = &mut *state.connection().await?;
    let row = webhooks::rotate_secret(connection, &caller.tenant, id, &secret, BOTH_SECRETS).await?;
    let row = row.ok_or_else(|| ApiError::not_found("webhook", id))?;
    Ok(Json(CreatedWebhook { webhook: view(row), secret: secret.into() }))
}

/// Have a webhook told again that was disabled because its receiver answered 410 Gone. What was given up then is not sent.
#[utoipa::path(post, path = "/v1/webhooks/{id}/enable", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses((status = 200, body = WebhookView), (status = 404)))]
pub async fn enable_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
) -> Result<Json<WebhookView>, ApiError> {
    let row = webhooks::enable(&mut *state.connection().await?, &caller.tenant, id).await?;
    row.map(|row| Json(view(row))).ok_or_else(|| ApiError::not_found("webhook", id))
}

/// Attempts to deliver to a webhook, newest first. They are kept for 30 days after their message was delivered or given up.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = WebhookId, Path), PageParams),
    responses((status = 200, body = Page<DeliveryView>), (status = 400), (status = 404)))]
pub async fn list_deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<WebhookId>,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<DeliveryView>>, ApiError> {
    let (limit, after) = page.check()?;
    find(&state, &caller, id).await?;
    let page = webhooks::deliveries(&mut *state.connection().await?, id, limit, after).await?;
    Ok(answer_page(page, view_delivery))
}

fn view_delivery(row: DeliveryRow) -> DeliveryView {
    DeliveryView {
        message_id: row.message_id,
        kind: row.kind,
        job_id: row.job_id,
        attempt: row.attempt as u32,
        at: row.at,
        outcome: row.outcome,
        status: row.status.map(|status| status as u16),
        duration_ms: row.duration_ms as u64,
        error: row.error,
        next_at: row.next_at,
    }
}

/// Refuses webhooks that are not of the tenant.
pub(super) async fn check_webhook_ids(
    conn: &mut PgConnection,
    tenant: &TenantId,
    ids: &[WebhookId],
) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Ok(());
    }
    let missing = webhooks::missing(conn, tenant, ids).await?;
    let wrong = ids.iter().enumerate().filter(|(_, id)| missing.contains(id));
    let errors: Vec<_> = wrong
        .map(|(at, id)| FieldError::new(format!("/webhook_ids/{at}"), format!("there is no webhook `{id}`")))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid_spec(errors)) }
}
