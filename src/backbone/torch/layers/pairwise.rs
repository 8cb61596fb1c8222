//! FM2 of spec `backbones.md` section 1.1: the sum of all pairwise inner products of a row's embeddings.

use tch::Tensor;

/// V `[.., B, F, E]` to 1/2 sum_e ((sum_f V)^2 - sum_f V^2), `[.., B]`.
pub fn pairwise(v: &Tensor) -> Tensor {
    let square_of_sum = v.sum_dim_intlist(-2, false, None).square();
    let sum_of_square = v.square().sum_dim_intlist(-2, false, None);
    (square_of_sum - sum_of_square).sum_dim_intlist(-1, false, None) * 0.5
}
