//! Wide & Deep: z = LINEAR + MLP(flat V). The wide part is the plain first-order table.

use super::layers::{Embedding, FirstOrder, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct WideDeep {
    first_order: FirstOrder,
    embedding: Embedding,
    mlp: Mlp,
}

impl WideDeep {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, Some(1)),
        }
    }
}

impl Net for WideDeep {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        self.first_order.forward(ids, pass) + self.mlp.forward(&v.flatten(-2, -1), pass).squeeze_dim(-1)
    }
}
