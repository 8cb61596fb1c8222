//! The policy network Θ on an engine: its own embedding table (not the model's), an MLP and two logits a row (spec
//! `autodenoise.md`, equations 1 and 2), learning by REINFORCE (equations 6 to 8). Action 1 selects a row.

use super::{OptimizerConfig, Picked, Rows, SearchPass, Searched, TensorFile, Tick, WeightsError};
use crate::types::{FeatureMap, Options, PolicyReduction};
use std::ops::Range;

/// The policy with its optimiser.
pub trait Policy {
    /// A forward pass in train mode, kept for the next `reinforce`. `pass` and `batch` name the dropout.
    fn explore(&mut self, rows: &Rows, picked: Picked, pass: u32, batch: u32) -> Outlook;

    /// One step of gradient ascent (equation 8) on the rewards `[B]` of the actions `[B]` taken after `explore`.
    fn reinforce(&mut self, actions: &[bool], rewards: &[f32]);

    /// A batch in evaluation mode.
    fn score_batch(&mut self, rows: &Rows, picked: Picked) -> Outlook;

    /// A whole search epoch, by an engine that does not wait for its device between batches; `tick` is called after each. None: the
    /// caller goes from batch to batch by what is above.
    fn search(&mut self, _search: &SearchPass, _tick: Tick) -> Option<Searched> {
        None
    }

    /// Probability `[n]` of keeping each row, in evaluation mode.
    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32>;

    /// Parameters and buffers by their PyTorch names.
    fn weights(&self) -> TensorFile;

    /// Replaces all of them; one that is missing or of another shape is an error.
    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError>;

    /// What the optimiser remembers.
    fn optimizer_state(&self) -> TensorFile;

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError>;
}

/// What the policy says of the rows of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// `[B, 2]`: of leaving the row out, and of selecting it.
    pub logits: Vec<[f32; 2]>,
    /// `[B]`: the probability of selecting the row.
    pub keep_prob: Vec<f32>,
}

/// What the policy network is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyConfig {
    /// The global ids of each field; with `policy_label_field` the label's two are the last.
    pub ranges: Vec<Range<u32>>,
    /// Where the label's ids begin, if the policy sees the label.
    pub label_field: Option<u32>,
    pub embed_dim: usize,
    pub mlp_dims: Vec<usize>,
    pub dropout: f64,
    pub batch_norm: bool,
    pub reduction: PolicyReduction,
    pub optimizer: OptimizerConfig,
}

impl PolicyConfig {
    pub fn new(map: &FeatureMap, options: &Options) -> Self {
        let mut ranges = map.id_ranges();
        let label_field = options.policy_label_field.then_some(map.total_cardinality);
        ranges.extend(label_field.map(|start| start..start + 2));
        Self {
            ranges,
            label_field,
            embed_dim: options.embed_dim as usize,
            mlp_dims: options.policy_mlp_dims.iter().map(|dim| *dim as usize).collect(),
            dropout: options.policy_dropout,
            batch_norm: options.policy_bn,
            reduction: options.policy_reduction,
            optimizer: OptimizerConfig {
                kind: options.optimizer,
                lr: options.lr * options.policy_lr_mult,
                weight_decay: options.weight_decay * options.policy_wd_mult,
            },
        }
    }

    /// D: rows of the embedding table.
    pub fn cardinality(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0) as usize
    }
}
