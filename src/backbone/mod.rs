//! The recommender models and the one training routine (spec `backbones.md`), on two engines.
//!
//! A [`Model`] holds R replicas with their optimiser: one batch of ids `[B, F]` is shared by all, logits are `[R, B]`.
//! [`torch`] has every model, on any device, and is the reference; [`fused`] has the paper's five on the CPU without libtorch,
//! several times faster. Both draw every random number from the same streams, so they train alike up to rounding.

mod config;
mod data;
mod device;
mod engine;
mod fit;
pub mod fused;
mod key;
mod loss;
mod optimizer;
mod stopper;
pub mod torch;
mod weights;

pub use config::{BackboneConfig, ConfigError};
pub use data::{Rows, TrainingData};
pub use device::{DeviceError, open as open_device};
pub use engine::{Engine, EngineError, Engines, Model, Seen, TrainPass, start_threads};
pub use fit::{Chosen, Fit, FitError, FitOptions, PassOptions, PassSummary, Recorded, Tick, evaluate};
pub use key::{Init, ModelKey};
pub use loss::{BatchLoss, TrainingLoss, induced};
pub use optimizer::OptimizerConfig;
pub use stopper::Stopper;
pub use weights::{TensorFile, WeightsError, write_durably};

pub(crate) use fit::{first_not_finite, to_host};
