//! OPNN: z = MLP([flat V ; products of all pairs through a matrix each]). The reference's unused first-order table is left
//! out.

use super::layers::{Embedding, Mlp, OuterProduct, pair_count};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Opnn {
    embedding: Embedding,
    product: OuterProduct,
    mlp: Mlp,
}

impl Opnn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (fields, dim) = (config.fields() as i64, config.options.embed_dim as i64);
        Self {
            embedding: Embedding::of_backbone(builder, config),
            product: OuterProduct::new(builder, fields, dim),
            mlp: Mlp::of_backbone(builder, config, fields * dim + pair_count(fields), Some(1)),
        }
    }
}

impl Net for Opnn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let products = self.product.forward(&v);
        self.mlp.forward(&Tensor::cat(&[v.flatten(-2, -1), products], -1), pass).squeeze_dim(-1)
    }
}
