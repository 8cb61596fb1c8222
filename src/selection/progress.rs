//! How far a run is: passes done and foreseen, time used, and when to say so.

use crate::types::{BackboneKind, Options, Progress, ResolvedMethod, TrainingPasses, TuningGrid};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Least time between two progress events.
const EVERY: Duration = Duration::from_millis(500);

/// Passes and seconds so far; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub passes: u64,
    pub seconds: f64,
    /// Passes of finished retrains, and how many retrains.
    pub retrain_passes: u64,
    pub retrains: u64,
}

impl Spent {
    /// Passes that trainings to early stopping are expected to take: as many as those before took on average, or as is usual.
    pub fn expected_training(
        &self,
        backbone: BackboneKind,
        options: &Options,
        grid: Option<&TuningGrid>,
    ) -> TrainingPasses {
        let mean = self.retrain_passes.checked_div(self.retrains);
        TrainingPasses::expect(backbone, options, grid, mean.map(|mean| mean.max(1)))
    }

    /// Passes (and other steps) in which a method chooses its rows.
    pub fn expected_selection(&self, method: &ResolvedMethod) -> u64 {
        method.cost(self.expected_training(method.backbone, &method.options, None)).passes
    }
}

/// Reports from time to time how far a pass is.
pub struct Meter {
    at_start: Progress,
    seconds: f64,
    started: Instant,
    last: Instant,
}

impl Meter {
    /// For one pass of a run that has spent this much.
    pub fn new(spent: &Spent, total: u64) -> Self {
        let now = Instant::now();
        let at_start = Progress { done: spent.passes, total, eta_seconds: None };
        Self { at_start, seconds: spent.seconds, started: now, last: now }
    }

    /// The progress to report now, if it is time to.
    pub fn due(&mut self) -> Option<Progress> {
        if self.last.elapsed() < EVERY {
            return None;
        }
        self.last = Instant::now();
        let in_pass = self.started.elapsed().as_secs_f64();
        let eta_seconds = (self.at_start.done > 0).then(|| {
            let pace = self.seconds / self.at_start.done as f64;
            // A pass that takes longer than usual counts as one pass all the same.
            let left = (self.at_start.total - self.at_start.done) as f64;
            (left * pace - in_pass.min(pace)).max(0.0)
        });
        Some(Progress { eta_seconds, ..self.at_start })
    }
}
