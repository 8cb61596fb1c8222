//! Where a split by time begins: the moment that a given number of rows are earlier than, found in constant memory.

use super::{
    error::IngestError,
    progress::Ticker,
    spill::{Spill, TIME_AT, read_time_key},
};

/// A row's time key and number. Rows of the same time are ordered by their number, which is the file's order.
pub(super) type Moment = (i128, u32);

/// Bits of a histogram's bin number.
const BIN_BITS: u32 = 16;
/// Keys that are few enough to be sorted in memory.
const SORTED: u64 = 1 << 20;

/// The moment that exactly `rank` rows are earlier than, by the first time key of their records. All keys are within
/// `range`.
///
/// Counts the keys in 65,536 bins and then only those within the bin that holds the rank, until that bin has few enough
/// keys to be sorted: memory is constant, and the rows are read two or three times.
pub(super) fn find_moment(
    spill: &Spill,
    range: (i128, i128),
    rank: u64,
    ticker: &mut Ticker,
) -> Result<Moment, IngestError> {
    find_moment_sorting(SORTED, spill, range, rank, ticker)
}

fn find_moment_sorting(
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
        spill.for_each_row(ticker, |_, record| {
            let key = read_time_key(record, TIME_AT);
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
    spill.for_each_row(ticker, |row, record| {
        let key = read_time_key(record, TIME_AT);
        if one_time && key == low {
            // Rows of one time are in file order already. They may be all rows, so they are counted, not kept.
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
    use crate::random::mix;

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
        let spill = Spill::from_records(&records, TIME_AT + 16);
        let range = (sorted[0].0, sorted[4999].0);
        let mut go_on = |_| std::ops::ControlFlow::Continue(());
        let mut ticker = Ticker::new(&mut go_on, 0);
        for rank in [0, 1, 1000, 2500, 2501, 3333, 4998, 4999] {
            for at_most in [1, 100, 100_000] {
                let found = find_moment_sorting(at_most, &spill, range, rank, &mut ticker).unwrap();
                assert_eq!(found, sorted[rank as usize], "rank {rank}, sorting {at_most}");
            }
        }
    }
}
