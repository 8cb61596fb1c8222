//! A search epoch that an engine runs by itself, because its policy and its model live on a device that is not to be waited for:
//! what it is told, and what came of it. What a search does is said in `denoise::search`.

use super::{BackboneConfig, Measure, Model, ModelKey, OptimizerConfig, Rows};
use crate::random::{Purpose, Stream};
use crate::types::{Metrics, Options};

pub struct SearchPass<'a> {
    pub options: &'a Options,
    pub config: &'a BackboneConfig,
    pub rows: &'a Rows<'a>,
    pub seed: u64,
    /// Counted from 1.
    pub epoch: u32,
    /// The fresh model's, and its optimiser.
    pub key: ModelKey,
    pub optimizer: OptimizerConfig,
    /// `[N]`: the losses that rewards are measured against.
    pub look_back: &'a [f32],
    /// `[N]`: what the history's row has for rows that no update sees.
    pub entries: &'a [f32],
}

impl SearchPass<'_> {
    /// How the rows trained on are judged.
    pub fn measure(&self) -> Measure {
        Measure { auc_on: self.options.auc_on, logloss_eps: self.options.logloss_eps }
    }
}

/// What a search epoch came to.
pub struct Searched {
    pub model: Box<dyn Model>,
    /// `[N]`: the history's row.
    pub entries: Vec<f32>,
    pub batches: Vec<SearchedBatch>,
    /// Over the rows trained on, before each update; none where there was no such row.
    pub train: Option<Metrics>,
}

/// What happened in one batch. Sums are over the repeats of the policy's step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchedBatch {
    pub rewarded: u64,
    pub reward_sum: f64,
    pub reward_squares: f64,
    /// Steps of the policy left out because no row had a reward.
    pub skipped_policy: u64,
    /// Rows that the second action selected.
    pub selected: u64,
    /// Whether those were fewer than `min_selected`.
    pub few: bool,
    /// Whether the policy's opinion after its steps, and the logits trained on, are finite.
    pub policy_is_finite: bool,
    pub model_is_finite: bool,
}

/// The stream of the uniform numbers by which the policy draws its actions in a batch; draw 0 is that of the model's update.
pub fn action_stream(seed: u64, epoch: u32, batch: u32, draw: u32) -> Stream {
    Stream::new(seed, Purpose::Actions, &[epoch, batch, draw])
}
