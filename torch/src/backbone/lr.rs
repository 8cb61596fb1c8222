//! Logistic regression: z = LINEAR.

use super::layers::FirstOrder;
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Lr {
    first_order: FirstOrder,
}

impl Lr {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self { first_order: FirstOrder::of_backbone(builder, config) }
    }
}

impl Net for Lr {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        self.first_order.forward(ids, pass)
    }
}
