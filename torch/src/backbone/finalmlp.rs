//! FinalMLP: two towers o_1, o_2 over embeddings behind gates; z = w_1 o_1 + w_2 o_2 + biases + the product of the towers.
//! The gates 2 sigmoid(MLP(c)) know no row: c `[1, E]` is learned, from 0.

use super::layers::{Bilinear, Embedding, Linear, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct FinalMlp {
    embedding: Embedding,
    towers: [Tower; 2],
    product: Bilinear,
}

/// A tower with its gate and its own share of the logit.
struct Tower {
    /// c.
    context: Tensor,
    gate: Mlp,
    mlp: Mlp,
    output: Linear,
}

impl Tower {
    fn new(builder: &mut ParamsBuilder, config: &BackboneConfig, n: usize, letter: &str, dims: &[u32]) -> Self {
        let (flat, dim) = (config.flat() as i64, config.options.embed_dim as i64);
        Self {
            context: builder.dense(format!("fs.fs{n}_ctx_bias"), &[1, dim], Init::Const(0.0)),
            gate: Mlp::plain(builder, &format!("fs.fs{n}_gate.mlp"), dim, &config.options.gate_dims, Some(flat), 0.0),
            mlp: Mlp::plain(builder, &format!("mlp{n}.mlp"), flat, dims, None, config.options.dropout),
            output: Linear::new(builder, &format!("agg.w_{letter}"), last(dims), 1),
        }
    }

    /// Flat V to o `[.., B, last]` and w o + b `[.., B]`.
    fn forward(&self, v: &Tensor, pass: &mut Pass) -> (Tensor, Tensor) {
        let gate = self.gate.forward(&self.context, pass).sigmoid() * 2.0;
        let o = self.mlp.forward(&(v * gate), pass);
        let share = self.output.forward(&o).squeeze_dim(-1);
        (o, share)
    }
}

fn last(dims: &[u32]) -> i64 {
    *dims.last().expect("a tower has layers") as i64
}

impl FinalMlp {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (first, second) = (&config.options.mlp_dims, &config.options.second_mlp_dims);
        Self {
            embedding: Embedding::named(builder, "emb.weight", config),
            towers: [Tower::new(builder, config, 1, "x", first), Tower::new(builder, config, 2, "y", second)],
            product: Bilinear::new(builder, "agg.w_xy", last(first), last(second), config.options.heads as i64),
        }
    }
}

impl Net for FinalMlp {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass).flatten(-2, -1);
        let [(o1, z1), (o2, z2)] = self.towers.each_ref().map(|tower| tower.forward(&v, pass));
        z1 + z2 + self.product.forward(&o1, &o2)
    }
}
