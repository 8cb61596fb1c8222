//! What a method chose, and what is known of the choice.

use crate::backbone::TensorFile;
use crate::types::{Findings, Tested};
use serde::{Deserialize, Serialize};

/// What a method chose.
pub struct Selected {
    /// Positions within the training split, ascending.
    pub kept: Vec<u32>,
    /// One score a training row: rows with higher scores are kept before rows with lower ones.
    pub scores: Option<Scores>,
    /// The loss history that the choice was made from: rows of `[N]` losses, the oldest first; empty where there is
    /// none.
    pub losses: Vec<Vec<f32>>,
    /// The policy that chose.
    pub policy: Option<TensorFile>,
    pub note: SelectedNote,
}

/// One number a training row.
pub struct Scores {
    /// What it is, for example `keep_prob`.
    pub name: String,
    pub values: Vec<f32>,
}

/// What else is known of a choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SelectedNote {
    /// Outer epoch whose subset this is.
    pub best_epoch: Option<u32>,
    /// The best epoch's own model, where its test result was read to choose it.
    pub as_selected: Option<Tested>,
    #[serde(default)]
    pub findings: Option<Findings>,
}

impl Selected {
    /// How much each training row is worth in training, where the scores are probabilities that a row is right.
    pub fn weights(&self) -> Option<&[f32]> {
        let probabilities = |scores: &&Scores| matches!(&scores.name[..], "keep_prob" | "self_confidence");
        self.scores.as_ref().filter(probabilities).map(|scores| &scores.values[..])
    }

    /// A choice without scores.
    pub fn rows(kept: Vec<u32>) -> Self {
        Self { kept, scores: None, losses: Vec::new(), policy: None, note: SelectedNote::default() }
    }

    /// A choice by scores of this name, one a training row.
    pub fn scored(kept: Vec<u32>, name: &str, values: Vec<f32>) -> Self {
        Self { scores: Some(Scores { name: name.to_owned(), values }), ..Self::rows(kept) }
    }
}
