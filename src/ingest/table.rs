//! A table as a run of rows of text cells, whatever the format of its file.

use super::{
    IngestLimits,
    batch::{BATCH_BYTES, Batch, Span},
    delimited::Delimited,
    error::{IngestError, ReadError, shown},
    format, jsonl,
    lines::{Lines, Separated},
    parquet, source,
};
use crate::types::{Compression, DatasetSpec, FieldSpec, FileFormat};
use std::{cell::Cell, path::Path, rc::Rc};

/// Rows looked at before the reading proper: for the keys of JSON objects, and to tell numbers from categories.
pub(super) const SNIFF_ROWS: u64 = 10_000;

/// A row that is not a run of cells.
pub(super) struct Fault {
    pub column: Option<String>,
    /// Position of the column, where the reader knows no name.
    pub position: Option<usize>,
    pub value: Option<String>,
    pub rule: String,
}

impl Fault {
    pub fn new(column: Option<String>, value: Option<String>, rule: impl Into<String>) -> Self {
        Self { column, position: None, value, rule: rule.into() }
    }

    pub fn not_utf8(position: Option<usize>, value: String) -> Self {
        let rule = "not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8 (or -f utf-16)".to_owned();
        Self { column: None, position, value: Some(value), rule }
    }
}

pub(super) enum Next {
    Row,
    Bad(Fault),
    End,
}

/// The file, its format and its columns.
pub(super) struct Table<'a> {
    pub path: &'a Path,
    /// With format, compression and separator filled.
    pub spec: DatasetSpec,
    pub columns: Vec<String>,
    /// Why a column cannot be read, for those that cannot.
    pub unusable: Vec<Option<String>>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl<'a> Table<'a> {
    /// Finds out the format and the columns.
    pub fn open(path: &'a Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Self, IngestError> {
        let mut spec = format::resolved(path, spec)?;
        let bytes = std::fs::metadata(path).map_err(IngestError::io("open", path))?.len();
        let mut unusable = Vec::new();
        let columns = match spec.format {
            Some(FileFormat::Parquet) => {
                refuse_csv_members(&spec)?;
                let schema = parquet::open(path)?.schema().clone();
                unusable = schema.fields().iter().map(|field| parquet::unusable(field.data_type())).collect();
                parquet::column_names(&schema)
            }
            Some(FileFormat::Jsonl) => {
                refuse_csv_members(&spec)?;
                let (mut lines, _) = open_lines(path, &spec, limits)?;
                let names = jsonl::discover(&mut lines, SNIFF_ROWS).map_err(|error| error.at_start(path))?;
                if names.is_empty() {
                    let rule = "none of the first 10,000 lines is a JSON object; write one object a line, without a list around";
                    return Err(IngestError::field("", rule));
                }
                names
            }
            _ => csv_columns(path, &mut spec, limits)?,
        };
        unusable.resize(columns.len(), None);
        if let Some(column) = columns.iter().find(|column| column.contains('\0')) {
            let rule = format!(
                "the name of column {:?} holds a NUL byte; is the file text in UTF-8?",
                shown(column.as_bytes())
            );
            return Err(IngestError::field("", rule));
        }
        if columns.len() > limits.max_columns {
            let rule = format!("{} columns; this service reads at most {}", columns.len(), limits.max_columns);
            return Err(IngestError::field("", rule));
        }
        Ok(Self { path, spec, columns, unusable, bytes })
    }

    /// A reader of the rows from the first. Only the cells of columns marked in `needed` are sure to be filled.
    pub fn rows(&self, needed: &[bool], limits: &IngestLimits) -> Result<Rows, IngestError> {
        let joins = || (0..self.columns.len()).map(|column| self.join(column)).collect();
        Ok(match self.spec.format {
            Some(FileFormat::Parquet) => {
                let reader = parquet::Parquet::new(self.path, needed, joins(), limits.max_decompressed_bytes)?;
                let total = parquet::open(self.path)?.metadata().file_metadata().num_rows();
                Rows { kind: Kind::Parquet { reader, read: 0, total: total.max(1) as u64, bytes: self.bytes } }
            }
            Some(FileFormat::Jsonl) => {
                let (lines, bytes_read) = open_lines(self.path, &self.spec, limits)?;
                let strict = self.spec.fields.is_none();
                Rows { kind: Kind::Json(jsonl::Json::new(lines, self.columns.clone(), joins(), strict), bytes_read) }
            }
            _ => {
                let mut rows = open_csv(self.path, &self.spec, limits)?;
                if self.spec.columns.is_none() {
                    rows.fill(&mut Batch::default(), 1).map_err(|error| error.at_start(self.path))?;
                }
                rows
            }
        })
    }

    /// What stands between the values of a list in this column.
    fn join(&self, column: usize) -> String {
        let fields = self.spec.fields.iter().flatten();
        let multi = fields.filter(|field| field.column() == self.columns[column]).find_map(|field| match field {
            FieldSpec::Full { multi, .. } => multi.as_ref(),
            FieldSpec::Name(_) => None,
        });
        multi.map_or_else(|| "|".to_owned(), |multi| multi.separator.clone())
    }
}

