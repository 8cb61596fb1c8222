//! Some rows of a table as its file has them: what a person wants to see of a dataset whose rows are ids.

use super::{
    batch::{BATCH_ROWS, Batch, Span},
    content::without_zero_fraction,
    error::IngestError,
    limits::IngestLimits,
    table::Table,
};
use crate::types::{DatasetSpec, TableSource};
use std::borrow::Cow;

/// Rows as text, and the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRows {
    pub columns: Vec<String>,
    /// Position in the file, and a cell a column; in file order.
    pub rows: Vec<(u32, Vec<String>)>,
}

/// The rows of `source` whose cell in `column` reads `value`. `spec` is the one ingest gave back, or the one it was
/// given.
pub fn rows_where(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    column: &str,
    value: &str,
) -> Result<SourceRows, IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(&source.into(), spec, &limits)?;
    let Some(place) = table.columns.iter().position(|name| name == column) else {
        let rule = format!("no column `{column}`; there are {}", table.columns.join(", "));
        return Err(IngestError::field("", rule));
    };
    let mut found = SourceRows { columns: table.columns.clone(), rows: Vec::new() };
    // A whole number of a vocabulary may stand with a fraction of 0 in the file.
    let reads = |cell: &[u8]| cell == value.as_bytes() || without_zero_fraction(cell) == value.as_bytes();
    read_rows(&table, &limits, &mut |row, text, cells| {
        if cells.get(place).is_some_and(|cell| reads(cell.slice(text))) {
            let text = |cell: &Span| String::from_utf8_lossy(cell.slice(text)).into_owned();
            found.rows.push((row, cells.iter().map(text).collect()));
        }
    })?;
    Ok(found)
}

/// Hands every row of `source` to `each`, a text a column, in file order. `spec` is the one ingest gave back.
pub fn for_each_row(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    each: &mut dyn FnMut(&[Cow<str>]),
) -> Result<(), IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(&source.into(), spec, &limits)?;
    read_rows(&table, &limits, &mut |_, text, cells| {
        let cells: Vec<_> = cells.iter().map(|cell| String::from_utf8_lossy(cell.slice(text))).collect();
        each(&cells);
    })
}

/// Called with a row's position in the file, and its cells within a text.
type EachRow<'e> = &'e mut dyn FnMut(u32, &[u8], &[Span]);

/// Hands every row to `each`.
fn read_rows(table: &Table, limits: &IngestLimits, each: EachRow) -> Result<(), IngestError> {
    let mut reader = table.rows(&vec![true; table.columns.len()], limits)?;
    let (mut batch, mut first) = (Batch::default(), 0);
    while reader.fill(&mut batch, BATCH_ROWS).map_err(|error| reader.explain(error))? {
        for row in 0..batch.rows.len() {
            each(first + row as u32, &batch.text, batch.cells(row));
        }
        first += batch.rows.len() as u32;
    }
    Ok(())
}
