//! The cross network of DCN (spec `backbones.md` section 2), x_{l+1} = x_0 (w_l . x_l) + b_l + x_l, together with its part
//! w_o . x_L of the output layer.
//!
//! x_l never has to be formed. By induction x_l = c_l x_0 + B_l with c_0 = 1, c_{l+1} = c_l + s_l, s_l = w_l . x_l and
//! B_l = b_0 + .. + b_{l-1}, so s_l = c_l d_l + e_l, where d_l = w_l . x_0 is all that a row has to compute and e_l =
//! w_l . B_l is the same for all rows. The output is c_L d_o + e_o. One L + 1 column product replaces L passes over x.

use super::chunk::Chunk;
use super::kernels::{Start, add_dots, add_outer, multiply};
use super::memory::{Buffer, Matrix};
use super::params::{Builder, Place};
use crate::backbone::key::Init;
use crate::simd::{Isa, LANES};

pub struct Cross {
    layers: usize,
    width: usize,
    /// `[L + 1, width]`: w_0 .. w_{L-1}, w_o.
    weights: Place,
    /// `[L, width]`.
    biases: Place,
    /// Its matrix in a chunk: d, then the gradients by d.
    term: usize,
    /// B_0 .. B_L of the present step, and e_0 .. e_{L-1}, e_o.
    sums: Matrix,
    shifts: Vec<f32>,
}

impl Cross {
    /// The term's parameters, but for the name of w_o: it is the first part of the output layer's.
    pub fn new(builder: &mut Builder, width: usize, layers: usize, term: usize) -> Self {
        let weights = builder.room(layers + 1, width, false);
        let biases = builder.room(layers, width, false);
        let row = |place: Place, l: usize| vec![(width, Place { at: place.at + l * place.stride, ..place })];
        for l in 0..layers {
            builder.dense(&format!("cn.w.{l}.weight"), &[1, width], Init::linear(width), row(weights, l));
        }
        for l in 0..layers {
            builder.dense(&format!("cn.b.{l}"), &[width], Init::Const(0.0), row(biases, l));
        }
        Self {
            layers,
            width,
            weights,
            biases,
            term,
            sums: Matrix::zeroed(layers + 1, width),
            shifts: vec![0.0; layers + 1],
        }
    }

    /// Where w_o lies.
    pub fn output(&self) -> (usize, Place) {
        (self.width, Place { at: self.weights.at + self.layers * self.weights.stride, ..self.weights })
    }

    /// What is the same for all rows of a step.
    pub fn prepare(&mut self, dense: &Buffer) {
        for l in 0..=self.layers {
            if l > 0 {
                let bias = &dense[self.biases.at + (l - 1) * self.biases.stride..][..self.width];
                let before = self.sums.row(l - 1).to_vec();
                for ((sum, before), bias) in self.sums.row_mut(l).iter_mut().zip(before).zip(bias) {
                    *sum = before + bias;
                }
            }
            let weights = &dense[self.weights.at + l * self.weights.stride..][..self.width];
            self.shifts[l] = weights.iter().zip(self.sums.row(l)).map(|(w, b)| w * b).sum();
        }
    }

    pub fn forward(&self, isa: Isa, dense: &Buffer, chunk: &mut Chunk) {
        let (n, stride) = (chunk.rows, chunk.x.stride);
        let term = &mut chunk.terms[self.term];
        let columns = term.stride * LANES;
        let dots = term.lines_mut(n).as_flattened_mut();
        dots.fill(0.0);
        let weights = &dense.lines()[self.weights.at / LANES..][..(self.layers + 1) * stride];
        add_dots(isa, chunk.x.lines(n), stride, weights, columns, dots);
        for (d, z) in dots.chunks_exact(columns).zip(chunk.z.iter_mut()) {
            let c = (0..self.layers).fold(1.0, |c, l| c + c * d[l] + self.shifts[l]);
            *z += c * d[self.layers] + self.shifts[self.layers];
        }
    }

    pub fn backward(&self, isa: Isa, dense: &Buffer, chunk: &mut Chunk, gradients: &mut Buffer) {
        let (n, stride, layers) = (chunk.rows, chunk.x.stride, self.layers);
        let term = &mut chunk.terms[self.term];
        let columns = term.stride * LANES;
        // Over the rows: gradients by e_l.
        let mut by_shift = vec![0.0; layers + 1];
        let mut c = vec![1.0; layers + 1];
        for (d, dz) in term.lines_mut(n).as_flattened_mut().chunks_exact_mut(columns).zip(chunk.dz.iter()) {
            for l in 0..layers {
                c[l + 1] = c[l] + c[l] * d[l] + self.shifts[l];
            }
            let mut by_c = dz * d[layers];
            d[layers] = dz * c[layers];
            by_shift[layers] += dz;
            for l in (0..layers).rev() {
                let by_s = by_c;
                by_c += by_s * d[l];
                d[l] = by_s * c[l];
                by_shift[l] += by_s;
            }
        }
        let weights = &dense.lines()[self.weights.at / LANES..][..(layers + 1) * stride];
        let d = chunk.terms[self.term].lines(n);
        multiply(isa, d, columns / LANES, weights, stride, layers + 1, Start::Kept, chunk.dx.lines_mut(n));
        let own = &mut gradients.lines_mut()[self.weights.at / LANES..][..(layers + 1) * stride];
        add_outer(isa, d, columns / LANES, layers + 1, chunk.x.lines(n), stride, own);
        self.shifts_backward(dense, &by_shift, gradients);
    }

    /// e_l = w_l . B_l: (de_l) B_l for w_l, and (de_l) w_l for b_0 .. b_{l-1}.
    fn shifts_backward(&self, dense: &Buffer, by_shift: &[f32], gradients: &mut Buffer) {
        for (l, by_shift) in by_shift.iter().enumerate() {
            let weights = self.weights.at + l * self.weights.stride;
            for (g, sum) in gradients[weights..][..self.width].iter_mut().zip(self.sums.row(l)) {
                *g += by_shift * sum;
            }
            for b in 0..l {
                let bias = self.biases.at + b * self.biases.stride;
                for (g, w) in gradients[bias..][..self.width].iter_mut().zip(&dense[weights..][..self.width]) {
                    *g += by_shift * w;
                }
            }
        }
    }
}
