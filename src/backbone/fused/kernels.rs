//! The matrix products and column sums that all models' time goes into.
//!
//! A matrix is rows of whole lines (`stride` lines a row). Sums over rows run in the rows' order and sums over inner
//! dimensions in theirs, however many rows are held in registers at once.

use crate::simd::{LANES, Line, Simd, kernel};

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// The same row for all, `stride` lines.
    Row(&'a [Line]),
    /// What stands in the output.
    Kept,
}

kernel! {
    /// out `[n, N]` = start + x `[n, K]` m `[K, N]`. A row of `x` is `x_stride` lines, of which K numbers count; rows of
    /// `m` and `out` are `stride` lines.
    pub fn multiply<S>(
        x: &[Line],
        x_stride: usize,
        m: &[Line],
        stride: usize,
        inner: usize,
        start: Start,
        out: &mut [Line],
    ) {
        let n = out.len() / stride;
        let x = x.as_flattened();
        let mut row = 0;
        if S::WIDE {
            row = multiply_rows::<S, 8>(row, n, x, x_stride, m, stride, inner, start, out);
        }
        row = multiply_rows::<S, 4>(row, n, x, x_stride, m, stride, inner, start, out);
        multiply_rows::<S, 1>(row, n, x, x_stride, m, stride, inner, start, out);
    }
}

/// R rows at a time, as far as they go; returns the first row left.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments of `multiply`")]
fn multiply_rows<S: Simd, const R: usize>(
    mut row: usize,
    n: usize,
    x: &[f32],
    x_stride: usize,
    m: &[Line],
    stride: usize,
    inner: usize,
    start: Start,
    out: &mut [Line],
) -> usize {
    while row + R <= n {
        let x: [&[f32]; R] = std::array::from_fn(|r| &x[(row + r) * x_stride * LANES..][..inner]);
        for column in 0..stride {
            let mut sum: [S::V; R] = std::array::from_fn(|r| match start {
                Start::Zero => S::splat(0.0),
                Start::Row(line) => S::load(&line[column]),
                Start::Kept => S::load(&out[(row + r) * stride + column]),
            });
            for (k, lines) in m.chunks_exact(stride).take(inner).enumerate() {
                let line = S::load(&lines[column]);
                for r in 0..R {
                    sum[r] = S::fma(S::splat(x[r][k]), line, sum[r]);
                }
            }
            for r in 0..R {
                S::store(&mut out[(row + r) * stride + column], sum[r]);
            }
        }
        row += R;
    }
    row
}

kernel! {
    /// out `[K, N]` += transposed x `[n, K]` times d `[n, N]`: the gradient of the matrix of `multiply`.
    pub fn add_outer<S>(x: &[Line], x_stride: usize, inner: usize, d: &[Line], stride: usize, out: &mut [Line]) {
        let mut k = 0;
        if S::WIDE {
            k = add_outer_block::<S, 16>(k, x, x_stride, inner, d, stride, out);
        }
        k = add_outer_block::<S, 4>(k, x, x_stride, inner, d, stride, out);
        add_outer_block::<S, 1>(k, x, x_stride, inner, d, stride, out);
    }
}

#[inline(always)]
fn add_outer_block<S: Simd, const K: usize>(
    mut k: usize,
    x: &[Line],
    x_stride: usize,
    inner: usize,
    d: &[Line],
    stride: usize,
    out: &mut [Line],
) -> usize {
    while k + K <= inner {
        for column in 0..stride {
            let mut sum: [S::V; K] = std::array::from_fn(|i| S::load(&out[(k + i) * stride + column]));
            for (x, d) in x.chunks_exact(x_stride).zip(d.chunks_exact(stride)) {
                let x: &[f32; K] = x.as_flattened()[k..].first_chunk().expect("k + K is at most the row's width");
                let line = S::load(&d[column]);
                for i in 0..K {
                    sum[i] = S::fma(S::splat(x[i]), line, sum[i]);
                }
            }
            for i in 0..K {
                S::store(&mut out[(k + i) * stride + column], sum[i]);
            }
        }
        k += K;
    }
    k
}

