//! What a method works on: rows, engine, options, and the streams of its models.

use crate::backbone::{BackboneConfig, Engine, ModelKey, TrainingData};
use crate::types::{Arm, FeatureMap, MethodName, Options, Reinit, ResolvedMethod};

/// One contender of a job with one seed.
pub struct Context<'a> {
    pub data: &'a TrainingData<'a>,
    pub map: &'a FeatureMap,
    pub engine: &'a dyn Engine,
    pub threads: usize,
    /// Number of the method in the job.
    pub contender: u32,
    pub method: &'a ResolvedMethod,
    /// How models are trained: as the method says, or a backbone that is trained on its rows.
    pub options: &'a Options,
    pub config: BackboneConfig,
    pub seed: u64,
}

/// Which model a stream of random numbers belongs to. Methods with the same seed share the streams of a role, so that
/// equal work gives equal numbers.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Role {
    Warmup = 1,
    Search = 2,
    Retrain = 3,
    Policy = 4,
    Evaluate = 5,
    CrossFit = 6,
    Embed = 7,
}

impl<'a> Context<'a> {
    pub fn options(&self) -> &'a Options {
        self.options
    }

    pub fn arm(&self) -> Arm {
        if self.method.name() == MethodName::None { Arm::Full } else { Arm::Denoised }
    }

    /// The streams of a model.
    pub fn key(&self, role: Role, number: u32) -> ModelKey {
        let run = [role as u32, number];
        let init = match (self.options().reinit, role) {
            (Reinit::Fresh, _) | (_, Role::Policy) => run,
            (Reinit::SameSeed, _) => [0, 0],
        };
        ModelKey { seed: self.seed, init, run }
    }
}
