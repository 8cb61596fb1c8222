//! The area under the ROC curve, exact under ties (spec `metrics.md`, "AUC", integer form).

use super::{error::MetricsError, radix::sorted};

/// The share of (positive, negative) pairs that `scores` `[n]` puts in the right order, a tie counting one half. `None`
/// where there is no such pair. Scores tie when they are equal as f32. Takes eight bytes of memory for each row.
///
/// Fails where a score is not a number.
pub fn auc(labels: &[u8], scores: &[f32]) -> Result<Option<f64>, MetricsError> {
    auc_in_place(labels, scores.to_vec())
}

/// `auc` that uses the scores' memory for its own work.
pub(super) fn auc_in_place(labels: &[u8], scores: Vec<f32>) -> Result<Option<f64>, MetricsError> {
    assert_eq!(labels.len(), scores.len(), "a label for each score");
    if let Some(row) = scores.iter().position(|score| score.is_nan()) {
        return Err(MetricsError::NotANumber { row });
    }
    let mut keys = vec![0; scores.len()];
    // Same size, so this is the same memory: the keys are read from where they are later sorted to.
    let mut ordered: Vec<u32> = scores.into_iter().map(ordered).collect();
    let below_zero = split_by_sign(labels, &ordered, &mut keys);
    let (negative, positive) = keys.split_at_mut(below_zero);
    let (negative_scratch, positive_scratch) = ordered.split_at_mut(below_zero);
    let mut pairs = Pairs::default();
    pairs.add(sorted(negative, negative_scratch));
    pairs.add(sorted(positive, positive_scratch));
    Ok(pairs.share())
}

/// A number's bits, mapped so that unsigned order is numeric order; both zeros to the same bits.
fn ordered(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Writes each row's key: 31 bits of `ordered` with the label below them. There is no room for the sign's bit, so keys of
/// scores below zero go to the front of `keys` and the rest to the back. Returns how many go to the front.
fn split_by_sign(labels: &[u8], ordered: &[u32], keys: &mut [u32]) -> usize {
    let (mut front, mut back) = (0, keys.len());
    for (ordered, label) in ordered.iter().zip(labels) {
        let not_below = (ordered >> 31) as usize;
        back -= not_below;
        keys[if not_below == 1 { back } else { front }] = ordered << 1 | u32::from(*label);
        front += 1 - not_below;
    }
    front
}

/// Counts over keys in ascending order.
#[derive(Default)]
struct Pairs {
    /// Twice the number of right pairs.
    twice: u128,
    positives: u64,
    negatives: u64,
}

impl Pairs {
    /// Adds keys in ascending order. Their scores are above all that were added before.
    fn add(&mut self, keys: &[u32]) {
        // Among equal scores the negatives come first, so all negatives that a positive ties with have been counted when its
        // turn comes. Twice its right pairs are then the negatives before it plus those before its group. This needs no
        // look ahead and no branch that the processor would mispredict.
        let (mut score, mut below) = (None, self.negatives);
        for key in keys {
            let positive = u64::from(key & 1);
            if score != Some(key >> 1) {
                below = self.negatives;
            }
            score = Some(key >> 1);
            self.negatives += 1 - positive;
            self.twice += u128::from((self.negatives + below) * positive);
            self.positives += positive;
        }
    }

    fn share(&self) -> Option<f64> {
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        (pairs > 0).then(|| self.twice as f64 / (2.0 * pairs as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_tie_whatever_their_sign_and_nan_is_an_error() {
        assert_eq!(auc(&[1, 0], &[-0.0, 0.0]), Ok(Some(0.5)));
        assert_eq!(auc(&[1, 0, 0], &[-1.0, -2.0, f32::NEG_INFINITY]), Ok(Some(1.0)));
        assert_eq!(auc(&[1, 0], &[0.5, f32::NAN]), Err(MetricsError::NotANumber { row: 1 }));
    }

    /// The definition, pair by pair.
    fn by_pairs(rows: &[(u8, f32)]) -> Option<f64> {
        let of = |label| rows.iter().filter(move |row| row.0 == label).map(|row| row.1);
        let (mut twice, mut pairs) = (0_u64, 0_u64);
        for positive in of(1) {
            for negative in of(0) {
                twice += 2 * u64::from(positive > negative) + u64::from(positive == negative);
                pairs += 1;
            }
        }
        (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
    }

    const EDGES: [f32; 10] =
        [0.0, -0.0, 1e-45, -1e-45, 1.0, -1.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY];

    /// Few numbers, so that there are ties, those at the edges of f32 among them; and any others.
    fn score() -> impl Strategy<Value = f32> {
        prop_oneof![
            proptest::sample::select(&EDGES[..]),
            (-8_i8..8).prop_map(|n| f32::from(n) / 4.0),
            (0_u32..1 << 23).prop_map(|low| f32::from_bits(0.5_f32.to_bits() + low)),
            any::<u32>().prop_map(f32::from_bits).prop_filter("a number", |score| !score.is_nan()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_share_is_that_of_all_pairs(rows in proptest::collection::vec((0_u8..2, score()), 0..300)) {
            let (labels, scores): (Vec<u8>, Vec<f32>) = rows.iter().copied().unzip();
            prop_assert_eq!(auc(&labels, &scores), Ok(by_pairs(&rows)));
        }
    }
}
