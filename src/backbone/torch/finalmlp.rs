//! FinalMLP: two towers o_1, o_2 over embeddings behind gates; z = w_1 o_1 + w_2 o_2 + biases + the product of the towers.
//! The gates 2 sigmoid(MLP(c)) know no row: c `[1, E]` is learned, from 0.

use super::layers::{Bilinear, Embedding, Linear, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use crate::backbone::Init;
use tch::Tensor;

pub struct FinalMlp {
    embedding: Embedding,
    streams: [Stream; 2],
    product: Bilinear,
}

/// A tower with its gate and its first-order output.
struct Stream {
    context: Tensor,
    gate: Mlp,
    mlp: Mlp,
    output: Linear,
}

impl Stream {
    fn new(builder: &mut ParamsBuilder, config: &BackboneConfig, n: usize, letter: &str, dims: &[usize]) -> Self {
        let (flat, dim) = (config.flat() as i64, config.embed_dim as i64);
        Self {
            context: builder.dense(format!("fs.fs{n}_ctx_bias"), &[1, dim], Init::Const(0.0)),
            gate: Mlp::plain(builder, &format!("fs.fs{n}_gate.mlp"), dim, &config.gate_dims, Some(flat), 0.0),
            mlp: Mlp::plain(builder, &format!("mlp{n}.mlp"), flat, dims, None, config.dropout),
            output: Linear::new(builder, &format!("agg.w_{letter}"), last(dims), 1),
        }
    }

    fn forward(&self, v: &Tensor, pass: &mut Pass) -> Tensor {
        let gate = self.gate.forward(&self.context, pass).sigmoid() * 2.0;
        self.mlp.forward(&(v * gate), pass)
    }
}

fn last(dims: &[usize]) -> i64 {
    *dims.last().expect("a tower has layers") as i64
}

impl FinalMlp {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            embedding: Embedding::named(builder, "emb.weight", config),
            streams: [(1, "x", &config.mlp_dims), (2, "y", &config.second_mlp_dims)]
                .map(|(n, letter, dims)| Stream::new(builder, config, n, letter, dims)),
            product: Bilinear::new(
                builder,
                "agg.w_xy",
                last(&config.mlp_dims),
                last(&config.second_mlp_dims),
                config.heads as i64,
            ),
        }
    }
}

impl Net for FinalMlp {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass).flatten(-2, -1);
        let [x, y] = self.streams.each_ref().map(|stream| stream.forward(&v, pass));
        let [of_x, of_y] = [(0, &x), (1, &y)].map(|(n, o)| self.streams[n].output.forward(o).squeeze_dim(-1));
        of_x + of_y + self.product.forward(&x, &y)
    }
}
