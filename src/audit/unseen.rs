//! What models that never saw a field's value say of its rows.

use super::{Additive, Table, recalibrate};
use crate::random::mix;

/// Parts that a field's values are in; each is judged by a model of the others.
const PARTS: u64 = 3;
/// A field is examined if it has at least so many values with rows.
const FEWEST_VALUES: usize = 4;

/// `[N]` logits, recalibrated on all rows; absent where the field has too few values to leave any out.
pub fn judge_unseen(table: &Table, field: usize) -> Option<Vec<f32>> {
    let column = &table.columns.fields[field];
    let has_rows = column.count_rows().iter().filter(|rows| **rows > 0).count();
    if !column.is_category || has_rows < FEWEST_VALUES {
        return None;
    }
    let left_out = table.columns.leaving_out([field]);
    let part = |row: usize| mix(u64::from(column.train[row])) % PARTS;
    let mut logits = vec![0.0; table.rows()];
    for own in 0..PARTS {
        let model = Additive::fit(table.columns, &left_out, table.labels, |row| part(row) != own);
        for (row, z) in logits.iter_mut().enumerate().filter(|(row, _)| part(*row) == own) {
            *z = model.logit(table.columns, row);
        }
    }
    recalibrate(&mut logits, table.labels);
    Some(logits)
}
