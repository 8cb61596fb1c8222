//! Neural collaborative filtering: z = Linear([V_user V_item ; MLP(flat V)]), the product number by number.

use super::layers::{Embedding, Linear, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Ncf {
    embedding: Embedding,
    /// Positions of the two fields.
    user_item: [i64; 2],
    mlp: Mlp,
    output: Linear,
}

impl Ncf {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let deep = config.options.mlp_dims.last().map_or(config.flat() as i64, |dim| *dim as i64);
        Self {
            embedding: Embedding::of_backbone(builder, config),
            user_item: config.user_item.map(|field| field as i64),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, None),
            output: Linear::new(builder, "fc", config.options.embed_dim as i64 + deep, 1),
        }
    }
}

impl Net for Ncf {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let [user, item] = self.user_item.map(|field| v.select(-2, field));
        let deep = self.mlp.forward(&v.flatten(-2, -1), pass);
        self.output.forward(&Tensor::cat(&[user * item, deep], -1)).squeeze_dim(-1)
    }
}
