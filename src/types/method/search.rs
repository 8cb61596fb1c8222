//! AutoDenoise, and the paper's ablation of it: all they can be told is among the options of the training.

use super::own::{Cost, OwnOptions, TrainingPasses};
use crate::types::Options;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchOptions {}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AblationOptions {}

impl OwnOptions for SearchOptions {
    const TITLE: &'static str = "AutoDenoise";
    const STARTS_FROM: &'static [(&'static str, &'static str)] = &[];

    fn uses(_option: &str) -> bool {
        true
    }

    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        search_cost(options, training)
    }
}

impl OwnOptions for AblationOptions {
    const TITLE: &'static str = "AutoDenoise-v";
    const STARTS_FROM: &'static [(&'static str, &'static str)] = &[("select", "sample")];

    fn uses(_option: &str) -> bool {
        true
    }

    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        search_cost(options, training)
    }
}

/// Each epoch is a pass of the search, and a model trained on what the policy selects.
fn search_cost(options: &Options, training: TrainingPasses) -> Cost {
    let epochs = u64::from(options.epochs);
    Cost { passes: Cost::warmup(options) + epochs * (1 + training.fixed), trainings: epochs, ..Cost::none(options) }
}
