//! The models on libtorch: autograd, any device, R replicas in one pass.
//!
//! Parameters and buffers are `[R, ...]`, one batch of ids `[B, F]` is shared by all replicas, and logits are `[R, B]`.
//! With R = 1 the leading dimension is left out everywhere, so that a single model runs on PyTorch's fused operators and
//! its tensors have the shapes PyTorch users know. Below, `[.., B, X]` stands for both.

mod adam;
mod dcn;
mod deepfm;
mod feed;
mod fm;
mod ipnn;
pub mod layers;
mod model;
mod params;
mod pass;
mod step;
mod wide_deep;

pub use adam::Adam;
pub use feed::OnDevice;
pub use model::TorchModel;
pub use params::{ParamKind, Params, ParamsBuilder};
pub use pass::Pass;
pub use step::{Gradients, batch_loss, bce, predict, train_step};

use super::{BackboneConfig, ModelKey};
use crate::types::BackboneKind;
use tch::{Device, Tensor};

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
