//! How the labels of a field's values rise with what is expected of their rows.
//!
//! Of a value with rate shift s and slope b, the log-odds of a row's label are m + s + b (z - m), where z is what a model that
//! never saw the value expects and m the mean of that over the value's rows. Within honest values labels rise about as
//! expected (b near 1), whatever the value's own rate; at random they do not rise (b = 0), inverted they fall (b = -1).
//! The joint distribution of s and b over the values is estimated along with them (nonparametric empirical Bayes, Kiefer
//! and Wolfowitz 1956, by expectation maximisation on a grid), so that a value of few rows is judged by what is usual. Shift
//! and slope are estimated together because accounts of one maker are alike in both; and they are alike in their number of
//! rows, so what is usual is estimated among values of about as many rows.

use rayon::prelude::*;

/// Slopes -1.5, -1.35, .., 1.5 and shifts -4, -3.5, .., 4.
const SLOPES: usize = 21;
const SHIFTS: usize = 17;
const GRID: usize = SLOPES * SHIFTS;
/// Ranges of expectation that rows are counted in: a value's likelihood is a sum over these instead of over its rows.
const BINS: usize = 24;
const ROUNDS: usize = 40;
/// Values are of about as many rows within a factor of the root of two (a standard deviation of the kernel), and what is
/// usual of all values counts as so many values more.
const BANDS_PER_DOUBLING: f64 = 2.0;
const USUAL: f64 = 20.0;
/// Rows that the bounds of the ranges are taken from.
const SAMPLED: usize = 50_000;

/// Rows of each value, by range of expectation and label.
pub struct Binned {
    /// `[BINS]`: the mean expectation of each range.
    centers: Vec<f64>,
    counts: Vec<[[u32; BINS]; 2]>,
    /// `[values]`: the mean expectation of its rows.
    means: Vec<f64>,
    rows: Vec<u32>,
}

/// What is believed of each value.
pub struct Slopes {
    /// `[values]`: a posterior over the grid; empty for a value without rows.
    posteriors: Vec<Vec<f32>>,
    likelihoods: Vec<Vec<f32>>,
    /// `[values]`: how many rows a value has, about.
    bands: Vec<usize>,
    /// `[bands][GRID]`: what is usual among values of about as many rows.
    priors: Vec<Vec<f64>>,
}

fn slope(at: usize) -> f64 {
    -1.5 + 0.15 * (at % SLOPES) as f64
}

fn shift(at: usize) -> f64 {
    -4.0 + 0.5 * (at / SLOPES) as f64
}

/// ln(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Binned {
    /// Of rows with values `[N]` below `count`, expectations `[N]` in log-odds and labels `[N]`; those that `is_used` says.
    pub fn new(values: &[u32], count: usize, expected: &[f32], labels: &[u8], is_used: impl Fn(usize) -> bool) -> Self {
        let mut sampled: Vec<f32> = expected.iter().step_by(expected.len().div_ceil(SAMPLED).max(1)).copied().collect();
        sampled.sort_unstable_by(f32::total_cmp);
        let bounds: Vec<f32> = (1..BINS).filter_map(|bin| sampled.get(bin * sampled.len() / BINS).copied()).collect();
        let (mut sums, mut weights) = ([0.0; BINS], [0.0_f64; BINS]);
        let mut binned = Self {
            centers: Vec::new(),
            counts: vec![[[0; BINS]; 2]; count],
            means: vec![0.0; count],
            rows: vec![0; count],
        };
        for row in (0..values.len()).filter(|row| is_used(*row)) {
            let (value, z) = (values[row] as usize, expected[row]);
            let bin = bounds.partition_point(|bound| *bound < z);
            binned.counts[value][usize::from(labels[row])][bin] += 1;
            binned.rows[value] += 1;
            binned.means[value] += f64::from(z);
            (sums[bin], weights[bin]) = (sums[bin] + f64::from(z), weights[bin] + 1.0);
        }
        for (mean, rows) in binned.means.iter_mut().zip(&binned.rows) {
            *mean /= f64::from((*rows).max(1));
        }
        binned.centers = sums.iter().zip(weights).map(|(sum, weight)| sum / weight.max(1.0)).collect();
        binned
    }

    /// Log-likelihood of a value's labels, up to what all share.
    fn likelihood(&self, value: usize, shift: f64, slope: f64) -> f64 {
        let mean = self.means[value];
        let [zeros, ones] = &self.counts[value];
        let of_bin = |bin: usize| {
            let z = mean + shift + slope * (self.centers[bin] - mean);
            let of = |count: u32, z: f64| if count == 0 { 0.0 } else { f64::from(count) * softplus(z) };
            -of(zeros[bin], z) - of(ones[bin], -z)
        };
        (0..BINS).map(of_bin).sum()
    }

    /// The slope that some values have in common, each with the shift that suits it best, and its standard error. 0 and
    /// infinite without rows.
    pub fn common_slope(&self, values: &[usize]) -> (f64, f64) {
        let mut shifts = vec![0.0_f64; values.len()];
        let (mut common, mut error) = (0.5, f64::INFINITY);
        for _ in 0..12 {
            let (mut gradient, mut curve) = (0.0, 1e-9);
            for (value, shift) in values.iter().zip(&mut shifts) {
                let mean = self.means[*value];
                let (mut own_gradient, mut own_curve, mut mixed) = (-0.25 * *shift, 0.25, 0.0);
                let (mut slope_gradient, mut slope_curve) = (0.0, 0.0);
                for bin in 0..BINS {
                    let [zeros, ones] = [0, 1].map(|label| f64::from(self.counts[*value][label][bin]));
                    if zeros + ones == 0.0 {
                        continue;
                    }
                    let x = self.centers[bin] - mean;
                    let p = 1.0 / (1.0 + (-(mean + *shift + common * x)).exp());
                    let (miss, weight) = (ones - (zeros + ones) * p, (zeros + ones) * p * (1.0 - p));
                    own_gradient += miss;
                    own_curve += weight;
                    mixed += weight * x;
                    slope_gradient += miss * x;
                    slope_curve += weight * x * x;
                }
                *shift = (*shift + own_gradient / own_curve).clamp(-5.0, 5.0);
                gradient += slope_gradient - mixed * own_gradient / own_curve;
                curve += slope_curve - mixed * mixed / own_curve;
            }
            common = (common + (gradient / curve).clamp(-0.5, 0.5)).clamp(-3.0, 3.0);
            error = (1.0 / curve).sqrt();
        }
        (common, error)
    }
}

