//! The worker against a real Postgres, real files and a real child process, which a script plays.

mod common;

#[path = "worker/datasets.rs"]
mod datasets;
#[path = "worker/jobs.rs"]
mod jobs;
#[path = "worker/scheduling.rs"]
mod scheduling;
#[path = "worker/stage.rs"]
mod stage;
#[path = "worker/sweep.rs"]
mod sweep;
