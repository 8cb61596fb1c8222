//! Which row is train, valid or test: by a column, by a seeded permutation, by time, or by groups of rows.

use super::{
    error::IngestError,
    groups::Groups,
    moment::{Moment, find_moment},
    permutation::Permutation,
    progress::Ticker,
    spill::{SPLIT_AT, Spill, TIME_AT, read_group_key, read_time_key},
    strata::{Strata, split_sizes},
    times::TimesSeen,
};
use crate::types::{Split, SplitCounts};
use hashbrown::HashMap;

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
    /// The rows of each label by themselves.
    Stratified {
        ratios: [f64; 3],
        seed: u64,
    },
    /// The rows of each value of the column in one split.
    Group {
        column: usize,
        ratios: [f64; 3],
        seed: u64,
    },
}

impl SplitPlan {
    /// The column of the times that rows are split by.
    pub fn time_column(self) -> Option<usize> {
        match self {
            Self::Time { column, .. } => Some(column),
            _ => None,
        }
    }

    /// The column whose rows of one value are in one split.
    pub fn group_column(self) -> Option<usize> {
        match self {
            Self::Group { column, .. } => Some(column),
            _ => None,
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
    /// Where rows are split by groups.
    pub groups: Groups,
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
    Stratified(Strata),
    /// By the groups' keys.
    Group(HashMap<u64, Split>),
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
        match plan {
            SplitPlan::Column(_) => {
                check_not_empty("/split/column", n, seen.rows)?;
                Ok((Self::Column, seen.rows))
            }
            SplitPlan::Parts => {
                check_not_empty("", n, seen.rows)?;
                Ok((Self::Column, seen.rows))
            }
            SplitPlan::Ratio { ratios, seed } => {
                let sizes = split_sizes(n, ratios);
                check_not_empty("/split/ratio/ratios", n, sizes)?;
                Ok((Self::Ratio { permutation: Permutation::new(n, seed), sizes }, sizes))
            }
            SplitPlan::Time { ratios, .. } => {
                let rows = split_sizes(n, ratios);
                check_not_empty("/split/time/ratios", n, rows)?;
                let range = seen.times.first().map_or((0, 0), TimesSeen::range);
                let valid = find_moment(spill, range, rows.train, ticker)?;
                let test = find_moment(spill, range, rows.train + rows.valid, ticker)?;
                Ok((Self::Time { valid, test }, rows))
            }
            SplitPlan::Stratified { ratios, seed } => {
                let (strata, rows) = Strata::new(spill, ratios, seed, ticker)?;
                check_not_empty("/split/stratified/ratios", n, rows)?;
                Ok((Self::Stratified(strata), rows))
            }
            SplitPlan::Group { ratios, seed, .. } => {
                if seen.groups.len() < Split::ALL.len() {
                    let values = seen.groups.len();
                    let rule =
                        format!("{values} values; each split needs rows of its own, so there must be three at least");
                    return Err(IngestError::field("/split/group/column", rule));
                }
                let splits = seen.groups.deal(ratios, seed);
                let rows = seen.groups.count(&splits);
                Ok((Self::Group(splits), rows))
            }
        }
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
            Self::Stratified(strata) => strata.assign(row, record[0]),
            // Every key was dealt.
            Self::Group(splits) => splits.get(&read_group_key(record)).copied().unwrap_or(Split::Train),
        }
    }
}

/// Refuses shares, or a column, that leave a split without rows. `pointer` is where the spec says the split.
fn check_not_empty(pointer: &str, n: u64, rows: SplitCounts) -> Result<(), IngestError> {
    let empty: Vec<_> = Split::ALL.into_iter().filter(|split| rows.of(*split) == 0).map(Split::as_str).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let way_out = match pointer {
        "/split/column" => "mark some in the column, or divide the rows otherwise (`split`, --split 0.8,0.1,0.1)",
        "" => "give files of that split, or none of any",
        _ => "give more rows, or other shares",
    };
    let rule =
        format!("of {n} rows none is {}; every split needs rows of its own: {way_out}", empty.join(" and none is "));
    Err(IngestError::field(pointer, rule))
}
