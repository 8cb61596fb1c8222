//! The two ways in which a result is chosen and tested: the authors' and ours.

use crate::types::{MethodName, Metrics, RunResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Which epoch's rows are taken, and which model is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The epoch of the best test AUC, and that test AUC itself
    Published,
    /// The epoch of the best validation AUC, a fresh model on its rows, tested once
    Validation,
}

impl Protocol {
    pub const ALL: [Self; 2] = [Self::Published, Self::Validation];

    pub fn title(self) -> &'static str {
        match self {
            Self::Published => "as published",
            Self::Validation => "on validation",
        }
    }

    /// Its word in file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Validation => "validation",
        }
    }

    /// What it does, for a reader of the numbers.
    pub fn text(self) -> &'static str {
        match self {
            Self::Published => {
                "As published: the evaluation of the paper and of the released code. After each epoch a fresh model \
                 is trained on the rows kept, in file order, with early stopping on validation AUC, and its last \
                 weights are tested; the epoch of the best test AUC is taken, and that test result is the number. It \
                 chose itself, so it is too good. Training on all rows (w/o) and on the rows of other methods follows \
                 the same routine and is tested once. (select_by = test_auc, restore_best = false, retrain_shuffle = \
                 false)"
            }
            Self::Validation => {
                "On validation: the epoch of the best validation AUC is taken; then fresh models are trained on its \
                 rows and on all rows, from the same initial weights, the rows in a new random order each pass, the \
                 weights of the best pass by validation AUC kept; each is tested once. (select_by = valid_auc, \
                 restore_best = true, retrain_shuffle = true)"
            }
        }
    }

    /// The options that make it, for a method.
    pub fn options(self, method: MethodName) -> Map<String, Value> {
        let options = match self {
            Self::Published => json!({"select_by": "test_auc", "restore_best": false, "retrain_shuffle": false}),
            Self::Validation => json!({"select_by": "valid_auc", "restore_best": true, "retrain_shuffle": true}),
        };
        let Value::Object(mut options) = options else { unreachable!("it is written above") };
        options.retain(|key, _| method.uses(key));
        options
    }

    /// The test result that counts.
    pub fn test(self, run: &RunResult) -> Metrics {
        match self {
            Self::Published => run.as_selected.map_or(run.test, |selected| selected.test),
            Self::Validation => run.test,
        }
    }
}
