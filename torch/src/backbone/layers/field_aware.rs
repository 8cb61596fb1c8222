//! Field-aware embeddings (FFM, spec `backbones.md` section 3): F tables, and for each pair (i, j) the product of table j's
//! row for field i and table i's row for field j.

use super::{Embedding, Pairs};
use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::BackboneConfig;
use tch::Tensor;

pub struct FieldAware {
    tables: Vec<Embedding>,
    pairs: Pairs,
}

impl FieldAware {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let fields = config.fields() as i64;
        let table = |k| Embedding::named(builder, &format!("ffm.embeddings.{k}.weight"), config);
        Self {
            tables: (0..fields).map(table).collect(),
            pairs: Pairs::at(fields, builder.device(), |i, j| (j * fields + i, i * fields + j)),
        }
    }

    /// Ids `[B, F]` to products `[.., B, P, E]`.
    pub fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let rows: Vec<Tensor> = self.tables.iter().map(|table| table.forward(ids, pass)).collect();
        // [.., B, F F, E], table by table.
        self.pairs.products(&Tensor::cat(&rows, -2))
    }
}
