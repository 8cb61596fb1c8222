//! A seeded split of the rows of each label by itself, in constant memory.

use super::{error::IngestError, permutation::Permutation, progress::Ticker, spill::Spill};
use crate::types::{Split, SplitCounts};

/// Bits of a rank that one reading finds: a rank has twice as many.
const BITS: u32 = 16;
const BINS: usize = 1 << BITS;

/// Tells the split of a row by its place in a permutation of all rows, and its label.
pub(super) struct Strata {
    permutation: Permutation,
    /// By label: the first place of valid, and of test.
    starts: [[u64; 2]; 2],
}

impl Strata {
    /// The split of the spilled rows, and how many rows each split gets. The rows are read twice.
    pub fn new(
        spill: &Spill,
        ratios: [f64; 3],
        seed: u64,
        ticker: &mut Ticker,
    ) -> Result<(Self, SplitCounts), IngestError> {
        let permutation = Permutation::new(u64::from(spill.rows), seed);
        // The places of each label's rows by their upper bits: a place is below 2^32.
        let mut upper = [vec![0_u64; BINS], vec![0_u64; BINS]];
        spill.for_each_row(ticker, |row, record| {
            upper[usize::from(record[0])][(permutation.image(u64::from(row)) >> BITS) as usize] += 1;
            Ok(())
        })?;
        let mut rows = SplitCounts::default();
        let mut ranks = [[Rank { bin: 0, left: 0 }; 2]; 2];
        for (bins, ranks) in upper.iter().zip(&mut ranks) {
            let sizes = sizes_of_label(bins.iter().sum(), ratios);
            for split in Split::ALL {
                *rows.of_mut(split) += sizes.of(split);
            }
            *ranks = [Rank::within(bins, sizes.train), Rank::within(bins, sizes.train + sizes.valid)];
        }
        let mut lower = [(); 4].map(|()| vec![0_u64; BINS]);
        spill.for_each_row(ticker, |row, record| {
            let (place, label) = (permutation.image(u64::from(row)), usize::from(record[0]));
            for (which, rank) in ranks[label].iter().enumerate() {
                if place >> BITS == rank.bin {
                    lower[2 * label + which][place as usize % BINS] += 1;
                }
            }
            Ok(())
        })?;
        let start = |label: usize, which: usize| {
            let rank = ranks[label][which];
            // Beyond the last row no place is too high.
            let low = Rank::within(&lower[2 * label + which], rank.left);
            (rank.bin << BITS) + low.bin
        };
        let starts = [0, 1].map(|label| [0, 1].map(|which| start(label, which)));
        Ok((Self { permutation, starts }, rows))
    }

    pub fn assign(&self, row: u32, label: u8) -> Split {
        let place = self.permutation.image(u64::from(row));
        let [valid, test] = self.starts[usize::from(label)];
        if place < valid {
            Split::Train
        } else if place < test {
            Split::Valid
        } else {
            Split::Test
        }
    }
}

/// The bin that holds the row of a rank, and how many rows of that bin are before it. Behind the last row: the bin behind the
/// last.
#[derive(Clone, Copy)]
struct Rank {
    bin: u64,
    left: u64,
}

impl Rank {
    fn within(bins: &[u64], rank: u64) -> Self {
        let mut left = rank;
        for (bin, rows) in bins.iter().enumerate() {
            if left < *rows {
                return Self { bin: bin as u64, left };
            }
            left -= rows;
        }
        Self { bin: bins.len() as u64, left }
    }
}

/// int(a n), int(b n) and the rest.
pub(super) fn split_sizes(n: u64, ratios: [f64; 3]) -> SplitCounts {
    let share = |ratio: f64| ((ratio * n as f64) as u64).min(n);
    let train = share(ratios[0]);
    let valid = share(ratios[1]).min(n - train);
    SplitCounts { train, valid, test: n - train - valid }
}

/// How many of a label's rows each split gets: its share, and at least one of three rows.
fn sizes_of_label(rows: u64, ratios: [f64; 3]) -> SplitCounts {
    let SplitCounts { valid, test, .. } = split_sizes(rows, ratios);
    if rows < Split::ALL.len() as u64 {
        return split_sizes(rows, ratios);
    }
    let valid = valid.clamp(1, rows - 2);
    let test = test.clamp(1, rows - 1 - valid);
    SplitCounts { train: rows - valid - test, valid, test }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    /// Rows of label 0 and 1 in each split, where a row in so many has label 1.
    fn dealt(rows: u32, one_in: u32, seed: u64) -> [[u64; 2]; 3] {
        let label = |row: u32| u8::from(row % one_in == 0);
        let spill = Spill::from_records(&(0..rows).map(label).collect::<Vec<_>>(), 1);
        let mut progress = |_| ControlFlow::Continue(());
        let (strata, sizes) = Strata::new(&spill, [0.8, 0.1, 0.1], seed, &mut Ticker::new(&mut progress, 0)).unwrap();
        let mut counts = [[0; 2]; 3];
        for row in 0..rows {
            counts[strata.assign(row, label(row)) as usize][usize::from(label(row))] += 1;
        }
        for split in Split::ALL {
            assert_eq!(sizes.of(split), counts[split as usize].iter().sum::<u64>());
        }
        counts
    }

    #[test]
    fn sizes_are_those_of_the_papers_split() {
        let sizes = SplitCounts { train: 800_167, valid: 100_020, test: 100_022 };
        assert_eq!(split_sizes(1_000_209, [0.8, 0.1, 0.1]), sizes);
    }

    #[test]
    fn every_split_has_its_share_of_either_label() {
        assert_eq!(dealt(200_000, 1000, 7), [[159_840, 160], [19_980, 20], [19_980, 20]]);
        assert_eq!(dealt(1000, 2, 1), [[400, 400], [50, 50], [50, 50]]);
        assert_eq!(dealt(30, 10, 1), [[21, 1], [2, 1], [4, 1]], "the rare label is in every split");
    }

    #[test]
    fn a_seed_deals_rows_its_own_way() {
        let deal = |seed| {
            let spill = Spill::from_records(&[0, 1].repeat(500), 1);
            let mut progress = |_| ControlFlow::Continue(());
            let ticker = &mut Ticker::new(&mut progress, 0);
            let (strata, _) = Strata::new(&spill, [0.8, 0.1, 0.1], seed, ticker).unwrap();
            (0..1000).map(|row| strata.assign(row, (row % 2) as u8)).collect::<Vec<_>>()
        };
        assert!(deal(1) == deal(1) && deal(1) != deal(2));
    }
}
