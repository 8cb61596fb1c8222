//! Whether students are tuned before they are compared, and over which settings (`docs/evidence.md`, "Everyone is tuned").

use super::faults::not_negative;
use super::{Arm, BackboneKind, FieldError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, schema::Schema, schema::Type},
};

/// Passes after which the worse half of the settings is given up for the first time, and again each time that as many have
/// passed as before.
pub const FIRST_CUT: u32 = 4;
/// Settings that are never given up: they are trained to early stopping.
pub const LAST_RUNNERS: usize = 2;

/// Models that are compared are students of what a method chose.
#[derive(Debug, Clone, PartialEq)]
pub enum Tuning {
    /// They are trained with the options of the method.
    Off,
    /// Weight decay and passes are chosen on validation rows, once for each set of rows and backbone.
    On(TuningGrid),
}

/// The settings that are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuningGrid {
    /// Weight decays, each trained with the first seed until it falls behind: 1 to 16, each 0 or more.
    pub weight_decay: Vec<f64>,
    /// Passes without a better validation AUC after which a training stops; the weights of the best pass are used. 1 to 100.
    pub patience: u32,
}

/// A student's setting that was chosen on validation rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TunedStudent {
    /// Number of the method in the job: 0 its own, then those of `spec.compare`, then the oracle of planted noise.
    pub contender: u32,
    /// The rows: those a method kept, all, or random ones for the verdict.
    pub arm: Arm,
    pub backbone: BackboneKind,
    pub weight_decay: f64,
    pub patience: u32,
    /// All that were tried, in the order of the grid.
    pub candidates: Vec<TunedCandidate>,
    pub seconds: f64,
}

/// A setting that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TunedCandidate {
    pub weight_decay: f64,
    /// Passes it was trained for: it fell behind, or stopped early.
    pub passes: u32,
    /// The best on the validation rows.
    pub valid_auc: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self::On(TuningGrid::default())
    }
}

impl Default for TuningGrid {
    fn default() -> Self {
        Self { weight_decay: vec![1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3], patience: 6 }
    }
}

impl Tuning {
    /// As in jobs of versions that had no tuning.
    pub(super) const fn off() -> Self {
        Self::Off
    }

    pub(super) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The grid, where students are tuned.
    pub fn grid(&self) -> Option<&TuningGrid> {
        match self {
            Self::Off => None,
            Self::On(grid) => Some(grid),
        }
    }

    pub(super) fn out_of_range(&self) -> Vec<FieldError> {
        let Some(grid) = self.grid() else { return Vec::new() };
        let mut errors = Vec::new();
        let mut check = |name: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(format!("/tuning/{name}"), rule));
            }
        };
        let decays = &grid.weight_decay;
        check("weight_decay", (1..=16).contains(&decays.len()), "1 to 16 values");
        check("weight_decay", decays.iter().all(|decay| not_negative(*decay)), "values of 0 or more");
        check("patience", (1..=100).contains(&grid.patience), "from 1 to 100");
        errors
    }
}

impl TuningGrid {
    /// Passes that a race over the grid takes, where a training to early stopping takes `training` passes.
    pub fn passes(&self, training: u64) -> u64 {
        let (mut runners, mut done, mut cut, mut passes) = (self.weight_decay.len(), 0, u64::from(FIRST_CUT), 0);
        while runners > LAST_RUNNERS && cut < training {
            passes += runners as u64 * (cut - done);
            runners = runners.div_ceil(2).max(LAST_RUNNERS);
            (done, cut) = (cut, 2 * cut);
        }
        passes + runners as u64 * (training - done.min(training))
    }
}

impl Serialize for Tuning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::On(grid) => grid.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Tuning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "off" => Ok(Self::Off),
            grid @ Value::Object(_) => TuningGrid::deserialize(grid).map(Self::On).map_err(D::Error::custom),
            _ => Err(D::Error::custom("tuning is `off`, or an object of weight_decay and patience")),
        }
    }
}

impl PartialSchema for Tuning {
    fn schema() -> RefOr<Schema> {
        let off = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["off"]));
        OneOfBuilder::new()
            .item(off)
            .item(TuningGrid::schema())
            .description(Some(
                "How the models that are compared are tuned on validation rows: over a grid of weight decays, all alike. \
                 `off`: they are trained with the options of the method, but for those of a verdict.",
            ))
            .into()
    }
}

impl ToSchema for Tuning {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tuning_is_off_or_a_grid() {
        let read = |value: Value| serde_json::from_value::<Tuning>(value);
        assert_eq!(read(json!("off")).unwrap(), Tuning::Off);
        assert_eq!(read(json!({})).unwrap(), Tuning::default());
        let grid = read(json!({"weight_decay": [0.0, 0.1]})).unwrap();
        assert_eq!(grid, Tuning::On(TuningGrid { weight_decay: vec![0.0, 0.1], patience: 6 }));
        for tuning in [Tuning::Off, Tuning::default(), grid] {
            assert_eq!(read(serde_json::to_value(&tuning).unwrap()).unwrap(), tuning);
        }
        assert!(read(json!("on")).unwrap_err().to_string().contains("`off`"));
        assert!(read(json!({"weight_decays": []})).unwrap_err().to_string().contains("weight_decay"));
    }

    #[test]
    fn wrong_grids_are_named() {
        let faults = |weight_decay: Vec<f64>, patience| {
            let errors = Tuning::On(TuningGrid { weight_decay, patience }).out_of_range();
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(faults(vec![1e-6], 1), [""; 0]);
        assert_eq!(faults(vec![], 0), ["/tuning/weight_decay", "/tuning/patience"]);
        assert_eq!(faults(vec![-1.0], 101), ["/tuning/weight_decay", "/tuning/patience"]);
        assert_eq!(faults(vec![f64::INFINITY; 17], 1).len(), 2);
    }

    #[test]
    fn a_race_is_cheaper_than_all_trainings() {
        let grid = TuningGrid::default();
        // Six to pass 4, three to pass 8, two to pass 12.
        assert_eq!(grid.passes(12), 6 * 4 + 3 * 4 + 2 * 4);
        assert_eq!(grid.passes(3), 6 * 3, "a short training is over before anyone falls behind");
        assert_eq!(TuningGrid { weight_decay: vec![0.0], patience: 1 }.passes(9), 9);
    }
}
