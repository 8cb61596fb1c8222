//! How far a pass is: time used, and when to say so.

use crate::types::Progress;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Least time between two progress events.
const EVERY: Duration = Duration::from_millis(500);

/// Passes and seconds so far; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub passes: u64,
    pub seconds: f64,
}

/// Reports from time to time how far a pass is.
pub struct Meter {
    at_start: Progress,
    /// Seconds of a pass so far.
    pace: f64,
    started: Instant,
    last: Instant,
}

impl Meter {
    /// For one pass of a run that has spent this much, and was so far at its beginning.
    pub fn new(spent: &Spent, at_start: Progress) -> Self {
        let now = Instant::now();
        Self { at_start, pace: spent.seconds / spent.passes.max(1) as f64, started: now, last: now }
    }

    /// The progress to report now, if it is time to.
    pub fn due(&mut self) -> Option<Progress> {
        if self.last.elapsed() < EVERY {
            return None;
        }
        self.last = Instant::now();
        // A pass that takes longer than usual counts as one pass all the same.
        let passed = self.started.elapsed().as_secs_f64().min(self.pace);
        let eta_seconds = self.at_start.eta_seconds.map(|left| (left - passed).max(0.0));
        Some(Progress { eta_seconds, ..self.at_start })
    }
}
