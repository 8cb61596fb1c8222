//! The recommender models and the policy on libtorch, behind the traits of `autodenoise::backbone`: every backbone, on CPUs
//! and GPUs. It is the reference that the engine fused is held to.
//!
//! libtorch's thread pool, random state and GPU context are process-wide, and its failures can abort: it runs in trainer
//! processes alone, of the program `autodenoise-torch`.

pub mod backbone;
mod cuda_graph;
mod device;
mod host;
mod memory;
mod metrics;
mod native;
mod place;
mod policy;
mod random;
mod staged;

pub use device::{DeviceError, open as open_device};
pub use host::{load_tensor, put_tensor, read_backs, to_host};
pub use place::Place;
pub use policy::{TorchPolicy, keep_prob};
pub use staged::staged_steps;

use autodenoise::backbone::{
    BackboneConfig, DeviceMemory, Engine, EngineError, Engines, Joined, Member, Model, ModelKey, OptimizerConfig,
    Policy, PolicyConfig, Rows, Tick, start_threads,
};
use autodenoise::types::{self, split_bytes};
use tch::Device;

/// The version that this program is built for.
pub const LIBTORCH: &str = "2.11.0";

/// libtorch on a device.
#[derive(Debug, Clone, Copy)]
pub struct TorchEngine {
    place: Place,
    /// Bytes of the device's memory that were free.
    free: u64,
}

impl TorchEngine {
    /// On a device as it is now.
    pub fn new(place: impl Into<Place>) -> Self {
        let place = place.into();
        let memory = match place.device {
            Device::Cuda(number) => device::memory(number),
            _ => None,
        };
        let engine = Self { place, free: u64::MAX };
        memory.map_or(engine, |memory| engine.with_memory(memory.free))
    }

    /// On the processor as on a GPU.
    pub const LIKE_A_GPU: Self = Self { place: Place::like_a_gpu(), free: u64::MAX };

    /// On the processor, with tensors in the machine's memory.
    pub const CPU: Self = Self { place: Place { resident: false, ..Place::like_a_gpu() }, free: u64::MAX };

    /// The same with so many bytes of memory: a quarter of them is for the ids of a split.
    pub const fn with_memory(self, free: u64) -> Self {
        Self { place: Place { for_rows: free / 4, ..self.place }, free }
    }

    /// The same with the steps of passes staged, as they are where a GPU keeps them as CUDA graphs.
    pub const fn with_staged_steps(self) -> Self {
        Self { place: Place { staged: true, ..self.place }, free: self.free }
    }

    /// The same where the ids of a split may take so many bytes on the device.
    pub const fn with_room_for_rows(self, bytes: u64) -> Self {
        Self { place: Place { for_rows: bytes, ..self.place }, free: self.free }
    }
}

impl Engine for TorchEngine {
    fn describe(&self) -> String {
        let on_gpu = self.place.device.is_cuda();
        let with = [("TF32", on_gpu && !native::has_full_precision()), ("CUDA graphs", on_gpu && self.place.staged)];
        let with: Vec<&str> = with.into_iter().filter(|(_, is_so)| *is_so).map(|(what, _)| what).collect();
        if with.is_empty() { "tch".to_owned() } else { format!("tch with {}", with.join(" and ")) }
    }

    fn device_name(&self) -> String {
        match self.place.device {
            Device::Cuda(number) => format!("cuda:{number}"),
            _ => "cpu".to_owned(),
        }
    }

    fn device_memory(&self) -> Option<DeviceMemory> {
        match self.place.device {
            Device::Cuda(number) => device::memory(number),
            _ => None,
        }
    }

    fn model(&self, config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Box<dyn Model> {
        Box::new(backbone::TorchModel::new(config, keys, optimizer, self.place))
    }

    fn policy(&self, config: &PolicyConfig, key: ModelKey) -> Box<dyn Policy> {
        Box::new(TorchPolicy::new(config, key, self.place))
    }

    fn most_side_by_side(&self, _threads: usize) -> usize {
        // A GPU has room for all; on a CPU one model at a time already uses every core.
        if self.place.device == Device::Cpu { 1 } else { usize::MAX }
    }

    fn bytes_for_rows(&self) -> u64 {
        self.place.for_rows
    }

    fn most_together(&self, config: &BackboneConfig, rows: usize) -> usize {
        if !self.place.resident {
            return 1;
        }
        let (ids, fields) = (config.cardinality() as u64, config.fields() as u64);
        let each = config.options.joined_bytes(config.kind, ids, fields, rows as u64).max(1);
        // Half of what the rows leave; the other half is for whatever the job does beside.
        let room = self.free.saturating_sub(split_bytes(rows as u64, fields, self.place.for_rows)) / 2;
        // Places of ids in the tables of all are 32-bit numbers.
        (room / each).min(i32::MAX as u64 / ids.max(1)).max(1) as usize
    }

    fn train_together(&self, members: &mut [Member], valid: &Rows, tick: Tick) -> Vec<Joined> {
        backbone::train_together(members, valid, tick)
    }
}

/// Both engines of a process: its threads are started, its device is opened.
pub fn open_engines(wanted: types::Engine, device: types::Device, threads: usize) -> Result<Engines, EngineError> {
    memory::keep_freed_memory();
    tch::set_num_threads(threads as i32);
    start_threads(threads)?;
    engines(wanted, device)
}

/// Both engines, on the threads there are.
pub fn engines(wanted: types::Engine, device: types::Device) -> Result<Engines, EngineError> {
    if wanted == types::Engine::Fused {
        return Engines::fused(wanted, device);
    }
    let device = open_device(device).map_err(|error| EngineError::Device(error.into()))?;
    native::use_full_precision();
    let place = Place { staged: takes_graphs(device), ..device.into() };
    Ok(Engines::with_torch(wanted, Box::new(TorchEngine::new(place))))
}

/// Whether a GPU is to keep training steps as CUDA graphs: where AUTODENOISE_CUDA_GRAPHS is 1, and their library can be opened.
fn takes_graphs(device: Device) -> bool {
    if !device.is_cuda() || std::env::var_os("AUTODENOISE_CUDA_GRAPHS").is_none_or(|value| value != "1") {
        return false;
    }
    match cuda_graph::check() {
        Ok(()) => {
            tracing::info!("training steps are kept as CUDA graphs");
            true
        }
        Err(reason) => {
            tracing::warn!(reason, "no CUDA graphs: training steps are taken without");
            false
        }
    }
}
