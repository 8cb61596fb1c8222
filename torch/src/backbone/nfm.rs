//! NFM: z = LINEAR + MLP(Dropout(BN(FM2vec V))).

use super::layers::{BatchNorm, Embedding, FirstOrder, Mlp, pairwise_vector};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use tch::Tensor;

pub struct Nfm {
    first_order: FirstOrder,
    embedding: Embedding,
    norm: BatchNorm,
    dropout: f64,
    mlp: Mlp,
}

impl Nfm {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let dim = config.options.embed_dim as i64;
        Self {
            first_order: FirstOrder::of_backbone(builder, config),
            embedding: Embedding::of_backbone(builder, config),
            norm: BatchNorm::new(builder, "fm.1", dim),
            dropout: config.options.interaction_dropout,
            mlp: Mlp::of_backbone(builder, config, dim, Some(1)),
        }
    }
}

impl Net for Nfm {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let pairs = pairwise_vector(&self.embedding.forward(ids, pass));
        let pairs = pass.dropout(self.dropout, self.norm.forward(&pairs, pass));
        self.first_order.forward(ids, pass) + self.mlp.forward(&pairs, pass).squeeze_dim(-1)
    }
}