/// Rows in file order.
pub(super) struct Rows {
    kind: Kind,
}

enum Kind {
    Delimited(Box<Delimited>, Rc<Cell<u64>>),
    Separated(Separated, Rc<Cell<u64>>),
    Json(jsonl::Json, Rc<Cell<u64>>),
    Parquet { reader: parquet::Parquet, read: u64, total: u64, bytes: u64 },
}

impl Rows {
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
    pub fn bytes_read(&self) -> u64 {
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
        // What is read on takes the place of the rows' text.
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
        let rule = "a quote is opened here and never closed";
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

fn open_lines(path: &Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<(Lines, Rc<Cell<u64>>), IngestError> {
    let text = source::open(path, compression(spec), limits.max_decompressed_bytes)?;
    Ok((Lines::new(text.reader, limits.max_line_bytes), text.bytes_read))
}

fn open_csv(path: &Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Rows, IngestError> {
    let separator = spec.separator.clone().unwrap_or_else(|| ",".to_owned());
    let kind = if let &[byte] = separator.as_bytes() {
        let text = source::open(path, compression(spec), limits.max_decompressed_bytes)?;
        Kind::Delimited(Box::new(Delimited::new(text.reader, byte, limits.max_line_bytes)), text.bytes_read)
    } else {
        let (lines, bytes_read) = open_lines(path, spec, limits)?;
        Kind::Separated(Separated::new(lines, separator), bytes_read)
    };
    Ok(Rows { kind })
}

pub(super) fn compression(spec: &DatasetSpec) -> Compression {
    spec.compression.unwrap_or(Compression::None)
}

/// Column names of a CSV; fills `spec.separator`.
fn csv_columns(path: &Path, spec: &mut DatasetSpec, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
    if let Some(separator) = &spec.separator {
        check_separator(separator)?;
    } else {
        let (mut lines, _) = open_lines(path, spec, limits)?;
        lines.read_row().map_err(|error| error.at_start(path))?;
        spec.separator = Some(likely_separator(lines.text()).to_owned());
    }
    let mut first = Batch::default();
    open_csv(path, spec, limits)?.fill(&mut first, 1).map_err(|error| error.at_start(path))?;
    let Some(header) = first.rows.first() else {
        return Err(IngestError::field("", "the file has no rows; upload a table of at least three"));
    };
    match (&spec.columns, &header.fault) {
        // Without a header this is a row, and reported with the rows.
        (Some(columns), _) => Ok(columns.clone()),
        (None, Some(fault)) => Err(IngestError::field("", format!("the header line cannot be read: {}", fault.rule))),
        (None, None) => {
            let name = |cell: &Span| String::from_utf8_lossy(cell.of(&first.text)).into_owned();
            Ok(first.cells(0).iter().map(name).collect())
        }
    }
}

fn check_separator(separator: &str) -> Result<(), IngestError> {
    if separator.is_empty() || separator.contains(['\n', '\r', '"']) {
        let rule = "one or more characters that are not quotes or line ends, for example `,` or `::`";
        return Err(IngestError::field("/separator", rule));
    }
    Ok(())
}

/// The one of `,` tab `;` `|` that `header` has most of outside quotes; a comma where it has none.
fn likely_separator(header: &[u8]) -> &'static str {
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in header {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b',' => counts[0] += 1,
            b'\t' => counts[1] += 1,
            b';' => counts[2] += 1,
            b'|' => counts[3] += 1,
            _ => {}
        }
    }
    let most = (0..4).rev().max_by_key(|place| counts[*place]).unwrap_or(0);
    [",", "\t", ";", "|"][most]
}

fn refuse_csv_members(spec: &DatasetSpec) -> Result<(), IngestError> {
    if spec.separator.is_some() {
        return Err(IngestError::field("/separator", "only for CSV; leave it out"));
    }
    if spec.columns.is_some() {
        return Err(IngestError::field("/columns", "only for CSV without a header; this file names its columns"));
    }
    Ok(())
}
