//! Recalibration of logits (Platt 1999): a slope and a shift, which change no ranking.

use super::sigmoid;

/// Newton's steps.
const STEPS: u32 = 8;
/// The most halvings of steps; each also allows one step more.
const MOST_HALVED: u32 = 60;

/// The sigmoid(a z + b) that fits labels best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    pub a: f64,
    pub b: f64,
}

impl Platt {
    /// Fits logits to labels, each row with a weight, by Newton's method; a step that makes the fit worse, as they can where
    /// the logits are far too sure, is halved. Rows of a single label give a finite result too.
    pub fn fit(rows: impl Iterator<Item = (f32, u8, f32)> + Clone) -> Self {
        let mut found = Self { a: 1.0, b: 0.0 };
        // The last place that was no worse than those before, and its loss.
        let mut last = (found, f64::INFINITY);
        let (mut steps, mut halved) = (0, 0);
        while steps < STEPS + halved.min(MOST_HALVED) {
            let Slope { loss, gradient, hessian } = found.slope(rows.clone());
            // Near the end losses differ by rounding alone.
            if loss > last.1 * (1.0 + 1e-9) && halved < MOST_HALVED {
                found = Self { a: (last.0.a + found.a) / 2.0, b: (last.0.b + found.b) / 2.0 };
                halved += 1;
                continue;
            }
            last = (found, loss);
            steps += 1;
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

    /// The log-loss of rows here, and its derivatives.
    fn slope(self, rows: impl Iterator<Item = (f32, u8, f32)>) -> Slope {
        let (mut loss, mut gradient, mut hessian) = (0.0, [0.0; 2], [1e-9, 0.0, 1e-9]);
        for (z, label, weight) in rows {
            let (z, weight) = (f64::from(z), f64::from(weight));
            let recalibrated = self.a * z + self.b;
            let p = 1.0 / (1.0 + (-recalibrated).exp());
            let own = if label == 1 { recalibrated } else { -recalibrated };
            loss += weight * ((-own).max(0.0) + (-own.abs()).exp().ln_1p());
            let (slope, curve) = (weight * (p - f64::from(label)), weight * p * (1.0 - p));
            gradient[0] += slope * z;
            gradient[1] += slope;
            hessian[0] += curve * z * z;
            hessian[1] += curve * z;
            hessian[2] += curve;
        }
        Slope { loss, gradient, hessian }
    }

    pub fn probability(self, z: f32) -> f32 {
        sigmoid((self.a * f64::from(z) + self.b) as f32)
    }
}

struct Slope {
    loss: f64,
    /// By a and b.
    gradient: [f64; 2],
    /// By a twice, by both, by b twice.
    hessian: [f64; 3],
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

    /// As of a model that was trained on the rows that it is surest of.
    #[test]
    fn logits_that_are_far_too_sure_are_put_right() {
        let n = 20_000;
        let z: Vec<f32> = uniform(n, 2).iter().map(|u| 6.0 * u - 3.0).collect();
        let labels: Vec<u8> = z.iter().zip(uniform(n, 3)).map(|(z, u)| u8::from(u < sigmoid(*z))).collect();
        let found = Platt::fit(z.iter().zip(&labels).map(|(z, label)| (20.0 * z, *label, 1.0)));
        assert!((found.a - 0.05).abs() < 0.005 && found.b.abs() < 0.1, "{found:?}");
    }
}
