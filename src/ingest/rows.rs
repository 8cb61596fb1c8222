//! Some rows of a table as its file has them: what a person wants to see of a dataset whose rows are ids.

use super::{
    batch::{BATCH_ROWS, Batch, Span},
    error::IngestError,
    limits::IngestLimits,
    table::Table,
};
use crate::types::DatasetSpec;
use std::path::Path;

/// Rows as text, and the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRows {
    pub columns: Vec<String>,
    /// Position in the file, and a cell a column; in file order.
    pub rows: Vec<(u32, Vec<String>)>,
}

/// The rows of `source` whose cell in `column` reads `value`. `spec` is the one ingest gave back, or the one it was
/// given.
pub fn rows_where(source: &Path, spec: &DatasetSpec, column: &str, value: &str) -> Result<SourceRows, IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(source, spec, &limits)?;
    let Some(place) = table.columns.iter().position(|name| name == column) else {
        let rule = format!("no column `{column}`; there are {}", table.columns.join(", "));
        return Err(IngestError::field("", rule));
    };
    let mut reader = table.rows(&vec![true; table.columns.len()], &limits)?;
    let mut found = SourceRows { columns: table.columns.clone(), rows: Vec::new() };
    let (mut batch, mut first) = (Batch::default(), 0);
    while reader.fill(&mut batch, BATCH_ROWS).map_err(|error| error.at_start(source))? {
        for row in 0..batch.rows.len() {
            let cells = batch.cells(row);
            if cells.get(place).is_some_and(|cell| cell.slice(&batch.text) == value.as_bytes()) {
                let text = |cell: &Span| String::from_utf8_lossy(cell.slice(&batch.text)).into_owned();
                found.rows.push((first + row as u32, cells.iter().map(text).collect()));
            }
        }
        first += batch.rows.len() as u32;
    }
    Ok(found)
}
