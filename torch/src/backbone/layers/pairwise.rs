//! FM2 of spec `backbones.md` section 1.1: the products of all pairs of a row's embeddings, summed.

use tch::Tensor;

/// V `[.., B, F, E]` to 1/2 sum_e ((sum_f V)^2 - sum_f V^2), `[.., B]`.
pub fn pairwise(v: &Tensor) -> Tensor {
    twice_pairwise(v).sum_dim_intlist(-1, false, None) * 0.5
}

/// The same without the sum over e, `[.., B, E]`.
pub fn pairwise_vector(v: &Tensor) -> Tensor {
    twice_pairwise(v) * 0.5
}

fn twice_pairwise(v: &Tensor) -> Tensor {
    let square_of_sum = v.sum_dim_intlist(-2, false, None).square();
    let sum_of_square = v.square().sum_dim_intlist(-2, false, None);
    square_of_sum - sum_of_square
}
