//! A table in memory: named columns of text, each row's label and split, and whether it was corrupted.

use super::error::PlantError;
use crate::{random::Stream, types::Split};
use std::collections::HashMap;

/// A column: its distinct texts, and which of them each row has.
#[derive(Debug, Clone, Default)]
pub struct Column {
    pub name: String,
    values: Vec<String>,
    /// Where a text stands in `values`.
    places: HashMap<String, u32>,
    /// `[N]`: places in `values`.
    codes: Vec<u32>,
}

/// Rows by number from 0.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// All but those of the label and the split.
    pub columns: Vec<Column>,
    /// `[N]`: 0 or 1.
    pub labels: Vec<u8>,
    /// `[N]`.
    pub splits: Vec<Split>,
    /// `[N]`: whether corruption touched the row.
    pub corrupted: Vec<bool>,
}

impl Column {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Appends a row's cell.
    pub fn push(&mut self, cell: &str) {
        let code = self.intern(cell);
        self.codes.push(code);
    }

    /// The code of a text, which is added where it is new.
    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(code) = self.places.get(text) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.values.push(text.to_owned());
        self.places.insert(text.to_owned(), code);
        code
    }

    /// Distinct texts.
    pub fn cardinality(&self) -> usize {
        self.values.len()
    }

    /// `[N]`: which text each row has.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// A text by its code.
    pub fn value(&self, code: u32) -> &str {
        &self.values[code as usize]
    }

    pub fn cell(&self, row: usize) -> &str {
        self.value(self.codes[row])
    }

    /// `[cardinality]`: rows of each text.
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.cardinality()];
        for code in &self.codes {
            counts[*code as usize] += 1;
        }
        counts
    }

    /// `[cardinality]`: a row of each text. `None` for a text that no row has.
    pub fn examples(&self) -> Vec<Option<u32>> {
        let mut examples = vec![None; self.cardinality()];
        for (row, code) in (0..).zip(&self.codes) {
            examples[*code as usize].get_or_insert(row);
        }
        examples
    }

    /// Gives a row another text.
    pub fn set(&mut self, row: usize, code: u32) {
        self.codes[row] = code;
    }
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = String>) -> Self {
        Self { columns: columns.into_iter().map(Column::new).collect(), ..Self::default() }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Appends a row that is as it should be: a cell a column.
    pub fn push<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>, label: u8, split: Split) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.labels.push(label);
        self.splits.push(split);
        self.corrupted.push(false);
    }

    /// Appends a corrupted copy of a row with a label of its own, and returns its number.
    pub fn push_copy(&mut self, row: usize, label: u8) -> usize {
        for column in &mut self.columns {
            column.codes.push(column.codes[row]);
        }
        self.labels.push(label);
        self.splits.push(self.splits[row]);
        self.corrupted.push(true);
        self.len() - 1
    }

    /// Where a column stands.
    pub fn find(&self, name: &str) -> Result<usize, PlantError> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| {
            let there = self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            PlantError::NoColumn { name: name.to_owned(), there }
        })
    }

    /// The rows that may be corrupted: those of training and validation, and where `in_test` says so the test rows.
    pub fn open_rows(&self, in_test: bool) -> Vec<usize> {
        (0..self.len()).filter(|row| in_test || self.splits[*row] != Split::Test).collect()
    }

    /// Gives a row another label, and marks it as corrupted.
    pub fn corrupt(&mut self, row: usize, label: u8) {
        self.labels[row] = label;
        self.corrupted[row] = true;
    }

    /// Deals the rows from `first` on out among those before, which keep their order: models are trained on batches of rows
    /// as they stand, and a batch of made rows alone would be another corruption.
    pub fn deal_out(&mut self, first: usize, stream: Stream) {
        let mut draws = vec![0.0; self.len() - first];
        stream.fill_uniform(&mut draws);
        let place = |row: usize| match row.checked_sub(first) {
            None => (row as f64 + 0.5) / first as f64,
            Some(added) => f64::from(draws[added]),
        };
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|a, b| place(*a).total_cmp(&place(*b)));
        self.keep(&order);
    }

    /// Keeps these rows, in this order.
    pub fn keep(&mut self, rows: &[usize]) {
        for column in &mut self.columns {
            column.codes = rows.iter().map(|row| column.codes[*row]).collect();
        }
        self.labels = rows.iter().map(|row| self.labels[*row]).collect();
        self.splits = rows.iter().map(|row| self.splits[*row]).collect();
        self.corrupted = rows.iter().map(|row| self.corrupted[*row]).collect();
    }
}
