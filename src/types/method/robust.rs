//! Ours: what can be told to `robust`, and the numbers of its models, which a plan counts and the method trains.

use super::own::{Cost, OwnOptions, trains};
use crate::types::faults::{Faults, not_negative};
use crate::types::{BackboneKind, Options};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobustOptions {
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    /// Preset `robust`: times that all rows are judged; from the second on by models that trust rows as far as the round
    /// before does. 1 to 5.
    pub rounds: u32,
    /// Preset `robust`: the backbone that judges rows it has not seen, and its weight decay. A model that barely trusts a single
    /// row is the better judge.
    pub teacher: BackboneKind,
    pub teacher_weight_decay: f64,
}

impl RobustOptions {
    /// Most fields whose values are examined, the parts their values are in, and the passes of a model that judges a part.
    pub const MOST_FIELDS: usize = 3;
    pub const VALUE_PARTS: u8 = 3;
    pub const VALUE_PASSES: u32 = 8;
    /// Halves of the loss history: a state comes from one, its reward from the other.
    pub const HALVES: u8 = 2;
    /// How far subsets go from the given labels towards what the policy believes, and beyond, gentlest first.
    pub const SHARPNESS: [f32; 5] = [0.5, 1.0, 1.3, 1.5, 1.7];
    /// Models that a candidate is judged by: where one stops early is chance, and worth more than the candidates differ by.
    pub const JUDGES: u32 = 3;

    /// Candidates: all rows, and a subset of each sharpness. Where values are left out, which is not known beforehand, what is
    /// left is one more.
    const CANDIDATES: u64 = 1 + Self::SHARPNESS.len() as u64;
    /// The machine whose embeddings are the directions of a draw.
    const DIRECTIONS: u64 = 1;
    /// What examining values and searching come to, in passes, on most tables.
    const PASSES_BESIDE: u64 = 20;
    /// Numbers of a row: both halves, beliefs, logits, and copies.
    const NUMBERS_PER_ROW: u64 = 8;
}

impl Default for RobustOptions {
    fn default() -> Self {
        Self { folds: 8, rounds: 2, teacher: BackboneKind::Ipnn, teacher_weight_decay: 5e-4 }
    }
}

impl OwnOptions for RobustOptions {
    const TITLE: &'static str = "robust";

    /// No others than it uses: those of a search are not its.
    fn shows(option: &str) -> bool {
        trains(option)
    }

    fn check(&self, faults: &mut Faults) {
        faults.check("rounds", (1..=5).contains(&self.rounds), "from 1 to 5");
        let decay = self.teacher_weight_decay;
        faults.check("teacher_weight_decay", not_negative(decay) && decay <= 1.0, "from 0 to 1");
        faults.check("folds", (2..=20).contains(&self.folds), "from 2 to 20");
    }

    fn cost(&self, _options: &Options, training: u64) -> Cost {
        let judged = Self::CANDIDATES * u64::from(Self::JUDGES);
        let values = Self::MOST_FIELDS as u64 * u64::from(Self::VALUE_PARTS);
        let taught = u64::from(Self::HALVES) * u64::from(self.rounds * self.folds);
        Cost {
            // A teacher stops after about half as many passes as a model of the job.
            passes: Self::PASSES_BESIDE + taught * training / 2 + (Self::DIRECTIONS + judged) * training,
            trainings: values + Self::DIRECTIONS + taught + judged,
            numbers_per_row: Self::NUMBERS_PER_ROW,
        }
    }
}
