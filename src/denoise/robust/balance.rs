//! From wanted label rates to rows: which rows to keep so that models trained on them are told what the policy believes.
//! Among rows like a given one labels are 1 with probability p, and a model is to be told that they are with
//! probability t. It is, if every row of one label is kept and a share of those of the other. Were each row drawn on
//! its own by that share, the draw would add noise. A search over the draw removes most of it: of each value, what its
//! kept rows say beyond what is wanted is added up, and the sums are made small, in the directions in which a
//! factorisation machine sees those rows.

use super::streams;

/// Keep probabilities below this or above 1 minus this count as these.
const CERTAIN: f32 = 0.002;
/// A value's imbalance is divided by the number of its rows and these.
const PRIOR_ROWS: f32 = 20.0;
/// What it costs to overrule the policy on a row, for each unit of its log-odds.
const COST: f32 = 0.03;
/// Balancing may remove this share of all rows from a draw: they harm a model less than the imbalance does. Where
/// values have so few rows that it would remove more, it is done again at twice the cost, for at most so many costs.
const MOST_TAKEN: f64 = 0.03;
const DOUBLINGS: i32 = 8;
const SWEEPS: u32 = 2;
/// Mean and spread of the directions are those of about so many rows.
const SAMPLE: usize = 100_000;

/// The wanted probability of label 1 among rows like this one, and the probability of keeping the row that leads to it.
/// Label 1 has the probability `p` among given labels and `q` among true ones. A `sharpness` below 1 goes that share of
/// the way from the given log-odds to the true ones; above 1 the true odds are raised to that power. True log-odds are
/// limited to `cap`.
pub(super) fn wanted(p: f32, q: f32, label: u8, sharpness: f32, cap: f32) -> (f32, f32) {
    let given = (p / (1.0 - p)).ln();
    let own = (q / (1.0 - q)).ln().clamp(-cap, cap);
    let log_odds = if sharpness < 1.0 { given + sharpness * (own - given) } else { sharpness * own };
    let target = 1.0 / (1.0 + (-log_odds).exp());
    let ratio = if label == 1 { log_odds - given } else { given - log_odds }.exp();
    (target, ratio.min(1.0))
}

/// Rows and what is wanted of them.
pub(super) struct Draw<'r> {
    /// `[N, F]`.
    pub ids: &'r [i32],
    pub fields: usize,
    pub labels: &'r [u8],
    /// `[N]`: rows that may be kept.
    pub inside: &'r [bool],
    /// `[N]`: wanted probability of label 1, and keep probability.
    pub target: &'r [f32],
    pub keep: &'r [f32],
    /// `[D, width]`: embeddings of a factorisation machine.
    pub table: &'r [f32],
    pub width: usize,
}

