//! MLP of spec `backbones.md` section 1.1: for each hidden width a fully connected layer, BatchNorm, ReLU and dropout,
//! then an output layer.
//!
//! BatchNorm needs sums over the whole batch, forward and backward, so a pass is a row of stages: in each, chunks are
//! worked on independently; between two stages the chunks' sums are joined in order (`join`, `join_back`).

use super::chunk::{Chunk, Hidden};
use super::kernels::{Start, add_dots, add_outer, add_rows, multiply};
use super::memory::{Buffer, Matrix};
use super::params::{Builder, Params, Place};
use crate::backbone::key::Init;
use crate::random::Stream;
use crate::simd::{Isa, LANES, Line, kernel};

const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

#[derive(Debug, Clone, PartialEq)]
pub struct TowerDesign {
    /// Hidden widths.
    pub hidden: Vec<usize>,
    pub outputs: usize,
    pub dropout: f64,
    pub batch_norm: bool,
}

pub struct Tower {
    hidden: Vec<Layer>,
    /// `[outputs, last width]`, and where its bias begins.
    output: Place,
    output_bias: usize,
    outputs: usize,
    dropout: f64,
}

struct Layer {
    inputs: usize,
    width: usize,
    /// `[width, inputs]`, transposed.
    weight: Place,
    bias: usize,
    norm: Option<Norm>,
    /// The weights as `[width, inputs]`, for the way back.
    flipped: Matrix,
    /// y = a scale + shift of the present step.
    scale: Buffer,
    shift: Buffer,
}

struct Norm {
    weight: usize,
    bias: usize,
    running_mean: usize,
    running_var: usize,
    /// Of the present step: the batch's mean, and da = dy scale + constant - (a - mean) slope.
    mean: Buffer,
    inverse_deviation: Buffer,
    constant: Buffer,
    slope: Buffer,
}

impl Tower {
    /// `joined` is the part of the output layer's weights that belongs to another term: those of DCN's output layer are
    /// one parameter named `linear`.
    pub fn new(builder: &mut Builder, mut inputs: usize, shape: &TowerDesign, joined: Option<(usize, Place)>) -> Self {
        let mut hidden = Vec::with_capacity(shape.hidden.len());
        for (n, width) in shape.hidden.iter().enumerate() {
            let norm = shape.batch_norm.then(|| format!("mlp.mlp.{}", 4 * n + 1));
            hidden.push(Layer::new(builder, &format!("mlp.mlp.{}", 4 * n), norm.as_deref(), inputs, *width));
            inputs = *width;
        }
        let output = builder.room(shape.outputs, inputs, false);
        let mut parts: Vec<_> = joined.into_iter().collect();
        let name = if parts.is_empty() { format!("mlp.mlp.{}", 4 * hidden.len()) } else { "linear".to_owned() };
        parts.push((inputs, output));
        let columns = parts.iter().map(|(width, _)| width).sum();
        let init = Init::linear(columns);
        builder.dense(&format!("{name}.weight"), &[shape.outputs, columns], init, parts);
        let output_bias = builder.vector(&format!("{name}.bias"), shape.outputs, init);
        Self { hidden, output, output_bias, outputs: shape.outputs, dropout: shape.dropout }
    }

    /// Hidden layers: stages forward and back.
    pub fn layers(&self) -> usize {
        self.hidden.len()
    }

    /// Before a training step: the weights for the way back.
    pub fn prepare(&mut self, dense: &Buffer) {
        for layer in &mut self.hidden {
            for (k, weights) in
                dense[layer.weight.at..].chunks_exact(layer.weight.stride).take(layer.inputs).enumerate()
            {
                for (h, weight) in weights[..layer.width].iter().enumerate() {
                    layer.flipped.row_mut(h)[k] = *weight;
                }
            }
        }
    }

    /// Before a pass in evaluation mode: BatchNorm by the running statistics.
    pub fn prepare_eval(&mut self, params: &Params) {
        for layer in &mut self.hidden {
            let Some(norm) = &layer.norm else { continue };
            for column in 0..layer.width {
                let mean = params.running[norm.running_mean + column];
                let variance = f64::from(params.running[norm.running_var + column]);
                layer.scale[column] = params.dense.p[norm.weight + column] * (1.0 / (variance + EPS).sqrt()) as f32;
                layer.shift[column] = params.dense.p[norm.bias + column] - mean * layer.scale[column];
            }
        }
    }

