//! What the training routine and a search ask of an engine.

use super::{
    BackboneConfig, FitError, Measure, Measured, ModelKey, OptimizerConfig, Picked, Policy, PolicyConfig, Rows, Seen,
    SeenBatch, TensorFile, Tick, TrainPass, WeightsError,
};
use crate::random::Stream;
use crate::types::{Metrics, SIDE_BY_SIDE_BYTES, TRAINED_COPIES};
use std::any::Any;

/// R replicas of a recommender model with their optimiser. An engine that is handed models it made knows their type again.
pub trait Model: Any + Send {
    /// Trains the active replicas for one pass; `tick` is called after every batch.
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen;

    /// `train`, and the metrics of what it saw. An engine overrides it that can compute them where the logits are.
    fn train_measured(&mut self, pass: &TrainPass, how: Measure, tick: Tick) -> Result<Measured, FitError> {
        how.of_pass(pass, self.train(pass, tick))
    }

    /// Each replica's metrics over the rows, in evaluation mode. An engine overrides it as it does `train_measured`.
    fn measure(&mut self, rows: &Rows, how: Measure) -> Result<Vec<Metrics>, FitError> {
        how.of_predictions(rows, &self.predict(rows))
    }

    /// Logits `[R, n]` in evaluation mode.
    fn predict(&mut self, rows: &Rows) -> Vec<f32>;

    /// Losses `[B]` of a batch in evaluation mode, for R = 1.
    fn evaluate_batch(&mut self, rows: &Rows, picked: Picked) -> Vec<f32>;

    /// Losses `[B]` that a training step on the batch would see, for R = 1; the model stays as it is.
    fn rehearse_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> Vec<f32>;

    /// One training step on a batch, for R = 1. Returns logits and losses `[B]` from before the update.
    fn train_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> SeenBatch;

    /// A step of the optimiser without a batch: momentum and weight decay move the parameters, gradients are 0.
    fn step_at_rest(&mut self);

    /// Parameters and buffers by their PyTorch names, `[R, ...]`, or `[...]` for R = 1.
    fn weights(&self) -> TensorFile;

    /// Replaces all of them; one that is missing or of another shape is an error.
    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError>;

    /// What the optimiser remembers.
    fn optimizer_state(&self) -> TensorFile;

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError>;
}

/// A single model that is trained for a pass together with others, over the same rows.
pub struct Member<'p> {
    pub model: &'p mut (dyn Model + 'static),
    pub pass: TrainPass<'p>,
    /// Places of the validation rows that it is judged by, ascending. Absent: all.
    pub judged: Option<&'p [u32]>,
    pub measure: Measure,
}

/// What a member's pass came to: metrics of the predictions made on the way, and of the validation rows after it.
pub type Joined = Result<[Metrics; 2], FitError>;

/// Bytes of a device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What no program has taken.
    pub free: u64,
    pub total: u64,
}

/// What computes models and policies on one device.
pub trait Engine: std::fmt::Debug + Send + Sync {
    /// For reports: the engine, and what it computes with.
    fn describe(&self) -> String;

    /// The device's name: `cpu` or `cuda:0`.
    fn device_name(&self) -> String;

    /// Memory of the engine's own device. None: it computes in the machine's.
    fn device_memory(&self) -> Option<DeviceMemory> {
        None
    }

    /// Bytes that the ids of a split may take on the engine's device. If they take more they come in pieces, and predictions are
    /// measured in the machine's memory.
    fn bytes_for_rows(&self) -> u64 {
        u64::MAX
    }

    /// Fresh replicas, one a key.
    fn model(&self, config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Box<dyn Model>;

    /// A fresh policy.
    fn policy(&self, config: &PolicyConfig, key: ModelKey) -> Box<dyn Policy>;

    /// Most models that are worth training side by side, where a pass may use this many threads.
    fn most_side_by_side(&self, threads: usize) -> usize;

    /// Whether passes of several models gain by being run on several threads at once.
    fn trains_in_parallel(&self) -> bool {
        false
    }

    /// How many single models over so many training rows `train_together` may be handed: as many as have room. 1: models
    /// gain nothing by it.
    fn most_together(&self, _config: &BackboneConfig, _rows: usize) -> usize {
        1
    }

    /// Trains models of one config for a pass each, with every batch of all at once, and judges each by validation rows. Their
    /// batches are as many rows, and of one loss; which rows, and in which order, is each one's own. `tick` is called after
    /// every batch.
    fn train_together(&self, _members: &mut [Member], _valid: &Rows, _tick: Tick) -> Vec<Joined> {
        unreachable!("this engine trains one model at a time")
    }
}

impl dyn Engine + '_ {
    /// How many models that share nothing but their rows are best trained side by side: as many as the engine likes, unless
    /// they would take more than `SIDE_BY_SIDE_BYTES` together. The results are the same.
    pub fn side_by_side(&self, config: &BackboneConfig, threads: usize) -> usize {
        let (ids, fields) = (config.cardinality() as u64, config.fields() as u64);
        // The best weights so far stand beside those being trained.
        let state = (TRAINED_COPIES + 1) * config.options.weight_bytes(config.kind, ids, fields);
        let fitting = usize::try_from(SIDE_BY_SIDE_BYTES / state.max(1)).unwrap_or(usize::MAX);
        self.most_side_by_side(threads).min(fitting).max(1)
    }

    /// How many single models over so many training rows `run_passes` is best handed at once: as many as train side by side
    /// on the threads, or as share a pass.
    pub fn most_at_once(&self, config: &BackboneConfig, rows: usize, threads: usize) -> usize {
        if self.trains_in_parallel() { self.side_by_side(config, threads) } else { self.most_together(config, rows) }
    }
}
