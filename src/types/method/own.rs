//! What a job must know of a method before it runs.

use crate::types::faults::Faults;
use crate::types::{BackboneKind, DatasetFacts, Options, TuningGrid};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

/// Options of [`Options`] that only a search has.
const SEARCH: &[&str] = &[
    "epochs",
    "policy_lr_mult",
    "policy_wd_mult",
    "policy_mlp_dims",
    "policy_bn",
    "policy_dropout",
    "policy_label_field",
    "policy_repeats",
    "action",
    "epsilon",
    "update_action",
    "reward",
    "deselected_reward",
    "policy_reduction",
    "reward_norm",
    "reward_forward",
    "lmat_deselected",
    "select",
    "select_by",
    "on_few_selected",
    "min_selected_fraction",
];
/// Options of the warm-up.
const WARMUP: &[&str] = &["warmup_epochs", "warmup_passes_per_row", "lmat_loss"];

/// A method's own options, those beside [`Options`], and what they say of the method. What is not said here is as in most
/// methods.
pub trait OwnOptions: Default + Serialize + DeserializeOwned + ToSchema {
    /// What the method is called in tables for people.
    const TITLE: &'static str;

    /// Whether rows are chosen before a model is trained on them; a loss chooses while one is.
    const CHOOSES_FIRST: bool = true;

    /// Words of options of the training that the method starts from, whatever the preset has. `lmat_deselected` is read by a
    /// search alone, and only this word of it goes with every `lmat_loss`.
    const STARTS_FROM: &'static [(&'static str, &'static str)] = &[("lmat_deselected", "evaluate_all")];

    /// Whether an option of the training makes any difference to the method.
    fn uses(option: &str) -> bool {
        trains(option)
    }

    /// Whether a resolved spec shows an option of the training.
    fn shows(_option: &str) -> bool {
        true
    }

    /// What is out of range, or does not fit the rest.
    fn check(&self, _faults: &mut Faults) {}

    /// What does not suit the dataset or the backbone.
    fn check_setting(&self, _setting: &Setting, _faults: &mut Faults) {}

    /// What choosing rows takes, where trainings to early stopping take so many passes.
    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost { passes: 1, ..Cost::none(options) }
    }
}

/// What a method is to work on.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'s> {
    /// The method's word in a spec.
    pub method: &'static str,
    pub backbone: BackboneKind,
    pub dataset: &'s DatasetFacts,
}

/// Passes that a training to early stopping takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingPasses {
    /// With the patience of the options, as it is.
    pub fixed: u64,
    /// With the patience of the tuning.
    pub tuned: u64,
}

impl TrainingPasses {
    /// Of a backbone with these options: so many as trainings are seen to take (`seen`), or as is usual for their patience.
    pub fn expect(backbone: BackboneKind, options: &Options, grid: Option<&TuningGrid>, seen: Option<u64>) -> Self {
        let of = |patience: u32| {
            seen.unwrap_or_else(|| backbone.usual_passes(patience)).min(options.retrain_max_epoch.into())
        };
        let tuned = grid.map_or_else(|| TuningGrid::default().patience, |grid| grid.patience);
        Self { fixed: of(options.patience), tuned: of(tuned) }
    }

    /// So many, however patient.
    pub const fn all(passes: u64) -> Self {
        Self { fixed: passes, tuned: passes }
    }
}

/// What it takes a method to choose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Passes over the training rows, and other steps that take about as long.
    pub passes: u64,
    /// Models trained to early stopping.
    pub trainings: u64,
    /// Numbers of 4 bytes that are kept of each training row.
    pub numbers_per_row: u64,
}

impl Cost {
    /// Of a method that chooses nothing. The numbers of a row are those of a warm-up's loss history and its copies, the most
    /// that a job holds.
    pub fn none(options: &Options) -> Self {
        Self { passes: 0, trainings: 0, numbers_per_row: u64::from(options.warmup_epochs) + 4 }
    }

    /// Passes of the warm-up.
    pub fn warmup(options: &Options) -> u64 {
        u64::from(options.warmup_epochs) * u64::from(options.warmup_passes_per_row)
    }
}

/// Whether an option of the training is one of how models are trained, whatever chose the rows.
pub fn trains(option: &str) -> bool {
    !is_of_search(option) && !WARMUP.contains(&option) && option != "select_ratio"
}

pub fn is_of_search(option: &str) -> bool {
    SEARCH.contains(&option)
}

pub fn is_of_warmup(option: &str) -> bool {
    WARMUP.contains(&option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_option_exists() {
        let options = Options::default().to_map();
        assert!(SEARCH.iter().chain(WARMUP).all(|name| options.contains_key(*name)));
    }
}
