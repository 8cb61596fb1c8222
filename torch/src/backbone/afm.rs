//! Factorisation machine with attention: z = LINEAR + Linear(sum over pairs of their share times their product). Shares are a
//! softmax over the pairs, by a small network on each product.

use super::layers::{Embedding, FirstOrder, Linear, Pairs};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Afm {
    first_order: FirstOrder,
    embedding: Embedding,
    pairs: Pairs,
    attention: Linear,
    projection: Linear,
    /// Of the shares, and of the pooled products.
    dropouts: [f64; 2],
    output: Linear,
}

impl Afm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (dim, width) = (config.options.embed_dim as i64, config.options.attention_dim as i64);
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            pairs: Pairs::new(config.fields() as i64, builder.device()),
            attention: Linear::new(builder, "afm.attention", dim, width),
            projection: Linear::new(builder, "afm.projection", width, 1),
            dropouts: [config.options.interaction_dropout, config.options.dropout],
            output: Linear::new(builder, "afm.fc", dim, 1),
        }
    }
}

impl Net for Afm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let products = self.pairs.products(&self.embedding.forward(ids, pass));
        let scores = self.projection.forward(&self.attention.forward(&products).relu());
        let shares = pass.dropout(self.dropouts[0], scores.softmax(-2, scores.kind()));
        let pooled = pass.dropout(self.dropouts[1], (shares * products).sum_dim_intlist(-2, false, None));
        self.first_order.forward(ids, pass) + self.output.forward(&pooled).squeeze_dim(-1)
    }
}
