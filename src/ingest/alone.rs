//! What each field alone shows: how well it tells the label, for a field that tells it nearly always gives it away; whether
//! training rows have its values at all; and how far test rows differ from training rows in it.

use crate::types::{FeatureMap, Field, FieldKind, Split};

/// Rows that are looked at, evenly over the table: enough for an AUC near 1, and few beside all the others.
const ROWS: u64 = 1 << 16;
/// Rows of each label that the AUC of a field needs, so that it is hardly ever near 1 by chance.
const ROWS_A_LABEL: u64 = 10;

/// Rows that have an id. The labels of test rows are for the last judgement alone.
#[derive(Clone, Default)]
struct Counted {
    /// By label.
    train: [u32; 2],
    valid: [u32; 2],
    test: u32,
}

/// Labels of training and validation rows by the ids of their fields.
pub(super) struct Alone {
    /// Rows are looked at whose number has none of these bits.
    skipped: u32,
    /// By global id.
    counts: Vec<Counted>,
    /// By field: its unknown id, and rows of each split that have it.
    unseen: Vec<(Option<u32>, [u64; 3])>,
    /// Rows of each split.
    rows: [u64; 3],
}

impl Alone {
    pub fn new(map: &FeatureMap) -> Self {
        Self {
            skipped: (map.rows.total().div_ceil(ROWS).max(1).next_power_of_two() - 1) as u32,
            counts: vec![Counted::default(); map.total_cardinality as usize],
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
            let counted = &mut self.counts[id as usize];
            match split {
                Split::Train => counted.train[usize::from(label)] += 1,
                Split::Valid => counted.valid[usize::from(label)] += 1,
                Split::Test => counted.test += 1,
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
        let counts = self.of(field);
        let total = |count: fn(&Counted) -> u32| counts.iter().map(|counted| u64::from(count(counted))).sum::<u64>();
        let (negatives, positives) = (total(|counted| counted.valid[0]), total(|counted| counted.valid[1]));
        if negatives.min(positives) < ROWS_A_LABEL {
            return None;
        }
        let train_negatives = total(|counted| counted.train[0]) as f64;
        let train_positives = total(|counted| counted.train[1]) as f64;
        let prior = train_positives / (train_negatives + train_positives).max(1.0);
        let mut scored: Vec<(f64, [u32; 2])> = counts
            .iter()
            .filter(|counted| counted.valid != [0, 0])
            .map(|counted| {
                let [without, with] = counted.train.map(f64::from);
                ((with + prior) / (without + with + 1.0), counted.valid)
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

    /// The share of the test rows that would need another value of the field for them to have its values as often as training
    /// rows do, less what rows that differ by chance alone would need. Values that no training row has are one value. None where
    /// there are too few rows.
    pub fn drift(&self, field: &Field) -> Option<f64> {
        let counts = self.of(field);
        let train = |counted: &Counted| u64::from(counted.train[0]) + u64::from(counted.train[1]);
        let trained: u64 = counts.iter().map(train).sum();
        let tested: u64 = counts.iter().map(|counted| u64::from(counted.test)).sum();
        if trained.min(tested) < ROWS_A_LABEL {
            return None;
        }
        let (trained, tested) = (trained as f64, tested as f64);
        let most = counts.iter().map(|counted| train(counted) + u64::from(counted.test)).max().unwrap_or(0);
        // Each of a value's rows falls on training rows by their share of all.
        let by_chance = Binomial::new(most, trained / (trained + tested));
        let (mut apart, mut expected) = (0.0, 0.0);
        for counted in counts {
            let (in_train, in_test) = (train(counted), u64::from(counted.test));
            apart += (in_train as f64 / trained - in_test as f64 / tested).abs();
            expected += by_chance.mean_deviation(in_train + in_test) * (1.0 / trained + 1.0 / tested);
        }
        Some(((apart - expected) / 2.0).max(0.0))
    }

    fn of(&self, field: &Field) -> &[Counted] {
        &self.counts[field.offset as usize..(field.offset + field.cardinality) as usize]
    }
}

/// Numbers of successes among trials that succeed with probability `p`, strictly between 0 and 1.
struct Binomial {
    p: f64,
    /// ln n! by n.
    ln_factorials: Vec<f64>,
}

impl Binomial {
    /// For up to `most` trials.
    fn new(most: u64, p: f64) -> Self {
        let mut ln_factorials = vec![0.0];
        for n in 1..=most {
            ln_factorials.push(ln_factorials[n as usize - 1] + (n as f64).ln());
        }
        Self { p, ln_factorials }
    }

    /// The mean absolute deviation from the mean, by de Moivre: 2 k (1 - p) b(k; n, p), where k is the first whole number above
    /// the mean and b its probability.
    fn mean_deviation(&self, n: u64) -> f64 {
        let k = (n as f64 * self.p).floor() as u64 + 1;
        if k > n {
            return 0.0;
        }
        let ln = |n: u64| self.ln_factorials[n as usize];
        let ln_choose = ln(n) - ln(k) - ln(n - k);
        let ln_probability = ln_choose + k as f64 * self.p.ln() + (n - k) as f64 * (1.0 - self.p).ln();
        2.0 * k as f64 * (1.0 - self.p) * ln_probability.exp()
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
    fn splits_alike_have_no_drift_and_others_have_what_differs() {
        // Labels and values that repeat in each split alike; then test rows of which a third has a value that others lack.
        for (moved, expected) in [(false, 0.0), (true, 1.0 / 3.0)] {
            let mut alone = Alone::new(&map(40_000, 5));
            for row in 0..40_000_u32 {
                let split = [Split::Train, Split::Train, Split::Valid, Split::Test][row as usize % 4];
                let third = if moved && split != Split::Test { 2 + row / 4 % 2 } else { 2 + row / 4 % 3 };
                let ids = [u32::from(row / 4 % 7 == 0), third];
                alone.add(row, split, 0, &ids.map(u32::to_le_bytes).concat());
            }
            let drift = |field| alone.drift(&field).unwrap();
            assert!(drift(field(0, 2)) < 1e-9, "{}", drift(field(0, 2)));
            assert!((drift(field(2, 3)) - expected).abs() < 0.01, "{}", drift(field(2, 3)));
        }
    }

    #[test]
    fn values_of_a_row_each_do_not_drift_by_chance() {
        // As many values as there are rows of two, split at random: each test row has a value that few training rows have.
        let stream = crate::random::Stream::new(3, crate::random::Purpose::Folds, &[]);
        let mut alone = Alone::new(&map(40_000, 20_000));
        for row in 0..40_000_u32 {
            let split = if stream.uniform_at(u64::from(row)) < 0.8 { Split::Train } else { Split::Test };
            alone.add(row, split, 0, &[0, row / 2].map(u32::to_le_bytes).concat());
        }
        let drift = alone.drift(&field(0, 20_000)).unwrap();
        assert!(drift < 0.01, "{drift}");
    }

    #[test]
    fn deviations_are_those_of_all_outcomes() {
        for (n, p) in [(1, 0.8_f64), (2, 0.8), (7, 0.5), (30, 0.03), (100, 0.99)] {
            let chance = |k: u64| {
                let choose = (1..=k).map(|i| (n - k + i) as f64 / i as f64).product::<f64>();
                choose * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
            };
            let expected: f64 = (0..=n).map(|k| chance(k) * (k as f64 - n as f64 * p).abs()).sum();
            let found = Binomial::new(n, p).mean_deviation(n);
            assert!((found - expected).abs() < 1e-9, "{n} {p}: {found} {expected}");
        }
    }

    #[test]
    fn few_rows_have_no_auc() {
        let mut alone = Alone::new(&map(40, 2));
        (0..20).for_each(|row| alone.add(row, Split::Valid, u8::from(row < 9), &1_u32.to_le_bytes()));
        assert_eq!(alone.auc(&field(0, 2)), None);
    }
}
