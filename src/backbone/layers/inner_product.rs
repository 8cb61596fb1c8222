//! The product layer of IPNN (spec `backbones.md` section 2): the inner products of all pairs of a row's embeddings, in
//! the order (0,1), (0,2), .., (1,2), ..; V `[.., B, F, E]` to `[.., B, F (F - 1) / 2]`.

use tch::{Device, Tensor};

pub struct InnerProduct {
    first: Tensor,
    second: Tensor,
}

impl InnerProduct {
    pub fn pairs(fields: i64) -> i64 {
        fields * (fields - 1) / 2
    }

    pub fn new(fields: i64, device: Device) -> Self {
        let pairs: Vec<(i64, i64)> = (0..fields).flat_map(|i| (i + 1..fields).map(move |j| (i, j))).collect();
        let side = |pick: fn(&(i64, i64)) -> i64| {
            Tensor::from_slice(&pairs.iter().map(pick).collect::<Vec<_>>()).to_device(device)
        };
        Self { first: side(|pair| pair.0), second: side(|pair| pair.1) }
    }

    pub fn forward(&self, v: &Tensor) -> Tensor {
        (v.index_select(-2, &self.first) * v.index_select(-2, &self.second)).sum_dim_intlist(-1, false, None)
    }
}
