//! What the training routine asks of an engine, and which engine a job runs on.

use super::fit::{Recorded, Tick};
use super::{
    BackboneConfig, BatchLoss, DeviceError, ModelKey, OptimizerConfig, Rows, TensorFile, TrainingLoss, WeightsError,
    fused, open_device, torch,
};
use crate::simd::Isa;
use crate::types::{self, BackboneKind};
use tch::Device;

/// Most memory that the tables of models trained side by side take together.
const SIDE_BY_SIDE_BYTES: usize = 1 << 30;

/// R replicas of a recommender model with their optimiser.
pub trait Model {
    /// Trains the active replicas for one pass; `tick` is called after every batch.
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen;

    /// Logits `[R, n]` in evaluation mode.
    fn predict(&mut self, rows: &Rows) -> Vec<f32>;

    /// Parameters and buffers by their PyTorch names, `[R, ...]`, or `[...]` for R = 1.
    fn weights(&self) -> TensorFile;

    /// Replaces all of them; one that is missing or of another shape is an error.
    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError>;

    /// What the optimiser remembers.
    fn optimizer_state(&self) -> TensorFile;

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError>;
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

/// Starts the threads of both engines, once a process: the calling thread is one of them, because handing work to a pool
/// from outside costs a wake-up each time.
pub fn start_threads(threads: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    tch::set_num_threads(threads as i32);
    rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global()
}

/// What computes a model, ready to make it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Engine {
    /// libtorch on a device.
    Torch(Device),
    /// Our own on the CPU.
    Fused,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(
        "engine fused computes on the CPU, and {0} was asked for; run the job with engine auto or tch, or with device cpu"
    )]
    FusedOnGpu(types::Device),
    #[error("engine fused cannot train {0}: run the job with engine {why}", why = .0.why_not_fused().unwrap_or_default())]
    NotFused(BackboneKind),
}

/// What a job's models run on: the job's device, opened once, and the engine it asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Engines {
    wanted: types::Engine,
    device: Device,
}

impl Engines {
    pub fn open(wanted: types::Engine, device: types::Device) -> Result<Self, EngineError> {
        let device = match (wanted, device) {
            (types::Engine::Fused, types::Device::Cuda(_)) => return Err(EngineError::FusedOnGpu(device)),
            (types::Engine::Fused, _) => Device::Cpu,
            _ => open_device(device)?,
        };
        Ok(Self { wanted, device })
    }

    /// The engine of a backbone, and of a policy that searches with it: `auto` is the fused one on a CPU where that has the
    /// backbone, else libtorch.
    pub fn for_model(self, kind: BackboneKind) -> Result<Engine, EngineError> {
        match self.wanted {
            types::Engine::Fused if !kind.is_fused() => Err(EngineError::NotFused(kind)),
            types::Engine::Fused => Ok(Engine::Fused),
            types::Engine::Auto if self.device == Device::Cpu && kind.is_fused() => Ok(Engine::Fused),
            types::Engine::Auto | types::Engine::Tch => Ok(Engine::Torch(self.device)),
        }
    }

    /// The device's name: `cpu` or `cuda:0`.
    pub fn device_name(self) -> String {
        match self.device {
            Device::Cuda(number) => format!("cuda:{number}"),
            _ => "cpu".to_owned(),
        }
    }
}

impl Engine {
    /// For reports: the engine, and what it computes with.
    pub fn describe(self) -> String {
        match self {
            Self::Torch(_) => "tch".to_owned(),
            Self::Fused => format!("fused, {}", Isa::detect().name()),
        }
    }

    /// Fresh replicas, one a key.
    pub fn model(self, config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Box<dyn Model> {
        match self {
            Self::Torch(device) => Box::new(torch::TorchModel::new(config, keys, optimizer, device)),
            Self::Fused => Box::new(fused::FusedModel::new(config, keys, optimizer)),
        }
    }

    /// How many models that share nothing but their rows are best trained side by side: as many as there are threads (on
    /// a GPU, all), unless their tables would take more than `SIDE_BY_SIDE_BYTES` together. The results are the same.
    pub fn side_by_side(self, config: &BackboneConfig, threads: usize) -> usize {
        let most = match self {
            Self::Torch(Device::Cpu) => 1,
            Self::Torch(_) => usize::MAX,
            Self::Fused => threads,
        };
        // Parameters, two running means and gradients; embeddings and first-order weights.
        let state = 4 * size_of::<f32>() * config.cardinality() * config.numbers_per_id();
        most.min(SIDE_BY_SIDE_BYTES / state.max(1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Engine::{Auto, Fused, Tch};

    #[test]
    fn a_backbone_runs_on_the_engine_asked_for_or_the_fastest_that_has_it() {
        let torch = Engine::Torch(Device::Cpu);
        for (wanted, kind, engine) in [
            (Auto, BackboneKind::DeepFm, Engine::Fused),
            (Auto, BackboneKind::Lr, torch),
            (Tch, BackboneKind::DeepFm, torch),
            (Tch, BackboneKind::Lr, torch),
            (Fused, BackboneKind::DeepFm, Engine::Fused),
        ] {
            assert_eq!(Engines::open(wanted, types::Device::Cpu).unwrap().for_model(kind).unwrap(), engine);
        }
        let error = Engines::open(Fused, types::Device::Auto).unwrap().for_model(BackboneKind::Lr).unwrap_err();
        assert_eq!(
            error.to_string(),
            "engine fused cannot train lr: run the job with engine auto or tch, because fused has the backbones fm, \
             wide_deep, dcn, ipnn and deepfm, not lr"
        );
        assert!(matches!(Engines::open(Fused, types::Device::Cuda(0)), Err(EngineError::FusedOnGpu(_))));
    }
}
