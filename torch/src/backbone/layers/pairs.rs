//! The pairs of fields (0,1), (0,2), .., (1,2), ..: P = F (F - 1) / 2 of them.

use tch::{Device, Tensor};

/// P.
pub fn pair_count(fields: i64) -> i64 {
    fields * (fields - 1) / 2
}

pub struct Pairs {
    /// `[P]`: the lower field of each pair.
    first: Tensor,
    /// `[P]`: the higher one.
    second: Tensor,
}

impl Pairs {
    pub fn new(fields: i64, device: Device) -> Self {
        Self::at(fields, device, |i, j| (i, j))
    }

    /// Pairs of other things than fields: `places` says where the two of the pair (i, j) lie.
    pub fn at(fields: i64, device: Device, places: impl Fn(i64, i64) -> (i64, i64)) -> Self {
        let (first, second): (Vec<i64>, Vec<i64>) =
            (0..fields).flat_map(|i| (i + 1..fields).map(move |j| (i, j))).map(|(i, j)| places(i, j)).unzip();
        let on_device = |places: &[i64]| Tensor::from_slice(places).to_device(device);
        Self { first: on_device(&first), second: on_device(&second) }
    }

    /// V `[.., B, n, E]` to the embeddings of the first and of the second of each pair, `[.., B, P, E]` each.
    pub fn split(&self, v: &Tensor) -> (Tensor, Tensor) {
        (v.index_select(-2, &self.first), v.index_select(-2, &self.second))
    }

    /// V `[.., B, n, E]` to the products of the two of each pair, number by number, `[.., B, P, E]`.
    pub fn products(&self, v: &Tensor) -> Tensor {
        let (first, second) = self.split(v);
        first * second
    }
}
