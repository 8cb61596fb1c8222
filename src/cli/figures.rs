//! The figures for Prometheus: what each is, and those that count from zero.
//!
//! A counter that first appears at one has never risen, as far as Prometheus can tell: an alert about its first rise would not
//! fire. So every value that a label is known to take is there from the start.

use crate::types::{ErrorKind, Phase};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram};

/// Describes every figure, and starts the counters.
pub fn start() {
    describe();
    start_counters();
}

fn describe() {
    describe_counter!("autodenoise_http_requests_total", "Requests answered");
    describe_histogram!("autodenoise_http_request_seconds", "Time to the first byte of the answer");
    describe_counter!("autodenoise_upload_bytes_total", "Bytes of tables received");
    describe_gauge!("autodenoise_jobs", "Unfinished jobs of the whole database");
    describe_gauge!("autodenoise_oldest_job_seconds", "How long ago the oldest of these jobs was made");
    describe_gauge!("autodenoise_slots", "Slots of this process");
    describe_gauge!("autodenoise_slots_busy", "Slots at work");
    describe_gauge!("autodenoise_worker_fit", "0 where the worker claims nothing; /readyz has the reason");
    describe_counter!("autodenoise_leases_lost_total", "Jobs that another worker took over");
    describe_counter!("autodenoise_epochs_total", "Passes over the training rows");
    describe_counter!("autodenoise_rows_total", "Rows passed over");
    describe_histogram!("autodenoise_epoch_seconds", "How long passes over the training rows took");
    describe_counter!("autodenoise_attempts_total", "Attempts at jobs that ended");
    describe_histogram!("autodenoise_attempt_seconds", "How long attempts took");
    describe_counter!("autodenoise_datasets_total", "Tables read");
    describe_counter!("autodenoise_judgements_total", "Work on judgements that ended");
    describe_histogram!("autodenoise_ingest_seconds", "How long reading a table took");
    describe_counter!("autodenoise_webhook_deliveries_total", "Attempts to deliver a message");
    describe_histogram!("autodenoise_webhook_delivery_seconds", "How long attempts to deliver took");
    describe_gauge!("autodenoise_webhook_outbox_messages", "Messages that wait, of the whole database");
    describe_gauge!("autodenoise_webhook_outbox_overdue_seconds", "How long the first of the messages has been due");
}

fn start_counters() {
    counter!("autodenoise_upload_bytes_total").absolute(0);
    counter!("autodenoise_leases_lost_total").absolute(0);
    for phase in Phase::ALL {
        let phase = phase.as_str();
        counter!("autodenoise_epochs_total", "phase" => phase).absolute(0);
        counter!("autodenoise_rows_total", "phase" => phase).absolute(0);
    }
    for outcome in ["succeeded", "cancelled", "queued", "lost"] {
        counter!("autodenoise_attempts_total", "outcome" => outcome, "error_kind" => "").absolute(0);
    }
    for kind in ErrorKind::ALL {
        for outcome in ["failed", "queued"] {
            counter!("autodenoise_attempts_total", "outcome" => outcome, "error_kind" => kind.as_str()).absolute(0);
        }
    }
    for outcome in ["ready", "invalid", "failed", "released"] {
        counter!("autodenoise_datasets_total", "outcome" => outcome).absolute(0);
    }
    for outcome in ["open", "judged", "refused", "failed", "released"] {
        counter!("autodenoise_judgements_total", "outcome" => outcome).absolute(0);
    }
    for outcome in ["delivered", "retrying", "failed", "gone"] {
        counter!("autodenoise_webhook_deliveries_total", "outcome" => outcome).absolute(0);
    }
}
