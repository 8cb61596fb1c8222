//! Mean log-loss of probabilities (spec `metrics.md`, "Logloss"), with the number of rows that had to be clipped.

use super::error::MetricsError;

/// A mean log-loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLoss {
    pub mean: f64,
    /// Rows whose probability was outside [eps, 1 - eps]. A wrong one among them dominates the mean.
    pub clipped: u64,
}

/// Rows whose probabilities are multiplied before one logarithm is taken of them all.
const ROWS_AT_ONCE: usize = 16;

/// The mean of -ln of each row's probability of its own label, probabilities `[n]` (that the label is 1) clipped to
/// [eps, 1 - eps].
///
/// Fails where a probability is not a number, or where there are none.
pub fn logloss(
    labels: &[u8],
    mut probabilities: impl ExactSizeIterator<Item = f64>,
    eps: f64,
) -> Result<LogLoss, MetricsError> {
    assert_eq!(labels.len(), probabilities.len(), "a label for each probability");
    if labels.is_empty() {
        return Err(MetricsError::Empty);
    }
    let (mut sum, mut clipped) = (0.0, 0);
    let mut own = [0.0; ROWS_AT_ONCE];
    for (chunk, labels) in labels.chunks(ROWS_AT_ONCE).enumerate() {
        let own = &mut own[..labels.len()];
        let mut product = 1.0;
        for ((own, label), p) in own.iter_mut().zip(labels).zip(&mut probabilities) {
            let inside = p.clamp(eps, 1.0 - eps);
            clipped += u64::from(inside != p);
            // Labels have no pattern: the processor would mispredict a branch on them half the time.
            *own = (inside - f64::from(1 - *label)).abs();
            product *= *own;
        }
        sum -= if SAFE.contains(&product) { product.ln() } else { sum_of_logs(own, chunk)? };
    }
    Ok(LogLoss { mean: sum / labels.len() as f64, clipped })
}

/// Products whose logarithm is the sum of their factors' logarithms to at least nine digits. Each multiplication is off by
/// at most 2^-53 of the product, which is little compared with a loss of 1e-6; products below the normal numbers may be off
/// by anything. NaN is in no range.
const SAFE: std::ops::RangeInclusive<f64> = f64::MIN_POSITIVE..=1.0 - 1e-6;

#[cold]
fn sum_of_logs(own: &[f64], chunk: usize) -> Result<f64, MetricsError> {
    match own.iter().position(|p| p.is_nan()) {
        Some(place) => Err(MetricsError::NotANumber { row: chunk * ROWS_AT_ONCE + place }),
        None => Ok(own.iter().map(|p| p.ln()).sum()),
    }
}

/// 1 / (1 + e^-z) in f32, as the models' output layer computes it; exactly 1 from about z = 17.
pub fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, row by row.
    fn by_rows(rows: &[(u8, f32)], eps: f64) -> f64 {
        let loss = |(label, p): &(u8, f32)| {
            let inside = f64::from(*p).clamp(eps, 1.0 - eps);
            -if *label == 1 { inside.ln() } else { (1.0 - inside).ln() }
        };
        rows.iter().map(loss).sum::<f64>() / rows.len() as f64
    }

    fn log_loss(rows: &[(u8, f32)], eps: f64) -> Result<LogLoss, MetricsError> {
        let labels: Vec<u8> = rows.iter().map(|row| row.0).collect();
        logloss(&labels, rows.iter().map(|row| f64::from(row.1)), eps)
    }

    #[test]
    fn a_product_too_small_or_too_close_to_one_is_not_used() {
        // The first all wrong by as much as f32 can tell; the second right but for 1.5e-8, where a product of 16 loses digits.
        for (row, eps) in [((1, 1e-45), 1e-300), ((0, 1.5e-8), 1e-15), ((1, 1.0), 1e-15)] {
            let rows = vec![row; 1000];
            let (found, expected) = (log_loss(&rows, eps).unwrap(), by_rows(&rows, eps));
            assert!((found.mean - expected).abs() <= 1e-12 * expected, "{row:?}: {} for {expected}", found.mean);
        }
    }

    #[test]
    fn what_is_not_a_number_is_named_by_its_row() {
        for row in [0, 15, 16, 40] {
            let mut rows = vec![(1, 0.25); 41];
            rows[row].1 = f32::NAN;
            assert_eq!(log_loss(&rows, 1e-15), Err(MetricsError::NotANumber { row }));
        }
        assert_eq!(log_loss(&[], 1e-15), Err(MetricsError::Empty));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_mean_is_that_of_single_rows(
            rows in proptest::collection::vec((0_u8..2, (-110_f32..110.0).prop_map(sigmoid)), 1..100),
            near in proptest::bool::ANY,
        ) {
            // Half the tables have every row right and nearly certain.
            let sure = |(label, p): (u8, f32)| (label, if label == 1 { p.max(1.0 - p) } else { p.min(1.0 - p) });
            let rows: Vec<_> = if near { rows.into_iter().map(sure).collect() } else { rows };
            let (found, expected) = (log_loss(&rows, 1e-15).unwrap(), by_rows(&rows, 1e-15));
            prop_assert!((found.mean - expected).abs() <= 1e-9 * expected, "{} for {expected}", found.mean);
            let clipped = rows.iter().filter(|row| f64::from(row.1) < 1e-15 || row.1 == 1.0).count() as u64;
            prop_assert_eq!(found.clipped, clipped);
        }
    }
}