    /// Stage `l` of the way in, first part: a, and its moments where the batch's are wanted.
    pub fn enter(&self, isa: Isa, l: usize, dense: &Buffer, chunk: &mut Chunk, batch_stats: bool) {
        let (layer, n) = (&self.hidden[l], chunk.rows);
        let (before, rest) = chunk.hidden.split_at_mut(l);
        let input = before.last().map_or(&chunk.x, |hidden| &hidden.h);
        let Hidden { a, mean, deviation, counted, .. } = &mut rest[0];
        let lines = dense.lines();
        let weight = &lines[layer.weight.at / LANES..][..layer.inputs * a.stride];
        let bias = &lines[layer.bias / LANES..][..a.stride];
        multiply(isa, input.lines(n), input.stride, weight, a.stride, layer.inputs, Start::Row(bias), a.lines_mut(n));
        if batch_stats && layer.norm.is_some() {
            *counted = match chunk.weights.len() {
                0 => n as f32,
                _ => chunk.weights[..n].iter().filter(|weight| **weight > 0.0).count() as f32,
            };
            moments(isa, a.lines(n), &chunk.weights, *counted, mean.lines_mut(), deviation.lines_mut());
        }
    }

    /// Between the two parts of stage `l`: the batch's statistics, and where asked for the running ones.
    pub fn join(&mut self, l: usize, chunks: &[Chunk], params: &mut Params, move_running: bool) {
        let layer = &mut self.hidden[l];
        let Some(norm) = &mut layer.norm else { return };
        let n: f64 = chunks.iter().map(|chunk| f64::from(chunk.hidden[l].counted)).sum::<f64>().max(1.0);
        for column in 0..layer.width {
            let of = |chunk: &Chunk| {
                let hidden = &chunk.hidden[l];
                (f64::from(hidden.counted), f64::from(hidden.mean[column]), f64::from(hidden.deviation[column]))
            };
            let mean = chunks.iter().map(of).map(|(n, mean, _)| n * mean).sum::<f64>() / n;
            let squares: f64 =
                chunks.iter().map(of).map(|(n, own, deviation)| deviation + n * (own - mean) * (own - mean)).sum();
            let inverse = 1.0 / (squares / n + EPS).sqrt();
            norm.mean[column] = mean as f32;
            norm.inverse_deviation[column] = inverse as f32;
            layer.scale[column] = params.dense.p[norm.weight + column] * inverse as f32;
            layer.shift[column] = params.dense.p[norm.bias + column] - mean as f32 * layer.scale[column];
            if move_running {
                let unbiased = squares / (n - 1.0).max(1.0);
                for (at, batch) in [(norm.running_mean, mean), (norm.running_var, unbiased)] {
                    let running = &mut params.running[at + column];
                    *running += (batch as f32 - *running) * MOMENTUM as f32;
                }
            }
        }
    }

    /// Stage `l` of the way in, second part: h, with dropout by a stream or without.
    pub fn activate(&self, isa: Isa, l: usize, chunk: &mut Chunk, dropout: Option<Stream>) {
        let (layer, n) = (&self.hidden[l], chunk.rows);
        let Hidden { a, h, mask, .. } = &mut chunk.hidden[l];
        let norm = layer.norm.is_some().then(|| (layer.scale.lines(), layer.shift.lines()));
        let Some(stream) = dropout.filter(|_| self.dropout > 0.0).map(|stream| stream.child(&[l as u32])) else {
            return activate(isa, a.lines(n), norm, None, h.lines_mut(n), a.stride);
        };
        let first = (chunk.first * layer.width) as u64;
        if layer.width.is_multiple_of(LANES) {
            stream.fill_dropout_from(first, self.dropout, mask.lines_mut(n).as_flattened_mut());
        } else {
            let mut factors = vec![0.0; n * layer.width];
            stream.fill_dropout_from(first, self.dropout, &mut factors);
            for (row, factors) in factors.chunks_exact(layer.width).enumerate() {
                mask.row_mut(row)[..layer.width].copy_from_slice(factors);
            }
        }
        activate(isa, a.lines(n), norm, Some(mask.lines(n)), h.lines_mut(n), a.stride);
    }

