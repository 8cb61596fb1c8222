//! Deep & Cross: x_0 = flat V; z = Linear([Cross(x_0) ; MLP(x_0)]). There is no first-order table.

use super::layers::{Cross, Embedding, Linear, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Dcn {
    embedding: Embedding,
    cross: Cross,
    mlp: Mlp,
    output: Linear,
}

impl Dcn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let width = config.flat() as i64;
        let deep = config.options.mlp_dims.last().map_or(width, |dim| *dim as i64);
        Self {
            embedding: Embedding::of_backbone(builder, config),
            cross: Cross::new(builder, width, config.options.cross_layers as usize),
            mlp: Mlp::of_backbone(builder, config, width, None),
            output: Linear::new(builder, "linear", width + deep, 1),
        }
    }
}

impl Net for Dcn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let x0 = self.embedding.forward(ids, pass).flatten(-2, -1);
        let crossed = self.cross.forward(&x0);
        let deep = self.mlp.forward(&x0, pass);
        self.output.forward(&Tensor::cat(&[crossed, deep], -1)).squeeze_dim(-1)
    }
}
