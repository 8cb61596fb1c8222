//! The rows of a file as runs of text cells, whatever its format.

use super::{
    batch::{BATCH_BYTES, Batch, Fault, Next, Span},
    delimited::Delimited,
    dialect::{Dialect, LinesInQuotes},
    error::{IngestError, ReadError, shown},
    jsonl::Json,
    limits::IngestLimits,
    lines::{Lines, Separated},
    parquet::{self, Parquet},
    preamble::NoRows,
    source::Text,
    text::TextFile,
};
use crate::types::SourceFile;
use std::{cell::Cell, rc::Rc};

/// Rows in file order.
pub(super) struct Rows {
    kind: Kind,
    /// Of a text.
    counts: Option<Counts>,
}

/// Bytes of a text's file: those read so far, and those of them that mean nothing.
pub(super) type Counts = [Rc<Cell<u64>>; 2];

enum Kind {
    /// Cells of columns that are not marked may hold any bytes.
    Delimited(Box<Delimited>, Vec<bool>),
    Separated(Separated),
    Json(Json),
    Parquet {
        reader: Parquet,
        read: u64,
        total: u64,
        bytes: u64,
    },
}

/// What is known of a file once its rows are read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Remarks {
    /// What the rows say of whether anything is quoted.
    pub lines_in_quotes: LinesInQuotes,
    /// Bytes behind a gzip stream that mean nothing and were ignored.
    pub ignored_bytes: u64,
}

impl Remarks {
    /// Adds what is known of the next part.
    pub fn add_part(&mut self, next: Self, part: usize) {
        self.lines_in_quotes.add_part(next.lines_in_quotes, part);
        self.ignored_bytes += next.ignored_bytes;
    }
}

impl Rows {
    /// The lines of a CSV, the header's included. The spec says the separator. `columns`: how many values a line has, if that is
    /// known. Cells of the columns marked in `needed` must be text; the others may hold anything.
    pub fn open_csv(
        file: TextFile,
        columns: usize,
        needed: &[bool],
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let spec = file.spec;
        let separator = spec.separator.clone().unwrap_or_else(|| ",".to_owned());
        let (text, no_rows) = (file.open(limits.max_decompressed_bytes)?, NoRows::new(spec));
        let counts = Some([text.bytes_read, text.ignored]);
        let kind = if let &[byte] = separator.as_bytes() {
            let dialect = Dialect::new(byte, spec);
            // Where the spec says what quotes, nothing is to be found out.
            let columns = if spec.quote.is_none() { columns } else { 0 };
            let reader = Delimited::new(text.reader, dialect, no_rows, columns, limits.max_line_bytes);
            Kind::Delimited(Box::new(reader), needed.to_vec())
        } else {
            let lines = Lines::new(text.reader, no_rows, limits.max_line_bytes);
            Kind::Separated(Separated::new(lines, separator, needed.to_vec()))
        };
        Ok(Self { kind, counts })
    }

    /// The objects of a file of JSON lines: the columns marked in `needed`; the cells of the others are empty. `joins` is what
    /// stands between the values of a list, by column.
    pub fn open_json(
        file: TextFile,
        columns: &[String],
        needed: &[bool],
        joins: Vec<String>,
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let (lines, counts) = open_lines(file, limits)?;
        // Where every column is a field, the values of an unknown key would be lost without a word.
        let strict = file.spec.fields.is_none();
        let kind = Kind::Json(Json::new(lines, columns.to_vec(), needed.to_vec(), joins, strict));
        Ok(Self { kind, counts: Some(counts) })
    }

    /// The rows of a Parquet file of so many `bytes`: the columns marked in `needed`; the cells of the others are empty.
    pub fn open_parquet(
        path: &SourceFile,
        bytes: u64,
        needed: &[bool],
        joins: Vec<String>,
        limits: &IngestLimits,
    ) -> Result<Self, IngestError> {
        let reader = Parquet::new(path, needed, joins, limits.max_decompressed_bytes)?;
        let total = parquet::open(path)?.metadata().file_metadata().num_rows();
        let kind = Kind::Parquet { reader, read: 0, total: total.max(1) as u64, bytes };
        Ok(Self { kind, counts: None })
    }

