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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{IngestLimits, ingest};
    use crate::types::{DatasetSpec, LabelRule, SplitSpec};
    use std::ops::ControlFlow;

    /// Of twelve rows every third is not a training row.
    fn dataset(folder: &std::path::Path) -> Dataset {
        let split = |row: u32| ["train", "train", ["valid", "test"][row as usize / 3 % 2]][row as usize % 3];
        let row = |row| format!("u{},{},{}\n", row % 2, u8::from(row % 4 == 1 || row == 8), split(row));
        let table = "user,click,split\n".to_owned() + &(0..12).map(row).collect::<String>();
        std::fs::write(folder.join("table.csv"), table).unwrap();
        let spec = DatasetSpec {
            split: SplitSpec::Column("split".to_owned()),
            ..DatasetSpec::with_label(LabelRule::try_from("click".to_owned()).unwrap())
        };
        let out = folder.join("dataset");
        let go_on = &mut |_| ControlFlow::Continue(());
        ingest(folder.join("table.csv"), &spec, &out, &IngestLimits::default(), go_on).unwrap();
        Dataset::open(&out).unwrap()
    }

    #[test]
    fn kept_rows_that_are_changed_are_counted_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path());
        let labels = dataset.split(Split::Train).labels;
        let given: Vec<f32> = labels.iter().map(|label| f32::from(*label)).collect();
        let changed = |row: usize, by: f32| (given[row] - by).abs();
        let mut targets = given.clone();
        (targets[0], targets[1], targets[2], targets[3]) =
            (changed(0, 1.0), changed(1, 0.5), 1.0 - given[2], changed(3, 0.1));
        let weights = vec![1.0, 1.0, 1.0, 0.0, 1.5, 1.0, 1.0, 0.5];
        let own = |targets, weights| Selected { targets, weights, ..Selected::rows(vec![0, 1, 3, 4, 5]) };
        let all = own(Some(targets.clone()), Some(weights.clone()));
        let relabelling = Relabelling::new(&dataset, labels, Some(&all)).unwrap();
        // Rows 2 and 7 are dropped, so nothing is made of them.
        assert_eq!(relabelling.counts, RelabelCounts { relabelled: 1, softened: 2, reweighted: 2 });

        let weighed = own(None, Some(weights));
        let relabelling = Relabelling::new(&dataset, labels, Some(&weighed)).unwrap();
        assert_eq!(relabelling.mark_of(3), RowMark { target: given[3], weight: 0.0 });
        assert!(Relabelling::new(&dataset, labels, Some(&own(Some(given), None))).is_none());
        assert!(Relabelling::new(&dataset, labels, None).is_none());
    }

    #[test]
    fn rows_are_found_by_their_position_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset(folder.path());
        let train = dataset.split(Split::Train);
        let targets: Vec<f32> = (0..8).map(|row| row as f32 / 16.0).collect();
        let own = Selected { targets: Some(targets.clone()), ..Selected::rows((0..8).collect()) };
        let relabelling = Relabelling::new(&dataset, train.labels, Some(&own)).unwrap();
        for (row, target) in train.rows.iter().zip(targets) {
            assert_eq!(relabelling.mark_at(*row), RowMark { target, weight: 1.0 });
        }
        for split in [Split::Valid, Split::Test].map(|split| dataset.split(split)) {
            for (row, label) in split.rows.iter().zip(split.labels) {
                assert_eq!(relabelling.mark_at(*row), RowMark { target: f32::from(*label), weight: 1.0 });
            }
        }
    }
}
