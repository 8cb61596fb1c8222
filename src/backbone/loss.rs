//! What a fit minimises: cross-entropy, or one of the two losses that make less of rows which do not fit (spec
//! `baselines.md`, section 6; Wang et al., "Denoising implicit feedback for recommendation", WSDM 2021), and the rows that
//! such a loss comes down to.
//!
//! Both need nothing of a row but its label and its cross-entropy l = -ln p, p the probability of its own label.

use super::fused::{exp_of_negative, losses};
use crate::simd::Isa;
use serde::{Deserialize, Serialize};

/// The loss of a fit. What is recorded and reported of a row is its plain cross-entropy under each of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingLoss {
    /// The mean of the rows' losses. It induces all rows.
    #[default]
    Bce,
    /// T-CE: the mean over a batch without its positives of largest loss, a share of the batch that grows with the batches
    /// since the start of the fit. It induces, of each batch of rows in file order, those that it keeps by their losses in
    /// evaluation mode.
    TruncatedCe {
        /// Share of a batch dropped after the ramp, at least 0 and below 1.
        drop_rate: f64,
        /// N: batches over which the share grows, in even steps from 0 to `drop_rate^exponent`.
        ramp_batches: u64,
        /// Other than 1, the share jumps at the end of the ramp, as in the official code.
        exponent: f64,
        /// Never drops a negative. Else negatives, the last of a batch first, make up for positives that are too few.
        protect_negatives: bool,
    },
    /// R-CE: each loss weighs p^beta, of which no derivative is taken. It drops no row; it induces all but the rows of
    /// smallest weight, as many as the weights take away: n (1 - mean weight), rounded.
    ReweightedCe {
        /// At least 0; 0 is plain cross-entropy.
        beta: f64,
    },
}

/// The loss of one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BatchLoss {
    /// The rows' mean.
    Mean,
    Truncated {
        /// Share of the batch's rows that is dropped.
        drop_rate: f64,
        protect_negatives: bool,
    },
    Reweighted {
        beta: f64,
    },
}

impl TrainingLoss {
    /// The loss of batch `t` of a fit, counted from 0 over all its passes; of `u64::MAX`, what the loss ends in.
    pub fn at(self, t: u64) -> BatchLoss {
        match self {
            Self::Bce => BatchLoss::Mean,
            Self::TruncatedCe { drop_rate, ramp_batches, exponent, protect_negatives } => {
                let drop_rate =
                    if t < ramp_batches { even_step(drop_rate.powf(exponent), ramp_batches - 1, t) } else { drop_rate };
                BatchLoss::Truncated { drop_rate, protect_negatives }
            }
            Self::ReweightedCe { beta } => BatchLoss::Reweighted { beta },
        }
    }
}

/// Step `t` of 0..=`steps` from 0 to `end`, rounded as NumPy's `linspace` rounds: whether a share of a batch is a whole
/// number of rows depends on it.
fn even_step(end: f64, steps: u64, t: u64) -> f64 {
    match steps {
        0 => 0.0,
        steps if t == steps => end,
        steps => t as f64 * (end / steps as f64),
    }
}

impl BatchLoss {
    /// What the rows' losses `[B]` are multiplied by in the batch's loss, and what their sum is then divided by. `weights`
    /// `[B]` are the pass's own; a row of weight 0 is as good as absent.
    pub fn shares(self, losses: &[f32], labels: &[u8], weights: Option<&[f32]>) -> (Vec<f32>, f32) {
        let mut shares = weights.map_or_else(|| vec![1.0; losses.len()], <[f32]>::to_vec);
        if let Self::Truncated { drop_rate, protect_negatives } = self {
            let rows = (0..losses.len() as u32).filter(|row| shares[*row as usize] > 0.0).collect();
            for row in truncated(drop_rate, protect_negatives, rows, losses, labels) {
                shares[row as usize] = 0.0;
            }
        }
        let total = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        if let Self::Reweighted { beta } = self {
            for (share, loss) in shares.iter_mut().zip(losses) {
                *share *= weight(beta, *loss);
            }
        }
        (shares, total)
    }
}