    /// z += the output layer.
    pub fn output(&self, isa: Isa, dense: &Buffer, chunk: &mut Chunk) {
        let n = chunk.rows;
        let input = chunk.hidden.last().map_or(&chunk.x, |hidden| &hidden.h);
        let z = &mut chunk.z[..n * self.outputs];
        add_dots(isa, input.lines(n), input.stride, self.output_weights(dense), self.outputs, z);
        for z in z.chunks_exact_mut(self.outputs) {
            for (z, bias) in z.iter_mut().zip(&dense[self.output_bias..]) {
                *z += bias;
            }
        }
    }

    fn output_weights<'a>(&self, dense: &'a Buffer) -> &'a [Line] {
        &dense.lines()[self.output.at / LANES..][..self.outputs * self.output.stride / LANES]
    }

    /// The way back through the output layer: gradients of its parameters and by its inputs.
    pub fn output_back(&self, isa: Isa, dense: &Buffer, chunk: &mut Chunk, gradients: &mut Buffer) {
        let (n, outputs) = (chunk.rows, self.outputs);
        for dz in chunk.dz[..n * outputs].chunks_exact(outputs) {
            for (g, dz) in gradients[self.output_bias..].iter_mut().zip(dz) {
                *g += dz;
            }
        }
        let Chunk { x, dx, hidden, dz, .. } = chunk;
        let (input, d) = hidden.last_mut().map_or((&*x, dx), |hidden| (&hidden.h, &mut hidden.d));
        let weights = self.output_weights(dense);
        let gradients = &mut gradients.lines_mut()[self.output.at / LANES..][..weights.len()];
        output_back(isa, dz, outputs, input.lines(n), weights, d.lines_mut(n), gradients);
    }

    /// Stage `l` of the way back, first part: d becomes the gradient by BatchNorm's output; its sums.
    pub fn deactivate(&self, isa: Isa, l: usize, chunk: &mut Chunk, dropout: bool) {
        let (layer, n) = (&self.hidden[l], chunk.rows);
        let Hidden { a, h, d, sum_dy, sum_dy_x, .. } = &mut chunk.hidden[l];
        let kept = if dropout { (1.0 / (1.0 - self.dropout)) as f32 } else { 1.0 };
        let norm = layer.norm.as_ref().map(|norm| (norm.mean.lines(), norm.inverse_deviation.lines()));
        deactivate(isa, a.lines(n), h.lines(n), kept, norm, d.lines_mut(n), sum_dy.lines_mut(), sum_dy_x.lines_mut());
    }

    /// Between the two parts of stage `l` of the way back: BatchNorm's own gradients and what its inputs' need.
    pub fn join_back(&mut self, l: usize, chunks: &[Chunk], params: &mut Params) {
        let layer = &mut self.hidden[l];
        let Some(norm) = &mut layer.norm else { return };
        let n: f64 = chunks.iter().map(|chunk| f64::from(chunk.hidden[l].counted)).sum::<f64>().max(1.0);
        for column in 0..layer.width {
            let total = |of: &dyn Fn(&Hidden) -> &Buffer| -> f64 {
                chunks.iter().map(|chunk| f64::from(of(&chunk.hidden[l])[column])).sum()
            };
            let (dy, dy_x) = (total(&|hidden| &hidden.sum_dy), total(&|hidden| &hidden.sum_dy_x));
            params.dense.g[norm.bias + column] += dy as f32;
            params.dense.g[norm.weight + column] += dy_x as f32;
            let scale = f64::from(layer.scale[column]);
            norm.constant[column] = (-scale * dy / n) as f32;
            norm.slope[column] = (scale * f64::from(norm.inverse_deviation[column]) * dy_x / n) as f32;
        }
    }

    /// Stage `l` of the way back, second part: gradients by a, by the layer's weights, and by its inputs.
    pub fn leave(&self, isa: Isa, l: usize, chunk: &mut Chunk, gradients: &mut Buffer) {
        let (layer, n) = (&self.hidden[l], chunk.rows);
        let (before, rest) = chunk.hidden.split_at_mut(l);
        let Hidden { a, d, .. } = &mut rest[0];
        let gradients = gradients.lines_mut();
        if let Some(norm) = &layer.norm {
            let (mean, constant, slope) = (norm.mean.lines(), norm.constant.lines(), norm.slope.lines());
            normalise_back(isa, a.lines(n), mean, layer.scale.lines(), constant, slope, &chunk.weights, d.lines_mut(n));
        } else {
            // Before BatchNorm a bias changes nothing, and its gradient is zero but for rounding.
            add_rows(isa, d.lines(n), &mut gradients[layer.bias / LANES..][..d.stride]);
        }
        let (input, by_input) = match before.last_mut() {
            Some(hidden) => (&hidden.h, &mut hidden.d),
            None => (&chunk.x, &mut chunk.dx),
        };
        let weights = &mut gradients[layer.weight.at / LANES..][..layer.inputs * d.stride];
        add_outer(isa, input.lines(n), input.stride, layer.inputs, d.lines(n), d.stride, weights);
        let (flipped, stride) = (layer.flipped.lines(layer.width), layer.flipped.stride);
        multiply(isa, d.lines(n), d.stride, flipped, stride, layer.width, Start::Zero, by_input.lines_mut(n));
    }
}

