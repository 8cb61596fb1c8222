//! Early stopping on a score that should grow (spec `autodenoise.md`, section 4): strict improvement, initial best 0.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stopper {
    patience: u32,
    best: f64,
    /// Passes in a row without an improvement.
    idle: u32,
}

impl Stopper {
    pub fn new(patience: u32) -> Self {
        Self { patience, best: 0.0, idle: 0 }
    }

    /// Takes a pass's score; says whether it is the best so far.
    pub fn improves(&mut self, score: f64) -> bool {
        if score > self.best {
            (self.best, self.idle) = (score, 0);
            true
        } else {
            self.idle += 1;
            false
        }
    }

    pub fn stopped(&self) -> bool {
        self.idle >= self.patience
    }
}
