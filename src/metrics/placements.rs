//! How much of a difference of two AUCs could be due to the choice of the test rows: the paired method of DeLong, DeLong
//! and Clarke-Pearson (Biometrics 1988), over several pairs of runs at once.

use super::{beta::student_t_two_sided, error::MetricsError};
use serde::{Deserialize, Serialize};

/// Of each row, the share of the rows of the other label that it is ranked right against, a tie counting one half: `[n]`.
/// The mean over either label is the AUC. `None` where a label is missing.
pub fn placements(labels: &[u8], scores: &[f32]) -> Result<Option<Vec<f32>>, MetricsError> {
    assert_eq!(labels.len(), scores.len(), "a label for each score");
    if let Some(row) = scores.iter().position(|score| score.is_nan()) {
        return Err(MetricsError::NotANumber { row });
    }
    let count = |label: u8| labels.iter().filter(|own| **own == label).count();
    let (negatives, positives) = (count(0), count(1));
    if negatives == 0 || positives == 0 {
        return Ok(None);
    }
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_unstable_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]));
    let mut placed = vec![0.0; scores.len()];
    let (mut negatives_below, mut positives_below) = (0, 0);
    for tied in order.chunk_by(|a, b| scores[*a as usize] == scores[*b as usize]) {
        let positives_tied = tied.iter().filter(|row| labels[**row as usize] == 1).count();
        let negatives_tied = tied.len() - positives_tied;
        let of_positive = (negatives_below as f64 + 0.5 * negatives_tied as f64) / negatives as f64;
        let above = positives - positives_below - positives_tied;
        let of_negative = (above as f64 + 0.5 * positives_tied as f64) / positives as f64;
        for row in tied {
            placed[*row as usize] = if labels[*row as usize] == 1 { of_positive } else { of_negative } as f32;
        }
        negatives_below += negatives_tied;
        positives_below += positives_tied;
    }
    Ok(Some(placed))
}

/// Differences of placements, row by row, added up over pairs of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowDifferences {
    /// `[n]`.
    pub sums: Vec<f32>,
    pub pairs: u32,
}

/// What the test rows say about a mean difference of AUCs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowError {
    pub mean: f64,
    /// Its standard error, over other draws of test rows.
    pub standard_error: f64,
}

impl RowDifferences {
    /// Adds the placements `[n]` of a pair of runs over the same rows.
    pub fn add(&mut self, ours: &[f32], theirs: &[f32]) {
        self.sums.resize(ours.len(), 0.0);
        for (sum, (ours, theirs)) in self.sums.iter_mut().zip(ours.iter().zip(theirs)) {
            *sum += ours - theirs;
        }
        self.pairs += 1;
    }

    /// The mean difference and its error; none where a label has fewer than two rows.
    pub fn error(&self, labels: &[u8]) -> Option<RowError> {
        let moments = |label: u8| {
            let of_label = || self.sums.iter().zip(labels).filter(|(_, own)| **own == label).map(|(sum, _)| *sum);
            let n = of_label().count() as f64;
            let mean = of_label().map(f64::from).sum::<f64>() / n;
            let squares: f64 = of_label().map(|sum| (f64::from(sum) - mean).powi(2)).sum();
            (n >= 2.0).then(|| (mean, squares / (n - 1.0) / n))
        };
        let ((mean, of_positive), (_, of_negative)) = (moments(1)?, moments(0)?);
        let pairs = f64::from(self.pairs);
        Some(RowError { mean: mean / pairs, standard_error: (of_positive + of_negative).sqrt() / pairs })
    }
}

impl RowError {
    /// One-sided p that the difference is above `bound`.
    pub fn p_above(&self, bound: f64) -> f64 {
        let over = self.mean - bound;
        if self.standard_error == 0.0 {
            return if over > 0.0 { 0.0 } else { 1.0 };
        }
        // With this many degrees of freedom Student's t is the normal distribution.
        let tail = 0.5 * student_t_two_sided(over / self.standard_error, 1e7);
        if over > 0.0 { tail } else { 1.0 - tail }
    }

    /// The 95 % interval.
    pub fn interval(&self) -> [f64; 2] {
        let half = 1.959_963_985 * self.standard_error;
        [self.mean - half, self.mean + half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auc;
    use crate::random::{Purpose, Stream};

    fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        Stream::new(seed, Purpose::Init, &[]).fill_normal(&mut numbers);
        numbers
    }

    #[test]
    fn placements_average_to_the_auc_of_either_label() {
        let (labels, scores) = ([1, 0, 1, 0, 1, 0, 0], [0.5, 0.5, 0.7, 0.2, 0.2, 0.7, 0.1]);
        let placed = placements(&labels, &scores).unwrap().unwrap();
        assert_eq!(placed[..2], [0.625, 0.5], "two of four below and one tied; one of three above and one tied");
        for label in [0, 1] {
            let of: Vec<f64> =
                placed.iter().zip(labels).filter(|(_, own)| *own == label).map(|(p, _)| f64::from(*p)).collect();
            let mean = of.iter().sum::<f64>() / of.len() as f64;
            assert!((mean - auc(&labels, &scores).unwrap().unwrap()).abs() < 1e-7);
        }
        assert_eq!(placements(&[1, 1], &[0.1, 0.2]), Ok(None));
        assert_eq!(placements(&[1, 0], &[f32::NAN, 0.2]), Err(MetricsError::NotANumber { row: 0 }));
    }

    /// The standard error is what the difference really varies by from one draw of test rows to another.
    #[test]
    fn the_error_is_that_of_drawing_other_rows() {
        let (rows, draws) = (400, 300);
        let (mut differences, mut errors) = (Vec::new(), Vec::new());
        for draw in 0..draws {
            let (truth, first, second) =
                (normals(3 * draw, rows), normals(3 * draw + 1, rows), normals(3 * draw + 2, rows));
            let labels: Vec<u8> = truth.iter().map(|t| u8::from(*t > 0.3)).collect();
            let mix = |noise: &[f32], share: f32| -> Vec<f32> {
                truth.iter().zip(noise).map(|(t, n)| t + share * n).collect()
            };
            let (ours, theirs) = (mix(&first, 1.0), mix(&second, 1.3));
            let placed = |scores: &[f32]| placements(&labels, scores).unwrap().unwrap();
            let mut found = RowDifferences::default();
            found.add(&placed(&ours), &placed(&theirs));
            let error = found.error(&labels).unwrap();
            let difference = auc(&labels, &ours).unwrap().unwrap() - auc(&labels, &theirs).unwrap().unwrap();
            assert!((error.mean - difference).abs() < 1e-6);
            differences.push(difference);
            errors.push(error.standard_error);
        }
        let real = crate::metrics::sample_sd(&differences).unwrap();
        let said = crate::metrics::mean(&errors);
        // The standard deviation of 300 draws is known to 4 %; three of those.
        assert!((said / real - 1.0).abs() < 0.13, "{said} said, {real} real");
    }

    #[test]
    fn p_falls_as_the_difference_rises_above_the_bound() {
        let error = RowError { mean: 0.02, standard_error: 0.01 };
        assert!((error.p_above(0.0) - 0.022_750_13).abs() < 1e-6);
        assert!((error.p_above(0.02) - 0.5).abs() < 1e-9);
        assert!((error.p_above(0.04) - 0.977_249_87).abs() < 1e-6);
        assert_eq!(RowError { mean: 0.0, standard_error: 0.0 }.p_above(0.0), 1.0);
    }
}