impl Layer {
    fn new(builder: &mut Builder, name: &str, norm: Option<&str>, inputs: usize, width: usize) -> Self {
        let init = Init::linear(inputs);
        let weight = builder.room(width, inputs, true);
        builder.dense(&format!("{name}.weight"), &[width, inputs], init, vec![(inputs, weight)]);
        let bias = builder.vector(&format!("{name}.bias"), width, init);
        let zeros = || Buffer::zeroed(width);
        let norm = norm.map(|name| Norm {
            weight: builder.vector(&format!("{name}.weight"), width, Init::Const(1.0)),
            bias: builder.vector(&format!("{name}.bias"), width, Init::Const(0.0)),
            running_mean: builder.running(&format!("{name}.running_mean"), width, 0.0),
            running_var: builder.running(&format!("{name}.running_var"), width, 1.0),
            mean: zeros(),
            inverse_deviation: zeros(),
            constant: zeros(),
            slope: zeros(),
        });
        let flipped = Matrix::zeroed(width, inputs);
        Self { inputs, width, weight, bias, norm, flipped, scale: zeros(), shift: zeros() }
    }
}

kernel! {
    /// Mean and sum of squared deviations of each column of a `[n, H]`, over the rows of a weight above 0 (all, where
    /// there are no weights); `counted` is how many they are.
    fn moments<S>(a: &[Line], weights: &[f32], counted: f32, mean: &mut [Line], deviation: &mut [Line]) {
        let stride = mean.len();
        let share = S::splat(1.0 / counted.max(1.0));
        for column in 0..stride {
            let rows = || a.chunks_exact(stride).enumerate().map(|(row, a)| {
                let counts = weights.get(row).is_none_or(|weight| *weight > 0.0);
                (S::load(&a[column]), S::splat(if counts { 1.0 } else { 0.0 }))
            });
            let mut sum = S::splat(0.0);
            for (a, counts) in rows() {
                sum = S::fma(a, counts, sum);
            }
            let centre = S::mul(sum, share);
            let mut squares = S::splat(0.0);
            for (a, counts) in rows() {
                let from = S::mul(S::sub(a, centre), counts);
                squares = S::fma(from, from, squares);
            }
            S::store(&mut mean[column], centre);
            S::store(&mut deviation[column], squares);
        }
    }
}

