//! xDeepFM: z = LINEAR + CIN(V) + MLP(flat V).

use super::layers::{Cin, Embedding, FirstOrder, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct XDeepFm {
    first_order: FirstOrder,
    embedding: Embedding,
    cin: Cin,
    mlp: Mlp,
}

impl XDeepFm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            cin: Cin::new(builder, config),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, Some(1)),
        }
    }
}

impl Net for XDeepFm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let deep = self.mlp.forward(&v.flatten(-2, -1), pass).squeeze_dim(-1);
        self.first_order.forward(ids, pass) + self.cin.forward(&v) + deep
    }
}
