//! Confident learning for two classes (spec `baselines.md`, section 7; Northcutt et al., "Confident learning", JAIR 2021):
//! rows whose labels out-of-fold predictions speak against, as cleanlab counts and finds them.

use crate::random::{Purpose, Stream};
use crate::types::ClFilter;
use serde::{Deserialize, Serialize};

/// The least threshold, and how far below a threshold a probability may be and still count. Both are cleanlab's.
const LEAST: f64 = 2e-6;
const SLACK: f64 = 1e-6;

/// How many rows of each given label (first index) the predictions are confident to be of each class (second).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    /// t: mean probability of a class over the rows labelled so. Absent for a class without a row.
    pub thresholds: [Option<f64>; 2],
    /// As counted; at least 1 on the diagonal.
    pub counted: [[u64; 2]; 2],
    /// Scaled to the rows of each label, and rounded so that their sums remain.
    pub calibrated: [[u64; 2]; 2],
}

/// The fold of each row, below `folds`, for `labels` `[n]`: folds differ by at most one row, of all and of each label.
pub fn folds(labels: &[u8], folds: u8, seed: u64) -> Vec<u8> {
    let mut all = vec![0; labels.len()];
    let mut next = (0..folds).cycle();
    for label in [0, 1] {
        let mut rows: Vec<u32> = (0..).zip(labels).filter(|(_, own)| **own == label).map(|(row, _)| row).collect();
        Stream::new(seed, Purpose::Folds, &[u32::from(label)]).shuffle(&mut rows);
        for (row, fold) in rows.into_iter().zip(&mut next) {
            all[row as usize] = fold;
        }
    }
    all
}

/// Which rows to leave out, `[n]`, from the probabilities `[n]` that a label is 1, each from a model that has not seen the
/// row; and the counts behind it. A row whose own label is at least as probable as the other is never flagged.
pub fn flagged(p: &[f32], labels: &[u8], filter: ClFilter) -> (Vec<bool>, Joint) {
    assert_eq!(p.len(), labels.len(), "a probability for each label");
    let rows = [0, 1].map(|k| labels.iter().filter(|label| **label == k).count());
    let joint = joint(p, labels, rows);
    let mut flags = match filter {
        ClFilter::ConfidentLearning => {
            let off_diagonal = |(p, label): (&f32, &u8)| guess(*p, joint.thresholds).is_some_and(|k| k != *label);
            p.iter().zip(labels).map(off_diagonal).collect()
        }
        // With two classes these three are the same: the rows least probably of one class are those most probably of
        // the other, and what is counted away from one label is counted to the other.
        ClFilter::PruneByNoiseRate | ClFilter::PruneByClass | ClFilter::Both => {
            let mut flags = vec![false; p.len()];
            for k in [0, 1] {
                // One row of each label stays, whatever is counted.
                let away = joint.calibrated[k as usize][1 - k as usize] as usize;
                for row in least_probable(p, labels, k, away.min(rows[k as usize].saturating_sub(1))) {
                    flags[row as usize] = true;
                }
            }
            flags
        }
    };
    for ((flag, p), label) in flags.iter_mut().zip(p).zip(labels) {
        *flag &= of_class(*p, *label) < 0.5;
    }
    (flags, joint)
}

/// The probability of a class.
fn of_class(p: f32, k: u8) -> f64 {
    if k == 1 { f64::from(p) } else { 1.0 - f64::from(p) }
}

/// The class that a prediction is confident of. Where it is confident of both, the likelier one.
fn guess(p: f32, thresholds: [Option<f64>; 2]) -> Option<u8> {
    let confident = |k: u8| thresholds[usize::from(k)].is_some_and(|t| of_class(p, k) >= t - SLACK);
    match (confident(0), confident(1)) {
        (true, true) => Some(u8::from(p > 0.5)),
        (true, false) => Some(0),
        (false, true) => Some(1),
        (false, false) => None,
    }
}

