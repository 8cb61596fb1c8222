//! Whether predictions are probabilities.

use super::sigmoid;
use crate::types::Calibration;

const BINS: usize = 10;

#[derive(Clone, Copy, Default)]
struct Bin {
    rows: u64,
    predicted: f64,
    positives: u64,
}

/// The calibration of logits `[n]` against labels `[n]`, n > 0.
pub fn calibration(labels: &[u8], logits: &[f32]) -> Calibration {
    let mut bins = [Bin::default(); BINS];
    for (label, logit) in labels.iter().zip(logits) {
        let p = f64::from(sigmoid(*logit));
        let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
        bin.rows += 1;
        bin.predicted += p;
        bin.positives += u64::from(*label);
    }
    let rows = labels.len() as f64;
    let distance = |bin: &Bin| (bin.predicted - bin.positives as f64).abs();
    Calibration {
        mean_prediction: bins.iter().map(|bin| bin.predicted).sum::<f64>() / rows,
        label_rate: bins.iter().map(|bin| bin.positives).sum::<u64>() as f64 / rows,
        expected_error: bins.iter().map(distance).sum::<f64>() / rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_bins_do_not_cancel() {
        // Of p = 0.25 half are 1, of p = 0.75 none: means agree with 1/4 too high, bins are off by 1/4 and 3/4.
        let logit = 3.0_f32.ln();
        let found = calibration(&[1, 0, 0, 0], &[-logit, -logit, logit, logit]);
        assert!((found.mean_prediction - 0.5).abs() < 1e-6 && found.label_rate == 0.25);
        assert!((found.expected_error - 0.5).abs() < 1e-6);
        assert_eq!(calibration(&[1, 0], &[50.0, -200.0]).expected_error, 0.0);
    }
}
