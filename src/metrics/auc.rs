//! The area under the ROC curve, exact under ties (spec `metrics.md`, "AUC", integer form).

use super::MetricsError;

/// The share of (positive, negative) pairs that `scores` puts in the right order, a tie counting one half. `None` where
/// there is no such pair. Scores tie when they are equal as f32.
pub fn auc(labels: &[u8], scores: &[f32]) -> Result<Option<f64>, MetricsError> {
    assert_eq!(labels.len(), scores.len(), "a label for each score");
    let mut keys = Vec::with_capacity(scores.len());
    for (row, (score, label)) in scores.iter().zip(labels).enumerate() {
        if score.is_nan() {
            return Err(MetricsError::NotANumber { row });
        }
        keys.push(u64::from(ordered(*score)) << 1 | u64::from(*label));
    }
    keys.sort_unstable();
    // Twice the number of right pairs: over groups of equal score in ascending order, 2 pos c + pos neg, with c the
    // negatives below.
    let (mut twice, mut positives, mut negatives) = (0_u128, 0_u64, 0_u64);
    for group in keys.chunk_by(|a, b| a >> 1 == b >> 1) {
        let pos = group.iter().map(|key| key & 1).sum::<u64>();
        let neg = group.len() as u64 - pos;
        twice += u128::from(pos) * u128::from(2 * negatives + neg);
        positives += pos;
        negatives += neg;
    }
    let pairs = u128::from(positives) * u128::from(negatives);
    Ok((pairs > 0).then(|| twice as f64 / (2.0 * pairs as f64)))
}

/// A number's bits, mapped so that unsigned order is numeric order; both zeros to the same bits.
fn ordered(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_tie_whatever_their_sign_and_nan_is_an_error() {
        assert_eq!(auc(&[1, 0], &[-0.0, 0.0]), Ok(Some(0.5)));
        assert_eq!(auc(&[1, 0, 0], &[-1.0, -2.0, f32::NEG_INFINITY]), Ok(Some(1.0)));
        assert_eq!(auc(&[1, 0], &[0.5, f32::NAN]), Err(MetricsError::NotANumber { row: 1 }));
    }
}
