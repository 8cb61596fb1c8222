//! Factorisation machine of a higher order: z = LINEAR + FM2(V^(2)) + sum over t >= 3 of ANOVA_t(V^(t)). One table holds the
//! embeddings of every order, V^(2) first.

use super::layers::{Embedding, FirstOrder, anova, pairwise};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Hofm {
    first_order: FirstOrder,
    embedding: Embedding,
    /// E.
    dim: i64,
    order: i64,
}

impl Hofm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (cardinality, dim) = (config.cardinality() as i64, config.options.embed_dim as i64);
        let order = config.options.hofm_order as i64;
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::new(builder, cardinality, dim * (order - 1)),
            dim,
            order,
        }
    }
}

impl Net for Hofm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let of_order = |t: i64| v.narrow(-1, (t - 2) * self.dim, self.dim);
        let pairs = self.first_order.forward(ids, pass) + pairwise(&of_order(2));
        (3..=self.order).fold(pairs, |z, t| z + anova(&of_order(t), t))
    }
}
