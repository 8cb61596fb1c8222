//! `/audit`: who did what, over all tenants, for the operator.

use super::{
    ask::Ask,
    error::PageError,
    extract::Query,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::{AuditEntryView, Page},
    types::AuditOutcome,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// Filters of the list, and where its page begins. An empty one is none, as an empty field of the form has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AuditQuery {
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    outcome: String,
    /// The first day, as 2026-11-28.
    #[serde(default)]
    since: String,
    /// The day after the last.
    #[serde(default)]
    until: String,
    #[serde(default)]
    after: String,
}

impl AuditQuery {
    /// What the form asks for, by name. Ids are often pasted, with a space at an end.
    fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("tenant", &self.tenant),
            ("key_id", &self.key_id),
            ("action", &self.action),
            ("object", &self.object),
            ("outcome", &self.outcome),
            ("since", &self.since),
            ("until", &self.until),
        ];
        pairs.into_iter().map(|(name, value)| (name, value.trim())).filter(|(_, value)| !value.is_empty())
    }

    fn has_filters(&self) -> bool {
        self.filters().next().is_some()
    }

    /// The query of this page whose list begins after an entry.
    fn page_after(&self, after: &str) -> String {
        let filters = self.filters().map(|(name, value)| format!("{name}={}&", words::encode(value)));
        format!("{}after={}", filters.collect::<String>(), words::encode(after))
    }

    /// The query of the API, for which a day begins with its first second.
    fn of_api(&self) -> String {
        let value = |name: &str, value: &str| match name {
            "since" | "until" if !value.contains('T') => format!("{value}T00:00:00Z"),
            _ => value.to_owned(),
        };
        let pairs = self.filters().map(|(name, text)| (name, value(name, text)));
        let after = Some(("after", self.after.clone())).filter(|(_, after)| !after.is_empty());
        let pairs = pairs.chain(after).map(|(name, value)| format!("{name}={}", words::encode(&value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

#[derive(Template)]
#[template(path = "audit.html", config = "src/web/askama.toml")]
struct AuditPage {
    shell: Shell,
    query: AuditQuery,
    outcomes: Vec<&'static str>,
    entries: Vec<EntryLine>,
    older: Option<String>,
}

/// What somebody did.
struct EntryLine {
    at: Moment,
    tenant: Option<String>,
    key: Option<String>,
    action: String,
    object: Option<String>,
    outcome: Badge,
    status: Option<u16>,
    address: Option<String>,
    forwarded_for: Option<String>,
    request_id: Option<String>,
}

pub async fn show(shell: Shell, ask: Ask, Query(query): Query<AuditQuery>) -> Result<Response, PageError> {
    let page: Page<AuditEntryView> = ask.get(&format!("/v1/audit?{}", query.of_api())).await?;
    Ok(render(&AuditPage {
        shell,
        outcomes: AuditOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect(),
        entries: page.data.into_iter().map(describe).collect(),
        older: page.next.map(|next| format!("/audit?{}", query.page_after(&next))),
        query,
    }))
}

fn describe(entry: AuditEntryView) -> EntryLine {
    EntryLine {
        at: Moment::new(entry.at),
        tenant: entry.tenant,
        key: entry.key_id.map(|key| key.to_string()),
        action: entry.action,
        object: entry.object,
        outcome: outcome_badge(&entry.outcome),
        status: entry.status,
        address: entry.address,
        forwarded_for: entry.forwarded_for,
        request_id: entry.request_id,
    }
}

/// Of one of `AuditOutcome`'s words; a later version may know others.
fn outcome_badge(outcome: &str) -> Badge {
    let (word, tone) = match outcome.parse() {
        Ok(AuditOutcome::Done) => ("done", "plain"),
        Ok(AuditOutcome::Refused) => ("refused", "warn"),
        Ok(AuditOutcome::Failed) => ("failed", "bad"),
        Ok(AuditOutcome::Unknown) | Err(_) => ("unknown", "quiet"),
    };
    Badge { word, tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_pages_of_the_form_are_times_and_cursors_of_the_api() {
        let query = AuditQuery {
            tenant: "ours".to_owned(),
            action: "POST /v1/jobs ".to_owned(),
            since: "2026-11-28".to_owned(),
            after: "c1".to_owned(),
            ..AuditQuery::default()
        };
        let asked = "tenant=ours&action=POST%20/v1/jobs&since=2026-11-28T00:00:00Z&after=c1";
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        assert_eq!(decoded(&query.of_api()), decoded(asked));
        assert_eq!(decoded(&query.page_after("c2")), "tenant=ours&action=POST /v1/jobs&since=2026-11-28&after=c2");
        assert!(query.has_filters() && !AuditQuery::default().has_filters());
    }
}
