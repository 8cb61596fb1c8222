//! Field-aware factorisation machine: z = LINEAR + the sum of the field-aware products.

use super::layers::{FieldAware, FirstOrder};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Ffm {
    first_order: FirstOrder,
    products: FieldAware,
}

impl Ffm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self { first_order: FirstOrder::of_backbone(builder, config), products: FieldAware::new(builder, config) }
    }
}

impl Net for Ffm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let products = self.products.forward(ids, pass).sum_dim_intlist([-2, -1].as_slice(), false, None);
        self.first_order.forward(ids, pass) + products
    }
}
