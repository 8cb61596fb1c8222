//! Factorisation machine: z = LINEAR + FM2(V).

use super::layers::{Embedding, FirstOrder, pairwise};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Fm {
    first_order: FirstOrder,
    embedding: Embedding,
}

impl Fm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
        }
    }
}

impl Net for Fm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        self.first_order.forward(ids, pass) + pairwise(&v)
    }
}
