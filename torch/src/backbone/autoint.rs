//! AutoInt: z = LINEAR + Linear(flat ReLU(attention over the fields + a linear path around it)) + MLP(flat V).

use super::layers::{Embedding, FirstOrder, Linear, Mlp, SelfAttention};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct AutoInt {
    first_order: FirstOrder,
    embedding: Embedding,
    tokens: Linear,
    layers: Vec<SelfAttention>,
    around: Linear,
    output: Linear,
    mlp: Mlp,
}

impl AutoInt {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (dim, width) = (config.options.embed_dim as i64, config.options.attention_dim as i64);
        let (heads, dropout) = (config.options.heads as i64, config.options.interaction_dropout);
        let layer = |builder: &mut ParamsBuilder, l| {
            SelfAttention::new(builder, &format!("self_attns.{l}"), width, heads, dropout)
        };
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            tokens: Linear::new(builder, "atten_embedding", dim, width),
            layers: (0..config.options.attention_layers).map(|l| layer(builder, l)).collect(),
            around: Linear::new(builder, "V_res_embedding", dim, width),
            output: Linear::new(builder, "attn_fc", config.fields() as i64 * width, 1),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, Some(1)),
        }
    }
}

impl Net for AutoInt {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        // Tokens as a linear map of other numbers.
        let (mut below, mut map) = (v.shallow_clone(), &self.tokens);
        for layer in &self.layers {
            below = layer.mix(&below, map, pass);
            map = layer.output();
        }
        let mixed = (map.forward(&below) + self.around.forward(&v)).relu().flatten(-2, -1);
        let deep = self.mlp.forward(&v.flatten(-2, -1), pass).squeeze_dim(-1);
        self.first_order.forward(ids, pass) + self.output.forward(&mixed).squeeze_dim(-1) + deep
    }
}
