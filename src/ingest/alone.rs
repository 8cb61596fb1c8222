//! How well each field alone tells the label: a field that tells it nearly always gives it away.

use crate::types::{Field, FieldKind, Split, SplitCounts};

/// Rows that are looked at, evenly over the table: enough for an AUC near 1, and few beside all the others.
const ROWS: u64 = 1 << 18;
/// Rows of each label that the AUC of a field needs, so that it is hardly ever near 1 by chance.
const ROWS_A_LABEL: u64 = 10;

/// Labels of training and validation rows by the ids of their fields.
pub(super) struct Alone {
    stride: u64,
    /// By global id: training rows of label 0 and 1, then validation rows.
    counts: Vec<[[u32; 2]; 2]>,
}

impl Alone {
    pub fn new(rows: SplitCounts, total_cardinality: u32) -> Self {
        Self { stride: rows.total().div_ceil(ROWS).max(1), counts: vec![[[0; 2]; 2]; total_cardinality as usize] }
    }

    /// Adds a row by its ids as they stand in the file.
    pub fn add(&mut self, row: u32, split: Split, label: u8, ids: &[u8]) {
        // The labels of test rows are for the last judgement alone.
        if split == Split::Test || !u64::from(row).is_multiple_of(self.stride) {
            return;
        }
        for id in ids.as_chunks::<4>().0 {
            self.counts[u32::from_le_bytes(*id) as usize][split as usize][usize::from(label)] += 1;
        }
    }

    /// The AUC on the validation rows of the share of label 1 that a value of the field has among the training rows. None where
    /// there are too few rows, or several places share the field's ids.
    pub fn auc(&self, field: &Field) -> Option<f64> {
        if let FieldKind::Multi { .. } = field.kind {
            return None;
        }
        let counts = &self.counts[field.offset as usize..(field.offset + field.cardinality) as usize];
        let total = |split: Split, label: usize| {
            counts.iter().map(|count| u64::from(count[split as usize][label])).sum::<u64>()
        };
        let [negatives, positives] = [0, 1].map(|label| total(Split::Valid, label));
        if negatives.min(positives) < ROWS_A_LABEL {
            return None;
        }
        let (train_negatives, train_positives) = (total(Split::Train, 0) as f64, total(Split::Train, 1) as f64);
        let prior = train_positives / (train_negatives + train_positives).max(1.0);
        let mut scored: Vec<(f64, [u32; 2])> = counts
            .iter()
            .filter(|count| count[Split::Valid as usize] != [0, 0])
            .map(|[[without, with], valid]| {
                let (without, with) = (f64::from(*without), f64::from(*with));
                ((with + prior) / (without + with + 1.0), *valid)
            })
            .collect();
        scored.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        // Pairs that are ordered rightly; a tie is half a pair.
        let (mut pairs, mut below) = (0.0, 0.0);
        for alike in scored.chunk_by(|one, other| one.0 == other.0) {
            let [without, with] =
                [0, 1].map(|label| alike.iter().map(|(_, valid)| f64::from(valid[label])).sum::<f64>());
            pairs += with * (below + without / 2.0);
            below += without;
        }
        Some(pairs / (negatives as f64 * positives as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(offset: u32, cardinality: u32) -> Field {
        let (name, column) = ("f".to_owned(), "f".to_owned());
        Field { name, column, kind: FieldKind::Category, cardinality, offset, unknown: None, padding: None }
    }

    #[test]
    fn a_field_that_is_the_label_has_an_auc_of_one() {
        let rows = SplitCounts { train: 200, valid: 100, test: 100 };
        let mut alone = Alone::new(rows, 5);
        for row in 0..400_u32 {
            let split = [Split::Train, Split::Train, Split::Valid, Split::Test][row as usize % 4];
            let label = (row / 4 % 2) as u8;
            // The label; a value that has nothing to do with it.
            let ids = [u32::from(label), 2 + row / 8 % 3];
            alone.add(row, split, label, &ids.map(u32::to_le_bytes).concat());
        }
        assert_eq!(alone.auc(&field(0, 2)), Some(1.0));
        let other = alone.auc(&field(2, 3)).unwrap();
        assert!((other - 0.5).abs() < 0.1, "{other}");
    }

    #[test]
    fn few_rows_have_no_auc() {
        let rows = SplitCounts { train: 20, valid: 10, test: 10 };
        let mut alone = Alone::new(rows, 2);
        (0..20).for_each(|row| alone.add(row, Split::Valid, u8::from(row < 9), &1_u32.to_le_bytes()));
        assert_eq!(alone.auc(&field(0, 2)), None);
    }
}
