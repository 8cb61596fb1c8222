//! The pairwise term of FM and DeepFM (FM2 of spec `backbones.md` section 1.1): z += 1/2 sum_e (S_e^2 - sum_f V_fe^2) with
//! S = sum_f V_f; its gradient by V_f is dz (S - V_f).

use crate::simd::{LANES, Line, kernel};

kernel! {
    /// Adds the term to z `[n]` and keeps S `[n, E]`. x `[n, >= F E]`.
    pub fn forward<S>(
        x: &[Line],
        stride: usize,
        fields: usize,
        dim: usize,
        z: &mut [f32],
        sums: &mut [Line],
        sums_stride: usize,
    ) {
        let rows = x.chunks_exact(stride).zip(sums.chunks_exact_mut(sums_stride)).zip(z);
        for ((x, sums), z) in rows {
            if dim == LANES {
                let (mut sum, mut squares) = (S::splat(0.0), S::splat(0.0));
                for v in &x[..fields] {
                    let v = S::load(v);
                    sum = S::add(sum, v);
                    squares = S::fma(v, v, squares);
                }
                S::store(&mut sums[0], sum);
                *z += 0.5 * S::sum(S::sub(S::mul(sum, sum), squares));
            } else {
                let (x, sums) = (&x.as_flattened()[..fields * dim], &mut sums.as_flattened_mut()[..dim]);
                sums.fill(0.0);
                let mut squares = 0.0;
                for v in x.chunks_exact(dim) {
                    for (sum, v) in sums.iter_mut().zip(v) {
                        *sum += v;
                        squares += v * v;
                    }
                }
                *z += 0.5 * (sums.iter().map(|sum| sum * sum).sum::<f32>() - squares);
            }
        }
    }
}

kernel! {
    /// dx += dz (S - V).
    pub fn backward<S>(
        x: &[Line],
        stride: usize,
        fields: usize,
        dim: usize,
        dz: &[f32],
        sums: &[Line],
        sums_stride: usize,
        dx: &mut [Line],
    ) {
        let rows = x.chunks_exact(stride).zip(dx.chunks_exact_mut(stride)).zip(sums.chunks_exact(sums_stride)).zip(dz);
        for (((x, dx), sums), dz) in rows {
            if dim == LANES {
                let (sum, dz) = (S::load(&sums[0]), S::splat(*dz));
                for (v, dv) in x[..fields].iter().zip(dx) {
                    S::store(dv, S::fma(dz, S::sub(sum, S::load(v)), S::load(dv)));
                }
            } else {
                let (x, dx) = (&x.as_flattened()[..fields * dim], dx.as_flattened_mut());
                for (v, dv) in x.chunks_exact(dim).zip(dx.chunks_exact_mut(dim)) {
                    for ((v, dv), sum) in v.iter().zip(dv).zip(sums.as_flattened()) {
                        *dv += dz * (sum - v);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{backward, forward};
    use crate::backbone::fused::gradients::{check, numbers};
    use crate::backbone::fused::memory::Matrix;
    use crate::simd::Isa;

    /// Rows `[n, F E]` in lines.
    fn rows(values: &[f32], width: usize) -> Matrix {
        let mut x = Matrix::zeroed(values.len() / width, width);
        for (row, values) in values.chunks(width).enumerate() {
            x.row_mut(row)[..width].copy_from_slice(values);
        }
        x
    }

    #[test]
    fn the_gradient_is_that_of_the_term() {
        for (isa, dim) in Isa::available().into_iter().flat_map(|isa| [16, 5].map(|dim| (isa, dim))) {
            let (n, fields) = (2, 3);
            let (values, dz) = (numbers(n * fields * dim, 1), numbers(n, 2));
            let term = |values: &[f32]| {
                let (x, mut z, mut sums) = (rows(values, fields * dim), vec![0.0; n], Matrix::zeroed(n, dim));
                let stride = sums.stride;
                forward(isa, x.lines(n), x.stride, fields, dim, &mut z, sums.lines_mut(n), stride);
                (x, z, sums)
            };
            let (x, _, sums) = term(&values);
            let mut dx = Matrix::zeroed(n, fields * dim);
            backward(isa, x.lines(n), x.stride, fields, dim, &dz, sums.lines(n), sums.stride, dx.lines_mut(n));
            let gradient: Vec<f32> = (0..n).flat_map(|row| dx.row(row)[..fields * dim].to_vec()).collect();
            check("pairwise", &values, &gradient, |values| {
                term(values).1.iter().zip(&dz).map(|(z, dz)| f64::from(z * dz)).sum()
            });
        }
    }
}
