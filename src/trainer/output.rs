//! What the trainer says on stdout: events, one JSON line each.

use super::EXIT_PARENT_GONE;
use crate::types::TrainerEvent;
use std::io::{self, Write};

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
