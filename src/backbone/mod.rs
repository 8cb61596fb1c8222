//! The recommender models and the one training routine (spec `backbones.md`, sections 1 and 2), on two engines.
//!
//! A [`Model`] holds R replicas with their optimiser: one batch of ids `[B, F]` is shared by all, logits are `[R, B]`.
//! [`torch`] computes with libtorch, on any device, and is the reference; [`fused`] computes on the CPU without it, several
//! times faster. Both draw every random number from the same streams, so they train alike up to rounding.

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

pub use data::{Rows, TrainingData};
pub use device::{DeviceError, open as open_device};
pub use engine::{Engine, EngineError, Model, Seen, TrainPass, start_threads};
pub use fit::{Chosen, Fit, FitError, FitOptions, PassOptions, PassSummary, Recorded, Tick, evaluate};
pub use key::{Init, ModelKey};
pub use loss::{BatchLoss, TrainingLoss, induced};
pub use optimizer::OptimizerConfig;
pub use stopper::Stopper;
pub use weights::{TensorFile, WeightsError, write_durably};

pub(crate) use fit::{first_not_finite, to_host};

use crate::types::{BackboneKind, FeatureMap, Options};
use std::ops::Range;

/// What a model is made of; the values of a job's options and of its dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneConfig {
    pub kind: BackboneKind,
    /// The global ids of each of the F fields. Fields share a range (places of one split column) or nothing.
    pub ranges: Vec<Range<u32>>,
    /// E.
    pub embed_dim: usize,
    pub mlp_dims: Vec<usize>,
    pub dropout: f64,
    pub cross_layers: usize,
}

impl BackboneConfig {
    pub fn new(kind: BackboneKind, map: &FeatureMap, options: &Options) -> Self {
        Self {
            kind,
            ranges: map.id_ranges(),
            embed_dim: options.embed_dim as usize,
            mlp_dims: options.mlp_dims.iter().map(|dim| *dim as usize).collect(),
            dropout: options.dropout,
            cross_layers: options.cross_layers as usize,
        }
    }

    /// F.
    pub fn fields(&self) -> usize {
        self.ranges.len()
    }

    /// D: rows of the embedding table.
    pub fn cardinality(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0) as usize
    }
}
