//! A worker's own heartbeat: looks whether it is fit, says that it is there, and ends the claims of those who are not heard
//! of any more.
//!
//! While the database is away nobody can renew a lease, and all of them may have run out when it is back. So claims are
//! ended only by a worker that has been in touch with it for a whole lease: whoever lives has renewed by then. An outage
//! too short to be noticed, less than a third of a lease, costs no one a lease.

use super::shared::{POLL, Shared};
use crate::store::{
    StoreError, endings, ingest_queue, judgement_queue, parts,
    workers::{self, WorkerPulse},
};
use metrics::gauge;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(super) async fn run(shared: Arc<Shared>, shutdown: CancellationToken) {
    let lease = shared.config.lease();
    let interval = (lease / 3).min(POLL);
    let mut contact = Contact::new(lease, Instant::now());
    let mut told = false;
    loop {
        let was_fit = shared.fitness.reasons().is_empty();
        let fit = shared.check_fitness().await;
        if fit && !was_fit {
            shared.wake.notify_waiters();
        }
        match timeout(interval, pulse(&shared, contact.is_steady(Instant::now()), shutdown.is_cancelled())).await {
            Ok(Ok(())) => contact.note_answer(Instant::now()),
            Ok(Err(error)) => {
                warn!(%error, "the worker's pulse failed");
                contact.note_miss();
            }
            Err(_) => {
                warn!("the worker's pulse was not answered");
                contact.note_miss();
            }
        }
        shared.fitness.set_database_away(contact.since.is_none());
        tokio::select! {
            () = sleep(interval) => {}
            // To say at once that it is draining.
            () = shutdown.cancelled(), if !told => told = true,
        }
    }
}

async fn pulse(shared: &Shared, steady: bool, draining: bool) -> Result<(), StoreError> {
    let conn = &mut *shared.heart_store.acquire().await?;
    let reasons = shared.fitness.reasons();
    let pulse = WorkerPulse {
        id: shared.id,
        name: &shared.name,
        ability: &shared.ability,
        slots: shared.config.slots,
        busy: shared.busy(),
        state: match (draining, reasons.is_empty()) {
            (true, _) => "draining",
            (false, true) => "ready",
            (false, false) => "unfit",
        },
        reasons: &reasons,
    };
    let now = workers::refresh(conn, &pulse, shared.config.lease()).await?;
    gauge!("autodenoise_slots").set(f64::from(shared.config.slots));
    if steady {
        ingest_queue::recover_expired(conn, now, shared.config.max_attempts).await?;
        judgement_queue::recover_expired(conn, now, shared.config.max_attempts).await?;
        match parts::recover_expired(conn, now).await? {
            0 => {}
            parts => warn!(parts, "the workers of parts were not heard of"),
        }
        for (job_id, state) in endings::recover_expired(conn, now, shared.retries()).await? {
            warn!(%job_id, state = state.as_str(), "the job's worker was not heard of");
        }
    }
    Ok(())
}

/// How long the database has answered without a break.
struct Contact {
    lease: Duration,
    since: Option<Instant>,
    last: Instant,
}

impl Contact {
    fn new(lease: Duration, now: Instant) -> Self {
        Self { lease, since: Some(now), last: now }
    }

    fn note_answer(&mut self, now: Instant) {
        // The database was away or this process stood still, and no try failed meanwhile to tell so.
        if now - self.last > self.lease / 3 * 2 {
            self.since = None;
        }
        self.since.get_or_insert(now);
        self.last = now;
    }

    fn note_miss(&mut self) {
        self.since = None;
    }

    fn is_steady(&self, now: Instant) -> bool {
        // Nor while such a break lasts, before an answer ends it.
        self.since.is_some_and(|since| now - since >= self.lease) && now - self.last <= self.lease / 3 * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_ended_after_a_lease_without_a_break() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut contact = Contact::new(Duration::from_secs(30), start);
        for seconds in [10, 20, 30] {
            assert!(!contact.is_steady(at(seconds - 1)));
            contact.note_answer(at(seconds));
        }
        assert!(contact.is_steady(at(30)));
        contact.note_miss();
        assert!(!contact.is_steady(at(31)));
        contact.note_answer(at(40));
        for seconds in [50, 60] {
            contact.note_answer(at(seconds));
            assert!(!contact.is_steady(at(seconds)));
        }
        contact.note_answer(at(70));
        assert!(contact.is_steady(at(70)));
        // This process was stopped, and knows of no failure.
        assert!(!contact.is_steady(at(170)));
        contact.note_answer(at(170));
        assert!(!contact.is_steady(at(171)));
    }
}
