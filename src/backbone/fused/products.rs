//! The product layer of IPNN (spec `backbones.md` section 2): q_ij = V_i . V_j for all pairs i < j, in the order (0,1),
//! (0,2), .., (1,2), ..; written behind the embeddings in the same row. Gradients: dV_i += dq_ij V_j, dV_j += dq_ij V_i.

use crate::simd::{LANES, Line, Simd, kernel};

pub fn pairs(fields: usize) -> usize {
    fields * (fields - 1) / 2
}

kernel! {
    /// x `[n, F E + pairs]`: fills the columns from F E on.
    pub fn forward<S>(x: &mut [Line], stride: usize, fields: usize, dim: usize) {
        for x in x.chunks_exact_mut(stride) {
            let (v, q) = x.as_flattened_mut().split_at_mut(fields * dim);
            let mut q = q.iter_mut();
            for i in 0..fields {
                for j in i + 1..fields {
                    let (a, b) = (&v[i * dim..][..dim], &v[j * dim..][..dim]);
                    *q.next().expect("a column for each pair") = dot::<S>(a, b);
                }
            }
        }
    }
}

kernel! {
    /// dx `[n, F E + pairs]`: adds to the columns of the embeddings what those of the products pass on.
    pub fn backward<S>(x: &[Line], dx: &mut [Line], stride: usize, fields: usize, dim: usize) {
        for (x, dx) in x.chunks_exact(stride).zip(dx.chunks_exact_mut(stride)) {
            let v = x.as_flattened();
            let (dv, dq) = dx.as_flattened_mut().split_at_mut(fields * dim);
            let mut dq = dq.iter();
            for i in 0..fields {
                for j in i + 1..fields {
                    let dq = *dq.next().expect("a column for each pair");
                    add_scaled::<S>(dq, &v[j * dim..][..dim], &mut dv[i * dim..][..dim]);
                    add_scaled::<S>(dq, &v[i * dim..][..dim], &mut dv[j * dim..][..dim]);
                }
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = S::splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sum = S::fma(S::load(a), S::load(b), sum);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    if a.is_empty() { rest } else { S::sum(sum) + rest }
}

#[inline(always)]
fn add_scaled<S: Simd>(scale: f32, from: &[f32], to: &mut [f32]) {
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<LANES>(), to.as_chunks_mut::<LANES>());
    for (from, to) in from.iter().zip(to) {
        S::store(to, S::fma(S::splat(scale), S::load(from), S::load(to)));
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        *to += scale * from;
    }
}

#[cfg(test)]
mod tests {
    use super::{backward, forward, pairs};
    use crate::backbone::fused::gradients::{check, numbers};
    use crate::backbone::fused::memory::Matrix;
    use crate::simd::Isa;

    #[test]
    fn the_gradient_is_that_of_the_products() {
        for (isa, dim) in Isa::available().into_iter().flat_map(|isa| [16, 5, 19].map(|dim| (isa, dim))) {
            let (fields, count) = (4, pairs(4));
            let (values, dq) = (numbers(fields * dim, 1), numbers(count, 2));
            let products = |values: &[f32]| {
                let mut x = Matrix::zeroed(1, fields * dim + count);
                x.row_mut(0)[..fields * dim].copy_from_slice(values);
                let stride = x.stride;
                forward(isa, x.lines_mut(1), stride, fields, dim);
                x
            };
            let x = products(&values);
            let mut dx = Matrix::zeroed(1, fields * dim + count);
            dx.row_mut(0)[fields * dim..][..count].copy_from_slice(&dq);
            backward(isa, x.lines(1), dx.lines_mut(1), x.stride, fields, dim);
            check("products", &values, &dx.row(0)[..fields * dim], |values| {
                products(values).row(0)[fields * dim..].iter().zip(&dq).map(|(q, dq)| f64::from(q * dq)).sum()
            });
        }
    }
}
