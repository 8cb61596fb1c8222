//! GDCN: x_0 = flat V; parallel z = Linear([GatedCross(x_0) ; MLP(x_0)]), stacked z = MLP(GatedCross(x_0)).

use super::layers::{Embedding, GatedCross, Linear, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use autodenoise::types::Structure;
use tch::Tensor;

pub struct Gdcn {
    embedding: Embedding,
    cross: GatedCross,
    mlp: Mlp,
    /// Of the parallel structure.
    output: Option<Linear>,
}

impl Gdcn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let width = config.flat() as i64;
        let deep = config.options.mlp_dims.last().map_or(width, |dim| *dim as i64);
        let stacked = config.options.structure == Structure::Stacked;
        Self {
            embedding: Embedding::named(builder, "emb.weight", config),
            cross: GatedCross::new(builder, width, config.options.cross_layers as usize),
            mlp: Mlp::plain(
                builder,
                "dnn.mlp",
                width,
                &config.options.mlp_dims,
                stacked.then_some(1),
                config.options.dropout,
            ),
            output: (!stacked).then(|| Linear::new(builder, "fc", width + deep, 1)),
        }
    }
}

impl Net for Gdcn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let x0 = self.embedding.forward(ids, pass).flatten(-2, -1);
        let crossed = self.cross.forward(&x0);
        match &self.output {
            None => self.mlp.forward(&crossed, pass),
            Some(output) => output.forward(&Tensor::cat(&[crossed, self.mlp.forward(&x0, pass)], -1)),
        }
        .squeeze_dim(-1)
    }
}
