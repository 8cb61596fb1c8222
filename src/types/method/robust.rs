//! Ours: what can be told to `robust`, and the numbers of its models, which a plan counts and the method trains.

use super::own::{Cost, OwnOptions, TrainingPasses, trains};
use crate::types::faults::{Faults, not_negative};
use crate::types::{BackboneKind, Options};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobustOptions {
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    /// The backbone that judges rows it has not seen, and its weight decay. A model that barely trusts a single row is the better
    /// judge.
    pub teacher: BackboneKind,
    pub teacher_weight_decay: f64,
    /// Models that each remedy is tried with: where one stops early is chance, and worth more than remedies differ by. 2 to
    /// 20.
    pub judges: u32,
}

impl RobustOptions {
    /// Remedies that are tried on most tables, beside all rows.
    const TRIED: u64 = 1;
    /// What a race over weight decays comes to, in trainings to early stopping.
    const TUNING: u64 = 3;
    /// Passes that the audit takes about as long as.
    const AUDIT: u64 = 30;
    /// Numbers of a row: logits, beliefs, targets, weights and copies, and the columns of a table of twenty fields.
    const NUMBERS_PER_ROW: u64 = 30;
}

impl Default for RobustOptions {
    fn default() -> Self {
        Self { folds: 4, teacher: BackboneKind::Ipnn, teacher_weight_decay: 5e-4, judges: 3 }
    }
}

impl OwnOptions for RobustOptions {
    const TITLE: &'static str = "robust";

    /// No others than it uses: those of a search are not its.
    fn shows(option: &str) -> bool {
        trains(option)
    }

    fn check(&self, faults: &mut Faults) {
        let decay = self.teacher_weight_decay;
        faults.check("teacher_weight_decay", not_negative(decay) && decay <= 1.0, "from 0 to 1");
        faults.check("folds", (2..=20).contains(&self.folds), "from 2 to 20");
        faults.check("judges", (2..=20).contains(&self.judges), "from 2 to 20");
    }

    fn cost(&self, _options: &Options, training: TrainingPasses) -> Cost {
        let (folds, judges) = (u64::from(self.folds), u64::from(self.judges));
        let tried = (1 + Self::TRIED) * judges;
        Cost {
            // A teacher stops after about half as many passes as a model of the job.
            passes: folds * training.tuned / 2 + Self::AUDIT + (Self::TUNING + tried) * training.tuned,
            trainings: folds + Self::TUNING + tried,
            numbers_per_row: Self::NUMBERS_PER_ROW,
        }
    }
}
