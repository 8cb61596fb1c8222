//! IPNN: z = MLP([flat V ; inner products of all pairs]). The reference's unused first-order table is left out.

use super::layers::{Embedding, InnerProduct, Mlp, pair_count};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Ipnn {
    embedding: Embedding,
    product: InnerProduct,
    mlp: Mlp,
}

impl Ipnn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self {
            embedding: Embedding::of_backbone(builder, config),
            product: InnerProduct::new(config.fields() as i64, builder.device()),
            mlp: Mlp::of_backbone(builder, config, config.flat() as i64 + pair_count(config.fields() as i64), Some(1)),
        }
    }
}

impl Net for Ipnn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let products = self.product.forward(&v);
        self.mlp.forward(&Tensor::cat(&[v.flatten(-2, -1), products], -1), pass).squeeze_dim(-1)
    }
}
