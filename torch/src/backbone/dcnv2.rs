//! DCNv2: x_0 = flat V; parallel z = Linear([Cross(x_0) ; MLP(x_0)]), stacked z = Linear(MLP(Cross(x_0))), stacked_parallel has
//! both towers, crossnet_only none.

use super::layers::{Embedding, Linear, MatrixCross, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use autodenoise::types::Structure;
use tch::Tensor;

pub struct DcnV2 {
    embedding: Embedding,
    cross: MatrixCross,
    /// The tower over the cross network.
    over: Option<Mlp>,
    /// The tower beside it.
    beside: Option<Mlp>,
    output: Linear,
}

impl DcnV2 {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let width = config.flat() as i64;
        let deep = config.options.mlp_dims.last().map_or(width, |dim| *dim as i64);
        let (over, beside) = match config.options.structure {
            Structure::Stacked => (true, false),
            Structure::StackedParallel => (true, true),
            Structure::CrossnetOnly => (false, false),
            Structure::Parallel | Structure::Serial => (false, true),
        };
        let tower = |builder: &mut ParamsBuilder, name| {
            Mlp::plain(builder, name, width, &config.options.mlp_dims, None, config.options.dropout)
        };
        Self {
            embedding: Embedding::named(builder, "emb.weight", config),
            cross: MatrixCross::new(builder, width, config.options.cross_layers as usize),
            over: over.then(|| tower(builder, "stacked_dnn.mlp")),
            beside: beside.then(|| tower(builder, "dnn.mlp")),
            output: Linear::new(builder, "fc", if over { deep } else { width } + if beside { deep } else { 0 }, 1),
        }
    }
}

impl Net for DcnV2 {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let x0 = self.embedding.forward(ids, pass).flatten(-2, -1);
        let crossed = self.cross.forward(&x0);
        let crossed = match &self.over {
            Some(mlp) => mlp.forward(&crossed, pass),
            None => crossed,
        };
        let top = match &self.beside {
            Some(mlp) => Tensor::cat(&[crossed, mlp.forward(&x0, pass)], -1),
            None => crossed,
        };
        self.output.forward(&top).squeeze_dim(-1)
    }
}
