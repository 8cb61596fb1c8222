//! What models gain over others that differ from them by one remedy, and how sure that is: over models and over rows together.

use crate::metrics::{MetricsError, Platt, RowDifferences, auc, mean, placements, sample_sd};
use serde::{Deserialize, Serialize};

/// A difference could be chance: so many standard errors, one-sided at 5 %.
const LEAST_ERRORS: f64 = 1.645;

/// How much better models are, the mean over models, and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Gain {
    pub mean: f64,
    pub error: f64,
}

impl Gain {
    /// AUC of models less that of others, by logits `[models][rows]` and labels `[rows]`. Models of one number are alike in
    /// initial weights and order.
    pub fn of_auc(labels: &[u8], ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> Result<Self, MetricsError> {
        let mut gains = Vec::with_capacity(ours.len());
        let mut differences = RowDifferences::default();
        for (ours, theirs) in ours.iter().zip(theirs) {
            gains.push(auc(labels, ours)?.unwrap_or(0.5) - auc(labels, theirs)?.unwrap_or(0.5));
            if let (Some(ours), Some(theirs)) = (placements(labels, ours)?, placements(labels, theirs)?) {
                differences.add(&ours, &theirs);
            }
        }
        Ok(Self::over(&gains, differences.error(labels).map_or(0.0, |error| error.standard_error)))
    }

    /// How far the log-loss falls, each model recalibrated on these rows: a slope and a shift, the same two numbers for either
    /// side.
    pub fn of_logloss(labels: &[u8], ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> Self {
        let losses = |logits: &[f32]| -> Vec<f64> {
            let rows = || logits.iter().zip(labels);
            let platt = Platt::fit(rows().map(|(z, label)| (*z, *label, 1.0)));
            rows().map(|(z, label)| platt.logloss(f64::from(*z), *label)).collect()
        };
        let mut of_row = vec![0.0; labels.len()];
        let mut gains = Vec::with_capacity(ours.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let falls: Vec<f64> = losses(theirs).iter().zip(losses(ours)).map(|(theirs, ours)| theirs - ours).collect();
            of_row.iter_mut().zip(&falls).for_each(|(sum, fall)| *sum += fall);
            gains.push(mean(&falls));
        }
        of_row.iter_mut().for_each(|sum| *sum /= gains.len() as f64);
        let error = sample_sd(&of_row).unwrap_or(0.0) / (of_row.len() as f64).sqrt();
        Self::over(&gains, error)
    }

    fn over(gains: &[f64], of_rows: f64) -> Self {
        let of_models = sample_sd(gains).unwrap_or(0.0) / (gains.len() as f64).sqrt();
        Self { mean: mean(gains), error: f64::hypot(of_rows, of_models) }
    }

    pub fn is_gain(self) -> bool {
        self.mean > LEAST_ERRORS * self.error
    }

    pub fn is_loss(self) -> bool {
        self.mean <= -LEAST_ERRORS * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;
    use crate::random::{Purpose, Stream};

    /// 5,000 rows: their true logits, labels drawn by them, and noise.
    fn rows() -> (Vec<f32>, Vec<u8>, Vec<f32>) {
        const N: usize = 5000;
        let mut u = vec![0.0; 3 * N];
        Stream::new(3, Purpose::Init, &[]).fill_uniform(&mut u);
        let z: Vec<f32> = u[..N].iter().map(|u| 4.0 * u - 2.0).collect();
        let labels = z.iter().zip(&u[N..]).map(|(z, u)| u8::from(*u < sigmoid(*z))).collect();
        (z, labels, u[2 * N..].iter().map(|u| 4.0 * u - 2.0).collect())
    }

    #[test]
    fn logits_nearer_to_the_truth_gain_in_auc_and_logloss_and_the_other_way_round_lose() {
        let (z, labels, noise) = rows();
        let off = |by: f32| z.iter().zip(&noise).map(|(z, noise)| z + by * noise).collect::<Vec<f32>>();
        let (ours, theirs) = (vec![off(0.1), off(0.2)], vec![off(0.9), off(1.0)]);
        for (gain, back) in [
            (Gain::of_auc(&labels, &ours, &theirs).unwrap(), Gain::of_auc(&labels, &theirs, &ours).unwrap()),
            (Gain::of_logloss(&labels, &ours, &theirs), Gain::of_logloss(&labels, &theirs, &ours)),
        ] {
            assert!(gain.is_gain() && !gain.is_loss(), "{gain:?}");
            assert!(back.is_loss() && !back.is_gain(), "{back:?}");
            assert!((gain.mean + back.mean).abs() < 1e-12 && gain.error > 0.0);
        }
    }

    #[test]
    fn another_scale_of_the_same_logits_gains_nothing() {
        let (z, labels, _) = rows();
        let scaled: Vec<f32> = z.iter().map(|z| 3.0 * z + 1.0).collect();
        let gain = Gain::of_logloss(&labels, &[scaled], &[z]);
        assert!(gain.mean.abs() < 1e-6, "{gain:?}");
    }
}
