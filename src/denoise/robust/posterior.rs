//! From logits of models that have not seen a row, to the probability that the row's label is true.

use crate::audit::{Bin, bin_by_expectation};

/// Probabilities that a true label is 1 stay between this and 1 minus this: nothing is certain of a row.
pub const LEAST: f32 = 0.005;

/// The rate at which labels are wrong, if it is the same for all rows, and how much speaks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseRate {
    pub rate: f64,
    /// Nats by which that is likelier than no wrong label at all.
    pub evidence: f64,
}

impl NoiseRate {
    /// Ranges of logits that rows are counted in, and the rates that are tried: 0, 0.01, .., 0.45.
    const BINS: usize = 100;
    const RATES: usize = 46;
    const STEPS: usize = 12;

    /// Labels that are wrong at a rate keep the probability of a label from falling to 0 or rising to 1, however sure a model is
    /// of the truth: what fits best is a logistic curve between a floor and a ceiling.
    pub fn fit(logits: &[f32], labels: &[u8]) -> Self {
        let bins = bin_by_expectation(logits, labels, Self::BINS);
        let likelihoods: Vec<f64> = (0..Self::RATES).map(|at| Self::likelihood(&bins, 0.01 * at as f64)).collect();
        let better = |best: usize, at: usize| if likelihoods[at] > likelihoods[best] { at } else { best };
        let best = (0..Self::RATES).fold(0, better);
        Self { rate: 0.01 * best as f64, evidence: likelihoods[best] - likelihoods[0] }
    }

    /// The log-likelihood with the logistic curve that fits best (Fisher scoring).
    fn likelihood(bins: &[Bin], rate: f64) -> f64 {
        let (mut a, mut b) = (1.0, 0.0);
        let mut likelihood = f64::MIN;
        for _ in 0..Self::STEPS {
            let (mut gradient, mut curve) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            likelihood = 0.0;
            for (z, [zeros, ones]) in bins {
                let q = 1.0 / (1.0 + (-(a * z + b)).exp());
                let p = (rate + (1.0 - 2.0 * rate) * q).clamp(1e-9, 1.0 - 1e-9);
                likelihood += zeros * (1.0 - p).ln() + ones * p.ln();
                let slope = (1.0 - 2.0 * rate) * q * (1.0 - q);
                let miss = (ones - (zeros + ones) * p) * slope / (p * (1.0 - p));
                let weight = (zeros + ones) * slope * slope / (p * (1.0 - p));
                gradient = [gradient[0] + miss * z, gradient[1] + miss];
                curve = [curve[0] + weight * z * z, curve[1] + weight * z, curve[2] + weight];
            }
            let determinant = curve[0] * curve[2] - curve[1] * curve[1];
            let step =
                |own: f64, beside: f64, at: usize| (own * gradient[at] - beside * gradient[1 - at]) / determinant;
            a = (a + step(curve[2], curve[1], 0).clamp(-1.0, 1.0)).clamp(0.05, 20.0);
            b = (b + step(curve[0], curve[1], 1).clamp(-1.0, 1.0)).clamp(-20.0, 20.0);
        }
        likelihood
    }
}

/// The probability that a row's true label is 1, where its given label is 1 with probability `p` and labels are wrong at
/// the rate `rho`: p = q (1 - rho) + (1 - q) rho.
pub fn truth(p: f32, rho: f64) -> f32 {
    (((f64::from(p) - rho) / (1.0 - 2.0 * rho)) as f32).clamp(LEAST, 1.0 - LEAST)
}

/// The probability that a given label is true, by Bayes.
pub fn belief(q: f32, label: u8, rho: f64) -> f32 {
    let own = f64::from(if label == 1 { q } else { 1.0 - q });
    let (right, wrong) = (own * (1.0 - rho), (1.0 - own) * rho);
    (right / (right + wrong).max(1e-9)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;
    use crate::random::{Purpose, Stream};

    fn uniform(n: usize, tag: u32) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        Stream::new(4, Purpose::Init, &[tag]).fill_uniform(&mut numbers);
        numbers
    }

    #[test]
    fn flips_are_counted_and_found() {
        let n = 100_000;
        let z: Vec<f32> = uniform(n, 2).iter().map(|u| 16.0 * u - 8.0).collect();
        let (truths, flips) = (uniform(n, 3), uniform(n, 4));
        let rate = 0.2;
        let labels: Vec<u8> =
            (0..n).map(|i| u8::from((truths[i] < sigmoid(z[i])) != (flips[i] < rate as f32))).collect();
        let found = NoiseRate::fit(&z, &labels);
        assert!((found.rate - rate).abs() < 0.02 && found.evidence > 1000.0, "{found:?}");
        let clean: Vec<u8> = (0..n).map(|i| u8::from(truths[i] < sigmoid(z[i]))).collect();
        let found = NoiseRate::fit(&z, &clean);
        assert!(found.rate <= 0.01 && found.evidence < 5.0, "no noise at all: {found:?}");
        // Of p = 0.5 nothing is known; a sure and contradicted row is most likely flipped.
        assert!((belief(truth(0.5, rate), 1, rate) - 0.8).abs() < 1e-6);
        assert!(belief(truth(0.79, rate), 0, rate) < 0.1);
        assert!(belief(truth(0.79, rate), 1, rate) > 0.99);
    }
}
