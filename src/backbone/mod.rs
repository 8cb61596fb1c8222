//! The recommender models and the one training loop (spec `backbones.md`, sections 1 and 2).
//!
//! Every model holds R replicas: parameters and buffers are `[R, ...]`, one batch of ids `[B, F]` is shared by all, and
//! logits are `[R, B]`. With R = 1 the leading dimension is left out everywhere, so that a single model runs on
//! PyTorch's fused operators and its tensors have the shapes PyTorch users know. Below, `[.., B, X]` stands for both.

mod adam;
mod data;
mod dcn;
mod deepfm;
mod device;
mod fit;
mod fm;
mod ipnn;
pub mod layers;
mod params;
mod pass;
mod step;
mod stopper;
mod weights;
mod wide_deep;

pub use adam::{Adam, OptimizerConfig};
pub use data::{DeviceData, Rows};
pub use device::{DeviceError, open as open_device};
pub use fit::{Chosen, Fit, FitError, FitOptions, PassOptions, PassSummary, Recorded, Tick, evaluate};
pub(crate) use fit::{first_not_finite, to_host};
pub use params::{Init, ModelKey, ParamKind, Params, ParamsBuilder};
pub use pass::Pass;
pub use step::{Gradients, bce, predict, train_step};
pub use stopper::Stopper;
pub use weights::{TensorFile, WeightsError, write_durably};

use crate::types::{BackboneKind, FeatureMap, Options};
use tch::{Device, Tensor};

/// What a model is made of; the values of a job's options and of its dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneConfig {
    pub kind: BackboneKind,
    /// F.
    pub fields: i64,
    /// D: rows of the embedding table.
    pub cardinality: i64,
    /// E.
    pub embed_dim: i64,
    pub mlp_dims: Vec<i64>,
    pub dropout: f64,
    pub cross_layers: usize,
}

impl BackboneConfig {
    pub fn new(kind: BackboneKind, map: &FeatureMap, options: &Options) -> Self {
        Self {
            kind,
            fields: map.fields.len() as i64,
            cardinality: i64::from(map.total_cardinality),
            embed_dim: i64::from(options.embed_dim),
            mlp_dims: options.mlp_dims.iter().map(|dim| i64::from(*dim)).collect(),
            dropout: options.dropout,
            cross_layers: options.cross_layers as usize,
        }
    }
}

/// A network: what a model computes from ids, without its parameters' life.
pub trait Net {
    /// Ids `[B, F]` to logits `[.., B]` (or `[.., B, out]` of a net with several outputs).
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor;
}

/// A model: a network and its parameters.
pub struct Backbone {
    pub params: Params,
    net: Box<dyn Net>,
}

impl Backbone {
    /// Fresh replicas, one a key.
    pub fn new(config: &BackboneConfig, keys: &[ModelKey], device: Device) -> Self {
        Self::with(keys, device, |builder| match config.kind {
            BackboneKind::Fm => Box::new(fm::Fm::new(builder, config)),
            BackboneKind::WideDeep => Box::new(wide_deep::WideDeep::new(builder, config)),
            BackboneKind::Dcn => Box::new(dcn::Dcn::new(builder, config)),
            BackboneKind::Ipnn => Box::new(ipnn::Ipnn::new(builder, config)),
            BackboneKind::DeepFm => Box::new(deepfm::DeepFm::new(builder, config)),
        })
    }

    /// A model of any network.
    pub fn with(keys: &[ModelKey], device: Device, build: impl FnOnce(&mut ParamsBuilder) -> Box<dyn Net>) -> Self {
        let mut builder = ParamsBuilder::new(keys, device);
        let net = build(&mut builder);
        Self { params: builder.finish(), net }
    }

    pub fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        self.net.forward(ids, pass)
    }

    /// R.
    pub fn replicas(&self) -> usize {
        self.params.replicas()
    }
}
