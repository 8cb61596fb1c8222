//! The rows of a file as runs of text cells, whatever its format.

use super::{
    batch::{BATCH_BYTES, Batch, Fault, Next, Span},
    delimited::Delimited,
    dialect::{Dialect, LinesInQuotes},
    error::{IngestError, ReadError, shown},
    format::compression,
    jsonl::Json,
    limits::IngestLimits,
    lines::{Lines, Separated},
    parquet::{self, Parquet},
    source,
};
use crate::types::DatasetSpec;
use std::{cell::Cell, path::Path, rc::Rc};

/// Rows in file order.
pub(super) struct Rows {
    kind: Kind,
}

/// A reader, with the bytes of the file read so far.
enum Kind {
    Delimited(Box<Delimited>, Rc<Cell<u64>>),
    Separated(Separated, Rc<Cell<u64>>),
    Json(Json, Rc<Cell<u64>>),
    Parquet { reader: Parquet, read: u64, total: u64, bytes: u64 },
}

impl Rows {
    /// The lines of a CSV, the header's included. `spec` says the separator. `columns`: how many values a line has, if that is
    /// known.
    pub fn open_csv(
        path: &Path,
        spec: &DatasetSpec,
        columns: usize,
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let separator = spec.separator.clone().unwrap_or_else(|| ",".to_owned());
        let kind = if let &[byte] = separator.as_bytes() {
            let text = source::open(path, compression(spec), limits.max_decompressed_bytes)?;
            let dialect = Dialect::new(byte, spec);
            // Where the spec says what quotes, nothing is to be found out.
            let columns = if spec.quote.is_none() { columns } else { 0 };
            let reader = Delimited::new(text.reader, dialect, columns, limits.max_line_bytes);
            Kind::Delimited(Box::new(reader), text.bytes_read)
        } else {
            let (lines, bytes_read) = open_lines(path, spec, limits)?;
            Kind::Separated(Separated::new(lines, separator), bytes_read)
        };
        Ok(Self { kind })
    }

    /// The objects of a file of JSON lines: the columns marked in `needed`; the cells of the others are empty. `joins` is what
    /// stands between the values of a list, by column.
    pub fn open_json(
        path: &Path,
        spec: &DatasetSpec,
        columns: &[String],
        needed: &[bool],
        joins: Vec<String>,
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let (lines, bytes_read) = open_lines(path, spec, limits)?;
        // Where every column is a field, the values of an unknown key would be lost without a word.
        let strict = spec.fields.is_none();
        Ok(Self { kind: Kind::Json(Json::new(lines, columns.to_vec(), needed.to_vec(), joins, strict), bytes_read) })
    }

    /// The rows of a Parquet file of so many `bytes`: the columns marked in `needed`; the cells of the others are empty.
    pub fn open_parquet(
        path: &Path,
        bytes: u64,
        needed: &[bool],
        joins: Vec<String>,
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let reader = Parquet::new(path, needed, joins, limits.max_decompressed_bytes)?;
        let total = parquet::open(path)?.metadata().file_metadata().num_rows();
        Ok(Self { kind: Kind::Parquet { reader, read: 0, total: total.max(1) as u64, bytes } })
    }

    /// Reads the next rows into `batch`, at most `most`, in place of those it held; false at the end of the file.
    ///
    /// Rows before an error are in the batch.
    pub fn fill(&mut self, batch: &mut Batch, most: usize) -> Result<bool, ReadError> {
        batch.clear();
        let more = match &mut self.kind {
            Kind::Delimited(reader, _) => fill_delimited(reader, batch, most),
            Kind::Separated(reader, _) => {
                fill_by_row(batch, most, |batch| Ok((reader.read(batch)?, Some(reader.lines.number()))))
            }
            Kind::Json(reader, _) => {
                fill_by_row(batch, most, |batch| Ok((reader.read(batch)?, Some(reader.lines.number()))))
            }
            Kind::Parquet { reader, read, .. } => fill_by_row(batch, most, |batch| {
                *read += 1;
                Ok((reader.read(batch)?, None))
            }),
        };
        batch.bytes_read = self.bytes_read();
        more
    }