impl Draw<'_> {
    /// The rows kept.
    pub fn draw_rows(&self, seed: u64, candidate: u32) -> Vec<u32> {
        let mut draws = vec![0.0; self.labels.len()];
        streams::candidate_rows(seed, candidate).fill_uniform(&mut draws);
        let drawn: Vec<bool> = (0..draws.len()).map(|row| self.inside[row] && draws[row] < self.keep[row]).collect();
        let count = |kept: &[bool]| kept.iter().filter(|kept| **kept).count();
        let fewest = count(&drawn).saturating_sub((MOST_TAKEN * drawn.len() as f64) as usize);
        let mut balanced = (0..DOUBLINGS).map(|doubling| {
            let mut kept = drawn.clone();
            self.balance(&mut kept, COST * 2.0_f32.powi(doubling), seed, candidate);
            kept
        });
        let kept = balanced.find(|kept| count(kept) >= fewest).unwrap_or(drawn);
        (0..).zip(kept).filter(|(_, kept)| *kept).map(|(row, _)| row).collect()
    }

    /// Flips rows in and out as long as that lowers the sum over values of |sum over their kept rows of (t - y) x|^2 / rows,
    /// plus the cost of overruling the policy; x is 1 and the directions of the rest of the row.
    fn balance(&self, kept: &mut [bool], cost: f32, seed: u64, candidate: u32) {
        let (n, fields) = (self.labels.len(), self.fields);
        let directions = Directions::new(self);
        let dim = directions.dim;
        let mut counts = vec![PRIOR_ROWS; self.table.len() / self.width];
        self.ids.iter().for_each(|id| counts[*id as usize] += 1.0);
        let mut excess = vec![0.0; counts.len() * dim];
        let mut x = vec![0.0; fields * dim];
        let says = |row: usize| self.target[row] - f32::from(self.labels[row]);
        let add = |excess: &mut [f32], row: usize, by: f32, x: &[f32]| {
            for (id, x) in self.row_ids(row).iter().zip(x.chunks_exact(dim)) {
                for (sum, x) in excess[*id as usize * dim..][..dim].iter_mut().zip(x) {
                    *sum += by * x;
                }
            }
        };
        for row in (0..n).filter(|row| kept[*row]) {
            directions.fill(self.row_ids(row), &mut x);
            add(&mut excess, row, says(row), &x);
        }
        let mut order: Vec<u32> = (0..n as u32).filter(|row| self.inside[*row as usize]).collect();
        for sweep in 0..SWEEPS {
            streams::balancing_order(seed, candidate, sweep).shuffle(&mut order);
            for row in &order {
                let row = *row as usize;
                let by = if kept[row] { -says(row) } else { says(row) };
                let keep = self.keep[row].clamp(CERTAIN, 1.0 - CERTAIN);
                let cost = cost * (keep / (1.0 - keep)).ln();
                let mut change = if kept[row] { cost } else { -cost };
                directions.fill(self.row_ids(row), &mut x);
                for (id, x) in self.row_ids(row).iter().zip(x.chunks_exact(dim)) {
                    let sums = &excess[*id as usize * dim..][..dim];
                    let (dot, square) =
                        sums.iter().zip(x).fold((0.0, 0.0), |(dot, square), (sum, x)| (dot + sum * x, square + x * x));
                    change += (2.0 * by * dot + by * by * square) / counts[*id as usize];
                }
                if change < 0.0 {
                    kept[row] = !kept[row];
                    add(&mut excess, row, by, &x);
                }
            }
        }
    }

    fn row_ids(&self, row: usize) -> &[i32] {
        &self.ids[row * self.fields..][..self.fields]
    }
}

