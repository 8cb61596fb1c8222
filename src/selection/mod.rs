//! What a method that chooses rows is to the job that runs it: a state machine whose steps are single passes, like the
//! job's own. The methods are in `denoise` and `baseline`; `evaluate` runs them.

mod contest;
mod context;
mod crossfit;
mod error;
mod pick;
mod progress;
mod sealed;
mod session;
mod warmup;

pub use contest::Contest;
pub use context::{Context, Role};
pub use crossfit::{CrossFit, CrossFitted};
pub use error::SelectError;
pub use pick::{keep_count, top_k, top_k_per_batch};
pub use progress::{Spent, after};
pub use sealed::{Reading, SealedTest};
pub use session::{Place, Session, row};
pub use warmup::Warmup;

use crate::backbone::{TensorFile, WeightsError};
use crate::types::{Findings, Phase, Tested};
use serde::{Deserialize, Serialize};

/// A method at work.
pub trait Selector {
    /// One pass over the training rows, or the choice itself; `Some` ends the work.
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError>;

    /// What the next step is of: a phase, and its epoch counted from 1.
    fn position(&self) -> (Phase, u32);

    /// Puts tensors into the file, below the prefix, and returns all else.
    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, WeightsError>;

    /// Takes up what `save` left. Called on a fresh selector of the same context.
    fn load(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<(), WeightsError>;
}

/// What a method chose.
pub struct Selected {
    /// Positions within the training split, ascending.
    pub kept: Vec<u32>,
    /// Of every training row: the larger, the rather it is kept.
    pub scores: Option<Scores>,
    /// The loss history it was made from, `[N]` a row of it, the oldest first; empty where there is none.
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

    pub fn scored(kept: Vec<u32>, name: &str, values: Vec<f32>) -> Self {
        Self { scores: Some(Scores { name: name.to_owned(), values }), ..Self::rows(kept) }
    }
}
