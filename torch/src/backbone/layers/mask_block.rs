//! The block of MaskNet (spec `backbones.md` section 4): ReLU(LayerNorm(W (mask h))), the mask made from the embeddings by
//! two layers; h `[.., B, in]` to `[.., B, out]`.

use super::{LayerNorm, Linear};
use crate::backbone::{ParamsBuilder, Pass};
use tch::Tensor;

pub struct MaskBlock {
    aggregate: Linear,
    project: Linear,
    hidden: Linear,
    norm: LayerNorm,
    dropout: f64,
}

impl MaskBlock {
    /// Embeddings are `flat` wide; the mask's hidden layer is as wide as h.
    pub fn new(builder: &mut ParamsBuilder, name: &str, flat: i64, inputs: i64, outputs: i64, dropout: f64) -> Self {
        Self {
            aggregate: Linear::new(builder, &format!("{name}.mask_layer.0"), flat, inputs),
            project: Linear::new(builder, &format!("{name}.mask_layer.2"), inputs, inputs),
            hidden: Linear::without_bias(builder, &format!("{name}.hidden_layer.0"), inputs, outputs),
            norm: LayerNorm::new(builder, &format!("{name}.hidden_layer.1"), outputs),
            dropout,
        }
    }

    pub fn forward(&self, embeddings: &Tensor, h: &Tensor, pass: &mut Pass) -> Tensor {
        let mask = self.project.forward(&self.aggregate.forward(embeddings).relu());
        pass.dropout(self.dropout, self.norm.forward(&self.hidden.forward(&(mask * h))).relu())
    }
}
