//! Choices by the rank of a row's loss or margin: simple methods that any other ought to be better than.

use super::own::{Cost, OwnOptions, Setting, TrainingPasses, is_of_search, trains};
use crate::types::Options;
use crate::types::faults::Faults;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TrimOptions {
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    /// Share of the rows left out. Above 0, below 1.
    pub trim_rate: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EardOptions {
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    /// The field that names the user. Empty: of all fields the one of most values.
    pub user_column: String,
    /// The field that names the item. Empty: of the other fields the one of most values.
    pub item_column: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AumOptions {}

fn check_folds(folds: u32, faults: &mut Faults) {
    faults.check("folds", (2..=20).contains(&folds), "from 2 to 20");
}

/// Of a cross-fitting.
fn cost_of_folds(folds: u32, options: &Options, training: TrainingPasses) -> Cost {
    let folds = u64::from(folds);
    Cost { passes: folds * training.fixed, trainings: folds, ..Cost::none(options) }
}

impl Default for TrimOptions {
    fn default() -> Self {
        Self { folds: 5, trim_rate: 0.05 }
    }
}

impl OwnOptions for TrimOptions {
    const TITLE: &'static str = "loss trimming";

    fn check(&self, faults: &mut Faults) {
        check_folds(self.folds, faults);
        faults.check("trim_rate", self.trim_rate > 0.0 && self.trim_rate < 1.0, "above 0 and below 1");
    }

    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        cost_of_folds(self.folds, options, training)
    }
}

impl Default for EardOptions {
    fn default() -> Self {
        Self { folds: 5, user_column: String::new(), item_column: String::new() }
    }
}

impl OwnOptions for EardOptions {
    const TITLE: &'static str = "EARD-like";

    fn uses(option: &str) -> bool {
        trains(option) || option == "select_ratio"
    }

    fn check(&self, faults: &mut Faults) {
        check_folds(self.folds, faults);
        let one = !self.user_column.is_empty() && self.user_column == self.item_column;
        faults.check("item_column", !one, "another field than user_column");
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        let named = [("user_column", &self.user_column), ("item_column", &self.item_column)];
        for (option, column) in named.into_iter().filter(|(_, column)| !column.is_empty()) {
            setting.dataset.check_field(option, column, faults);
        }
    }

    fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
        cost_of_folds(self.folds, options, training)
    }
}

impl OwnOptions for AumOptions {
    const TITLE: &'static str = "AUM";

    fn uses(option: &str) -> bool {
        !is_of_search(option)
    }

    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost { passes: Cost::warmup(options), ..Cost::none(options) }
    }
}
