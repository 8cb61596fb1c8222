//! LayerNorm over the last dimension, `[.., B, H]` to `[.., B, H]`; eps 1e-5. It knows one row at a time.

use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
use tch::Tensor;

const EPS: f64 = 1e-5;

pub struct LayerNorm {
    /// `[.., H]`.
    weight: Tensor,
    /// `[.., H]`.
    bias: Tensor,
}

impl LayerNorm {
    pub fn new(builder: &mut ParamsBuilder, name: &str, width: i64) -> Self {
        Self {
            weight: builder.dense(format!("{name}.weight"), &[width], Init::Const(1.0)),
            bias: builder.dense(format!("{name}.bias"), &[width], Init::Const(0.0)),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let width = &x.size()[x.dim() - 1..];
        if self.weight.dim() == 1 {
            return x.layer_norm(width, Some(&self.weight), Some(&self.bias), EPS, false);
        }
        let normal = x.layer_norm(width, None::<&Tensor>, None::<&Tensor>, EPS, false);
        normal * self.weight.unsqueeze(-2) + self.bias.unsqueeze(-2)
    }
}
