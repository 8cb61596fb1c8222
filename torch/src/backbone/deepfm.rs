//! DeepFM: z = LINEAR + FM2(V) + MLP(flat V), one table of embeddings for both parts.

use super::layers::{Embedding, FirstOrder, Mlp, pairwise};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct DeepFm {
    first_order: FirstOrder,
    embedding: Embedding,
    mlp: Mlp,
}

impl DeepFm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, Some(1)),
        }
    }
}

impl Net for DeepFm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let deep = self.mlp.forward(&v.flatten(-2, -1), pass).squeeze_dim(-1);
        self.first_order.forward(ids, pass) + pairwise(&v) + deep
    }
}
