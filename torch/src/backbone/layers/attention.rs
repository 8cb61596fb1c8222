//! Multi-head self-attention over a row's tokens (AutoInt, spec `backbones.md` section 3), `[.., B, F, A]` to
//! `[.., B, F, A]`: softmax(Q K^T / sqrt(d)) V with A = heads d, without residual or norm.

use super::linear;
use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct SelfAttention {
    /// `[.., 3 A, A]`: of Q, K and V.
    weight: Tensor,
    /// `[.., 3 A]`.
    bias: Tensor,
    /// `[.., A, A]`.
    out_weight: Tensor,
    /// `[.., A]`.
    out_bias: Tensor,
    heads: i64,
    dropout: f64,
}

impl SelfAttention {
    pub fn new(builder: &mut ParamsBuilder, name: &str, width: i64, heads: i64, dropout: f64) -> Self {
        let packed = Init::xavier(3 * width as usize, width as usize);
        let zero = Init::Const(0.0);
        Self {
            weight: builder.dense(format!("{name}.in_proj_weight"), &[3 * width, width], packed),
            bias: builder.dense(format!("{name}.in_proj_bias"), &[3 * width], zero),
            out_weight: builder.dense(format!("{name}.out_proj.weight"), &[width, width], Init::linear(width as usize)),
            out_bias: builder.dense(format!("{name}.out_proj.bias"), &[width], zero),
            heads,
            dropout,
        }
    }

    pub fn forward(&self, tokens: &Tensor, pass: &mut Pass) -> Tensor {
        let mut size = tokens.size();
        let width = size.pop().expect("tokens have a width");
        let depth = width / self.heads;
        size.extend([3, self.heads, depth]);
        // [.., B, F, 3, heads, d] to three of [.., B, heads, F, d].
        let packed = linear(tokens, &self.weight, Some(&self.bias)).view(&size[..]);
        let [q, k, v] = [0, 1, 2].map(|part| packed.select(-3, part).transpose(-3, -2));
        let scores = (q * (depth as f64).powf(-0.5)).matmul(&k.transpose(-1, -2));
        let weights = pass.dropout(self.dropout, scores.softmax(-1, scores.kind()));
        let mixed = weights.matmul(&v).transpose(-3, -2).flatten(-2, -1);
        linear(&mixed, &self.out_weight, Some(&self.out_bias))
    }
}
