//! Cross networks with matrices for weights (spec `backbones.md` section 4), `[.., B, d]` to `[.., B, d]`.

use super::Linear;
use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
use tch::Tensor;

/// DCNv2's: x_{l+1} = x_0 (W_l x_l + b_l) + x_l.
pub struct MatrixCross {
    layers: Vec<Linear>,
}

impl MatrixCross {
    pub fn new(builder: &mut ParamsBuilder, width: i64, layers: usize) -> Self {
        let layer = |l| Linear::new(builder, &format!("cross.cross_layers.{l}"), width, width);
        Self { layers: (0..layers).map(layer).collect() }
    }

    pub fn forward(&self, x0: &Tensor) -> Tensor {
        self.layers.iter().fold(x0.shallow_clone(), |x, layer| x.addcmul(x0, &layer.forward(&x)))
    }
}

/// GDCN's: x_{l+1} = x_0 (W_l x_l + b_l) sigmoid(G_l x_l) + x_l. Biases start at 0, as the other cross networks' do.
pub struct GatedCross {
    /// W, G and b `[.., d]`.
    layers: Vec<(Linear, Linear, Tensor)>,
}

impl GatedCross {
    pub fn new(builder: &mut ParamsBuilder, width: i64, layers: usize) -> Self {
        let layer = |l| {
            let weight = Linear::without_bias(builder, &format!("cross.w.{l}"), width, width);
            let gate = Linear::without_bias(builder, &format!("cross.wg.{l}"), width, width);
            (weight, gate, builder.dense(format!("cross.b.{l}"), &[width], Init::Const(0.0)))
        };
        Self { layers: (0..layers).map(layer).collect() }
    }

    pub fn forward(&self, x0: &Tensor) -> Tensor {
        self.layers.iter().fold(x0.shallow_clone(), |x, (weight, gate, bias)| {
            x.addcmul(&(x0 * gate.forward(&x).sigmoid()), &(weight.forward(&x) + bias.unsqueeze(-2)))
        })
    }
}
