//! What a method chose, and what is known of the choice.

use super::{Context, SelectError, Treatment};
use crate::backbone::TensorFile;
use crate::types::{Findings, Tested};
use serde::{Deserialize, Serialize};

/// What a method chose.
pub struct Selected {
    /// Positions within the training split, ascending.
    pub kept: Vec<u32>,
    /// `[N]`: the probability that each training row's label is 1, which models are trained on. Absent: the labels as given.
    pub targets: Option<Vec<f32>>,
    /// `[N]`: what each training row weighs in training. Absent: 1.
    pub weights: Option<Vec<f32>>,
    /// Places of the validation rows that models trained on the choice are tuned, stopped and recalibrated on, ascending.
    /// Absent: all.
    pub valid: Option<Vec<u32>>,
    /// Places of the validation rows that are left out of the denoised table, ascending: they lie where training rows are dropped.
    pub left_out: Vec<u32>,
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
    /// All that the findings are about; of their values they name the largest alone.
    #[serde(default)]
    pub places: Vec<CorruptPlace>,
}

/// A place of the table that was found corrupt: values of a field or cells of two, in a window of time or at any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorruptPlace {
    /// Names. Values are of the first of them, or of as many as they have ids.
    pub fields: Vec<String>,
    /// Global ids, one a field. Empty where it is about rows of any value.
    pub values: Vec<Vec<u32>>,
    /// First and last moment, in the dataset's unit of time.
    pub window: Option<[i64; 2]>,
}

impl Selected {
    /// What is done to rows before a model is trained on the choice.
    pub fn treatment(&self) -> Treatment<'_> {
        Treatment {
            subset: Some(&self.kept),
            targets: self.targets.as_deref(),
            weights: self.weights.as_deref(),
            valid: self.valid.as_deref(),
        }
    }

    /// The same choice without what is known of it beside how rows are treated.
    pub fn treatment_alone(&self) -> Self {
        let Self { targets, weights, valid, .. } = self;
        Self {
            targets: targets.clone(),
            weights: weights.clone(),
            valid: valid.clone(),
            ..Self::rows(self.kept.clone())
        }
    }

    /// An error where no model can be trained on so few rows.
    pub fn check_size(&self, context: &Context) -> Result<(), SelectError> {
        match self.kept.len() {
            kept @ ..2 => Err(SelectError::TooFewKept { method: context.method.label.clone(), kept }),
            _ => Ok(()),
        }
    }

    /// `[N]`: how much each training row is worth to whoever trains a model of their own: what it weighs here, else its
    /// score, where that is a probability that the row is right.
    pub fn worth(&self) -> Option<&[f32]> {
        if let Some(weights) = &self.weights {
            return Some(weights);
        }
        let probabilities = |scores: &&Scores| matches!(&scores.name[..], "keep_prob" | "self_confidence");
        self.scores.as_ref().filter(probabilities).map(|scores| &scores.values[..])
    }

    /// A choice without scores.
    pub fn rows(kept: Vec<u32>) -> Self {
        Self {
            kept,
            targets: None,
            weights: None,
            valid: None,
            left_out: Vec::new(),
            scores: None,
            losses: Vec::new(),
            policy: None,
            note: SelectedNote::default(),
        }
    }

    /// A choice by scores of this name, one a training row.
    pub fn scored(kept: Vec<u32>, name: &str, values: Vec<f32>) -> Self {
        Self { scores: Some(Scores { name: name.to_owned(), values }), ..Self::rows(kept) }
    }
}
