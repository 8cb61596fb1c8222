//! Finds corruption with a structure in a table of clicks: values of a field, cells of two fields and windows of time whose
//! labels do not follow what models that never saw them say, and rows that repeat.
//!
//! No detector trains a network. What is expected of a row comes from additive models (`additive`), which take one pass over
//! the rows for each of their sweeps; a value is judged by one that was fitted without its rows. Fields are taken in the
//! order of their names, so the order of columns changes nothing.
//!
//! [`examine`] gives [`Finding`]s, each with its evidence, the rows it is about and what is to be done with them. Whether that
//! is worth doing is not known here: whoever asked tries it on validation rows.

mod additive;
mod cells;
mod columns;
mod expectation;
mod finding;
mod halves;
mod immature;
mod nesting;
mod null;
mod overlap;
mod repeats;
mod slopes;
mod strangers;
mod unseen;
mod values;
mod windows;

pub use columns::{Column, Columns};
pub use expectation::{Bin, bin_by_expectation, recalibrate};
pub use finding::{Corruption, Finding, FoundValue, Remedy};

use additive::Additive;
use nesting::Nesting;
use rayon::prelude::*;

/// What is examined: the training rows, and which validation rows are like them.
pub struct Table<'t> {
    pub columns: &'t Columns,
    /// `[N]`.
    pub labels: &'t [u8],
    /// `[N]`: logits by a model of rows like these that has not seen the row itself, but may have seen its values.
    pub taste: &'t [f32],
    /// `[N]` and `[V]`: when each training and validation row happened. Absent where the table does not say.
    pub times: Option<[&'t [i64]; 2]>,
}

impl Table<'_> {
    fn rows(&self) -> usize {
        self.labels.len()
    }
}

/// The share of findings that may be false.
const FALSE_DISCOVERIES: f64 = 0.05;

/// What is wrong with the table, the strongest evidence first. No row is in two findings. `tick` is called now and then.
pub fn examine(table: &Table, tick: &mut (dyn FnMut() + Send)) -> Vec<Finding> {
    let nesting = Nesting::new(table.columns);
    tick();
    let mut found: Vec<Finding> = repeats::find_repeats(table).into_iter().collect();
    let examined: Vec<Vec<Finding>> = (0..table.columns.fields.len())
        .into_par_iter()
        .map(|field| {
            let Some(unseen) = unseen::judge_unseen(table, field) else { return Vec::new() };
            let mut found = values::find_values(table, field, &unseen);
            found.extend(strangers::find_strangers(table, field, &unseen, &nesting));
            found
        })
        .collect();
    found.extend(examined.into_iter().flatten());
    tick();
    found.extend(cells::find_cells(table, &nesting));
    tick();
    let windows = windows::find_windows(table);
    tick();
    let immature = immature::find_immature(table);
    // Where the last labels are not there yet, the very last are all 0.
    let is_told = |window: &Finding| immature.as_ref().is_some_and(|finding| finding.tells(window));
    found.extend(windows.into_iter().filter(|window| !is_told(window)));
    found.extend(immature);
    overlap::part(found, table.rows())
}