/// R-CE's weight of a row: p^beta.
fn weight(beta: f64, loss: f32) -> f32 {
    exp_of_negative(-(beta as f32) * loss)
}

/// The `rows` of a batch that T-CE drops. They are ordered by the losses of positives, negatives counting as losses of
/// 0, and by position among equals; the first trunc((1 - drop_rate) B) stay.
fn truncated(drop_rate: f64, protect_negatives: bool, mut rows: Vec<u32>, losses: &[f32], labels: &[u8]) -> Vec<u32> {
    let stay = ((1.0 - drop_rate) * rows.len() as f64) as usize;
    let mut dropped = rows.len() - stay;
    if protect_negatives {
        rows.retain(|row| labels[*row as usize] == 1);
        dropped = dropped.min(rows.len());
    }
    largest(rows, dropped, |row| if labels[row] == 1 { losses[row] } else { 0.0 })
}

/// The `count` rows of largest key; of equals, those of higher position.
fn largest(mut rows: Vec<u32>, count: usize, key: impl Fn(usize) -> f32) -> Vec<u32> {
    let first = rows.len() - count;
    if count > 0 {
        let key = |row: &u32| key(*row as usize);
        rows.select_nth_unstable_by(first, |a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    }
    rows.split_off(first)
}

/// The rows that a loss comes down to (see [`TrainingLoss`]): positions, ascending. `logits` `[n]` are the trained model's in
/// evaluation mode, in file order; `loss` is that of the last batch, or the one that the training loss ends in.
pub fn induced(loss: BatchLoss, logits: &[f32], labels: &[u8], batch_size: usize) -> Vec<u32> {
    assert_eq!(logits.len(), labels.len(), "a label for each logit");
    let own: Vec<f32> = logits.chunks(batch_size).zip(labels.chunks(batch_size)).flat_map(of_rows).collect();
    let mut keep = vec![true; own.len()];
    match loss {
        BatchLoss::Mean => {}
        BatchLoss::Truncated { drop_rate, protect_negatives } => {
            let batches = own.chunks(batch_size).zip(labels.chunks(batch_size));
            for ((losses, labels), keep) in batches.zip(keep.chunks_mut(batch_size)) {
                let rows = (0..losses.len() as u32).collect();
                for row in truncated(drop_rate, protect_negatives, rows, losses, labels) {
                    keep[row as usize] = false;
                }
            }
        }
        BatchLoss::Reweighted { beta } => {
            let taken_away: f64 = own.iter().map(|loss| 1.0 - f64::from(weight(beta, *loss))).sum();
            let rows = (0..own.len() as u32).collect();
            for row in largest(rows, taken_away.round_ties_even() as usize, |row| own[row]) {
                keep[row as usize] = false;
            }
        }
    }
    (0..).zip(keep).filter(|(_, keep)| *keep).map(|(row, _)| row).collect()
}

/// The losses of some rows.
fn of_rows((logits, labels): (&[f32], &[u8])) -> Vec<f32> {
    let labels: Vec<f32> = labels.iter().map(|label| f32::from(*label)).collect();
    let mut own = vec![0.0; logits.len()];
    losses(Isa::detect(), logits, &labels, &mut own);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truncated_at(drop_rate: f64) -> BatchLoss {
        BatchLoss::Truncated { drop_rate, protect_negatives: false }
    }

    #[test]
    fn the_drop_rate_grows_in_even_steps_to_the_last_batch_of_the_ramp() {
        let rate = |ramp_batches, t| {
            let loss =
                TrainingLoss::TruncatedCe { drop_rate: 0.2, ramp_batches, exponent: 1.0, protect_negatives: true };
            match loss.at(t) {
                BatchLoss::Truncated { drop_rate, protect_negatives: true } => drop_rate,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 5, u64::MAX].map(|t| rate(5, t)),
            [0.0, 0.05, 0.1, 0.15000000000000002, 0.2, 0.2, 0.2]
        );
        assert_eq!([0, 1].map(|t| rate(1, t)), [0.0, 0.2], "a ramp of one batch starts at 0");
        assert_eq!(rate(0, 0), 0.2, "no ramp");
    }

    #[test]
    fn a_row_of_weight_0_is_no_row_of_the_batch() {
        let (losses, labels) = ([0.5, 9.0, 0.25, 1.0, 2.0], [1, 1, 0, 1, 1]);
        let weights = [1.0, 0.0, 1.0, 2.0, 1.0];
        // Of four rows 0.3 leaves 2: the larger two losses of positives go.
        assert_eq!(truncated_at(0.3).shares(&losses, &labels, Some(&weights)), (vec![1.0, 0.0, 1.0, 0.0, 0.0], 2.0));
        let (shares, total) = BatchLoss::Reweighted { beta: 2.0 }.shares(&losses, &labels, Some(&weights));
        assert_eq!(total, 5.0, "the weights of the pass are divided by, not those of the loss");
        for ((share, loss), weight) in shares.iter().zip(losses).zip(weights) {
            assert!((share - weight * (-2.0 * loss).exp()).abs() < 1e-6);
        }
    }

    #[test]
    fn a_batch_of_which_nothing_stays_has_no_gradient() {
        let (shares, total) = truncated_at(0.9).shares(&[1.0, 2.0], &[1, 1], None);
        assert_eq!(shares, [0.0, 0.0]);
        assert!(shares.iter().all(|share| share / total == 0.0));
    }

    /// Logits whose loss as a positive is given.
    fn positives(losses: &[f64]) -> Vec<f32> {
        losses.iter().map(|loss| -(loss.exp_m1().ln()) as f32).collect()
    }

    #[test]
    fn truncation_induces_what_it_keeps_of_each_batch() {
        let logits = positives(&[0.1, 0.9, 0.5, 0.2, 0.3, 0.4, 0.3, 5.0, 0.7]);
        let induced = |loss, labels: [u8; 9]| induced(loss, &logits, &labels, 4);
        // Each batch of four loses one, and the batch of one all it has: trunc(0.75) = 0 rows stay.
        assert_eq!(induced(truncated_at(0.25), [1; 9]), [0, 2, 3, 4, 5, 6]);
        assert_eq!(induced(truncated_at(0.0), [1; 9]), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        // As a negative, position 7 counts as a loss of 0.
        assert_eq!(induced(truncated_at(0.25), [1, 1, 1, 1, 1, 1, 1, 0, 1]), [0, 2, 3, 4, 6, 7]);
        let negatives = [0, 0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(induced(truncated_at(0.5), negatives), [0, 1, 4, 5], "negatives make up from behind");
        let protected = BatchLoss::Truncated { drop_rate: 0.5, protect_negatives: true };
        assert_eq!(induced(protected, negatives), [0, 1, 2, 4, 5, 6, 7, 8]);
        assert_eq!(induced(BatchLoss::Mean, [1; 9]), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn weights_induce_all_but_as_many_rows_as_they_take_away() {
        // p = 1/2, 1/4, 1/2, 1/4, 1: with beta 1 the weights take 2.5 rows away, which rounds to 2; of equal weights the
        // higher positions go first.
        let own = [2.0_f64.ln(), 4.0_f64.ln(), 2.0_f64.ln(), 4.0_f64.ln(), 1e-9];
        assert_eq!(induced(BatchLoss::Reweighted { beta: 1.0 }, &positives(&own), &[1; 5], 2), [0, 2, 4]);
        // With beta 1/2: 2 (1 - 0.7071) + 2 (1 - 1/2) = 1.59.
        assert_eq!(induced(BatchLoss::Reweighted { beta: 0.5 }, &positives(&own), &[1; 5], 2), [0, 2, 4]);
        // With beta 1/4: 2 (1 - 0.8409) + 2 (1 - 0.7071) = 0.90.
        assert_eq!(induced(BatchLoss::Reweighted { beta: 0.25 }, &positives(&own), &[1; 5], 2), [0, 1, 2, 4]);
        assert_eq!(induced(BatchLoss::Reweighted { beta: 0.0 }, &positives(&own), &[1; 5], 2).len(), 5);
    }
}
