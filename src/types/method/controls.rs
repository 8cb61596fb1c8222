//! All rows, and the controls (spec `baselines.md`, section 8).

use super::own::{Cost, OwnOptions, TrainingPasses, is_of_search, is_of_warmup};
use crate::types::Options;
use crate::types::faults::Faults;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All rows: there is nothing to choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AllRowsOptions {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RandomDropOptions {
    /// Whether `random_drop` and `loss_drop` drop the same share of every batch.
    pub per_batch: bool,
    /// Draws of `random_drop`. With several, a model is trained on each and the best by `select_by` is kept, as AutoDenoise
    /// keeps the best of its epochs: the fair control of its best of T. 1 to 10,000.
    pub tries: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LossDropOptions {
    /// Whether `random_drop` and `loss_drop` drop the same share of every batch.
    pub per_batch: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LabelSmoothingOptions {
    /// How far `label_smoothing` moves every label towards one half: 0.1 makes 0 and 1 into 0.05 and 0.95. Above 0, below 1.
    pub smoothing: f64,
}

impl OwnOptions for AllRowsOptions {
    const TITLE: &'static str = "w/o";
    const CHOOSES_FIRST: bool = false;

    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost::none(options)
    }
}

impl Default for RandomDropOptions {
    fn default() -> Self {
        Self { per_batch: true, tries: 1 }
    }
}

impl OwnOptions for RandomDropOptions {
    const TITLE: &'static str = "random drop";

    fn uses(option: &str) -> bool {
        option == "select_by" || !is_of_search(option) && !is_of_warmup(option)
    }

    fn check(&self, faults: &mut Faults) {
        faults.check("tries", (1..=10_000).contains(&self.tries), "from 1 to 10000");
    }

    /// A single draw is kept untried.
    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        let tries = u64::from(self.tries);
        match tries {
            1 => Cost { passes: 1, ..Cost::none(options) },
            _ => Cost { passes: tries * training.fixed, trainings: tries, ..Cost::none(options) },
        }
    }
}

impl Default for LossDropOptions {
    fn default() -> Self {
        Self { per_batch: true }
    }
}

impl OwnOptions for LossDropOptions {
    const TITLE: &'static str = "loss drop";

    fn uses(option: &str) -> bool {
        !is_of_search(option)
    }

    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost { passes: Cost::warmup(options), ..Cost::none(options) }
    }
}

impl Default for LabelSmoothingOptions {
    fn default() -> Self {
        Self { smoothing: 0.1 }
    }
}

impl OwnOptions for LabelSmoothingOptions {
    const TITLE: &'static str = "label smoothing";

    fn check(&self, faults: &mut Faults) {
        faults.check("smoothing", self.smoothing > 0.0 && self.smoothing < 1.0, "above 0 and below 1");
    }
}
