//! Embedding tables: EMB and LINEAR of spec `backbones.md` section 1.1. One table serves all fields; ids are global.

use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::{BackboneConfig, Init};
use tch::Tensor;

/// EMB: ids `[B, F]`, or `[R, B, F]`, to `[.., B, F, E]`.
pub struct Embedding {
    number: usize,
    table: Tensor,
}

impl Embedding {
    /// Xavier's bound over the whole table, sqrt(6 / (D + E)).
    pub fn new(builder: &mut ParamsBuilder, cardinality: i64, dim: i64) -> Self {
        Self::table(builder, "embedding.embedding.weight", cardinality, dim)
    }

    /// The one table of a backbone.
    pub fn of_backbone(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        Self::named(builder, "embedding.embedding.weight", config)
    }

    /// A table of a backbone, by another name.
    pub fn named(builder: &mut ParamsBuilder, name: &str, config: &BackboneConfig) -> Self {
        Self::table(builder, name, config.cardinality() as i64, config.options.embed_dim as i64)
    }

    fn table(builder: &mut ParamsBuilder, name: &str, cardinality: i64, dim: i64) -> Self {
        let init = Init::xavier(cardinality as usize, dim as usize);
        let (number, table) = builder.table(name, [cardinality, dim], init);
        Self { number, table }
    }

    pub fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let (rows, fields) = rows_and_fields(ids);
        let mut size = self.table.size();
        let dim = size.pop().expect("a table has two dimensions");
        size.pop();
        size.extend([rows, fields, dim]);
        pass.lookup(self.number, &self.table, &ids.flatten(-2, -1)).view(&size[..])
    }
}

/// LINEAR: ids `[B, F]`, or `[R, B, F]`, to the sum of their first-order weights and a bias, `[.., B]`.
pub struct FirstOrder {
    number: usize,
    table: Tensor,
    bias: Tensor,
}

impl FirstOrder {
    /// The table starts at N(0, 1), PyTorch's default for embeddings: first logits have a deviation of about sqrt(F).
    pub fn of_backbone(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (number, table) = builder.table("linear.fc.weight", [config.cardinality() as i64, 1], Init::Normal);
        Self { number, table, bias: builder.dense("linear.bias", &[1], Init::Const(0.0)) }
    }

    pub fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let (rows, fields) = rows_and_fields(ids);
        let mut size = self.table.size();
        size.truncate(size.len() - 2);
        size.extend([rows, fields]);
        let weights = pass.lookup(self.number, &self.table, &ids.flatten(-2, -1)).view(&size[..]);
        weights.sum_dim_intlist(-1, false, None) + &self.bias
    }
}

/// B and F of ids `[.., B, F]`.
fn rows_and_fields(ids: &Tensor) -> (i64, i64) {
    let size = ids.size();
    (size[size.len() - 2], size[size.len() - 1])
}
