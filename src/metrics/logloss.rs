//! Mean log-loss of probabilities (spec `metrics.md`, "Logloss"), with the number of rows that had to be clipped.

use super::MetricsError;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLoss {
    pub mean: f64,
    /// Rows whose probability lay outside [eps, 1 - eps]; a wrong one among them dominates the mean.
    pub clipped: u64,
}

pub fn logloss(
    labels: &[u8],
    probabilities: impl ExactSizeIterator<Item = f64>,
    eps: f64,
) -> Result<LogLoss, MetricsError> {
    assert_eq!(labels.len(), probabilities.len(), "a label for each probability");
    if labels.is_empty() {
        return Err(MetricsError::Empty);
    }
    let (mut sum, mut clipped) = (0.0, 0);
    for (row, (label, p)) in labels.iter().zip(probabilities).enumerate() {
        if p.is_nan() {
            return Err(MetricsError::NotANumber { row });
        }
        let inside = p.clamp(eps, 1.0 - eps);
        clipped += u64::from(inside != p);
        sum -= if *label == 1 { inside.ln() } else { (1.0 - inside).ln() };
    }
    Ok(LogLoss { mean: sum / labels.len() as f64, clipped })
}

/// 1 / (1 + e^-z) in f32, as the models' output layer computes it; exactly 1 from about z = 17.
pub fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}