kernel! {
    /// h = max(a scale + shift, 0) mask, all `[n, H]` but scale and shift `[H]`.
    fn activate<S>(a: &[Line], norm: Option<(&[Line], &[Line])>, mask: Option<&[Line]>, h: &mut [Line], stride: usize) {
        for (row, (a, h)) in a.chunks_exact(stride).zip(h.chunks_exact_mut(stride)).enumerate() {
            for column in 0..stride {
                let mut y = S::load(&a[column]);
                if let Some((scale, shift)) = norm {
                    y = S::fma(y, S::load(&scale[column]), S::load(&shift[column]));
                }
                y = S::relu(y);
                if let Some(mask) = mask {
                    y = S::mul(y, S::load(&mask[row * stride + column]));
                }
                S::store(&mut h[column], y);
            }
        }
    }
}

kernel! {
    /// d `[n, K]` = dz `[n, L]` times w `[L, K]`, and the gradient of w += transposed dz times h `[n, K]`, for few L.
    fn output_back<S>(dz: &[f32], outputs: usize, h: &[Line], w: &[Line], d: &mut [Line], g: &mut [Line]) {
        let stride = w.len() / outputs;
        for column in 0..stride {
            for l in 0..outputs {
                let w = S::load(&w[l * stride + column]);
                let mut sum = S::load(&g[l * stride + column]);
                let rows = h.chunks_exact(stride).zip(d.chunks_exact_mut(stride)).zip(dz.chunks_exact(outputs));
                for ((h, d), dz) in rows {
                    let dz = S::splat(dz[l]);
                    let start = if l == 0 { S::splat(0.0) } else { S::load(&d[column]) };
                    S::store(&mut d[column], S::fma(dz, w, start));
                    sum = S::fma(dz, S::load(&h[column]), sum);
                }
                S::store(&mut g[l * stride + column], sum);
            }
        }
    }
}

kernel! {
    /// d `[n, H]` times the derivative of dropout and ReLU, whose output is `h`; then the sums over rows of d and of d
    /// times the normalised a.
    fn deactivate<S>(
        a: &[Line],
        h: &[Line],
        kept: f32,
        norm: Option<(&[Line], &[Line])>,
        d: &mut [Line],
        sum_dy: &mut [Line],
        sum_dy_x: &mut [Line],
    ) {
        let (stride, kept) = (sum_dy.len(), S::splat(kept));
        for column in 0..stride {
            let (mut dy_sum, mut dy_x_sum) = (S::splat(0.0), S::splat(0.0));
            let (mean, inverse) = match norm {
                Some((mean, inverse)) => (S::load(&mean[column]), S::load(&inverse[column])),
                None => (S::splat(0.0), S::splat(0.0)),
            };
            let rows = a.chunks_exact(stride).zip(h.chunks_exact(stride)).zip(d.chunks_exact_mut(stride));
            for ((a, h), d) in rows {
                // Zero where ReLU is shut or the number was dropped; else dropout's factor.
                let dy = S::where_positive(S::load(&h[column]), S::mul(S::load(&d[column]), kept));
                S::store(&mut d[column], dy);
                dy_sum = S::add(dy_sum, dy);
                dy_x_sum = S::fma(dy, S::mul(S::sub(S::load(&a[column]), mean), inverse), dy_x_sum);
            }
            S::store(&mut sum_dy[column], dy_sum);
            S::store(&mut sum_dy_x[column], dy_x_sum);
        }
    }
}

kernel! {
    /// BatchNorm's way back: d = d scale + constant - (a - mean) slope; zero for rows of weight 0.
    fn normalise_back<S>(
        a: &[Line],
        mean: &[Line],
        scale: &[Line],
        constant: &[Line],
        slope: &[Line],
        weights: &[f32],
        d: &mut [Line],
    ) {
        let stride = mean.len();
        for (row, (a, d)) in a.chunks_exact(stride).zip(d.chunks_exact_mut(stride)).enumerate() {
            if weights.get(row).is_some_and(|weight| *weight <= 0.0) {
                d.fill([0.0; LANES]);
                continue;
            }
            for column in 0..stride {
                let from = S::sub(S::load(&mean[column]), S::load(&a[column]));
                let rest = S::fma(from, S::load(&slope[column]), S::load(&constant[column]));
                let da = S::fma(S::load(&d[column]), S::load(&scale[column]), rest);
                S::store(&mut d[column], da);
            }
        }
    }
}
