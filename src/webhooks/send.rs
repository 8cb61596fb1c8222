//! One attempt to deliver a message.

use super::guard::Guard;
use crate::{
    store::outbox::ClaimedMessage,
    types::{WebhookData, WebhookPayload, WebhookSecret},
};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Utc;
use reqwest::{Client, Url, header::CONTENT_TYPE, redirect};
use std::{error::Error, sync::Arc, time::Duration};

const CONNECT: Duration = Duration::from_secs(5);
/// For an answer, connecting included.
const ANSWER: Duration = Duration::from_secs(15);
/// An error's text is cut here.
const LONGEST_ERROR: usize = 200;

pub struct Sender {
    guard: Guard,
    http: Client,
}

/// What came of an attempt; it arrived where there is no error.
pub struct Sent {
    /// Of the answer, where one came. Nothing else of it is read.
    pub status: Option<u16>,
    pub error: Option<String>,
}

impl Sender {
    pub fn new(guard: Guard) -> Self {
        let http = Client::builder()
            .user_agent(concat!("autodenoise/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(guard.clone()))
            .https_only(!guard.speaks_http())
            .redirect(redirect::Policy::none())
            .no_proxy()
            // The address of a kept connection was checked earlier; each attempt is checked anew.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .expect("the TLS library is built in");
        Self { guard, http }
    }

    pub async fn send(&self, message: &ClaimedMessage) -> Sent {
        let url = match self.guard.check(&message.url).await {
            Ok(url) => url,
            Err(blocked) => return Sent { status: None, error: Some(format!("not sent; needed is {blocked}")) },
        };
        match self.post(url, message).await {
            Ok(status) if status.is_success() => Sent { status: Some(status.as_u16()), error: None },
            Ok(status) => {
                let redirect = if status.is_redirection() { "; redirects are not followed" } else { "" };
                let error = format!("the receiver answered {}{redirect}", status.as_u16());
                Sent { status: Some(status.as_u16()), error: Some(error) }
            }
            Err(error) if error.is_timeout() => {
                Sent { status: None, error: Some(format!("no answer within {} seconds", ANSWER.as_secs())) }
            }
            Err(error) => {
                let text = innermost(&error).to_string();
                Sent { status: None, error: Some(text.chars().take(LONGEST_ERROR).collect()) }
            }
        }
    }

    async fn post(&self, url: Url, message: &ClaimedMessage) -> Result<reqwest::StatusCode, reqwest::Error> {
        let id = message.lease.message.to_string();
        let body = serde_json::to_string(&payload(message)).expect("a payload is plain data");
        // Of this attempt: receivers refuse what was signed long ago.
        let timestamp = Utc::now().timestamp();
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures(message, &id, timestamp, &body))
            .body(body);
        // The answer's body is dropped unread.
        Ok(request.send().await?.status())
    }
}

/// The first cause; the errors above it only say that a request failed, and where to.
fn innermost(mut error: &dyn Error) -> &dyn Error {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

fn payload(message: &ClaimedMessage) -> WebhookPayload {
    let data = message.job.as_ref().map_or(WebhookData::default(), |job| WebhookData {
        job_id: Some(job.id),
        status: Some(job.state),
        verdict: job.verdict.as_ref().and_then(|word| word.parse().ok()),
        attempt: u32::try_from(job.attempt).ok(),
    });
    WebhookPayload { kind: message.kind.clone(), timestamp: message.at, text: describe(message), data }
}

/// The message as a sentence.
fn describe(message: &ClaimedMessage) -> String {
    let Some(job) = &message.job else { return "AutoDenoise: a test of this webhook".to_owned() };
    let verdict = job.verdict.as_deref().map(|word| format!("; the verdict: {}", word.replace('_', " ")));
    format!("AutoDenoise: {} {}{}", job.id, job.state.as_str(), verdict.unwrap_or_default())
}

/// By the webhook's secret, and while receivers may still have the one before, by that too.
fn signatures(message: &ClaimedMessage, id: &str, timestamp: i64, body: &str) -> String {
    let secrets = [Some(&message.secret), message.former_secret.as_ref()];
    let signed: Vec<_> = secrets.into_iter().flatten().map(|secret| signature(secret, id, timestamp, body)).collect();
    signed.join(" ")
}

/// The `webhook-signature` of a message: HMAC-SHA256 over `id.timestamp.body`.
pub fn signature(secret: &WebhookSecret, id: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's libraries.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