/// What each field of a row sees of the rest of it: 1, and the sum of the other fields' embeddings, centred and scaled.
struct Directions<'d, 'r> {
    draw: &'d Draw<'r>,
    /// 1 + width.
    dim: usize,
    /// `[F, width]`.
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl<'d, 'r> Directions<'d, 'r> {
    fn new(draw: &'d Draw<'r>) -> Self {
        let (fields, width) = (draw.fields, draw.width);
        let plain = Self { draw, dim: 1 + width, mean: vec![0.0; fields * width], scale: vec![1.0; fields * width] };
        let mut x = vec![0.0; fields * plain.dim];
        let (mut sums, mut squares) = (vec![0.0_f64; fields * width], vec![0.0_f64; fields * width]);
        let step = (draw.labels.len() / SAMPLE).max(1);
        let mut count = 0.0;
        for row in (0..draw.labels.len()).step_by(step) {
            plain.fill(draw.row_ids(row), &mut x);
            count += 1.0;
            for (field, x) in x.chunks_exact(plain.dim).enumerate() {
                for (at, x) in x[1..].iter().enumerate() {
                    sums[field * width + at] += f64::from(*x);
                    squares[field * width + at] += f64::from(*x).powi(2);
                }
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let scale = squares.iter().zip(&mean).map(|(squares, mean)| {
            let variance: f64 = squares / count - mean * mean;
            (1.0 / variance.max(1e-12).sqrt()) as f32
        });
        let scale = scale.collect();
        Self { mean: mean.iter().map(|mean| *mean as f32).collect(), scale, ..plain }
    }

    /// `[F, dim]` of a row.
    fn fill(&self, ids: &[i32], out: &mut [f32]) {
        let width = self.draw.width;
        let embedding = |id: &i32| &self.draw.table[*id as usize * width..][..width];
        for at in 0..width {
            let sum: f32 = ids.iter().map(|id| embedding(id)[at]).sum();
            for (field, id) in ids.iter().enumerate() {
                let (mean, scale) = (self.mean[field * width + at], self.scale[field * width + at]);
                out[field * self.dim + 1 + at] = (sum - embedding(id)[at] - mean) * scale;
            }
        }
        for field in 0..ids.len() {
            out[field * self.dim] = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn one_label_is_kept_and_the_other_thinned_to_the_wanted_odds() {
        // Noisy labels are 1 in 70 % of the rows, true ones in 80 %: of label 0 a share of (7/3) / (8/2) stays.
        let (target, keep) = wanted(0.7, 0.8, 1, 1.0, 9.0);
        assert!((target - 0.8).abs() < 1e-6 && keep == 1.0);
        let (_, keep) = wanted(0.7, 0.8, 0, 1.0, 9.0);
        assert!((keep - (0.7 / 0.3) / 4.0).abs() < 1e-5, "{keep}");
        // Half of the way, odds are the geometric mean of 7/3 and 4.
        let (half, keep) = wanted(0.7, 0.8, 0, 0.5, 9.0);
        let odds = (28.0_f32 / 3.0).sqrt();
        assert!((half / (1.0 - half) - odds).abs() < 1e-4 && (keep - 7.0 / 3.0 / odds).abs() < 1e-4, "{half} {keep}");
        // Sharpened, 0.8 is wanted to be 16/17; and no more than the cap.
        assert!((wanted(0.7, 0.8, 0, 2.0, 9.0).0 - 16.0 / 17.0).abs() < 1e-6);
        let (capped, _) = wanted(0.7, 0.999, 0, 1.0, 2.0);
        assert!((capped.ln() - (1.0 - capped).ln() - 2.0).abs() < 1e-4);
    }

    #[test]
    fn a_balanced_draw_says_what_is_wanted_of_every_value() {
        // 20 users and 30 items, every pair a few times; labels at random, 0.5 given and wanted at 0.75.
        let (users, items, times) = (20, 30, 4);
        let n = users * items * times;
        let ids: Vec<i32> = (0..n).flat_map(|i| [i % users, users + i / users % items]).map(|id| id as i32).collect();
        let mut u = vec![0.0; n];
        Stream::new(2, Purpose::Init, &[]).fill_uniform(&mut u);
        let labels: Vec<u8> = u.iter().map(|u| u8::from(*u < 0.5)).collect();
        let (target, keep): (Vec<f32>, Vec<f32>) =
            labels.iter().map(|label| wanted(0.5, 0.75, *label, 1.0, 9.0)).unzip();
        let mut table = vec![0.0; (users + items) * 2];
        Stream::new(2, Purpose::Init, &[1]).fill_normal(&mut table);
        let inside: Vec<bool> = (0..n).map(|row| row % 50 != 0).collect();
        let draw = Draw {
            ids: &ids,
            fields: 2,
            labels: &labels,
            inside: &inside,
            target: &target,
            keep: &keep,
            table: &table,
            width: 2,
        };
        let kept = draw.draw_rows(1, 0);
        assert_eq!(kept, draw.draw_rows(1, 0), "the same seed draws the same");
        assert!(kept.iter().all(|row| inside[*row as usize]));
        let worst = |rows: &[u32]| {
            let mut excess = vec![0.0_f32; users + items];
            for row in rows {
                let row = *row as usize;
                for id in draw.row_ids(row) {
                    excess[*id as usize] += target[row] - f32::from(labels[row]);
                }
            }
            excess.iter().fold(0.0_f32, |worst, excess| worst.max(excess.abs()))
        };
        let mut draws = vec![0.0; n];
        streams::candidate_rows(1, 0).fill_uniform(&mut draws);
        let drawn: Vec<u32> =
            (0..n as u32).filter(|row| inside[*row as usize] && draws[*row as usize] < keep[*row as usize]).collect();
        assert!(worst(&kept) < 0.5 * worst(&drawn), "{} balanced, {} drawn", worst(&kept), worst(&drawn));
        // Dropped rows are of the label there is too much of.
        let share = kept.iter().filter(|row| labels[**row as usize] == 1).count() as f64 / kept.len() as f64;
        assert!((share - 0.75).abs() < 0.03, "{share}");
    }
}
