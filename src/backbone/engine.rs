//! What the training routine and a search ask of an engine, and which engine a job runs on.

use super::fit::{Recorded, Tick};
use super::{
    BackboneConfig, BatchLoss, FUSED, ModelKey, OptimizerConfig, Picked, Policy, PolicyConfig, Rows, TensorFile,
    TrainingLoss, WeightsError,
};
use crate::random::Stream;
use crate::types::{self, BackboneKind};

/// Most memory that the tables of models trained side by side take together.
const SIDE_BY_SIDE_BYTES: usize = 1 << 30;

/// R replicas of a recommender model with their optimiser.
pub trait Model {
    /// Trains the active replicas for one pass; `tick` is called after every batch.
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen;

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

/// What computes models and policies on one device.
pub trait Engine: std::fmt::Debug + Send + Sync {
    /// For reports: the engine, and what it computes with.
    fn describe(&self) -> String;

    /// The device's name: `cpu` or `cuda:0`.
    fn device_name(&self) -> String;

    /// Fresh replicas, one a key.
    fn model(&self, config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Box<dyn Model>;

    /// A fresh policy.
    fn policy(&self, config: &PolicyConfig, key: ModelKey) -> Box<dyn Policy>;

    /// Most models that are worth training side by side, where a pass may use this many threads.
    fn most_side_by_side(&self, threads: usize) -> usize;
}

impl dyn Engine + '_ {
    /// How many models that share nothing but their rows are best trained side by side: as many as the engine likes, unless
    /// their tables would take more than `SIDE_BY_SIDE_BYTES` together. The results are the same.
    pub fn side_by_side(&self, config: &BackboneConfig, threads: usize) -> usize {
        // Parameters, two running means and gradients; embeddings and first-order weights.
        let state = 4 * size_of::<f32>() * config.cardinality() * config.numbers_per_id();
        self.most_side_by_side(threads).min(SIDE_BY_SIDE_BYTES / state.max(1)).max(1)
    }
}

/// One pass over training rows.
pub struct TrainPass<'a> {
    pub rows: &'a Rows<'a>,
    /// Positions in the order of the pass. Absent: all rows as they stand.
    pub order: Option<&'a [u32]>,
    /// `[R, N]`: a weight for each row and replica; 0 leaves the row out.
    pub weights: Option<&'a [f32]>,
    pub batch_size: usize,
    pub loss: TrainingLoss,
    /// Batches of the fit before this pass: T-CE counts on.
    pub first_batch: u64,
    /// One a replica, and the pass's number: they name the dropout.
    pub keys: &'a [ModelKey],
    pub number: u32,
    pub active: &'a [bool],
    pub record: Option<Recorded>,
}

impl TrainPass<'_> {
    /// Rows of the pass.
    pub fn len(&self) -> usize {
        self.order.map_or(self.rows.len(), <[u32]>::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The loss of the pass's batch of this number.
    pub fn loss_of(&self, batch: usize) -> BatchLoss {
        self.loss.at(self.first_batch + batch as u64)
    }

    /// First row and length of each batch.
    pub fn batches(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (len, size) = (self.len(), self.batch_size);
        (0..len).step_by(size).map(move |first| (first, size.min(len - first)))
    }
}

/// What a pass saw, before each batch's update, in the order of the pass.
pub struct Seen {
    /// `[R, n]`; of no meaning for a replica that is not active.
    pub logits: Vec<f32>,
    /// `[R, n]`, where asked for.
    pub losses: Option<Vec<f32>>,
}

/// What one training step saw, before its update: `[B]` each.
pub struct SeenBatch {
    pub logits: Vec<f32>,
    pub losses: Vec<f32>,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The program has no engine for this device, or the device is not there.
    #[error(transparent)]
    Device(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot start {threads} threads: {source}")]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
    #[error(
        "engine fused computes on the CPU, and {0} was asked for; run the job with engine auto or tch, or with device cpu"
    )]
    FusedOnGpu(types::Device),
    #[error("engine fused cannot train {0}: run the job with engine {why}", why = .0.why_not_fused().unwrap_or_default())]
    NotFused(BackboneKind),
    #[error("{what} needs libtorch, which this program is built without: install {trainer} beside it", trainer = types::TORCH_TRAINER)]
    NoTorch { what: String },
}

