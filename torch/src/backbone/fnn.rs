//! FNN: z = MLP(flat V).

use super::layers::{Embedding, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Fnn {
    embedding: Embedding,
    mlp: Mlp,
}

impl Fnn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            embedding: Embedding::of_backbone(builder, config),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64, Some(1)),
        }
    }
}

impl Net for Fnn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        self.mlp.forward(&v.flatten(-2, -1), pass).squeeze_dim(-1)
    }
}
