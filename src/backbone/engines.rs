//! Which engine a job's models run on.

use super::fused::Fused;
use super::{DeviceMemory, Engine};
use crate::types::{self, BackboneKind};

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
    #[error(
        "the job takes about {needed} MiB of {device}'s memory, and {free} of its {total} MiB are free: models must fit, and what is known of each row; run the job with device cpu, or give it a table with fewer rows or values",
        needed = .needed >> 20, free = .memory.free >> 20, total = .memory.total >> 20
    )]
    NoRoom { device: String, needed: u64, memory: DeviceMemory },
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
            _ if fused => Ok(&Fused),
            Some(torch) => Ok(&**torch),
            None => Err(EngineError::NoTorch { what: format!("backbone {kind}") }),
        }
    }

    /// Whether a job that takes `needed` bytes has room on the engine's own device; where it computes in the machine's memory there is
    /// another limit.
    pub fn check_room(&self, needed: u64) -> Result<(), EngineError> {
        let memory = self.torch.as_ref().filter(|_| self.wanted != types::Engine::Fused);
        match memory.and_then(|torch| torch.device_memory()) {
            Some(memory) if needed > memory.free => {
                Err(EngineError::NoRoom { device: self.device_name(), needed, memory })
            }
            _ => Ok(()),
        }
    }

    /// Bytes that the ids of a split may take on libtorch's device.
    pub fn bytes_for_rows(&self) -> u64 {
        self.torch.as_ref().map_or(u64::MAX, |torch| torch.bytes_for_rows())
    }

    /// The device's name: `cpu` or `cuda:0`.
    pub fn device_name(&self) -> String {
        match &self.torch {
            Some(torch) if self.wanted != types::Engine::Fused => torch.device_name(),
            _ => Fused.device_name(),
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
    use crate::backbone::{BackboneConfig, Model, ModelKey, OptimizerConfig, Policy, PolicyConfig};
    use crate::types::Device::{Auto as AnyDevice, Cpu, Cuda};
    use crate::types::Engine::{Auto, Fused, Tch};

    /// A device with 2 GiB, half of it free.
    #[derive(Debug)]
    struct Small;

    impl Engine for Small {
        fn describe(&self) -> String {
            "small".to_owned()
        }

        fn device_name(&self) -> String {
            "cuda:0".to_owned()
        }

        fn device_memory(&self) -> Option<DeviceMemory> {
            Some(DeviceMemory { free: 1 << 30, total: 2 << 30 })
        }

        fn model(&self, _: &BackboneConfig, _: &[ModelKey], _: OptimizerConfig) -> Box<dyn Model> {
            unreachable!("nothing is trained")
        }

        fn policy(&self, _: &PolicyConfig, _: ModelKey) -> Box<dyn Policy> {
            unreachable!("nothing is trained")
        }

        fn most_side_by_side(&self, _: usize) -> usize {
            1
        }
    }

    #[test]
    fn a_job_that_does_not_fit_the_device_is_told_what_it_takes_and_what_there_is() {
        let engines = Engines::with_torch(Auto, Box::new(Small));
        assert!(engines.check_room(1 << 30).is_ok());
        let error = engines.check_room(3 << 30).unwrap_err().to_string();
        assert!(
            error.starts_with("the job takes about 3072 MiB of cuda:0's memory, and 1024 of its 2048 MiB are free"),
            "{error}"
        );
        assert!(Engines::fused(Auto, AnyDevice).unwrap().check_room(u64::MAX).is_ok());
    }

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
