//! The losses T-CE and R-CE (spec `baselines.md`, section 6).

use super::own::{Cost, OwnOptions, Setting, TrainingPasses};
use crate::types::Options;
use crate::types::faults::{Faults, not_negative};
use crate::types::words::choice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choice!(
    /// What the losses `t_ce` and `r_ce` train on (spec `baselines.md`, section 6).
    CeData {
        /// The labelled rows.
        Explicit = "explicit",
        /// The official protocol: rows labelled 1, and in each pass anew other items for the same users as rows
        /// labelled 0.
        Sampled = "sampled",
    }
);

/// What the losses are trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SampledOptions {
    pub ce_data: CeData,
    /// Rows of label 0 drawn for each of label 1, with `ce_data = sampled`.
    pub num_neg: u32,
    /// The field that names the user, with `ce_data = sampled`.
    pub user_column: String,
    /// The field that names the item, with `ce_data = sampled`.
    pub item_column: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TCeOptions {
    /// T-CE: share of a batch left out once the ramp is over.
    pub drop_rate: f64,
    /// T-CE: passes over which the share rises from 0.
    pub ramp_epochs: f64,
    /// T-CE: the ramp rises to `drop_rate` to this power.
    pub ramp_exponent: f64,
    /// T-CE: leave out rows of label 1 only, also where there are fewer of them than the share asks for.
    pub protect_negatives: bool,
    #[serde(flatten)]
    #[schema(inline)]
    pub data: SampledOptions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RCeOptions {
    /// R-CE: the power of the model's belief that is a row's weight.
    pub beta: f64,
    #[serde(flatten)]
    #[schema(inline)]
    pub data: SampledOptions,
}

impl Default for SampledOptions {
    fn default() -> Self {
        Self { ce_data: CeData::Explicit, num_neg: 1, user_column: String::new(), item_column: String::new() }
    }
}

impl SampledOptions {
    fn check(&self, faults: &mut Faults) {
        faults.check("num_neg", (1..=20).contains(&self.num_neg), "from 1 to 20");
        for (option, column, what) in self.columns() {
            let rule = format!("the field of {what} is needed where ce_data is sampled");
            faults.check(option, !column.is_empty(), &rule);
        }
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        for (option, column, _) in self.columns() {
            setting.dataset.check_field(option, column, faults);
        }
    }

    /// Options that name a field, the field, and what it is of. None where no rows are drawn.
    fn columns(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        let columns =
            [("user_column", &self.user_column[..], "users"), ("item_column", &self.item_column[..], "items")];
        columns.into_iter().filter(|_| self.ce_data == CeData::Sampled)
    }

    /// Itself, where negatives are drawn.
    pub(super) fn drawn(&self) -> Option<&Self> {
        (self.ce_data == CeData::Sampled).then_some(self)
    }
}

impl Default for TCeOptions {
    fn default() -> Self {
        Self {
            drop_rate: 0.2,
            ramp_epochs: 5.0,
            ramp_exponent: 1.0,
            protect_negatives: false,
            data: SampledOptions::default(),
        }
    }
}

impl OwnOptions for TCeOptions {
    const TITLE: &'static str = "T-CE";
    const CHOOSES_FIRST: bool = false;

    fn check(&self, faults: &mut Faults) {
        faults.check("drop_rate", (0.0..1.0).contains(&self.drop_rate), "at least 0 and below 1");
        let ramp = not_negative(self.ramp_epochs) && self.ramp_epochs <= 10_000.0;
        faults.check("ramp_epochs", ramp, "from 0 to 10000");
        faults.check("ramp_exponent", self.ramp_exponent.is_finite() && self.ramp_exponent > 0.0, "above 0");
        self.data.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.data.check_setting(setting, faults);
    }

    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost::none(options)
    }
}

impl Default for RCeOptions {
    fn default() -> Self {
        Self { beta: 0.2, data: SampledOptions::default() }
    }
}

impl OwnOptions for RCeOptions {
    const TITLE: &'static str = "R-CE";
    const CHOOSES_FIRST: bool = false;

    fn check(&self, faults: &mut Faults) {
        faults.check("beta", not_negative(self.beta) && self.beta <= 100.0, "from 0 to 100");
        self.data.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.data.check_setting(setting, faults);
    }

    fn cost(&self, options: &Options, _training: TrainingPasses) -> Cost {
        Cost::none(options)
    }
}
