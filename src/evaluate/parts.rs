//! Parts of the test rows that the models of a verdict are read on, beside all of them.

use crate::ingest::Dataset;
use crate::metrics::MetricsError;
use crate::selection::{CorruptPlace, Reading, SealedTest};
use crate::types::{KeptShare, Options, Split, TestRows, TestedPart};
use std::collections::HashSet;

/// Some of the test rows.
pub(super) struct TestPart {
    pub on: TestRows,
    /// Their places among the test rows, ascending.
    pub rows: Vec<u32>,
}

/// How a model did on each part. It uses a reading made before.
pub(super) fn read_parts(
    test: &SealedTest,
    reading: &Reading,
    parts: &[TestPart],
    options: &Options,
) -> Result<Vec<TestedPart>, MetricsError> {
    let read = |part: &TestPart| {
        let rows = KeptShare { rows: part.rows.len() as u64, of: reading.logits.len() as u64 };
        Ok(TestedPart { on: part.on, rows, metrics: test.read_part(reading, &part.rows, options)? })
    };
    parts.iter().map(read).collect()
}

/// The rows that are trusted, where some alone are, and those outside of places that were found corrupt, where these are
/// neither all nor the same.
pub(super) fn list_parts(dataset: &Dataset, trusted: Option<&[u32]>, places: &[CorruptPlace]) -> Vec<TestPart> {
    let outside = find_outside(dataset, places);
    let differs = !outside.is_empty() && outside.len() < dataset.len(Split::Test) && Some(&outside[..]) != trusted;
    let trusted = trusted.map(|rows| TestPart { on: TestRows::Trusted, rows: rows.to_vec() });
    let outside = differs.then_some(TestPart { on: TestRows::OutsideFindings, rows: outside });
    trusted.into_iter().chain(outside).collect()
}

/// Places of the test rows that lie in none of these, ascending.
fn find_outside(dataset: &Dataset, places: &[CorruptPlace]) -> Vec<u32> {
    let places: Vec<Area> = places.iter().map(|place| Area::new(dataset, place)).collect();
    let (ids, times) = (dataset.split(Split::Test).ids, dataset.times(Split::Test));
    let rows = (0_u32..).zip(ids.chunks_exact(dataset.fields()));
    let is_outside = |row: u32, ids: &[i32]| {
        let time = times.map(|times| times[row as usize]);
        !places.iter().any(|place| place.holds(ids, time))
    };
    rows.filter(|(row, ids)| is_outside(*row, ids)).map(|(row, _)| row).collect()
}

/// A corrupt place of a dataset.
pub(super) struct Area {
    /// Columns of the fields whose values are meant: at most two.
    columns: Vec<usize>,
    /// [`key`]s of their ids.
    values: HashSet<u64>,
    window: Option<[i64; 2]>,
}

impl Area {
    pub fn new(dataset: &Dataset, place: &CorruptPlace) -> Self {
        let width = place.values.first().map_or(0, Vec::len);
        let column = |name: &String| dataset.feature_map.fields.iter().position(|field| field.name == *name);
        Self {
            columns: place.fields.iter().take(width).filter_map(column).collect(),
            values: place.values.iter().map(|ids| key(ids.iter().copied())).collect(),
            window: place.window,
        }
    }

    /// Columns of the fields whose values are meant.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether a row with these global ids, that happened then, lies in it.
    pub fn holds(&self, ids: &[i32], time: Option<i64>) -> bool {
        let in_time = |[first, last]: [i64; 2]| time.is_some_and(|time| (first..=last).contains(&time));
        let value = || key(self.columns.iter().map(|column| ids[*column] as u32));
        (self.values.is_empty() || self.values.contains(&value())) && self.window.is_none_or(in_time)
    }
}

/// Of up to two ids.
fn key(ids: impl Iterator<Item = u32>) -> u64 {
    ids.fold(0, |key, id| key << 32 | u64::from(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lies_in_a_place_by_its_values_and_its_time() {
        let area = |columns: &[usize], values: &[&[u32]], window| Area {
            columns: columns.to_vec(),
            values: values.iter().map(|ids| key(ids.iter().copied())).collect(),
            window,
        };
        let row = [3, 10, 27];
        assert!(area(&[1], &[&[9], &[10]], None).holds(&row, None));
        assert!(!area(&[1], &[&[3], &[27]], None).holds(&row, None), "values of another field");
        assert!(area(&[2, 0], &[&[27, 3]], None).holds(&row, None), "a cell");
        assert!(!area(&[2, 0], &[&[27, 4]], None).holds(&row, None));
        let window = area(&[0], &[&[3]], Some([5, 8]));
        assert!(window.holds(&row, Some(8)) && !window.holds(&row, Some(9)) && !window.holds(&row, None));
        assert!(area(&[], &[], Some([5, 8])).holds(&row, Some(5)), "a window of all rows");
    }
}