    /// What the rows so far say of whether anything is quoted.
    pub fn lines_in_quotes(&self) -> LinesInQuotes {
        match &self.kind {
            Kind::Delimited(reader, _) => *reader.lines_in_quotes(),
            _ => LinesInQuotes::default(),
        }
    }

    /// Line on which the current row starts, from 1; none for Parquet.
    pub fn line(&self) -> Option<u64> {
        match &self.kind {
            Kind::Delimited(reader, _) => Some(reader.line()),
            Kind::Separated(reader, _) => Some(reader.lines.number()),
            Kind::Json(reader, _) => Some(reader.lines.number()),
            Kind::Parquet { .. } => None,
        }
    }

    /// Bytes of the file read so far; for Parquet, as many as the share of rows.
    fn bytes_read(&self) -> u64 {
        match &self.kind {
            Kind::Delimited(_, read) | Kind::Separated(_, read) | Kind::Json(_, read) => read.get(),
            Kind::Parquet { read, total, bytes, .. } => {
                (u128::from(*bytes) * u128::from((*read).min(*total)) / u128::from(*total)) as u64
            }
        }
    }
}

fn fill_delimited(reader: &mut Delimited, batch: &mut Batch, most: usize) -> Result<bool, ReadError> {
    loop {
        while batch.rows.len() < most && reader.read(&mut batch.cells) {
            let line = Some(reader.line());
            match delimited_fault(reader, &batch.cells[batch.open_row()..]) {
                None => batch.end_row(line),
                Some(fault) => batch.end_bad_row(fault, line),
            }
        }
        // Reading on overwrites the text of these rows, so they are handed over first.
        if !batch.rows.is_empty() {
            reader.hand_over(&mut batch.text);
            return Ok(true);
        }
        if !reader.refill()? {
            return Ok(false);
        }
    }
}

fn delimited_fault(reader: &Delimited, cells: &[Span]) -> Option<Fault> {
    if reader.quote_open() {
        let last = cells.len() - 1;
        let rule = "a quote is opened here and never closed; close it, or say `quote`: `none` if nothing is quoted";
        return Some(Fault { position: Some(last), ..Fault::new(None, Some(shown(reader.cell(cells[last]))), rule) });
    }
    // All cells at once first: nearly every row is ASCII, and of the others nearly every one is UTF-8.
    let body = reader.raw().1;
    if body.is_ascii() || std::str::from_utf8(body).is_ok() {
        return None;
    }
    let position = cells.iter().position(|cell| std::str::from_utf8(reader.cell(*cell)).is_err())?;
    Some(Fault::not_utf8(Some(position), shown(reader.cell(cells[position]))))
}

/// Fills a batch from a reader that gives one row a call, with the line it starts on.
fn fill_by_row(
    batch: &mut Batch,
    most: usize,
    mut read: impl FnMut(&mut Batch) -> Result<(Next, Option<u64>), ReadError>,
) -> Result<bool, ReadError> {
    while batch.rows.len() < most && batch.text.len() < BATCH_BYTES {
        match read(batch)? {
            (Next::Row, line) => batch.end_row(line),
            (Next::Bad(fault), line) => batch.end_bad_row(fault, line),
            (Next::End, _) => return Ok(false),
        }
        if u32::try_from(batch.text.len()).is_err() {
            return Err(ReadError::Content("the row that ends here is longer than 4 GiB".to_owned()));
        }
    }
    Ok(true)
}

/// The lines of a text file, and the bytes of the file read so far.
pub(super) fn open_lines(
    path: &Path,
    spec: &DatasetSpec,
    limits: &IngestLimits,
) -> Result<(Lines, Rc<Cell<u64>>), IngestError> {
    let text = source::open(path, compression(spec), limits.max_decompressed_bytes)?;
    Ok((Lines::new(text.reader, limits.max_line_bytes), text.bytes_read))
}
