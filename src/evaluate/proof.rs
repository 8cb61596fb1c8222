//! The runs a verdict rests on: all rows, the rows kept, and random rows treated alike, each by tuned models, and all rows by
//! models that are not tuned; each trained with several seeds and tested once. Runs of a seed start from the same weights and
//! go through their rows in the same order, so they are paired.

use super::clusters::RowClusters;
use crate::metrics::{RowDifferences, RowError};
use crate::random::{Purpose, Stream};
use crate::selection::{Reading, SealedTest, Selected};
use crate::types::{Arm, CertifiedRun, ResolvedSpec};
use serde::{Deserialize, Serialize};

/// In this order, within a seed.
pub(super) const ARMS: [Arm; 4] = [Arm::Full, Arm::Denoised, Arm::Random, Arm::Untuned];

/// One training of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// The error of a backbone's gain over an arm that is due to the draw of the test rows: of the rows kept over all rows and
/// over random ones, and of tuned models over those that are not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RowPart {
    pub trainee: usize,
    pub over: Arm,
    pub errors: RowErrors,
}

/// What of a gain's error is due to the draw of the test rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RowErrors {
    /// What the verdict rests on: with rows in clusters, where there is a field to cluster them by.
    pub decisive: Option<RowError>,
    /// With each row on its own.
    pub rows: Option<RowError>,
}

/// All trials of a job.
pub(super) fn list_trials(spec: &ResolvedSpec) -> Vec<Trial> {
    let seeds = spec.certify.as_ref().map_or(0, |certify| certify.seeds);
    let of = |trainee| (0..seeds).flat_map(move |number| ARMS.map(|arm| Trial { trainee, number, arm }));
    (0..=spec.transfer.len()).flat_map(of).collect()
}

/// Placements of the test rows, of the backbone under way.
#[derive(Default)]
pub(super) struct Placed {
    /// Of the seed's models trained on all rows, and on the rows kept.
    pub full: Vec<f32>,
    pub denoised: Vec<f32>,
    pub differences: Differences,
}

/// Differences of placements between arms.
#[derive(Default)]
pub(super) struct Differences {
    /// Of the rows kept to all rows, and to random ones.
    pub over_full: RowDifferences,
    pub over_random: RowDifferences,
    /// Of all rows with tuned models to all rows without.
    pub over_untuned: RowDifferences,
}

impl Differences {
    pub fn each(&self) -> [(Arm, &RowDifferences); 3] {
        let Self { over_full, over_random, over_untuned } = self;
        [(Arm::Full, over_full), (Arm::Random, over_random), (Arm::Untuned, over_untuned)]
    }

    /// What of each gain's error is due to the draw of the test rows, once all runs of a backbone are in.
    pub fn row_parts(&self, trainee: usize, test: &SealedTest, clusters: Option<&RowClusters>) -> [RowPart; 3] {
        self.each().map(|(over, differences)| {
            let rows = test.row_error(differences);
            let clustered = clusters.map(|by| test.clustered_error(differences, &by.of_row, by.count));
            RowPart { trainee, over, errors: RowErrors { decisive: clustered.unwrap_or(rows), rows } }
        })
    }
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
            Arm::Full => self.full = placements,
            Arm::Denoised => {
                self.differences.over_full.add(&placements, &self.full);
                self.denoised = placements;
            }
            Arm::Random => self.differences.over_random.add(&self.denoised, &placements),
            Arm::Untuned => self.differences.over_untuned.add(&self.full, &placements),
        }
    }
}

/// What was done to the rows, done to others of the same label that are drawn at random: as many of each label are dropped,
/// and as many have each target and each weight. The validation rows that count are those of the choice.
pub(super) fn treat_random_rows(labels: &[u8], own: &Selected, seed: u64) -> Selected {
    let mut is_kept = vec![false; labels.len()];
    own.kept.iter().for_each(|row| is_kept[*row as usize] = true);
    let mut drawn = Selected { kept: Vec::new(), ..own.treatment_alone() };
    for label in [0, 1] {
        let of_label = || (0..labels.len() as u32).filter(|row| labels[*row as usize] == label);
        let mut rows: Vec<u32> = of_label().collect();
        Stream::new(seed, Purpose::RandomArm, &[u32::from(label)]).shuffle(&mut rows);
        let kept = of_label().filter(|row| is_kept[*row as usize]);
        // The first rows drawn stand in for those kept, the others for those dropped.
        let (mut count, dropped) = (0, of_label().filter(|row| !is_kept[*row as usize]));
        for (row, treated_as) in rows.iter().zip(kept.inspect(|_| count += 1).chain(dropped)) {
            for (drawn, own) in [(&mut drawn.targets, &own.targets), (&mut drawn.weights, &own.weights)] {
                if let (Some(drawn), Some(own)) = (drawn, own) {
                    drawn[*row as usize] = own[treated_as as usize];
                }
            }
        }
        drawn.kept.extend(&rows[..count]);
    }
    drawn.kept.sort_unstable();
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
        let draw = |seed| treat_random_rows(&labels, &Selected::rows(kept.clone()), seed).kept;
        let drawn = draw(1);
        assert_eq!((drawn.len(), positives(&drawn)), (60, positives(&kept)));
        assert!(drawn.is_sorted() && drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(drawn, kept);
        assert_ne!(drawn, draw(2));
    }

    #[test]
    fn a_random_arm_has_as_many_rows_of_each_treatment() {
        let labels: Vec<u8> = (0..200).map(|row| u8::from(row % 3 == 0)).collect();
        let targets: Vec<f32> =
            labels.iter().zip(0..).map(|(label, row)| f32::from(*label) * [1.0, 0.7][row / 100]).collect();
        let weights: Vec<f32> = (0..200).map(|row| [1.0, 0.5, 0.25, 0.125, 0.0][row % 5]).collect();
        let own = Selected { targets: Some(targets), weights: Some(weights), ..Selected::rows((20..180).collect()) };
        let drawn = treat_random_rows(&labels, &own, 1);
        let treatments = |selected: &Selected| {
            let (targets, weights) = (selected.targets.as_ref().unwrap(), selected.weights.as_ref().unwrap());
            let of =
                |row: &u32| (labels[*row as usize], targets[*row as usize].to_bits(), weights[*row as usize].to_bits());
            let mut all: Vec<_> = selected.kept.iter().map(of).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(treatments(&drawn), treatments(&own));
        assert_ne!((&drawn.kept, &drawn.targets), (&own.kept, &own.targets));
    }
}
