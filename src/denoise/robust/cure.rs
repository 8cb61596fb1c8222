//! What findings come to for the training rows.

use crate::audit::{Finding, Remedy};
use crate::selection::Treatment;

/// The rows kept, and what is changed of them.
#[derive(Default)]
pub(super) struct Cure {
    pub kept: Vec<u32>,
    pub targets: Option<Vec<f32>>,
    pub weights: Option<Vec<f32>>,
}

impl Cure {
    /// Of some findings, for rows with these labels. Findings share no rows.
    pub fn of<'f>(findings: impl Iterator<Item = &'f Finding>, labels: &[u8]) -> Self {
        let mut is_kept = vec![true; labels.len()];
        let (mut targets, mut weights) = (None, None);
        for (row, remedy) in findings.flat_map(|finding| &finding.remedies) {
            let row = *row as usize;
            match remedy {
                Remedy::Drop => is_kept[row] = false,
                Remedy::Target(target) => {
                    targets.get_or_insert_with(|| labels.iter().map(|label| f32::from(*label)).collect::<Vec<_>>())
                        [row] = *target;
                }
                Remedy::Weight(weight) => weights.get_or_insert_with(|| vec![1.0; labels.len()])[row] = *weight,
            }
        }
        Self { kept: (0..).zip(is_kept).filter(|(_, kept)| *kept).map(|(row, _)| row).collect(), targets, weights }
    }

    pub fn treatment(&self) -> Treatment<'_> {
        Treatment {
            subset: Some(&self.kept),
            targets: self.targets.as_deref(),
            weights: self.weights.as_deref(),
            valid: None,
        }
    }
}
