//! The cross network of DCN (spec `backbones.md` section 2): x_{l+1} = x_0 (w_l . x_l) + b_l + x_l, `[.., B, d]` to
//! `[.., B, d]`.

use super::Linear;
use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct Cross {
    layers: Vec<(Linear, Tensor)>,
}

impl Cross {
    pub fn new(builder: &mut ParamsBuilder, width: i64, layers: usize) -> Self {
        let weights: Vec<_> =
            (0..layers).map(|l| Linear::without_bias(builder, &format!("cn.w.{l}"), width, 1)).collect();
        let biases: Vec<_> =
            (0..layers).map(|l| builder.dense(format!("cn.b.{l}"), &[width], Init::Const(0.0))).collect();
        Self { layers: weights.into_iter().zip(biases).collect() }
    }

    pub fn forward(&self, x0: &Tensor) -> Tensor {
        self.layers.iter().fold(x0.shallow_clone(), |x, (weight, bias)| {
            // Stacked biases are [R, d]: the rows' dimension goes between.
            let bias = if bias.dim() > 1 { bias.unsqueeze(-2) } else { bias.shallow_clone() };
            x0 * weight.forward(&x) + bias + x
        })
    }
}
