//! Field-aware NFM: z = LINEAR + MLP(Dropout(BN(flat field-aware products))).

use super::layers::{BatchNorm, FieldAware, FirstOrder, Mlp, pair_count};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Fnfm {
    first_order: FirstOrder,
    products: FieldAware,
    norm: BatchNorm,
    dropout: f64,
    mlp: Mlp,
}

impl Fnfm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let width = pair_count(config.fields() as i64) * config.options.embed_dim as i64;
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            products: FieldAware::new(builder, config),
            norm: BatchNorm::new(builder, "bn", width),
            dropout: config.options.interaction_dropout,
            mlp: Mlp::of_backbone(builder, config, width, Some(1)),
        }
    }
}

impl Net for Fnfm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let products = self.products.forward(ids, pass).flatten(-2, -1);
        let products = pass.dropout(self.dropout, self.norm.forward(&products, pass));
        self.first_order.forward(ids, pass) + self.mlp.forward(&products, pass).squeeze_dim(-1)
    }
}
