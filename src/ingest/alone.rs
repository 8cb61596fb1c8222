//! How well each field alone tells the label: a field that tells it nearly always gives it away, and one whose values training
//! rows do not have tells nothing.

use crate::types::{FeatureMap, Field, FieldKind, Split};

/// Rows that are looked at, evenly over the table: enough for an AUC near 1, and few beside all the others.
const ROWS: u64 = 1 << 16;
/// Rows of each label that the AUC of a field needs, so that it is hardly ever near 1 by chance.
const ROWS_A_LABEL: u64 = 10;

/// Labels of training and validation rows by the ids of their fields.
pub(super) struct Alone {
    /// Rows are looked at whose number has none of these bits.
    skipped: u32,
    /// By global id: training rows of label 0 and 1, then validation rows.
    counts: Vec<[[u32; 2]; 2]>,
    /// By field: its unknown id, and rows of each split that have it.
    unseen: Vec<(Option<u32>, [u64; 3])>,
    /// Rows of each split.
    rows: [u64; 3],
}

impl Alone {
    pub fn new(map: &FeatureMap) -> Self {
        Self {
            skipped: (map.rows.total().div_ceil(ROWS).max(1).next_power_of_two() - 1) as u32,
            counts: vec![[[0; 2]; 2]; map.total_cardinality as usize],
            unseen: map.fields.iter().map(|field| (field.unknown, [0; 3])).collect(),
            rows: [0; 3],
        }
    }

    /// Adds a row by its ids as they stand in the file.
    pub fn add(&mut self, row: u32, split: Split, label: u8, ids: &[u8]) {
        if row & self.skipped != 0 {
            return;
        }
        self.rows[split as usize] += 1;
        for (id, (unknown, unseen)) in ids.as_chunks::<4>().0.iter().zip(&mut self.unseen) {
            let id = u32::from_le_bytes(*id);
            unseen[split as usize] += u64::from(*unknown == Some(id));
            // The labels of test rows are for the last judgement alone.
            if split != Split::Test {
                self.counts[id as usize][split as usize][usize::from(label)] += 1;
            }
        }
    }

    /// The largest share, of the valid and the test rows, that has a value of the field which no training row has. 0 where such
    /// values have ids of their own.
    pub fn unseen(&self, field: usize) -> f64 {
        let share = |split: Split| {
            let rows = self.rows[split as usize];
            if rows < ROWS_A_LABEL { 0.0 } else { self.unseen[field].1[split as usize] as f64 / rows as f64 }
        };
        share(Split::Valid).max(share(Split::Test))
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
    use crate::types::{LabelRule, SplitCounts, Vocabulary};

    fn field(offset: u32, cardinality: u32) -> Field {
        let (name, column) = ("f".to_owned(), "f".to_owned());
        let unknown = Some(offset + cardinality - 1);
        Field { name, column, kind: FieldKind::Category, cardinality, offset, unknown, padding: None }
    }

    fn map(rows: u64, total_cardinality: u32) -> FeatureMap {
        FeatureMap {
            fields: vec![field(0, 2), field(2, 3)],
            total_cardinality,
            rows: SplitCounts { train: rows / 2, valid: rows / 4, test: rows / 4 },
            label: LabelRule { column: "click".to_owned(), rule: None },
            vocabulary: Vocabulary::Train,
            time: None,
        }
    }

    #[test]
    fn a_field_that_is_the_label_has_an_auc_of_one() {
        let mut alone = Alone::new(&map(400, 5));
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
        // A third of the rows of each split has the last value, which is the unknown one.
        assert!((alone.unseen(1) - 0.33).abs() < 0.03, "{}", alone.unseen(1));
    }

    #[test]
    fn few_rows_have_no_auc() {
        let mut alone = Alone::new(&map(40, 2));
        (0..20).for_each(|row| alone.add(row, Split::Valid, u8::from(row < 9), &1_u32.to_le_bytes()));
        assert_eq!(alone.auc(&field(0, 2)), None);
    }
}
