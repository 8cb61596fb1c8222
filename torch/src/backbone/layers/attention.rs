//! Multi-head self-attention over a row's tokens (AutoInt, spec `backbones.md` section 3), `[.., B, F, A]` to
//! `[.., B, F, A]`: softmax(Q K^T / sqrt(d)) V with A = heads d, without residual or norm.
//!
//! Nothing lies between the layer's output matrix and the input matrices of what follows it, so the two are multiplied with
//! each other and the tokens between them are never made: a layer takes the numbers that its tokens are a linear map of,
//! and that map.

use super::Linear;
use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct SelfAttention {
    /// `[.., 3 A, A]`: of Q, K and V.
    input: Linear,
    output: Linear,
    heads: i64,
    /// d.
    depth: i64,
    dropout: f64,
}

impl SelfAttention {
    pub fn new(builder: &mut ParamsBuilder, name: &str, width: i64, heads: i64, dropout: f64) -> Self {
        let packed = Init::xavier(3 * width as usize, width as usize);
        let zero = Init::Const(0.0);
        Self {
            input: Linear::of(
                builder.dense(format!("{name}.in_proj_weight"), &[3 * width, width], packed),
                builder.dense(format!("{name}.in_proj_bias"), &[3 * width], zero),
            ),
            output: Linear::of(
                builder.dense(format!("{name}.out_proj.weight"), &[width, width], Init::linear(width as usize)),
                builder.dense(format!("{name}.out_proj.bias"), &[width], zero),
            ),
            heads,
            depth: width / heads,
            dropout,
        }
    }

    /// What the heads make of the tokens `map(x)`, `[.., B, F, A]`; the layer's tokens are the map `output` of it.
    pub fn mix(&self, x: &Tensor, map: &Linear, pass: &mut Pass) -> Tensor {
        let mut size = x.size();
        size.pop();
        let fields = size.pop().expect("rows have tokens");
        let with = |dims: &[i64]| [&size, dims].concat();
        // [n, F, 3, heads, d] of the n rows of all replicas to three of [n heads, F, d], copied once.
        let packed = self.input.after(map).forward(x).view([-1, fields, 3, self.heads, self.depth]);
        let parts = packed.permute([2, 0, 3, 1, 4]).contiguous().flatten(1, 2).unbind(0);
        let [q, k, v] = &parts[..] else { unreachable!("three parts") };
        let scores = q.bmm(&k.transpose(1, 2)).g_mul_scalar_((self.depth as f64).powf(-0.5));
        let shares = scores.softmax(-1, scores.kind()).view(&with(&[self.heads, fields, fields])[..]);
        let shares = pass.dropout(self.dropout, shares).view([-1, fields, fields]);
        let mixed = shares.bmm(v).view([-1, self.heads, fields, self.depth]).transpose(1, 2);
        mixed.reshape(&with(&[fields, self.heads * self.depth])[..])
    }

    pub fn output(&self) -> &Linear {
        &self.output
    }
}
