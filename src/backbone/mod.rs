//! The recommender models, the policy, and the one training routine (spec `backbones.md`), on engines.
//!
//! A [`Model`] holds R replicas with their optimiser: one batch of ids `[B, F]` is shared by all, logits are `[R, B]`. An
//! [`Engine`] makes them. [`fused`] has the paper's five on the CPU; libtorch's, in a program of its own (`torch/`), has every
//! model on any device, and is the reference. Both draw every random number from the same streams, so they train alike up to
//! rounding.

mod config;
mod data;
mod engine;
mod engines;
mod fit;
mod fit_error;
pub mod fused;
mod key;
mod loss;
mod measure;
mod optimizer;
mod pass;
mod policy;
mod searching;
mod stopper;
mod team;
mod together;
mod weights;

pub use config::{BackboneConfig, ConfigError};
pub use data::{Picked, Rows, RowsApart, TrainingData, times};
pub use engine::{DeviceMemory, Engine, Joined, Member, Model};
pub use engines::{EngineError, Engines, OpenEngines, start_threads};
pub use fit::{Chosen, Fit, FitOptions, PassOptions, PassSummary, evaluate};
pub use fit_error::FitError;
pub use key::{Init, ModelKey};
pub use loss::{BatchLoss, TrainingLoss, induced};
pub use measure::{Measure, Measured, first_not_finite};
pub use optimizer::{OptimizerConfig, Update};
pub use pass::{Recorded, Seen, SeenBatch, Tick, TrainPass};
pub use policy::{Outlook, Policy, PolicyConfig};
pub use searching::{SearchPass, Searched, SearchedBatch, action_stream};
pub use stopper::Stopper;
pub use together::{Runner, Track, run_passes};
pub use weights::{Array, TensorFile, Values, WeightsError, write_durably};
