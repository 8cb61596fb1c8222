//! Rows by the values they have: exact neighbours by Hamming distance among many rows.
//!
//! A row that shares none of m values is at least m away. So the rows of the rarest value are looked at first (as a rule
//! the user's own), then those of the next, until none that is left can be near enough. Where too many are left, the
//! remaining rows are scanned.

use super::points::{Found, Packed, Rows};
use super::search::Search;
use std::ops::Range;

/// Looking at a row of a list takes about as long as scanning this many rows.
const SCANNED_WHILE_LISTED: usize = 8;

pub struct Postings<'a> {
    codes: &'a Rows<i32>,
    packed: Packed<i32>,
    rows: Vec<u32>,
    /// The rows of each value, ascending, one value after the other.
    lists: Vec<u32>,
    /// Where the list of each global id ends; it starts where the one before ends.
    ends: Vec<u32>,
}

impl<'a> Postings<'a> {
    pub fn new(codes: &'a Rows<i32>, rows: Vec<u32>) -> Self {
        let values = rows.iter().flat_map(|row| codes.row(*row)).max().map_or(0, |greatest| *greatest as usize + 1);
        let mut ends = vec![0_u32; values + 1];
        for value in rows.iter().flat_map(|row| codes.row(*row)) {
            ends[*value as usize + 1] += 1;
        }
        for value in 1..ends.len() {
            ends[value] += ends[value - 1];
        }
        let mut lists = vec![0; rows.len() * codes.width];
        for row in &rows {
            for value in codes.row(*row) {
                lists[ends[*value as usize] as usize] = *row;
                ends[*value as usize] += 1;
            }
        }
        Self { codes, packed: Packed::of(codes, &rows), rows, lists, ends }
    }

    fn list(&self, value: i32) -> Range<usize> {
        let value = value as usize;
        let Some(end) = self.ends.get(value) else { return 0..0 };
        let start = if value == 0 { 0 } else { self.ends[value - 1] };
        start as usize..*end as usize
    }
}

impl Search for Postings<'_> {
    fn near(&self, row: u32, mut bound: f64, found: Found) {
        let query = self.codes.row(row);
        let mut lists: Vec<(usize, Range<usize>)> = query.iter().map(|value| self.list(*value)).enumerate().collect();
        lists.sort_by_key(|(_, list)| list.len());
        let seen =
            |other: &[i32], before: usize| lists[..before].iter().any(|(field, _)| other[*field] == query[*field]);
        for (before, (_, list)) in lists.iter().enumerate() {
            if bound <= before as f64 {
                return;
            }
            if list.len() * SCANNED_WHILE_LISTED > self.rows.len() {
                self.packed.near(0, self.rows.len(), query, bound, &mut |place, squared| {
                    let row = self.rows[place as usize];
                    if !seen(self.codes.row(row), before) {
                        bound = found(row, squared);
                    }
                    bound
                });
                return;
            }
            for other in &self.lists[list.clone()] {
                let squared = self.codes.squared(row, *other);
                if squared < bound && !seen(self.codes.row(*other), before) {
                    bound = found(*other, squared);
                }
            }
        }
        let apart = query.len() as f64;
        for other in &self.rows {
            if apart < bound && !seen(self.codes.row(*other), lists.len()) {
                bound = found(*other, apart);
            }
        }
    }

    fn is_ordered(&self) -> bool {
        false
    }
}
