//! AFN: z = LINEAR + MLP(flat ReLU(exp(W log(1 + |V| + 1e-7)) - 1)): every row of W `[L, F]` is a product of powers of the
//! fields, its orders learned.

use super::layers::{Embedding, FirstOrder, Logarithmic, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Afn {
    first_order: FirstOrder,
    embedding: Embedding,
    neurons: Logarithmic,
    mlp: Mlp,
}

impl Afn {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (neurons, dim) = (config.options.lnn_dim as i64, config.options.embed_dim as i64);
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            neurons: Logarithmic::new(builder, config.fields() as i64, neurons),
            mlp: Mlp::of_backbone(builder, config, neurons * dim, Some(1)),
        }
    }
}

impl Net for Afn {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let first = self.neurons.forward(&v, self.mlp.first());
        self.first_order.forward(ids, pass) + self.mlp.forward_from(first, pass).squeeze_dim(-1)
    }
}
