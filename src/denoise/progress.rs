//! How far a run is: passes done and foreseen, time used, and when to say so.

use crate::types::{Options, Progress, ResolvedMethod};
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
    /// Passes of the whole run, as far as can be foreseen: a retrain is as long as those before it.
    pub fn total(&self, method: &ResolvedMethod, retrain_running: Option<u32>) -> u64 {
        let options = &method.options;
        let expected = self.expected_retrain(options);
        let (fixed, retrains) = match method.name {
            name if !name.searches() => (0, 1),
            _ => {
                let warmup = u64::from(options.warmup_epochs) * u64::from(options.warmup_passes_per_row);
                (warmup + u64::from(options.epochs), u64::from(options.epochs) + 1)
            }
        };
        let running = retrain_running.map_or(0, u64::from);
        let current = u64::from(retrain_running.is_some()) * running.max(expected);
        let ahead = retrains.saturating_sub(self.retrains + u64::from(retrain_running.is_some())) * expected;
        (fixed + self.retrain_passes + current + ahead).max(self.passes)
    }

    fn expected_retrain(&self, options: &Options) -> u64 {
        let most = u64::from(options.retrain_max_epoch);
        match self.retrain_passes.checked_div(self.retrains) {
            // Before the first: a few passes that improve, then the patience.
            None => most.min(u64::from(options.patience) + 3),
            Some(mean) => most.min(mean.max(1)),
        }
    }
}

/// Says from time to time where a pass stands.
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
            // The pass under way counts as whole until its usual time is over.
            let left = (self.at_start.total - self.at_start.done) as f64;
            (left * pace - in_pass.min(pace)).max(0.0)
        });
        Some(Progress { eta_seconds, ..self.at_start })
    }
}

/// The progress at the end of a pass.
pub fn after(spent: &Spent, total: u64) -> Progress {
    let pace = spent.seconds / spent.passes.max(1) as f64;
    Progress { done: spent.passes, total, eta_seconds: Some((total - spent.passes) as f64 * pace) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BackboneKind, MethodName, Preset};

    #[test]
    fn the_total_follows_the_retrains_seen_and_ends_at_what_was_done() {
        let mut options = Options::preset(Preset::Paper, BackboneKind::Fm);
        (options.epochs, options.warmup_epochs) = (2, 4);
        let method = ResolvedMethod {
            name: MethodName::Autodenoise,
            preset: Preset::Paper,
            backbone: BackboneKind::Fm,
            label: String::new(),
            options,
            own: Default::default(),
        };
        // 4 warm-up rows, 2 search epochs, 3 retrains of 5.
        assert_eq!(Spent::default().total(&method, None), 4 + 2 + 3 * 5);
        let spent = Spent { passes: 13, seconds: 26.0, retrain_passes: 8, retrains: 1 };
        assert_eq!(spent.total(&method, None), 4 + 2 + 3 * 8);
        assert_eq!(spent.total(&method, Some(9)), 4 + 2 + 8 + 9 + 8);
        let done = Spent { passes: 4 + 2 + 20, seconds: 52.0, retrain_passes: 20, retrains: 3 };
        assert_eq!(after(&done, done.total(&method, None)), Progress { done: 26, total: 26, eta_seconds: Some(0.0) });
    }
}