impl Slopes {
    pub fn fit(binned: &Binned) -> Self {
        let of_value = |value: usize| match binned.rows[value] {
            0 => Vec::new(),
            _ => (0..GRID).map(|at| binned.likelihood(value, shift(at), slope(at)) as f32).collect(),
        };
        let likelihoods: Vec<Vec<f32>> = (0..binned.rows.len()).into_par_iter().map(of_value).collect();
        let bands: Vec<usize> = binned.rows.iter().map(|rows| band(*rows)).collect();
        let mut priors = vec![vec![1.0 / GRID as f64; GRID]; 1 + bands.iter().copied().max().unwrap_or(0)];
        let mut posteriors = Vec::new();
        for _ in 0..ROUNDS {
            posteriors = likelihoods.par_iter().zip(&bands).map(|(own, band)| posterior(own, &priors[*band])).collect();
            priors = fit_priors(&posteriors, &bands, priors.len());
        }
        Self { posteriors, likelihoods, bands, priors }
    }

    /// The probability that a value's slope is at or below a bound; 0 without rows.
    pub fn is_below(&self, value: usize, bound: f64) -> f64 {
        self.posteriors[value]
            .iter()
            .enumerate()
            .filter(|(at, _)| slope(*at) <= bound + 1e-9)
            .map(|(_, p)| f64::from(*p))
            .sum()
    }

    /// The share of the values of about as many rows whose slope is at or below a bound.
    pub fn usual_share(&self, value: usize, bound: f64) -> f64 {
        let prior = self.priors[self.bands[value]].iter().enumerate();
        prior.filter(|(at, _)| slope(*at) <= bound + 1e-9).map(|(_, p)| *p).sum()
    }

    /// How much likelier a value's labels are with a slope at or below a bound than with an honest one, at best each: nats.
    pub fn evidence(&self, value: usize, bound: f64) -> f64 {
        let best = |is_of: &dyn Fn(f64) -> bool| {
            let of = self.likelihoods[value].iter().enumerate().filter(|(at, _)| is_of(slope(*at)));
            of.map(|(_, own)| f64::from(*own)).fold(f64::MIN, f64::max)
        };
        if self.likelihoods[value].is_empty() {
            return 0.0;
        }
        best(&|slope| slope <= bound + 1e-9) - best(&|slope| slope >= HONEST_FROM - 1e-9)
    }
}

/// The least slope that honest values have.
const HONEST_FROM: f64 = 0.45;

/// Which values are of about as many rows.
fn band(rows: u32) -> usize {
    (BANDS_PER_DOUBLING * f64::from(rows.max(1)).log2()).round() as usize
}

