//! Some rows of a table as its file has them: what a person wants to see of a dataset whose rows are ids.

use super::{
    batch::{BATCH_ROWS, Batch, Span},
    content::without_zero_fraction,
    error::{IngestError, list_names},
    format::{SNIFF_BYTES, resolve_format},
    limits::IngestLimits,
    table::Table,
};
use crate::types::{Compression, DatasetSpec, FileFormat, LabelRule, TableSource, shorten};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet, fs::File, io::Read, ops::ControlFlow, path::Path};

/// Rows as text, and the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    let mut found = SourceRows { columns: table.columns.clone(), rows: Vec::new() };
    each_row_where(&table, &limits, column, value, &mut |row, text, cells| {
        found.rows.push((row, copy_cells(text, cells)));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The positions of the rows of [`rows_where`], ascending.
pub fn positions_where(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    column: &str,
    value: &str,
) -> Result<Vec<u32>, IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(&source.into(), spec, &limits)?;
    let mut found = Vec::new();
    each_row_where(&table, &limits, column, value, &mut |row, _, _| {
        found.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The rows of `source` at these positions. The file is read up to the last of them.
pub fn rows_at(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    positions: &BTreeSet<u32>,
) -> Result<SourceRows, IngestError> {
    let limits = IngestLimits::default();
    let table = Table::open(&source.into(), spec, &limits)?;
    let mut found = SourceRows { columns: table.columns.clone(), rows: Vec::with_capacity(positions.len()) };
    if positions.is_empty() {
        return Ok(found);
    }
    read_rows(&table, &limits, &mut |row, text, cells| {
        if positions.contains(&row) {
            found.rows.push((row, copy_cells(text, cells)));
        }
        if positions.last() == Some(&row) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// How a file reads before anything is said of its columns, and its first rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub format: FileFormat,
    pub compression: Compression,
    /// Of a CSV.
    pub separator: Option<String>,
    pub rows: SourceRows,
}

/// Reads the first rows of a file, at most `most`. Name and media type help to tell its format.
pub fn sample(source: &Path, name: Option<&str>, media_type: Option<&str>, most: usize) -> Result<Sample, IngestError> {
    let limits = IngestLimits::default();
    let mut first_bytes = Vec::new();
    let file = File::open(source).map_err(IngestError::io("open", source))?;
    file.take(SNIFF_BYTES as u64).read_to_end(&mut first_bytes).map_err(IngestError::io("read", source))?;
    let mut spec = DatasetSpec::with_label(LabelRule { column: String::new(), rule: None });
    resolve_format(&mut spec, name, media_type, &first_bytes);
    let table = Table::open(&source.into(), &spec, &limits)?;
    let mut rows = SourceRows { columns: table.columns.clone(), rows: Vec::new() };
    read_rows(&table, &limits, &mut |row, text, cells| {
        rows.rows.push((row, copy_cells(text, cells)));
        if rows.rows.len() >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(Sample {
        format: table.spec.format.unwrap_or(FileFormat::Csv),
        compression: table.spec.compression.unwrap_or(Compression::None),
        separator: table.spec.separator.clone(),
        rows,
    })
}

/// Hands every row whose cell in `column` reads `value` to `each`.
fn each_row_where(
    table: &Table,
    limits: &IngestLimits,
    column: &str,
    value: &str,
    each: EachRow,
) -> Result<(), IngestError> {
    let Some(place) = table.columns.iter().position(|name| name == column) else {
        let rule = format!("no column `{}`; there are {}", shorten(column), list_names(&table.columns));
        return Err(IngestError::field("", rule));
    };
    // A whole number of a vocabulary may stand with a fraction of 0 in the file.
    let reads = |cell: &[u8]| cell == value.as_bytes() || without_zero_fraction(cell) == value.as_bytes();
    read_rows(table, limits, &mut |row, text, cells| match cells.get(place) {
        Some(cell) if reads(cell.slice(text)) => each(row, text, cells),
        _ => ControlFlow::Continue(()),
    })
}

fn copy_cells(text: &[u8], cells: &[Span]) -> Vec<String> {
    cells.iter().map(|cell| String::from_utf8_lossy(cell.slice(text)).into_owned()).collect()
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
        ControlFlow::Continue(())
    })
}

/// Called with a row's position in the file, and its cells within a text; says whether to go on.
type EachRow<'e> = &'e mut dyn FnMut(u32, &[u8], &[Span]) -> ControlFlow<()>;

/// Hands every row to `each`, until it says no more.
fn read_rows(table: &Table, limits: &IngestLimits, each: EachRow) -> Result<(), IngestError> {
    let mut reader = table.all_rows(limits)?;
    let (mut batch, mut first) = (Batch::default(), 0);
    while reader.fill(&mut batch, BATCH_ROWS).map_err(|error| reader.explain(error))? {
        for row in 0..batch.rows.len() {
            if each(first + row as u32, &batch.text, batch.cells(row)).is_break() {
                return Ok(());
            }
        }
        first += batch.rows.len() as u32;
    }
    Ok(())
}