kernel! {
    /// out `[n, L]` += x `[n, K]` times transposed w `[L, K]`, for few L: a row of `out` is `outputs` numbers.
    pub fn add_dots<S>(x: &[Line], stride: usize, w: &[Line], outputs: usize, out: &mut [f32]) {
        for (x, out) in x.chunks_exact(stride).zip(out.chunks_exact_mut(outputs)) {
            for (w, out) in w.chunks_exact(stride).zip(out) {
                let mut sum = S::splat(0.0);
                for (x, w) in x.iter().zip(w) {
                    sum = S::fma(S::load(x), S::load(w), sum);
                }
                *out += S::sum(sum);
            }
        }
    }
}

kernel! {
    /// sum `[N]` += the rows of d `[n, N]`.
    pub fn add_rows<S>(d: &[Line], sum: &mut [Line]) {
        let stride = sum.len();
        for (column, sum) in sum.iter_mut().enumerate() {
            let mut total = S::load(sum);
            for row in d.chunks_exact(stride) {
                total = S::add(total, S::load(&row[column]));
            }
            S::store(sum, total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::fused::memory::Matrix;
    use crate::simd::Isa;

    /// A matrix of small whole numbers and quarters: sums of their products are exact in f32, whatever the order.
    fn matrix(rows: usize, width: usize, seed: usize) -> Matrix {
        let mut matrix = Matrix::zeroed(rows, width);
        for row in 0..rows {
            for column in 0..width {
                matrix.row_mut(row)[column] = ((row * 31 + column * 17 + seed * 7) % 23) as f32 * 0.25 - 2.5;
            }
        }
        matrix
    }

    #[test]
    fn products_are_those_of_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for (n, inner, width) in [(1, 1, 1), (7, 5, 16), (13, 21, 17), (29, 40, 33)] {
                let (x, m, d) = (matrix(n, inner, 1), matrix(inner, width, 2), matrix(n, width, 3));
                let mut out = matrix(n, width, 4);
                let before = out.clone();
                multiply(isa, x.lines(n), x.stride, m.lines(inner), m.stride, inner, Start::Kept, out.lines_mut(n));
                let mut outer = matrix(inner, width, 5);
                let outer_before = outer.clone();
                add_outer(isa, x.lines(n), x.stride, inner, d.lines(n), d.stride, outer.lines_mut(inner));
                for column in 0..width {
                    for row in 0..n {
                        let sum: f32 = (0..inner).map(|k| x.row(row)[k] * m.row(k)[column]).sum();
                        assert_eq!(out.row(row)[column], before.row(row)[column] + sum, "{isa:?} {n} {inner} {width}");
                    }
                    for k in 0..inner {
                        let sum: f32 = (0..n).map(|row| x.row(row)[k] * d.row(row)[column]).sum();
                        assert_eq!(outer.row(k)[column], outer_before.row(k)[column] + sum, "{isa:?}");
                    }
                }
                let mut dots = vec![1.0; n * 3];
                let w = matrix(3, inner, 6);
                add_dots(isa, x.lines(n), x.stride, w.lines(3), 3, &mut dots);
                let mut sums = Matrix::zeroed(1, width);
                add_rows(isa, d.lines(n), sums.lines_mut(1));
                for row in 0..n {
                    for l in 0..3 {
                        let sum: f32 = (0..inner).map(|k| x.row(row)[k] * w.row(l)[k]).sum();
                        assert_eq!(dots[row * 3 + l], 1.0 + sum, "{isa:?}");
                    }
                }
                let total: f32 = (0..n).map(|row| d.row(row)[width - 1]).sum();
                assert_eq!(sums.row(0)[width - 1], total, "{isa:?}");
            }
        }
    }
}
