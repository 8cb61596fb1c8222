//! Rows that cannot be read: what becomes of them, and which they were.

use super::problem::RowError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What becomes of a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// The table is refused, with what is wrong.
    #[default]
    Error,
    /// The row is left out, and counted.
    Skip,
}

impl OnBadRow {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Rows of a file that could not be read and were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkippedRows {
    pub rows: u64,
    /// What was wrong with the first of them, at most a hundred faults. A row may have several.
    pub listed: Vec<RowError>,
}

impl SkippedRows {
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many rows were left out, and the first lines of them, in words; none where there were none.
    pub fn describe(&self) -> Option<String> {
        let first = self.listed.first()?;
        let place = |error: &RowError| {
            let place = error.line.map_or_else(|| format!("row {}", error.row), |line| format!("line {line}"));
            error.part.as_ref().map_or(place.clone(), |part| format!("{place} of {part}"))
        };
        let mut places: Vec<_> = self.listed.iter().map(place).collect();
        places.dedup();
        places.truncate(PLACES);
        let more = if self.rows > places.len() as u64 { ", .." } else { "" };
        let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        let was = if self.rows == 1 { "was" } else { "were" };
        let cell = match (&first.column, &first.value) {
            (Some(column), Some(value)) => format!("{column} = {value:?}: "),
            _ => String::new(),
        };
        Some(format!(
            "{rows} could not be read and {was} left out ({}{more}); the first: {cell}{}",
            places.join(", "),
            first.rule
        ))
    }
}

/// Places that a sentence names.
const PLACES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_left_out_are_told_in_one_sentence() {
        assert_eq!(SkippedRows::default().describe(), None);
        let rule = || "4 values".to_owned();
        let error = |row: u64, line| RowError { row, part: None, line, column: None, value: None, rule: rule() };
        let listed = (1..9).flat_map(|row| [error(row, Some(row + 2)), error(row, Some(row + 2))]).collect();
        let text = SkippedRows { rows: 2_000, listed }.describe().unwrap();
        assert_eq!(
            text,
            "2000 rows could not be read and were left out (line 3, line 4, line 5, line 6, line 7, ..); the first: 4 values"
        );
        let in_part = RowError { part: Some("b.csv".to_owned()), ..error(3, Some(2)) };
        let text = SkippedRows { rows: 1, listed: vec![in_part] }.describe().unwrap();
        assert_eq!(text, "1 row could not be read and was left out (line 2 of b.csv); the first: 4 values");
        let one = RowError { column: Some("y".to_owned()), value: Some("?".to_owned()), ..error(3, None) };
        let text = SkippedRows { rows: 1, listed: vec![one] }.describe().unwrap();
        assert_eq!(text, "1 row could not be read and was left out (row 3); the first: y = \"?\": 4 values");
    }
}