fn joint(p: &[f32], labels: &[u8], rows: [usize; 2]) -> Joint {
    let mut sums = [0.0; 2];
    for (p, label) in p.iter().zip(labels) {
        sums[usize::from(*label)] += of_class(*p, *label);
    }
    let thresholds = [0, 1].map(|k| (rows[k] > 0).then(|| (sums[k] / rows[k] as f64).max(LEAST)));
    let mut counted = [[0; 2]; 2];
    for (p, label) in p.iter().zip(labels) {
        if let Some(k) = guess(*p, thresholds) {
            counted[usize::from(*label)][usize::from(k)] += 1;
        }
    }
    counted[0][0] = counted[0][0].max(1);
    counted[1][1] = counted[1][1].max(1);
    let scaled = [0, 1].map(|k| {
        let total: u64 = counted[k].iter().sum();
        counted[k].map(|count| count as f64 / total as f64 * rows[k] as f64)
    });
    Joint { thresholds, counted, calibrated: [0, 1].map(|k| rounded(scaled[k], rows[k] as u64)) }
}

/// Two numbers rounded to a whole sum. Two halves, both rounded to even, may miss it: cleanlab then takes from the first
/// or adds to the second.
fn rounded([first, second]: [f64; 2], sum: u64) -> [u64; 2] {
    let [first, second] = [first, second].map(|number| number.round_ties_even() as u64);
    let first = if first + second > sum { sum - second } else { first };
    [first, sum - first]
}

/// The `count` rows labelled `k` whose probability of `k` is lowest; of equal ones, those of lower position.
fn least_probable(p: &[f32], labels: &[u8], k: u8, count: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..).zip(labels).filter(|(_, label)| **label == k).map(|(row, _)| row).collect();
    if count < rows.len() {
        let own = |row: &u32| of_class(p[*row as usize], k);
        rows.select_nth_unstable_by(count, |a, b| own(a).total_cmp(&own(b)).then(a.cmp(b)));
        rows.truncate(count);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_even_in_each_label_and_follow_the_seed() {
        let labels: Vec<u8> = (0..103).map(|row| u8::from(row % 7 == 0)).collect();
        let own = folds(&labels, 5, 1);
        let of = |label: Option<u8>| {
            let mut counts = [0; 5];
            for (fold, own) in own.iter().zip(&labels) {
                counts[usize::from(*fold)] += usize::from(label.is_none_or(|label| label == *own));
            }
            counts
        };
        for counts in [of(None), of(Some(0)), of(Some(1))] {
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
        assert_eq!(own, folds(&labels, 5, 1));
        assert_ne!(own, folds(&labels, 5, 2));
    }

    #[test]
    fn halves_are_rounded_as_cleanlab_rounds_them() {
        assert_eq!(rounded([3.5, 1.5], 5), [3, 2]);
        assert_eq!(rounded([2.5, 2.5], 5), [2, 3]);
        assert_eq!(rounded([3.5, 2.5], 6), [4, 2]);
        assert_eq!(rounded([3.75, 1.25], 5), [4, 1]);
        assert_eq!(rounded([0.0, 0.0], 0), [0, 0]);
    }

    #[test]
    fn labels_without_a_contradiction_are_left_alone() {
        for filter in ClFilter::ALL {
            // One class alone; a model that is sure and right; one that knows nothing.
            assert_eq!(flagged(&[0.9, 0.1, 0.2], &[1, 1, 1], *filter).0, [false; 3], "{filter}");
            assert_eq!(flagged(&[1.0, 0.0, 1.0], &[1, 0, 1], *filter).0, [false; 3], "{filter}");
            assert_eq!(flagged(&[0.5, 0.5, 0.5, 0.5], &[1, 0, 1, 0], *filter).0, [false; 4], "{filter}");
        }
    }

    #[test]
    fn the_last_row_of_a_label_is_not_pruned() {
        let (p, labels) = ([0.9, 0.8, 0.9], [0, 1, 1]);
        let (flags, joint) = flagged(&p, &labels, ClFilter::PruneByClass);
        assert_eq!((joint.counted, joint.calibrated), ([[1, 1], [1, 1]], [[0, 1], [1, 1]]));
        assert_eq!(flags, [false; 3]);
        assert_eq!(flagged(&p, &labels, ClFilter::ConfidentLearning).0, [true, false, false], "off the diagonal");
    }
}
