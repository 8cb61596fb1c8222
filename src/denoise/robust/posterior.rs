//! From logits of models that have not seen a row, to the probability that the row's label is true.

use crate::metrics::sigmoid;

/// Noise rates are estimated from this share of the rows, at either end of the logits.
const ANCHORS: f64 = 0.005;
/// Probabilities that a true label is 1 stay between this and 1 minus this: nothing is certain of a row.
pub const LEAST: f32 = 0.005;

/// The sigmoid(a z + b) that fits labels best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    pub a: f64,
    pub b: f64,
}

impl Platt {
    /// Fits logits to labels, each row with a weight, by Newton's method. Rows of a single label give a finite result
    /// too.
    pub fn fit(rows: impl Iterator<Item = (f32, u8, f32)> + Clone) -> Self {
        let mut found = Self { a: 1.0, b: 0.0 };
        for _ in 0..8 {
            let (mut gradient, mut hessian) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for (z, label, weight) in rows.clone() {
                let (z, weight) = (f64::from(z), f64::from(weight));
                let p = 1.0 / (1.0 + (-(found.a * z + found.b)).exp());
                let (slope, curve) = (weight * (p - f64::from(label)), weight * p * (1.0 - p));
                gradient[0] += slope * z;
                gradient[1] += slope;
                hessian[0] += curve * z * z;
                hessian[1] += curve * z;
                hessian[2] += curve;
            }
            let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            let step = [
                (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
                (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
            ];
            if step.iter().any(|step| !step.is_finite()) {
                break;
            }
            found.a = (found.a - step[0]).clamp(0.0, 20.0);
            found.b = (found.b - step[1]).clamp(-20.0, 20.0);
        }
        found
    }

    pub fn probability(self, z: f32) -> f32 {
        sigmoid((self.a * f64::from(z) + self.b) as f32)
    }
}

/// The rate at which labels are wrong, if it is the same for all rows. Of the rows that a model is surest of, for
/// either label, it is the share that has the other label; the smaller of the two shares, since the model may be wrong
/// as well.
pub fn noise_rate(logits: &[f32], labels: &[u8]) -> f64 {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_unstable_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]).then(a.cmp(b)));
    let count = ((logits.len() as f64 * ANCHORS) as usize).clamp(1, logits.len().max(1));
    let share = |rows: &[u32], label: u8| {
        rows.iter().filter(|row| labels[**row as usize] == label).count() as f64 / rows.len().max(1) as f64
    };
    let (low, high) = (&order[..count.min(order.len())], &order[order.len().saturating_sub(count)..]);
    share(low, 1).min(share(high, 0)).min(0.45)
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
    use crate::random::{Purpose, Stream};

    fn uniform(n: usize, tag: u32) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        Stream::new(4, Purpose::Init, &[tag]).fill_uniform(&mut numbers);
        numbers
    }

    #[test]
    fn a_logit_that_is_off_by_a_line_is_put_right() {
        let n = 50_000;
        let z: Vec<f32> = uniform(n, 0).iter().map(|u| 6.0 * u - 3.0).collect();
        let labels: Vec<u8> = z.iter().zip(uniform(n, 1)).map(|(z, u)| u8::from(u < sigmoid(0.5 * z + 1.0))).collect();
        let found = Platt::fit(z.iter().zip(&labels).map(|(z, label)| (*z, *label, 1.0)));
        assert!((found.a - 0.5).abs() < 0.03 && (found.b - 1.0).abs() < 0.05, "{found:?}");
        let one = Platt::fit([(1.0, 1, 1.0), (2.0, 1, 1.0)].into_iter());
        assert!(one.a.is_finite() && one.b.is_finite(), "one label alone: {one:?}");
    }

    #[test]
    fn flips_are_counted_and_found() {
        let n = 100_000;
        let z: Vec<f32> = uniform(n, 2).iter().map(|u| 16.0 * u - 8.0).collect();
        let (truths, flips) = (uniform(n, 3), uniform(n, 4));
        let rate = 0.2;
        let labels: Vec<u8> =
            (0..n).map(|i| u8::from((truths[i] < sigmoid(z[i])) != (flips[i] < rate as f32))).collect();
        let rho = noise_rate(&z, &labels);
        assert!((rho - rate).abs() < 0.04, "{rho}");
        assert!(noise_rate(&z, &z.iter().map(|z| u8::from(*z > 0.0)).collect::<Vec<_>>()) == 0.0, "no noise at all");
        // Of p = 0.5 nothing is known; a sure and contradicted row is most likely flipped.
        assert!((belief(truth(0.5, rate), 1, rate) - 0.8).abs() < 1e-6);
        assert!(belief(truth(0.79, rate), 0, rate) < 0.1);
        assert!(belief(truth(0.79, rate), 1, rate) > 0.99);
    }
}
