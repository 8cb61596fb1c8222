//! What the trainer says: events on stdout, one JSON line each; logs on stderr, as JSON lines with the job's id.

use super::EXIT_PARENT_GONE;
use crate::types::TrainerEvent;
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;

pub struct Output;

impl Output {
    pub fn new() -> Self {
        Self
    }

    /// Writes and flushes one event. Without a reader the process ends: its parent is gone.
    pub fn emit(&self, event: &TrainerEvent) {
        let mut line = serde_json::to_vec(event).expect("an event is plain data");
        line.push(b'\n');
        let mut out = io::stdout().lock();
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            std::process::exit(EXIT_PARENT_GONE.into());
        }
    }
}

/// RUST_LOG sets the level; info without it.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}
