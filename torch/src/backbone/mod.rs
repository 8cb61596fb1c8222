//! The models on libtorch: autograd, any device, R replicas in one pass.
//!
//! Parameters and buffers are `[R, ...]`, one batch of ids `[B, F]` is shared by all replicas (or each has its own, `[R, B, F]`),
//! and logits are `[R, B]`.
//! With R = 1 the leading dimension is left out everywhere, so that a single model runs on PyTorch's fused operators and
//! its tensors have the shapes PyTorch users know. Below, `[.., B, X]` stands for both.

mod adam;
mod afm;
mod afn;
mod autoint;
mod dcn;
mod dcnv2;
mod deepfm;
mod feed;
mod ffm;
mod finalmlp;
mod fm;
mod fnfm;
mod fnn;
mod gdcn;
mod gradients;
mod hofm;
mod ipnn;
mod joined;
mod joint_feed;
pub mod layers;
mod lr;
mod masknet;
mod masks;
mod model;
mod ncf;
mod nfm;
mod opnn;
mod params;
mod pass;
mod step;
mod steps;
mod wide_deep;
mod xdeepfm;

pub use adam::Adam;
pub use feed::{Table, on_device};
pub use gradients::Gradients;
pub(crate) use joined::train_together;
pub use masks::{BatchMasks, Masks, OwnMasks};
pub use model::TorchModel;
pub use params::{ParamKind, Params, ParamsBuilder};
pub use pass::Pass;
pub use step::{batch_loss, bce, predict, predict_rows, train_step};

use autodenoise::backbone::{BackboneConfig, ModelKey};
use autodenoise::types::BackboneKind;
use tch::{Device, Tensor};

/// A network: what a model computes from ids, without its parameters' life.
pub trait Net: Send {
    /// Ids `[B, F]`, or `[R, B, F]` where each replica has its own rows, to logits `[.., B]` (or `[.., B, out]` of a net with
    /// several outputs).
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
        Self::with(keys, device, |builder| network(config, builder))
    }

    /// Single models of this config as the replicas of one: what it learns, they do.
    pub fn joining(config: &BackboneConfig, models: Vec<&Params>) -> Self {
        let mut builder = ParamsBuilder::joining(models);
        let net = network(config, &mut builder);
        Self { params: builder.finish(), net }
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

/// The network of a backbone.
fn network(config: &BackboneConfig, builder: &mut ParamsBuilder) -> Box<dyn Net> {
    match config.kind {
        BackboneKind::Fm => Box::new(fm::Fm::new(builder, config)),
        BackboneKind::WideDeep => Box::new(wide_deep::WideDeep::new(builder, config)),
        BackboneKind::Dcn => Box::new(dcn::Dcn::new(builder, config)),
        BackboneKind::Ipnn => Box::new(ipnn::Ipnn::new(builder, config)),
        BackboneKind::DeepFm => Box::new(deepfm::DeepFm::new(builder, config)),
        BackboneKind::Lr => Box::new(lr::Lr::new(builder, config)),
        BackboneKind::Hofm => Box::new(hofm::Hofm::new(builder, config)),
        BackboneKind::Ffm => Box::new(ffm::Ffm::new(builder, config)),
        BackboneKind::Fnn => Box::new(fnn::Fnn::new(builder, config)),
        BackboneKind::Opnn => Box::new(opnn::Opnn::new(builder, config)),
        BackboneKind::Nfm => Box::new(nfm::Nfm::new(builder, config)),
        BackboneKind::Fnfm => Box::new(fnfm::Fnfm::new(builder, config)),
        BackboneKind::Ncf => Box::new(ncf::Ncf::new(builder, config)),
        BackboneKind::XDeepFm => Box::new(xdeepfm::XDeepFm::new(builder, config)),
        BackboneKind::Afm => Box::new(afm::Afm::new(builder, config)),
        BackboneKind::AutoInt => Box::new(autoint::AutoInt::new(builder, config)),
        BackboneKind::Afn => Box::new(afn::Afn::new(builder, config)),
        BackboneKind::DcnV2 => Box::new(dcnv2::DcnV2::new(builder, config)),
        BackboneKind::Gdcn => Box::new(gdcn::Gdcn::new(builder, config)),
        BackboneKind::MaskNet => Box::new(masknet::MaskNet::new(builder, config)),
        BackboneKind::FinalMlp => Box::new(finalmlp::FinalMlp::new(builder, config)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D of MovieLens-1M.
    const SIZES: [u32; 8] = [3706, 301, 81, 6040, 21, 7, 2, 3402];

    #[test]
    fn the_models_have_as_many_parameters_as_the_reference_s() {
        let ends: Vec<u32> = SIZES.iter().scan(0, |end, size| Some(std::mem::replace(end, *end + size))).collect();
        let ranges: Vec<_> = ends.iter().zip(SIZES).map(|(start, size)| *start..start + size).collect();
        let key = ModelKey { seed: 1, init: [0, 0], run: [0, 0] };
        // The first-order table that the reference makes for IPNN and OPNN, and never uses.
        let unused = 13_560 * 16 + 16;
        for (kind, expected) in [
            (BackboneKind::Fm, 230_521),
            (BackboneKind::WideDeep, 232_938),
            (BackboneKind::DeepFm, 232_938),
            (BackboneKind::Dcn, 220_273),
            (BackboneKind::Ipnn, 436_497 - unused),
            (BackboneKind::Lr, 13_561),
            (BackboneKind::Hofm, 447_481),
            (BackboneKind::Ffm, 447_481),
            (BackboneKind::Fnn, 219_377),
            (BackboneKind::Opnn, 443_665 - unused),
            (BackboneKind::Nfm, 885_882),
            (BackboneKind::Fnfm, 455_130),
            (BackboneKind::XDeepFm, 236_075),
            (BackboneKind::Afm, 230_827),
            (BackboneKind::AutoInt, 497_131),
            (BackboneKind::Afn, 10_166_522),
        ] {
            let model = Backbone::new(&BackboneConfig::preset(kind, ranges.clone()), &[key], Device::Cpu);
            let trained = model.params.iter().filter(|(_, of, _)| *of != ParamKind::Buffer);
            assert_eq!(trained.map(|(_, _, tensor)| tensor.numel()).sum::<usize>(), expected, "{kind}");
        }
    }
}
