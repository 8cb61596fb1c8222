//! Webhooks: addresses of clients that are told when something happened to a job (standardwebhooks.com).

use super::{JobId, JobState, Verdict};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// What a webhook can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum WebhookEvent {
    #[serde(rename = "job.succeeded")]
    JobSucceeded,
    #[serde(rename = "job.failed")]
    JobFailed,
    #[serde(rename = "job.cancelled")]
    JobCancelled,
    /// Comes with `job.succeeded`, for jobs that asked for a verdict.
    #[serde(rename = "verdict.issued")]
    VerdictIssued,
}

impl WebhookEvent {
    pub const ALL: [WebhookEvent; 4] = [Self::JobSucceeded, Self::JobFailed, Self::JobCancelled, Self::VerdictIssued];

    /// A job's end, whichever it is.
    pub const ENDS: [WebhookEvent; 3] = [Self::JobSucceeded, Self::JobFailed, Self::JobCancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobSucceeded => "job.succeeded",
            Self::JobFailed => "job.failed",
            Self::JobCancelled => "job.cancelled",
            Self::VerdictIssued => "verdict.issued",
        }
    }
}

impl FromStr for WebhookEvent {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|event| event.as_str() == word).ok_or_else(|| format!("one of {}", known()))
    }
}

/// The body of a message: that something happened, and to what. Details are fetched by the job's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookPayload {
    /// One of WebhookEvent's words, or `webhook.test`; ignore those you do not know.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// The same as a sentence, which receivers that take Slack's messages show.
    #[serde(default)]
    pub text: String,
    pub data: WebhookData,
}

/// Empty in a test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookData {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_id: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<JobState>,
    /// Of a job that has succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// How many times a worker started the job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
}

/// The key that messages of a webhook are signed with: `whsec_` and base64 of 24 to 64 bytes. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct WebhookSecret(Vec<u8>);

/// Does not repeat what was given: it may be a secret with a slip in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `whsec_` and the base64 of 24 to 64 bytes")]
pub struct ParseSecretError;

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// From random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for WebhookSecret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, ParseSecretError> {
        let bytes = text.strip_prefix(Self::PREFIX).and_then(|rest| BASE64_STANDARD.decode(rest).ok());
        bytes.filter(|bytes| (24..=64).contains(&bytes.len())).map(Self).ok_or(ParseSecretError)
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = ParseSecretError;

    fn try_from(text: String) -> Result<Self, ParseSecretError> {
        text.parse()
    }
}

impl From<WebhookSecret> for String {
    fn from(secret: WebhookSecret) -> String {
        format!("{}{}", WebhookSecret::PREFIX, BASE64_STANDARD.encode(secret.0))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_[hidden]")
    }
}

impl utoipa::PartialSchema for WebhookSecret {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"))
            .into()
    }
}

impl utoipa::ToSchema for WebhookSecret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_text_form_and_stays_out_of_logs() {
        let secret = WebhookSecret::new([7; 32]);
        let text = String::from(secret.clone());
        assert_eq!(text.parse(), Ok(secret.clone()));
        assert!(!format!("{secret:?}").contains(&text[6..]));
        for wrong in
            ["", "whsec_", "whsec_AAAA", &text[6..], &format!("{text}!"), &format!("whsec_{}", "AAAA".repeat(22))]
        {
            assert_eq!(wrong.parse::<WebhookSecret>(), Err(ParseSecretError), "{wrong}");
        }
    }
}
