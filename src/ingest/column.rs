//! A column of a table, read again from its file: for rules on columns that are no fields, which no dataset keeps.

use super::{
    batch::{BATCH_ROWS, Batch},
    error::IngestError,
    limits::IngestLimits,
    table::Table,
};
use crate::types::{DatasetSpec, TableSource, shorten};

/// Reads a column of a table: calls the function with the number of every row, from 0, and its cell.
pub type ReadColumn<'a> = dyn Fn(&str, &mut dyn FnMut(u32, &str)) -> Result<(), IngestError> + 'a;

/// Reads columns of a table that was read before. `spec` is the one that this gave: with format, compression and separator.
pub fn column_reader<'a>(source: &'a TableSource, spec: &'a DatasetSpec) -> Box<ReadColumn<'a>> {
    Box::new(|column, each| read_column(source, spec, column, each))
}

/// Errors: the file cannot be read any more, or has no such column.
fn read_column(
    source: &TableSource,
    spec: &DatasetSpec,
    column: &str,
    each: &mut dyn FnMut(u32, &str),
) -> Result<(), IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(source, spec, &limits)?;
    let Some(at) = table.columns.iter().position(|name| name == column) else {
        return Err(IngestError::field("", format!("there is no column `{}`", shorten(column))));
    };
    let needed: Vec<bool> = (0..table.columns.len()).map(|other| other == at).collect();
    let mut rows = table.rows(&needed, &limits)?;
    let (mut batch, mut number, mut more) = (Batch::default(), 0, true);
    while more {
        more = match rows.fill(&mut batch, BATCH_ROWS) {
            Ok(more) => more,
            Err(error) => return Err(rows.explain(error)),
        };
        for row in 0..batch.rows.len() {
            let cell = batch.cells(row).get(at).map_or(&[][..], |span| span.slice(&batch.text));
            each(number, &String::from_utf8_lossy(cell));
            number += 1;
        }
    }
    Ok(())
}
