//! What the training routine asks of an engine, and which engine a job runs on.

use super::fit::{FitError, Recorded, Tick};
use super::{
    BackboneConfig, BatchLoss, DeviceError, ModelKey, OptimizerConfig, Rows, TensorFile, TrainingLoss, WeightsError,
    fused, open_device, torch,
};
use crate::simd::Isa;
use crate::types;
use tch::Device;

/// Most memory that the tables of models trained side by side take together.
const SIDE_BY_SIDE_BYTES: usize = 1 << 30;

/// R replicas of a recommender model with their optimiser.
pub trait Model {
    /// Trains the active replicas for one pass; `tick` is called after every batch.
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Result<Seen, FitError>;

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

/// An engine, ready to make models.
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
}

impl Engine {
    /// The engine for what a job asks for: `auto` is the fused one on a CPU and libtorch on a GPU.
    pub fn open(engine: types::Engine, device: types::Device) -> Result<Self, EngineError> {
        match engine {
            types::Engine::Fused => match device {
                types::Device::Cuda(_) => Err(EngineError::FusedOnGpu(device)),
                types::Device::Auto | types::Device::Cpu => Ok(Self::Fused),
            },
            types::Engine::Tch => Ok(Self::Torch(open_device(device)?)),
            types::Engine::Auto => Ok(match open_device(device)? {
                Device::Cpu => Self::Fused,
                device => Self::Torch(device),
            }),
        }
    }

    /// For reports: the engine, and what it computes with.
    pub fn describe(self) -> String {
        match self {
            Self::Torch(_) => "tch".to_owned(),
            Self::Fused => format!("fused, {}", Isa::detect().name()),
        }
    }

    /// The device's name: `cpu` or `cuda:0`.
    pub fn device_name(self) -> String {
        match self {
            Self::Torch(Device::Cuda(number)) => format!("cuda:{number}"),
            _ => "cpu".to_owned(),
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
        let state = 4 * size_of::<f32>() * config.cardinality() * (config.embed_dim + 1);
        most.min(SIDE_BY_SIDE_BYTES / state.max(1)).max(1)
    }
}
