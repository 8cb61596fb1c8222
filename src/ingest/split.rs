//! Which row is train, valid or test (spec `datasets.md`, section 5): by a column, by a seeded permutation, or by time.

use super::{
    IngestError,
    encode::Spill,
    pipeline::Ticker,
    plan::{SPLIT_AT, TIME_AT},
};
use crate::types::{Split, SplitCounts};

/// A seeded permutation of 0..n in constant memory.
///
/// A Feistel network over the smallest number of bits that holds n - 1: its two parts take turns, each time
/// `part ^= mix(key of the round, other part)`, for six rounds. That permutes 0..2^bits; an image of n or more is put
/// through again until it falls below n (cycle walking), which permutes 0..n. `mix` and the keys are SplitMix64's.
/// Uniform shuffling is not claimed (there are 2^64 seeds and n! orders); what is used is that every row is as likely as
/// any other to be in a split.
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    low_bits: u32,
    high_bits: u32,
    keys: [u64; 6],
}

impl Permutation {
    pub fn new(n: u64, seed: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let mut state = seed;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Self { n, low_bits: bits / 2, high_bits: bits - bits / 2, keys }
    }

    /// Where `at` (below n) goes.
    pub fn image(&self, at: u64) -> u64 {
        debug_assert!(at < self.n);
        let mut image = self.round_trip(at);
        while image >= self.n {
            image = self.round_trip(image);
        }
        image
    }

    fn round_trip(&self, at: u64) -> u64 {
        let (low_mask, high_mask) = ((1 << self.low_bits) - 1, (1 << self.high_bits) - 1);
        let (mut low, mut high) = (at & low_mask, at >> self.low_bits);
        for pair in self.keys.as_chunks::<2>().0 {
            low ^= mix(pair[0] ^ high) & low_mask;
            high ^= mix(pair[1] ^ low) & high_mask;
        }
        high << self.low_bits | low
    }
}

/// SplitMix64's finaliser (Steele, Lea and Flood 2014).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// int(a n), int(b n) and the rest.
pub(super) fn sizes(n: u64, ratios: [f64; 3]) -> SplitCounts {
    let share = |ratio: f64| ((ratio * n as f64) as u64).min(n);
    let train = share(ratios[0]);
    let valid = share(ratios[1]).min(n - train);
    SplitCounts { train, valid, test: n - train - valid }
}

/// A row's place in time: rows of one time stand in file order.
pub(super) type Moment = (i128, u32);

/// Tells every row's split.
pub(super) enum Splitter {
    /// Read with the row.
    Column,
    Ratio {
        permutation: Permutation,
        sizes: SplitCounts,
    },
    /// The first moment of valid and of test.
    Time {
        valid: Moment,
        test: Moment,
    },
}

impl Splitter {
    pub fn assign(&self, row: u32, record: &[u8]) -> Split {
        match self {
            Self::Column => Split::ALL[usize::from(record[SPLIT_AT])],
            Self::Ratio { permutation, sizes } => {
                let image = permutation.image(u64::from(row));
                if image < sizes.train {
                    Split::Train
                } else if image < sizes.train + sizes.valid {
                    Split::Valid
                } else {
                    Split::Test
                }
            }
            Self::Time { valid, test } => {
                let moment = (time_key(record), row);
                if moment < *valid {
                    Split::Train
                } else if moment < *test {
                    Split::Valid
                } else {
                    Split::Test
                }
            }
        }
    }
}

fn time_key(record: &[u8]) -> i128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&record[TIME_AT..TIME_AT + 16]);
    i128::from_le_bytes(bytes)
}

/// Bins of a histogram, and the number of keys few enough to be sorted in memory.
const BIN_BITS: u32 = 16;
const SORTED: u64 = 1 << 20;

/// The moment of which exactly `rank` rows are earlier, for keys within `range`.
///
/// Counts the keys in 65,536 bins, goes on within the bin that holds the rank, and sorts once that has few keys: memory
/// is constant, and the rows are read two or three times.
pub(super) fn moment_of_rank(
    spill: &Spill,
    range: (i128, i128),
    rank: u64,
    ticker: &mut Ticker,
) -> Result<Moment, IngestError> {
    moment_sorting(SORTED, spill, range, rank, ticker)
}

