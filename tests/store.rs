//! The store against a real Postgres: every query of `src/store` runs here.

mod common;

#[path = "store/access.rs"]
mod access;
#[path = "store/audit.rs"]
mod audit;
#[path = "store/datasets.rs"]
mod datasets;
#[path = "store/fairness.rs"]
mod fairness;
#[path = "store/jobs.rs"]
mod jobs;
#[path = "store/judgements.rs"]
mod judgements;
#[path = "store/parts.rs"]
mod parts;
#[path = "store/queue.rs"]
mod queue;
#[path = "store/records.rs"]
mod records;
#[path = "store/scheduling.rs"]
mod scheduling;
#[path = "store/schema.rs"]
mod schema;
#[path = "store/test_reads.rs"]
mod test_reads;
#[path = "store/uploads.rs"]
mod uploads;
#[path = "store/webhooks.rs"]
mod webhooks;
