//! Rows that belong together, as those of a user: all of a group are in one split.

use super::content::without_zero_fraction;
use crate::{
    random::mix,
    types::{Split, SplitCounts},
};
use hashbrown::HashMap;

/// FNV-1a's, of 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The key of a cell's group: a hash, the same on every machine, and of `7` and `7.0` alike. Two values with one hash are one group,
/// so that no chance can put a group into two splits.
pub(super) fn group_key(cell: &[u8]) -> u64 {
    let text = without_zero_fraction(cell.trim_ascii());
    text.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The groups of a table, with how many rows each has.
#[derive(Default)]
pub(super) struct Groups {
    rows: HashMap<u64, u64>,
}

impl Groups {
    /// Adds a row.
    pub fn add(&mut self, key: u64) {
        *self.rows.entry(key).or_default() += 1;
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows each split gets.
    pub fn count(&self, splits: &HashMap<u64, Split>) -> SplitCounts {
        let mut counts = SplitCounts::default();
        for (key, rows) in &self.rows {
            if let Some(split) = splits.get(key) {
                *counts.of_mut(*split) += rows;
            }
        }
        counts
    }

    /// Rows of the largest group.
    pub fn largest(&self) -> u64 {
        self.rows.values().copied().max().unwrap_or(0)
    }

    /// The split of each group. The seed puts the groups into an order, in which the first ones train and the last ones test;
    /// each split has at least one of three groups, and as nearly its share of the rows as whole groups allow. The order of the
    /// table's rows changes nothing.
    pub fn deal(&self, ratios: [f64; 3], seed: u64) -> HashMap<u64, Split> {
        let mut order: Vec<(u64, u64)> = self.rows.keys().map(|key| (mix(mix(seed) ^ key), *key)).collect();
        order.sort_unstable();
        // Rows of all groups before each.
        let mut ends = Vec::with_capacity(order.len() + 1);
        ends.push(0);
        for (_, key) in &order {
            ends.push(ends[ends.len() - 1] + self.rows[key]);
        }
        let total = *ends.last().unwrap_or(&0) as f64;
        let cut = |share: f64, fewest: usize, most: usize| {
            let distance = |at: &usize| (ends[*at] as f64 - share * total).abs();
            (fewest..=most).min_by(|one, other| distance(one).total_cmp(&distance(other))).unwrap_or(most)
        };
        let groups = order.len();
        let valid = cut(ratios[0], 1.min(groups), groups.saturating_sub(2).max(1.min(groups)));
        let test =
            cut(ratios[0] + ratios[1], (valid + 1).min(groups), groups.saturating_sub(1).max((valid + 1).min(groups)));
        let split = |place: usize| match place {
            place if place < valid => Split::Train,
            place if place < test => Split::Valid,
            _ => Split::Test,
        };
        order.iter().enumerate().map(|(place, (_, key))| (*key, split(place))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of each split, where each group has as many rows as is said.
    fn dealt(rows: &[u64], seed: u64) -> [u64; 3] {
        let mut groups = Groups::default();
        for (group, rows) in rows.iter().enumerate() {
            (0..*rows).for_each(|_| groups.add(group_key(format!("u{group}").as_bytes())));
        }
        let splits = groups.deal([0.8, 0.1, 0.1], seed);
        let mut counts = [0; 3];
        for (group, rows) in rows.iter().enumerate() {
            counts[splits[&group_key(format!("u{group}").as_bytes())] as usize] += rows;
        }
        counts
    }

    #[test]
    fn splits_have_about_their_shares_and_at_least_one_group() {
        let [train, valid, test] = dealt(&(0..1000).map(|group| 1 + group % 7).collect::<Vec<_>>(), 3);
        let total = (train + valid + test) as f64;
        for (rows, share) in [(train, 0.8), (valid, 0.1), (test, 0.1)] {
            assert!((rows as f64 / total - share).abs() < 0.005, "{train} {valid} {test}");
        }
        assert_ne!(
            dealt(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 1),
            dealt(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 2)
        );
        for seed in 0..20 {
            assert!(dealt(&[1000, 1, 1], seed).iter().all(|rows| *rows > 0));
            assert_eq!(dealt(&[5, 5], seed), [5, 5, 0]);
            assert_eq!(dealt(&[5], seed), [5, 0, 0]);
        }
        assert_eq!(dealt(&[], 0), [0, 0, 0]);
    }

    #[test]
    fn numbers_are_one_group_in_every_notation() {
        assert_eq!(group_key(b"7"), group_key(b" 7.0 "));
        assert_ne!(group_key(b"7"), group_key(b"70"));
        assert_ne!(group_key(b""), group_key(b"a"));
    }
}
