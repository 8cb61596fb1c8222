//! `GET /v1/audit`: who did what, for the operator.

use super::{
    error::ApiError,
    extract::{Json, Query},
    page::{PageParams, answer_page},
    state::AppState,
    views::{AuditEntryView, Page},
};
use crate::{
    store::audit::{self, EntryFilter, EntryRow},
    types::{AuditOutcome, KeyId, TenantId},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAuditQuery {
    /// Only what this tenant did.
    #[param(value_type = Option<String>, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    tenant: Option<TenantId>,
    /// Only what was done with this key.
    key_id: Option<KeyId>,
    /// Only what was done to the thing of this id.
    #[param(pattern = "^[^\\x00]*$")]
    object: Option<String>,
    /// Only this action: a method and a route, as `POST /v1/jobs/{id}/cancel`.
    #[param(pattern = "^[^\\x00]*$")]
    action: Option<String>,
    /// Only what came to this.
    outcome: Option<AuditOutcome>,
    /// Only what was done at this time or later.
    since: Option<DateTime<Utc>>,
    /// Only what was done before this time.
    until: Option<DateTime<Utc>>,
    // As in `PageParams`, which describes them. serde's `flatten` reads no numbers out of a query string.
    #[param(ignore)]
    limit: Option<u32>,
    #[param(ignore)]
    after: Option<String>,
}

/// List who did what, newest first, over all tenants.
///
/// Every request that may change something has an entry, once somebody was let in for it; so has every sign-in to the pages, and
/// every key that the operator makes or revokes. Entries are kept for the days that `serve --audit-days` says. What was sent is
/// not kept.
#[utoipa::path(get, path = "/v1/audit", tag = "service", params(ListAuditQuery, PageParams),
    responses((status = 200, body = Page<AuditEntryView>), (status = 400)))]
pub async fn list_audit(
    State(state): State<AppState>,
    Query(query): Query<ListAuditQuery>,
) -> Result<Json<Page<AuditEntryView>>, ApiError> {
    let (limit, after) = PageParams { limit: query.limit, after: query.after }.check()?;
    let filter = EntryFilter {
        tenant: query.tenant,
        key: query.key_id,
        object: query.object,
        action: query.action,
        outcome: query.outcome,
        since: query.since,
        until: query.until,
    };
    let page = audit::list(&mut *state.connection().await?, &filter, limit, after).await?;
    Ok(answer_page(page, view_entry))
}

fn view_entry(row: EntryRow) -> AuditEntryView {
    AuditEntryView {
        id: row.id,
        at: row.at,
        tenant: row.tenant,
        key_id: row.key_id,
        address: row.address,
        forwarded_for: row.forwarded_for,
        action: row.action,
        object: row.object,
        status: row.status.map(|status| status as u16),
        outcome: row.outcome,
        request_id: row.request_id,
    }
}
