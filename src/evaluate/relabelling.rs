//! What the training rows count as and weigh, where a method changes that.

use crate::ingest::{Dataset, RowMark};
use crate::selection::Selected;
use crate::types::Split;

/// What a choice makes of the labels of rows and of their weights.
pub(super) struct Relabelling<'a> {
    dataset: &'a Dataset,
    /// `[N]`: those the rows were chosen with.
    labels: &'a [u8],
    targets: Option<&'a [f32]>,
    weights: Option<&'a [f32]>,
    pub counts: RelabelCounts,
}

/// Kept rows that are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RelabelCounts {
    /// Rows whose target differs from the label by more than 0.5.
    pub relabelled: u64,
    /// Other rows whose target differs from the label.
    pub softened: u64,
    /// Rows that weigh more or less than 1.
    pub reweighted: u64,
}

impl<'a> Relabelling<'a> {
    /// Absent where every kept row counts as it is labelled and as much as any other. `labels` `[N]` are those of the training
    /// rows.
    pub fn new(dataset: &'a Dataset, labels: &'a [u8], own: Option<&'a Selected>) -> Option<Self> {
        let own = own?;
        let (targets, weights) = (own.targets.as_deref(), own.weights.as_deref());
        let counts = RelabelCounts::default();
        let mut relabelling = Self { dataset, labels, targets, weights, counts };
        for row in &own.kept {
            relabelling.count(*row as usize);
        }
        (relabelling.counts != RelabelCounts::default()).then_some(relabelling)
    }

    fn count(&mut self, row: usize) {
        let RowMark { target, weight } = self.mark_of(row);
        let change = (target - f32::from(self.labels[row])).abs();
        self.counts.relabelled += u64::from(change > 0.5);
        self.counts.softened += u64::from(change > 0.0 && change <= 0.5);
        self.counts.reweighted += u64::from(weight != 1.0);
    }

    /// Of a training row, by its place among them.
    pub fn mark_of(&self, row: usize) -> RowMark {
        RowMark {
            target: self.targets.map_or(f32::from(self.labels[row]), |targets| targets[row]),
            weight: self.weights.map_or(1.0, |weights| weights[row]),
        }
    }

    /// Of any row, by its position in the uploaded file: rows that are not trained on count as they are labelled.
    pub fn mark_at(&self, position: u32) -> RowMark {
        let place = |split| self.dataset.split(split).rows.binary_search(&position).ok();
        if let Some(row) = place(Split::Train) {
            return self.mark_of(row);
        }
        let label = [Split::Valid, Split::Test]
            .into_iter()
            .find_map(|split| place(split).map(|row| self.dataset.split(split).labels[row]));
        RowMark { target: f32::from(label.expect("every row of the file is in a split")), weight: 1.0 }
    }
}
