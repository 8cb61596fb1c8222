//! Values of a field whose labels do not follow what everything else says of their rows: users who answer at random, items
//! whose labels are turned round.
//!
//! Models that have seen no row of a value give logits for its rows. Within honest values labels rise with those logits as
//! they do elsewhere (a slope of 1, whatever the value's own rate of labels); at random they do not rise (0); inverted they
//! fall (-1). The distribution of slopes over the values is estimated along with them (nonparametric empirical Bayes,
//! Kiefer and Wolfowitz 1956, by expectation maximisation on a grid), so that a value of few rows is judged by what is
//! usual.

use super::posterior::Platt;
use std::ops::Range;

/// Slopes of the grid: -1.5, -1.35, .., 1.5.
const GRID: usize = 21;
/// A value is unreliable if its slope is most probably at or below this.
const HONEST_ABOVE: f64 = 0.3 + 1e-9;
/// Rounds of expectation maximisation, and of fitting the values' own rates.
const ROUNDS: usize = 60;
const SHIFTS: usize = 6;

fn slope(at: usize) -> f64 {
    -1.5 + 3.0 * at as f64 / (GRID - 1) as f64
}

/// Of each value in `range`, the probability that it is unreliable; 0 for values without rows. `rows` are (id, logit by a
/// model that has not seen the value, label).
pub fn find_unreliable(range: Range<u32>, rows: impl Iterator<Item = (u32, f32, u8)> + Clone) -> Vec<f64> {
    let count = (range.end - range.start) as usize;
    let rows = rows.map(|(id, z, label)| ((id - range.start) as usize, f64::from(z), label));
    let platt = Platt::fit(rows.clone().map(|(_, z, label)| (z as f32, label, 1.0)));
    // Only the slope tells noise, so the value's own rate of labels, which would pass for it, is fitted first.
    let mut shift = vec![0.0_f64; count];
    for _ in 0..SHIFTS {
        let (mut gradient, mut curve) = (vec![0.0; count], vec![0.5; count]);
        for (value, z, label) in rows.clone() {
            let p = 1.0 / (1.0 + (-(platt.a * z + platt.b + shift[value])).exp());
            gradient[value] += p - f64::from(label);
            curve[value] += p * (1.0 - p);
        }
        for ((shift, gradient), curve) in shift.iter_mut().zip(gradient).zip(curve) {
            *shift = (*shift - (gradient + 0.5 * *shift) / curve).clamp(-4.0, 4.0);
        }
    }
    let (mut sum, mut of_value) = (vec![0.0; count], vec![0.0; count]);
    for (value, z, _) in rows.clone() {
        sum[value] += z;
        of_value[value] += 1.0;
    }
    let mut likelihood = vec![[0.0; GRID]; count];
    for (value, z, label) in rows {
        let mean = platt.a * sum[value] / of_value[value];
        let (base, centred) = (mean + platt.b + shift[value], platt.a * z - mean);
        for (at, likelihood) in likelihood[value].iter_mut().enumerate() {
            let t = base + slope(at) * centred;
            let t = if label == 1 { t } else { -t };
            *likelihood -= (-t).exp().ln_1p();
        }
    }
    let posteriors = deconvolve(&likelihood, &of_value);
    posteriors.iter().map(|p| (0..GRID).filter(|at| slope(*at) <= HONEST_ABOVE).map(|at| p[at]).sum()).collect()
}

/// Posteriors over the grid, of log-likelihoods and a prior that fits them all.
fn deconvolve(likelihood: &[[f64; GRID]], rows: &[f64]) -> Vec<[f64; GRID]> {
    let mut prior = [1.0 / GRID as f64; GRID];
    let mut posteriors = vec![[0.0; GRID]; likelihood.len()];
    for _ in 0..ROUNDS {
        let mut next = [1e-9; GRID];
        for ((posterior, likelihood), _) in posteriors.iter_mut().zip(likelihood).zip(rows).filter(|(_, n)| **n > 0.0) {
            let top = likelihood.iter().copied().fold(f64::MIN, f64::max);
            for at in 0..GRID {
                posterior[at] = prior[at] * (likelihood[at] - top).exp();
            }
            let sum: f64 = posterior.iter().sum();
            for at in 0..GRID {
                posterior[at] /= sum;
                next[at] += posterior[at];
            }
        }
        let sum: f64 = next.iter().sum();
        prior = next.map(|share| share / sum);
    }
    posteriors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;
    use crate::random::{Purpose, Stream};

    #[test]
    fn values_at_random_and_inverted_ones_are_told_from_harsh_ones() {
        // 300 values of 60 rows: the first 30 answer at random, the next 30 are inverted, the next 30 rarely say 1.
        let (values, each) = (300_u32, 60);
        let n = values as usize * each;
        let mut u = vec![0.0; 2 * n];
        Stream::new(8, Purpose::Init, &[]).fill_uniform(&mut u);
        let rows: Vec<(u32, f32, u8)> = (0..n)
            .map(|i| {
                let (value, z, draw) = ((i / each) as u32, 5.0 * u[i] - 2.5, u[n + i]);
                let p = match value {
                    0..30 => 0.5,
                    30..60 => sigmoid(-z),
                    60..90 => sigmoid(z - 2.0),
                    _ => sigmoid(z),
                };
                (value + 7, z, u8::from(draw < p))
            })
            .collect();
        let found = find_unreliable(7..7 + values + 1, rows.iter().copied());
        let flagged = |range: Range<usize>| found[range].iter().filter(|p| **p > 0.5).count();
        assert!(flagged(0..30) >= 25, "{} of 30 at random", flagged(0..30));
        assert_eq!(flagged(30..60), 30, "inverted");
        assert!(flagged(60..90) <= 3, "{} of 30 harsh ones", flagged(60..90));
        assert!(flagged(90..300) <= 8, "{} of 210 honest ones", flagged(90..300));
        assert_eq!(found[300], 0.0, "a value without rows");
    }
}
