//! The product layer of IPNN (spec `backbones.md` section 2): the inner products of all pairs of a row's embeddings, in
//! the order (0,1), (0,2), .., (1,2), ..; V `[.., B, F, E]` to `[.., B, F (F - 1) / 2]`.
//!
//! All F x F products by one matrix product, then those above the diagonal: twice the arithmetic of the pairs alone, but
//! no gathering of embeddings, whose backward pass is the slower part.

use tch::{Device, Tensor};

pub struct InnerProduct {
    /// Places above the diagonal of a flat `[F * F]`.
    above: Tensor,
}

impl InnerProduct {
    pub fn new(fields: i64, device: Device) -> Self {
        let above: Vec<i64> = (0..fields).flat_map(|i| (i + 1..fields).map(move |j| i * fields + j)).collect();
        Self { above: Tensor::from_slice(&above).to_device(device) }
    }

    pub fn forward(&self, v: &Tensor) -> Tensor {
        v.matmul(&v.transpose(-1, -2)).flatten(-2, -1).index_select(-1, &self.above)
    }
}
