//! A dataset's training and validation rows, column by column, in the order of the fields' names.

use crate::types::{FeatureMap, Field, FieldKind};

/// The fields of a table.
pub struct Columns {
    pub fields: Vec<Column>,
}

/// One field.
pub struct Column {
    pub name: String,
    /// Global id of the field's first value.
    pub offset: u32,
    /// Number of values, those without rows included.
    pub cardinality: usize,
    /// Whether values are names; else they are ranges of numbers, or places of a cell of several values.
    pub is_category: bool,
    /// `[N]` and `[V]`: the value of each row, from 0.
    pub train: Vec<u32>,
    pub valid: Vec<u32>,
}

impl Columns {
    /// From the ids `[N, F]` and `[V, F]` of a dataset's rows.
    pub fn new(map: &FeatureMap, train: &[i32], valid: &[i32]) -> Self {
        let width = map.fields.len();
        let column = |(at, field): (usize, &Field)| {
            let values = |ids: &[i32]| ids.iter().skip(at).step_by(width).map(|id| *id as u32 - field.offset).collect();
            Column {
                name: field.name.clone(),
                offset: field.offset,
                cardinality: field.cardinality as usize,
                is_category: field.kind == FieldKind::Category,
                train: values(train),
                valid: values(valid),
            }
        };
        let mut fields: Vec<Column> = map.fields.iter().enumerate().map(column).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Self { fields }
    }

    /// Whether some fields are left out of a model: those given.
    pub fn leaving_out(&self, fields: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut left_out = vec![false; self.fields.len()];
        fields.into_iter().for_each(|field| left_out[field] = true);
        left_out
    }
}

/// The rows of each value of a field.
pub struct Groups {
    /// Where the rows of a value start; one more than there are values.
    starts: Vec<u32>,
    /// `[N]`: rows in the order of their values, ascending within a value.
    rows: Vec<u32>,
}

impl Groups {
    /// Training rows of value `value`, ascending.
    pub fn of(&self, value: usize) -> &[u32] {
        &self.rows[self.starts[value] as usize..self.starts[value + 1] as usize]
    }

    /// The rows of each value in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.starts.len() - 1).map(|value| self.of(value))
    }
}

impl Column {
    /// The training rows by their values.
    pub fn group_rows(&self) -> Groups {
        let mut starts = vec![0_u32; self.cardinality + 1];
        self.train.iter().for_each(|value| starts[*value as usize + 1] += 1);
        (0..self.cardinality).for_each(|value| starts[value + 1] += starts[value]);
        let (mut rows, mut next) = (vec![0; self.train.len()], starts.clone());
        for (row, value) in (0..).zip(&self.train) {
            let at = &mut next[*value as usize];
            rows[*at as usize] = row;
            *at += 1;
        }
        Groups { starts, rows }
    }

    /// `[values]`: training rows of each.
    pub fn count_rows(&self) -> Vec<u32> {
        let mut rows = vec![0; self.cardinality];
        self.train.iter().for_each(|value| rows[*value as usize] += 1);
        rows
    }
}
