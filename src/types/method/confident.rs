//! Confident learning (spec `baselines.md`, section 7).

use super::own::{Cost, OwnOptions, TrainingPasses};
use crate::types::Options;
use crate::types::faults::Faults;
use crate::types::words::choice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choice!(
    /// Which rows confident learning leaves out (spec `baselines.md`, section 7). With two classes the last three find the
    /// same.
    ClFilter {
        /// Those counted with another label than their own.
        ConfidentLearning = "confident_learning",
        /// Of each label as many as are counted with the other, those that most probably are.
        PruneByNoiseRate = "prune_by_noise_rate",
        /// Of each label as many as are not counted with it, those that least probably are.
        PruneByClass = "prune_by_class",
        /// Those of the two before alike.
        Both = "both",
    }
);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConfidentOptions {
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    pub filter: ClFilter,
}

impl Default for ConfidentOptions {
    fn default() -> Self {
        Self { folds: 5, filter: ClFilter::PruneByNoiseRate }
    }
}

impl OwnOptions for ConfidentOptions {
    const TITLE: &'static str = "confident learning";

    fn check(&self, faults: &mut Faults) {
        faults.check("folds", (2..=20).contains(&self.folds), "from 2 to 20");
    }

    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        let folds = u64::from(self.folds);
        Cost { passes: folds * training.fixed, trainings: folds, ..Cost::none(options) }
    }
}