/// `[bands][GRID]`: what is usual among the values of a band and of those near it.
fn fit_priors(posteriors: &[Vec<f32>], bands: &[usize], count: usize) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; GRID]; count];
    for (own, band) in posteriors.iter().zip(bands) {
        sums[*band].iter_mut().zip(own).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    let mut usual = vec![1e-6; GRID];
    for of_band in &sums {
        usual.iter_mut().zip(of_band).for_each(|(sum, p)| *sum += p);
    }
    let to_one = |sums: Vec<f64>, scale: f64| {
        let sum: f64 = sums.iter().sum();
        sums.into_iter().map(|p| scale * p / sum).collect::<Vec<_>>()
    };
    let usual = to_one(usual, USUAL);
    let of_band = |band: usize| {
        let mut near = usual.clone();
        for (other, sums) in sums.iter().enumerate() {
            let distance = band.abs_diff(other) as f64;
            let weight = (-0.5 * distance * distance).exp();
            near.iter_mut().zip(sums).for_each(|(sum, p)| *sum += weight * p);
        }
        to_one(near, 1.0)
    };
    (0..count).map(of_band).collect()
}

fn posterior(likelihoods: &[f32], prior: &[f64]) -> Vec<f32> {
    let top = likelihoods.iter().copied().fold(f32::MIN, f32::max);
    let own = likelihoods.iter().zip(prior).map(|(l, p)| p * f64::from(l - top).exp());
    let mut own: Vec<f64> = own.collect();
    let sum: f64 = own.iter().sum();
    own.iter_mut().for_each(|p| *p /= sum);
    own.into_iter().map(|p| p as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;
    use crate::random::{Purpose, Stream};

    /// 300 values of 60 rows: the first 30 answer at random, the next 30 are inverted, the next 30 rarely say 1.
    fn rows() -> (Vec<u32>, Vec<f32>, Vec<u8>) {
        let (values, each) = (300_u32, 60);
        let n = values as usize * each;
        let mut u = vec![0.0; 2 * n];
        Stream::new(8, Purpose::Init, &[]).fill_uniform(&mut u);
        let of_row = |i: usize| {
            let (value, z, draw) = ((i / each) as u32, 5.0 * u[i] - 2.5, u[n + i]);
            let p = match value {
                0..30 => 0.5,
                30..60 => sigmoid(-z),
                60..90 => sigmoid(z - 2.0),
                _ => sigmoid(z),
            };
            (value, z, u8::from(draw < p))
        };
        let rows: Vec<_> = (0..n).map(of_row).collect();
        (
            rows.iter().map(|row| row.0).collect(),
            rows.iter().map(|row| row.1).collect(),
            rows.iter().map(|row| row.2).collect(),
        )
    }

    #[test]
    fn what_is_usual_is_so_among_values_of_about_as_many_rows() {
        // The values at random have 60 rows each, the honest ones after them 6.
        let (values, expected, labels) = rows();
        let is_used = |row: usize| values[row] < 100 || row % 60 < 6;
        let found = Slopes::fit(&Binned::new(&values, 300, &expected, &labels, is_used));
        assert!(found.usual_share(10, 0.3) > 0.4 && found.usual_share(200, 0.3) < 0.1);
    }

    #[test]
    fn values_at_random_and_inverted_ones_are_told_from_harsh_ones() {
        let (values, expected, labels) = rows();
        let binned = Binned::new(&values, 301, &expected, &labels, |_| true);
        let found = Slopes::fit(&binned);
        let flagged = |range: std::ops::Range<usize>, bound| range.filter(|v| found.is_below(*v, bound) > 0.5).count();
        assert!(flagged(0..30, 0.3) >= 27, "{} of 30 at random", flagged(0..30, 0.3));
        assert_eq!(flagged(30..60, -0.5), 30, "inverted");
        assert_eq!(flagged(60..90, 0.3), 0, "harsh ones");
        assert!(flagged(90..300, 0.3) <= 1, "{} of 210 honest ones", flagged(90..300, 0.3));
        assert_eq!(found.is_below(300, 1.5), 0.0, "a value without rows");
        let usual = found.usual_share(150, 0.3);
        assert!((0.15..0.25).contains(&usual), "a fifth of the values of 60 rows: {usual}");
        assert!(found.evidence(40, -0.5) > 10.0 && found.evidence(200, -0.5) < -10.0);
        let (slope, error) = binned.common_slope(&(30..60).collect::<Vec<_>>());
        assert!((slope + 1.0).abs() < 3.0 * error && error < 0.1, "{slope} {error}");
    }
}