fn moment_sorting(
    at_most: u64,
    spill: &Spill,
    range: (i128, i128),
    rank: u64,
    ticker: &mut Ticker,
) -> Result<Moment, IngestError> {
    let (mut low, mut high) = range;
    let (mut rank, mut inside) = (rank, u64::from(spill.rows));
    while inside > at_most && low < high {
        let span_bits = u128::BITS - ((high - low) as u128).leading_zeros();
        let shift = span_bits.saturating_sub(BIN_BITS);
        let mut bins = vec![0_u64; 1 << BIN_BITS];
        spill.each(ticker, |_, record| {
            let key = time_key(record);
            if (low..=high).contains(&key) {
                bins[((key - low) as u128 >> shift) as usize] += 1;
            }
            Ok(())
        })?;
        let mut bin = 0;
        while rank >= bins[bin] {
            rank -= bins[bin];
            bin += 1;
        }
        low += (bin as i128) << shift;
        high = high.min(low + ((1 << shift) - 1));
        inside = bins[bin];
    }
    let one_time = low == high;
    let (mut found, mut moments) = (None, Vec::new());
    spill.each(ticker, |row, record| {
        let key = time_key(record);
        if one_time && key == low {
            // File order is the order: no need to keep what may be every row.
            if rank == 0 {
                found.get_or_insert((key, row));
            }
            rank = rank.saturating_sub(1);
        } else if !one_time && (low..=high).contains(&key) {
            moments.push((key, row));
        }
        Ok(())
    })?;
    if let Some(moment) = found {
        return Ok(moment);
    }
    Ok(*moments.select_nth_unstable(rank as usize).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_goes_to_a_place_of_its_own() {
        for n in [1, 2, 3, 4, 5, 17, 1000, 65_536, 65_537] {
            let permutation = Permutation::new(n, 7);
            let images: HashSet<_> = (0..n).map(|at| permutation.image(at)).collect();
            assert_eq!(images.len() as u64, n);
            assert!(images.into_iter().all(|image| image < n));
        }
    }

    #[test]
    fn the_permutation_never_changes() {
        let permutation = Permutation::new(10, 0);
        assert_eq!((0..10).map(|at| permutation.image(at)).collect::<Vec<_>>(), PINNED);
        let large = Permutation::new(1_000_209, 12345);
        assert_eq!([0, 1, 1_000_208].map(|at| large.image(at)), PINNED_LARGE);
    }

    /// From an implementation of the same description in Python.
    const PINNED: [u64; 10] = [3, 7, 6, 0, 5, 2, 8, 9, 4, 1];
    const PINNED_LARGE: [u64; 3] = [891347, 516400, 811810];

    #[test]
    fn each_row_is_in_train_as_often_as_its_share() {
        let n = 50;
        let mut trained = [0_u32; 50];
        for seed in 0..4000 {
            let permutation = Permutation::new(n, seed);
            for (row, count) in trained.iter_mut().enumerate() {
                *count += u32::from(permutation.image(row as u64) < 40);
            }
        }
        // Binomial(4000, 0.8): mean 3200, deviation 25.3; five of them.
        assert!(trained.iter().all(|count| count.abs_diff(3200) < 127), "{trained:?}");
    }

    #[test]
    fn the_moment_of_a_rank_is_that_of_a_full_sort() {
        // Ties, a wide spread, and keys far below zero.
        let keys: Vec<i128> = (0..5000_u64)
            .map(|row| match mix(row) % 3 {
                0 => 17,
                1 => i128::from(mix(row) as i64) * 1_000_000_000,
                _ => i128::from(mix(row) % 50),
            })
            .collect();
        let mut sorted: Vec<Moment> = keys.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let records = keys.iter().flat_map(|key| [&[0; TIME_AT][..], &key.to_le_bytes()].concat()).collect::<Vec<_>>();
        let spill = Spill::of(&records, TIME_AT + 16);
        let range = (sorted[0].0, sorted[4999].0);
        let mut go_on = |_| std::ops::ControlFlow::Continue(());
        let mut ticker = Ticker::new(&mut go_on, 0);
        for rank in [0, 1, 1000, 2500, 2501, 3333, 4998, 4999] {
            for at_most in [1, 100, 100_000] {
                let found = moment_sorting(at_most, &spill, range, rank, &mut ticker).unwrap();
                assert_eq!(found, sorted[rank as usize], "rank {rank}, sorting {at_most}");
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_papers_split() {
        assert_eq!(sizes(1_000_209, [0.8, 0.1, 0.1]), SplitCounts { train: 800_167, valid: 100_020, test: 100_022 });
    }
}
