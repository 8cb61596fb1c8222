//! Tells clients' addresses what became of their jobs, as Standard Webhooks (standardwebhooks.com) has it.
//!
//! ```text
//! run        claims what is due from the outbox (`store::outbox`), and writes down what came of it
//!  ├ send     one attempt: a signed POST
//!  └ guard    which addresses may be sent to: what a client names must not reach the server's own network
//!      address  the networks that are not the public internet
//! ```
//! Any number of processes may do so at once. A message is sent at least once, with the same id in every attempt.

mod address;
mod guard;
mod send;

pub use guard::{BlockedUrl, Guard};
pub use send::signature;

use crate::{
    config::WebhookConfig,
    store::{
        Store, StoreError, answered,
        outbox::{self, Attempted, ClaimedMessage, Outcome, TEST},
    },
    types::{WebhookId, WebhookSecret},
};
use metrics::{counter, gauge, histogram};
use send::Sender;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Messages under way at once, each to another webhook.
const SENDERS: usize = 16;
/// Of these, to webhooks of one tenant: receivers that hang hold up their own tenant's messages.
const SENDERS_OF_TENANT: u32 = 8;
/// How often the outbox is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long a claim lasts: longer than an attempt can take.
const LEASE: Duration = Duration::from_secs(30);
/// Messages that ended are kept this long, for the delivery log.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often figures are read and old messages forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

/// Sends what is in the outbox. `run` does the work.
pub struct Courier {
    store: Store,
    sender: Arc<Sender>,
    /// How long after each failed attempt the next one follows.
    waits: Arc<[Duration]>,
}

impl Courier {
    pub fn new(store: Store, guard: Guard, config: &WebhookConfig) -> Self {
        let waits = config.retry_seconds.iter().map(|seconds| Duration::from_secs_f64(*seconds)).collect();
        Self { store, sender: Arc::new(Sender::new(guard)), waits }
    }

    /// Sends until `shutdown`. What is under way then is finished, unless the future is dropped: another process sends it
    /// again once its claim has run out.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut under_way: Vec<WebhookId> = Vec::new();
        let mut attempts = JoinSet::new();
        let mut housekeeping = Instant::now();
        loop {
            if let Err(error) = self.start_due(&mut under_way, &mut attempts).await {
                warn!(%error, "cannot look for webhook messages; trying again");
            }
            if Instant::now() >= housekeeping {
                housekeeping = Instant::now() + HOUSEKEEPING;
                if let Err(error) = answered(LEASE, self.keep_house()).await {
                    warn!(%error, "the webhook outbox could not be counted");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = attempts.join_next(), if !attempts.is_empty() => free_webhook(&mut under_way, ended),
                () = sleep(POLL) => {}
            }
        }
        while let Some(ended) = attempts.join_next().await {
            free_webhook(&mut under_way, ended);
        }
    }

    /// Starts an attempt for every message that is due, one per webhook at a time.
    async fn start_due(
        &self,
        under_way: &mut Vec<WebhookId>,
        attempts: &mut JoinSet<WebhookId>,
    ) -> Result<(), StoreError> {
        while attempts.len() < SENDERS {
            let claim =
                async { outbox::claim(&mut *self.store.acquire().await?, under_way, SENDERS_OF_TENANT, LEASE).await };
            let Some(message) = answered(LEASE, claim).await? else { break };
            under_way.push(message.lease.webhook);
            let (store, sender, waits) = (self.store.clone(), self.sender.clone(), self.waits.clone());
            attempts.spawn(async move {
                let webhook = message.lease.webhook;
                attempt_delivery(&store, &sender, &waits, message).await;
                webhook
            });
        }
        Ok(())
    }

    async fn keep_house(&self) -> Result<(), StoreError> {
        let mut conn = self.store.acquire().await?;
        let backlog = outbox::backlog(&mut conn).await?;
        gauge!("autodenoise_webhook_outbox_messages").set(backlog.messages as f64);
        gauge!("autodenoise_webhook_outbox_overdue_seconds").set(backlog.overdue_seconds);
        outbox::sweep(&mut conn, KEPT).await?;
        Ok(())
    }
}

/// Marks the webhook as free for the next message. After a panic it stays busy in this process, and another process sends
/// the message when its claim has run out.
fn free_webhook(under_way: &mut Vec<WebhookId>, ended: Result<WebhookId, tokio::task::JoinError>) {
    match ended {
        Ok(webhook) => under_way.retain(|busy| *busy != webhook),
        Err(error) => tracing::error!(%error, "a webhook's sender panicked"),
    }
}

/// One attempt, from claim to log.
async fn attempt_delivery(store: &Store, sender: &Sender, waits: &[Duration], message: ClaimedMessage) {
    let (lease, started) = (message.lease, Instant::now());
    let sent = sender.send(&message).await;
    let duration = started.elapsed();
    let wait = waits.get(lease.attempt.max(1) as usize - 1).filter(|_| message.kind != TEST);
    let outcome = match &sent.error {
        None => Outcome::Delivered,
        Some(_) if sent.status == Some(410) => Outcome::Gone,
        Some(_) => wait.map_or(Outcome::Failed, |wait| Outcome::Retrying(add_jitter(*wait))),
    };
    let (webhook_id, message_id) = (lease.webhook, lease.message);
    let (number, status, error) = (lease.attempt, sent.status, sent.error.as_deref());
    match outcome {
        Outcome::Delivered => debug!(%webhook_id, %message_id, attempt = number, status, "webhook delivered"),
        _ => {
            info!(%webhook_id, %message_id, attempt = number, status, error, outcome = outcome.as_str(), "webhook not delivered")
        }
    }
    counter!("autodenoise_webhook_deliveries_total", "outcome" => outcome.as_str()).increment(1);
    histogram!("autodenoise_webhook_delivery_seconds").record(duration.as_secs_f64());
    let attempted = Attempted { outcome, status: sent.status, duration, error: sent.error };
    let written = async { outbox::finish(&mut *store.acquire().await?, &lease, &attempted).await };
    match answered(LEASE, written).await {
        Ok(()) => {}
        // The webhook was deleted meanwhile, or this took so long that another has the message.
        Err(error @ StoreError::LeaseLost { .. }) => debug!(%error, "nobody asks for this outcome any more"),
        Err(error) => warn!(%error, %message_id, "an outcome could not be written down; the message is sent again"),
    }
}

/// Up to a tenth more or less, so that what failed together does not come back together.
fn add_jitter(wait: Duration) -> Duration {
    wait.mul_f64(0.9 + 0.2 * f64::from(random_byte()) / 255.0)
}

fn random_byte() -> u8 {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte).expect("the system has randomness");
    byte[0]
}

/// A secret for a webhook whose client names none.
pub fn new_secret() -> WebhookSecret {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    WebhookSecret::new(bytes)
}