/// What a job's models run on: the engine fused, and libtorch on a device where the program has it.
#[derive(Debug)]
pub struct Engines {
    wanted: types::Engine,
    torch: Option<Box<dyn Engine>>,
}

/// Opens the engines of a job: `(engine, device, threads)`. Called once a process, because threads and devices are its own.
pub type OpenEngines = fn(types::Engine, types::Device, usize) -> Result<Engines, EngineError>;

impl Engines {
    /// The engine fused alone: what a program without libtorch has.
    pub fn fused(wanted: types::Engine, device: types::Device) -> Result<Self, EngineError> {
        match (wanted, device) {
            (types::Engine::Fused, types::Device::Cuda(_)) => Err(EngineError::FusedOnGpu(device)),
            (_, types::Device::Cuda(_)) => Err(EngineError::NoTorch { what: format!("device {device}") }),
            (types::Engine::Tch, _) => Err(EngineError::NoTorch { what: format!("engine {wanted}") }),
            _ => Ok(Self { wanted, torch: None }),
        }
    }

    /// The same, its threads started.
    pub fn open_fused(wanted: types::Engine, device: types::Device, threads: usize) -> Result<Self, EngineError> {
        start_threads(threads)?;
        Self::fused(wanted, device)
    }

    /// Both engines: libtorch's is the one given.
    pub fn with_torch(wanted: types::Engine, torch: Box<dyn Engine>) -> Self {
        Self { wanted, torch: Some(torch) }
    }

    /// The engine of a backbone, and of a policy that searches with it: `auto` is the fused one on a CPU where that has the
    /// backbone, else libtorch.
    pub fn for_model(&self, kind: BackboneKind) -> Result<&dyn Engine, EngineError> {
        let on_gpu = self.torch.as_ref().is_some_and(|torch| torch.device_name() != "cpu");
        let fused = match self.wanted {
            types::Engine::Fused if !kind.is_fused() => return Err(EngineError::NotFused(kind)),
            types::Engine::Fused => true,
            types::Engine::Auto => kind.is_fused() && !on_gpu,
            types::Engine::Tch => false,
        };
        match &self.torch {
            _ if fused => Ok(&FUSED),
            Some(torch) => Ok(&**torch),
            None => Err(EngineError::NoTorch { what: format!("backbone {kind}") }),
        }
    }

    /// The device's name: `cpu` or `cuda:0`.
    pub fn device_name(&self) -> String {
        match &self.torch {
            Some(torch) if self.wanted != types::Engine::Fused => torch.device_name(),
            _ => FUSED.device_name(),
        }
    }
}

/// Starts the threads that share out chunks of a batch, once a process: the calling thread is one of them, because handing
/// work to a pool from outside costs a wake-up each time.
pub fn start_threads(threads: usize) -> Result<(), EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global().map_err(|source| EngineError::Threads { threads, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Device::{Auto as AnyDevice, Cpu, Cuda};
    use crate::types::Engine::{Auto, Fused, Tch};

    #[test]
    fn a_program_without_libtorch_says_what_it_cannot_run_and_what_to_install() {
        let engines = Engines::fused(Auto, AnyDevice).unwrap();
        assert!(engines.for_model(BackboneKind::DeepFm).unwrap().describe().starts_with("fused, "));
        let message = |result: Result<&dyn Engine, EngineError>| result.unwrap_err().to_string();
        let needs = "needs libtorch, which this program is built without: install autodenoise-torch beside it";
        assert_eq!(message(engines.for_model(BackboneKind::Lr)), format!("backbone lr {needs}"));
        for (wanted, device, what) in [(Tch, Cpu, "engine tch"), (Auto, Cuda(0), "device cuda:0")] {
            assert_eq!(Engines::fused(wanted, device).unwrap_err().to_string(), format!("{what} {needs}"));
        }
        assert!(matches!(Engines::fused(Fused, Cuda(0)), Err(EngineError::FusedOnGpu(_))));
        assert_eq!(
            message(Engines::fused(Fused, AnyDevice).unwrap().for_model(BackboneKind::Lr)),
            "engine fused cannot train lr: run the job with engine auto or tch, because fused has the backbones fm, \
             wide_deep, dcn, ipnn and deepfm, not lr"
        );
    }
}
