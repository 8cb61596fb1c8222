//! The product layer of OPNN (spec `backbones.md` section 3): q_p = V_i^T K_p V_j for each pair p = (i, j); V `[.., B, F, E]`
//! to `[.., B, P]`.

use super::{Pairs, pair_count};
use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct OuterProduct {
    pairs: Pairs,
    /// `[.., E, P, E]`: V_j's dimension, the pair, V_i's dimension.
    kernel: Tensor,
}

impl OuterProduct {
    pub fn new(builder: &mut ParamsBuilder, fields: i64, dim: i64) -> Self {
        let pairs = pair_count(fields);
        // Xavier's fans of a tensor of three dimensions are the first two, each times the third.
        let init = Init::xavier((dim * dim) as usize, (pairs * dim) as usize);
        let kernel = builder.dense("pn.kernel", &[dim, pairs, dim], init);
        Self { pairs: Pairs::new(fields, builder.device()), kernel }
    }

    pub fn forward(&self, v: &Tensor) -> Tensor {
        let (first, second) = self.pairs.split(v);
        // A matrix for each pair: [.., P, B, in] times [.., P, in, out].
        let through = first.transpose(-3, -2).matmul(&self.kernel.movedim_int(-3, -1));
        (through.transpose(-3, -2) * second).sum_dim_intlist(-1, false, None)
    }
}
