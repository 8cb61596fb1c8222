//! The runs a verdict rests on: the rows kept, all rows, and random drops of the same size and label shares, each trained
//! with several seeds and tested once. Runs of a seed start from the same weights and go through their rows in the same
//! order, so they are paired.

use crate::metrics::{RowDifferences, RowError};
use crate::random::{Purpose, Stream};
use crate::selection::Reading;
use crate::types::{Arm, CertifiedRun, ResolvedSpec};
use serde::{Deserialize, Serialize};

/// In this order, within a seed.
pub(super) const ARMS: [Arm; 3] = [Arm::Denoised, Arm::Full, Arm::Random];

/// One training of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    /// Backbone: 0 the method's own, then those of `spec.transfer`.
    pub trainee: usize,
    /// Number of the seed, from 0.
    pub number: u32,
    pub arm: Arm,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Proven {
    pub trainee: usize,
    pub arm: Arm,
    pub run: CertifiedRun,
}

/// The error of a backbone's gain over an arm that is due to the draw of the test rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RowPart {
    pub trainee: usize,
    pub over: Arm,
    pub error: Option<RowError>,
}

/// All trials of a job.
pub(super) fn list_trials(spec: &ResolvedSpec) -> Vec<Trial> {
    let seeds = spec.certify.map_or(0, |certify| certify.seeds);
    let of = |trainee| (0..seeds).flat_map(move |number| ARMS.map(|arm| Trial { trainee, number, arm }));
    (0..=spec.transfer.len()).flat_map(of).collect()
}

/// Placements of the test rows, of the backbone under way.
#[derive(Default)]
pub(super) struct Placed {
    /// Of the seed's model trained on the rows kept.
    pub denoised: Vec<f32>,
    /// Differences to the other arms' models.
    pub full: RowDifferences,
    pub random: RowDifferences,
}

impl Placed {
    /// Takes in a trial's reading.
    pub fn add(&mut self, trial: Trial, reading: Reading) {
        if trial.number == 0 && trial.arm == ARMS[0] {
            *self = Self::default();
        }
        // Test rows of a single label have no placements; the verdict then says that they are too few.
        let Some(placements) = reading.placements else { return };
        match trial.arm {
            Arm::Denoised => self.denoised = placements,
            Arm::Full => self.full.add(&self.denoised, &placements),
            Arm::Random => self.random.add(&self.denoised, &placements),
        }
    }
}

/// As many rows of each label as `kept` has, drawn at random, ascending.
pub(super) fn draw_random_rows(labels: &[u8], kept: &[u32], seed: u64) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(kept.len());
    for label in [0, 1] {
        let mut rows: Vec<u32> = (0..).zip(labels).filter(|(_, own)| **own == label).map(|(row, _)| row).collect();
        Stream::new(seed, Purpose::RandomArm, &[u32::from(label)]).shuffle(&mut rows);
        rows.truncate(kept.iter().filter(|row| labels[**row as usize] == label).count());
        drawn.extend(rows);
    }
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_arm_has_the_size_and_label_share_of_the_rows_kept() {
        let labels: Vec<u8> = (0..100).map(|row| u8::from(row % 3 == 0)).collect();
        let kept: Vec<u32> = (0..60).collect();
        let positives = |rows: &[u32]| rows.iter().filter(|row| labels[**row as usize] == 1).count();
        let drawn = draw_random_rows(&labels, &kept, 1);
        assert_eq!((drawn.len(), positives(&drawn)), (60, positives(&kept)));
        assert!(drawn.is_sorted() && drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(drawn, kept);
        assert_ne!(drawn, draw_random_rows(&labels, &kept, 2));
    }
}