    /// Reads the next rows into `batch`, at most `most`, in place of those it held; false at the end of the file.
    ///
    /// Rows before an error are in the batch.
    pub fn fill(&mut self, batch: &mut Batch, most: usize) -> Result<bool, ReadError> {
        batch.clear();
        let more = match &mut self.kind {
            Kind::Delimited(reader, needed) => fill_delimited(reader, needed, batch, most),
            Kind::Separated(reader) => {
                fill_by_row(batch, most, |batch| Ok((reader.read(batch)?, Some(reader.lines.number()))))
            }
            Kind::Json(reader) => {
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

    /// What the rows so far say of the file.
    pub fn remarks(&self) -> Remarks {
        let lines_in_quotes = match &self.kind {
            Kind::Delimited(reader, _) => *reader.lines_in_quotes(),
            _ => LinesInQuotes::default(),
        };
        Remarks { lines_in_quotes, ignored_bytes: self.counts.as_ref().map_or(0, |[_, ignored]| ignored.get()) }
    }

    /// Line on which the current row starts, from 1; none for Parquet.
    pub fn line(&self) -> Option<u64> {
        match &self.kind {
            Kind::Delimited(reader, _) => Some(reader.line()),
            Kind::Separated(reader) => Some(reader.lines.number()),
            Kind::Json(reader) => Some(reader.lines.number()),
            Kind::Parquet { .. } => None,
        }
    }

    /// Bytes of the file read so far; for Parquet, as many as the share of rows.
    fn bytes_read(&self) -> u64 {
        match &self.kind {
            Kind::Parquet { read, total, bytes, .. } => {
                (u128::from(*bytes) * u128::from((*read).min(*total)) / u128::from(*total)) as u64
            }
            _ => self.counts.as_ref().map_or(0, |[read, _]| read.get()),
        }
    }
}

fn fill_delimited(reader: &mut Delimited, needed: &[bool], batch: &mut Batch, most: usize) -> Result<bool, ReadError> {
    loop {
        while batch.rows.len() < most && reader.read(&mut batch.cells) {
            let line = Some(reader.line());
            match delimited_fault(reader, needed, &batch.cells[batch.open_row()..]) {
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

fn delimited_fault(reader: &Delimited, needed: &[bool], cells: &[Span]) -> Option<Fault> {
    let body = reader.raw().1;
    if reader.quote_open() {
        let last = cells.len() - 1;
        let rule = "a quote is opened here and never closed; close it, or say `quote`: `none` if nothing is quoted";
        let fault = Fault { position: Some(last), ..Fault::new(None, Some(shown(reader.cell(cells[last]))), rule) };
        // All lines up to the end of the file are in it.
        let lines = body.trim_ascii_end().iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        return Some(Fault { hides_rows: lines, ..fault });
    }
    // All cells at once first: nearly every row is ASCII, and of the others nearly every one is UTF-8.
    if body.is_ascii() || std::str::from_utf8(body).is_ok() {
        return None;
    }
    let is_needed = |position: usize| needed.get(position) == Some(&true);
    let wrong = |cell: &Span| std::str::from_utf8(reader.cell(*cell)).is_err();
    let position = cells.iter().enumerate().position(|(position, cell)| is_needed(position) && wrong(cell))?;
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

/// The lines of a text file.
pub(super) fn open_lines(file: TextFile, limits: &IngestLimits) -> Result<(Lines, Counts), IngestError> {
    let Text { reader, bytes_read, ignored, .. } = file.open(limits.max_decompressed_bytes)?;
    Ok((Lines::new(reader, NoRows::new(file.spec), limits.max_line_bytes), [bytes_read, ignored]))
}
