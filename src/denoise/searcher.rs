//! What a run asks of the policy: to search for an epoch, and to score rows.

use super::{History, fused, torch};
use crate::backbone::{
    BackboneConfig, Engine, FitError, Model, ModelKey, OptimizerConfig, Rows, TensorFile, Tick, WeightsError,
};
use crate::types::{FeatureMap, Metrics, Options, PolicyReduction};
use std::ops::Range;

/// The policy Θ with its optimiser, on one engine.
pub trait Searcher {
    /// Runs a search epoch with a fresh model, which it returns as trained. The history's oldest row is replaced at the
    /// end, and only if every loss was finite.
    fn epoch(
        &mut self,
        search: &SearchEpoch,
        history: &mut History,
        tick: Tick,
    ) -> Result<(SearchSummary, Box<dyn Model>), SearchError>;

    /// Probability `[n]` of keeping each row, in evaluation mode.
    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32>;

    /// Parameters and buffers by their PyTorch names.
    fn weights(&self) -> TensorFile;

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError>;

    /// What the optimiser remembers.
    fn optimizer_state(&self) -> TensorFile;

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError>;
}

/// A fresh policy on an engine.
pub fn searcher(engine: Engine, config: &PolicyConfig, key: ModelKey) -> Box<dyn Searcher> {
    match engine {
        Engine::Torch(device) => Box::new(torch::TorchSearcher::new(config, key, device)),
        Engine::Fused => Box::new(fused::FusedSearcher::new(config, key)),
    }
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

/// One search epoch (spec `autodenoise.md`: Opt_I in section 3, the released code in section 5, every option of section
/// 6): for each batch in the fixed order, the policy acts and learns from rewards, acts again, and the model takes one
/// step on the rows it selects.
pub struct SearchEpoch<'a> {
    pub options: &'a Options,
    pub config: &'a BackboneConfig,
    pub rows: &'a Rows<'a>,
    pub seed: u64,
    /// Counted from 1.
    pub epoch: u32,
    /// The model's.
    pub key: ModelKey,
}

impl SearchEpoch<'_> {
    /// The model's optimiser.
    pub fn optimizer(&self) -> OptimizerConfig {
        let Options { optimizer: kind, lr, weight_decay, .. } = *self.options;
        OptimizerConfig { kind, lr, weight_decay }
    }
}

/// What a search epoch came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSummary {
    /// Over the rows trained on, before each update.
    pub train: Option<Metrics>,
    /// Share of the rows that the second action selected.
    pub kept: f64,
    pub reward_mean: Option<f64>,
    pub reward_std: Option<f64>,
    /// Model updates left out because too few rows were selected.
    pub skipped_updates: u64,
    /// Policy updates left out because no row had a reward.
    pub skipped_policy_updates: u64,
}

/// Running totals of a search epoch.
#[derive(Default)]
pub(super) struct Totals {
    pub selected: u64,
    pub rewarded: u64,
    pub reward_sum: f64,
    pub reward_squares: f64,
    pub skipped: u64,
    pub skipped_policy: u64,
}

impl Totals {
    /// Of an epoch over `rows` rows.
    pub fn summary(&self, rows: usize, train: Option<Metrics>) -> SearchSummary {
        let count = self.rewarded as f64;
        let mean = (self.rewarded > 0).then(|| self.reward_sum / count);
        let std = mean.map(|mean| (self.reward_squares / count - mean * mean).max(0.0).sqrt());
        SearchSummary {
            train,
            kept: self.selected as f64 / rows as f64,
            reward_mean: mean,
            reward_std: std,
            skipped_updates: self.skipped,
            skipped_policy_updates: self.skipped_policy,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(
        "the policy selected {selected} rows of batch {batch}, fewer than min_selected = {min}, and on_few_selected is error"
    )]
    TooFewSelected { batch: usize, selected: usize, min: u32 },
    #[error(
        "the policy's probabilities of batch {batch} are not finite numbers; a smaller policy_lr_mult usually helps"
    )]
    PolicyNotFinite { batch: usize },
    #[error(transparent)]
    Fit(#[from] FitError),
}
