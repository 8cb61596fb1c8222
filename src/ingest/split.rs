//! Which row is train, valid or test (spec `datasets.md`, section 5): by a column, by a seeded permutation, or by time.

use super::{
    error::IngestError,
    moment::{Moment, find_moment},
    permutation::Permutation,
    progress::Ticker,
    spill::{SPLIT_AT, Spill, TIME_AT, read_time_key},
    times::TimesSeen,
};
use crate::types::{Split, SplitCounts};

/// What decides a row's split, with the positions of the columns that say it.
#[derive(Clone, Copy)]
pub(super) enum SplitPlan {
    Column(usize),
    /// Every part of the table is of one split.
    Parts,
    Ratio {
        ratios: [f64; 3],
        seed: u64,
    },
    Time {
        column: usize,
        ratios: [f64; 3],
    },
}

impl SplitPlan {
    /// The column of the times that rows are split by.
    pub fn time_column(self) -> Option<usize> {
        match self {
            Self::Time { column, .. } => Some(column),
            Self::Column(_) | Self::Parts | Self::Ratio { .. } => None,
        }
    }
}

/// What the first reading saw of splits and times.
#[derive(Default)]
pub(super) struct SplitsSeen {
    /// Rows of each split, where a column or the parts name it.
    pub rows: SplitCounts,
    /// By column of times, in the plan's order: that of a split by time is the first.
    pub times: Vec<TimesSeen>,
}

/// Tells every row's split.
pub(super) enum Splitter {
    /// The first reading put it into the row's record.
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
    /// The splitter of the spilled rows, and how many rows each split gets; an error where a split gets none.
    pub fn new(
        plan: SplitPlan,
        spill: &Spill,
        seen: &SplitsSeen,
        ticker: &mut Ticker,
    ) -> Result<(Self, SplitCounts), IngestError> {
        let n = u64::from(spill.rows);
        let (pointer, rows) = match plan {
            SplitPlan::Column(_) => ("/split/column", seen.rows),
            SplitPlan::Parts => ("", seen.rows),
            SplitPlan::Ratio { ratios, .. } => ("/split/ratio/ratios", split_sizes(n, ratios)),
            SplitPlan::Time { ratios, .. } => ("/split/time/ratios", split_sizes(n, ratios)),
        };
        check_not_empty(pointer, n, rows)?;
        let splitter = match plan {
            SplitPlan::Column(_) | SplitPlan::Parts => Self::Column,
            SplitPlan::Ratio { seed, .. } => Self::Ratio { permutation: Permutation::new(n, seed), sizes: rows },
            SplitPlan::Time { .. } => {
                let range = seen.times.first().map_or((0, 0), TimesSeen::range);
                Self::Time {
                    valid: find_moment(spill, range, rows.train, ticker)?,
                    test: find_moment(spill, range, rows.train + rows.valid, ticker)?,
                }
            }
        };
        Ok((splitter, rows))
    }

    /// The split of a row, by its number and its record.
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
                let moment = (read_time_key(record, TIME_AT), row);
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

/// Refuses shares, or a column, that leave a split without rows. `pointer` is where the spec says the split.
fn check_not_empty(pointer: &str, n: u64, rows: SplitCounts) -> Result<(), IngestError> {
    let empty: Vec<_> = Split::ALL.into_iter().filter(|split| rows.of(*split) == 0).map(Split::as_str).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let rule = format!(
        "of {n} rows none is {}; every split needs rows of its own: give more rows, or other shares",
        empty.join(" and none is ")
    );
    Err(IngestError::field(pointer, rule))
}

/// int(a n), int(b n) and the rest.
fn split_sizes(n: u64, ratios: [f64; 3]) -> SplitCounts {
    let share = |ratio: f64| ((ratio * n as f64) as u64).min(n);
    let train = share(ratios[0]);
    let valid = share(ratios[1]).min(n - train);
    SplitCounts { train, valid, test: n - train - valid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_papers_split() {
        let sizes = SplitCounts { train: 800_167, valid: 100_020, test: 100_022 };
        assert_eq!(split_sizes(1_000_209, [0.8, 0.1, 0.1]), sizes);
    }
}
