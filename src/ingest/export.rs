//! The upload without the rows a job dropped: byte for byte for text, schema for schema for Parquet. Where the job's rows
//! count as of other labels or weigh otherwise, two more columns say so (`marks`).
//!
//! Rows are found by the parsers that read them at ingest, so a row means the same both times. Whatever is no row (byte
//! order mark, header, blank lines, the missing line end of the last row) is copied as it stands.

use super::{
    compressed::write_compressed,
    delimited::Delimited,
    dialect::Dialect,
    error::{IngestError, ReadError},
    jsonl::discover_keys,
    layout::sync_folder,
    limits::IngestLimits,
    lines::Lines,
    marks::{Line, Marks, RowMark, TARGET, TextStyle, WEIGHT},
    parquet,
    preamble::NoRows,
    reader::open_lines,
    recode::Encoder,
    source::{BOM, Text},
    table::Table,
    withheld::Withheld,
};
use crate::types::{Compression, DatasetSpec, FileFormat, LabelColumns};
use ::parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    errors::ParquetError,
    file::{metadata::ParquetMetaData, properties::WriterProperties},
};
use arrow_array::BooleanArray;
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Where Arrow keeps its own schema in a Parquet file's metadata.
const ARROW_SCHEMA: &str = "ARROW:schema";
/// A row group is closed at this size even if the upload's were larger: bounds memory.
const ROW_GROUP_BYTES: usize = 64 << 20;
const MAX_ROW_GROUP_ROWS: usize = 1 << 20;

/// Rows copied and rows left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportCounts {
    pub kept: u64,
    pub dropped: u64,
}

impl ExportCounts {
    /// Counts the next row; its position where it is kept.
    fn count_row(&mut self, dropped: &dyn Fn(u32) -> bool) -> Option<u32> {
        // Ingest has refused files of more than u32::MAX rows.
        let row = (self.kept + self.dropped) as u32;
        let keep = !dropped(row);
        *(if keep { &mut self.kept } else { &mut self.dropped }) += 1;
        keep.then_some(row)
    }
}

/// What becomes of each row of an upload, by its position in the file.
#[derive(Clone, Copy)]
pub struct RowChanges<'a> {
    pub dropped: &'a dyn Fn(u32) -> bool,
    /// What goes into the two columns that are added. Absent: none are.
    pub marks: Option<&'a dyn Fn(u32) -> RowMark>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub counts: ExportCounts,
    /// The columns that were added, if any.
    pub label_columns: Option<LabelColumns>,
}

/// Copies `source` to `out` with what `changes` says of its rows.
///
/// `spec` is the one ingest gave back, or the one it was given. The compression is the upload's. `out` appears, or is
/// replaced, when it is whole.
pub fn write_denoised(
    source: &Path,
    spec: &DatasetSpec,
    changes: RowChanges,
    out: &Path,
) -> Result<Exported, IngestError> {
    let limits = no_limits();
    let table = Table::open(source, spec, &limits)?;
    let edit = match changes.marks {
        Some(of_row) => Edit::Mark(Marks::new(&taken_names(&table, &limits)?, of_row)),
        None => Edit::Nothing,
    };
    let plan = CopyPlan { dropped: changes.dropped, edit, rows_end_empty: table.rows_end_empty };
    let counts = write_copy(&table, &plan, out, &limits)?;
    let label_columns = match plan.edit {
        Edit::Mark(marks) => Some(marks.columns),
        Edit::Nothing | Edit::Withhold(_) => None,
    };
    Ok(Exported { counts, label_columns })
}

/// Copies `source` to `out` without its column `withheld` and without the rows that are `dropped`, by their position in the
/// file. `spec` and `out` are as of [`write_denoised`].
pub fn write_withheld(
    source: &Path,
    spec: &DatasetSpec,
    dropped: &dyn Fn(u32) -> bool,
    withheld: &str,
    out: &Path,
) -> Result<ExportCounts, IngestError> {
    let limits = no_limits();
    let table = Table::open(source, spec, &limits)?;
    let edit = Edit::Withhold(Withheld::new(&table.columns, withheld)?);
    write_copy(&table, &CopyPlan { dropped, edit, rows_end_empty: table.rows_end_empty }, out, &limits)
}

/// A table that ingest accepted must not be refused here, whatever the limits were then.
fn no_limits() -> IngestLimits {
    IngestLimits {
        max_columns: usize::MAX,
        max_decompressed_bytes: u64::MAX,
        max_line_bytes: 1 << 40,
        ..IngestLimits::default()
    }
}

fn write_copy(table: &Table, plan: &CopyPlan, out: &Path, limits: &IngestLimits) -> Result<ExportCounts, IngestError> {
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".export-").tempfile_in(folder);
    let mut temporary = temporary.map_err(IngestError::io("create a file in", folder))?;
    let counts = match table.spec.format {
        Some(FileFormat::Parquet) => write_parquet(table.path, plan, temporary.as_file_mut()),
        _ => write_text(table, plan, temporary.as_file(), limits),
    };
    let counts = counts.map_err(|error| match error {
        CopyError::Out(error) => IngestError::io("write", out)(error),
        CopyError::Read(error) => error.at_start(table.path),
        CopyError::Whole(error) => error,
    })?;
    temporary.as_file().sync_all().map_err(IngestError::io("write", out))?;
    temporary.persist(out).map_err(|error| IngestError::io("create", out)(error.error))?;
    sync_folder(folder).map_err(IngestError::io("write", folder))?;
    Ok(counts)
}

/// Names that added columns cannot have.
fn taken_names(table: &Table, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
    if table.spec.format != Some(FileFormat::Jsonl) {
        return Ok(table.columns.clone());
    }
    // Any object may have keys of its own. Only those that could be in the way are kept: bounds memory.
    let (mut lines, _) = open_lines(table.text(), limits)?;
    let in_the_way = |key: &str| key.starts_with(TARGET) || key.starts_with(WEIGHT);
    discover_keys(&mut lines, u64::MAX, in_the_way).map_err(|error| error.at_start(table.path))
}

/// Which rows are copied, and what becomes of their columns.
struct CopyPlan<'a> {
    dropped: &'a dyn Fn(u32) -> bool,
    edit: Edit<'a>,
    /// Whether every row ends with a separator, and the header does not.
    rows_end_empty: bool,
}

/// What becomes of a table's columns in a copy.
enum Edit<'a> {
    Nothing,
    /// Two are added.
    Mark(Marks<'a>),
    /// One is left out.
    Withhold(Withheld),
}

impl CopyPlan<'_> {
    /// Writes a line of text with its line end.
    fn write_line(&self, raw: &[u8], line: Line, style: TextStyle, out: &mut dyn Write) -> Result<(), CopyError> {
        match &self.edit {
            Edit::Nothing => out.write_all(raw).map_err(CopyError::Out),
            Edit::Mark(marks) => {
                let header = matches!(line, Line::Header) && self.rows_end_empty;
                let ended = header.then(|| style.with_separator(raw));
                marks.write_line(ended.as_deref().unwrap_or(raw), line, style, out).map_err(CopyError::Out)
            }
            Edit::Withhold(withheld) => {
                let left = withheld.cut_line(raw, style)?;
                out.write_all(&left).map_err(CopyError::Out)
            }
        }
    }
}

/// Why a copy failed. The message names the file at fault: the one read, or the one written.
enum CopyError {
    Out(io::Error),
    Read(ReadError),
    Whole(IngestError),
}

impl From<ReadError> for CopyError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

fn write_text(table: &Table, plan: &CopyPlan, out: &File, limits: &IngestLimits) -> Result<ExportCounts, CopyError> {
    let compression = table.spec.compression.unwrap_or(Compression::None);
    let text = table.text().open(limits.max_decompressed_bytes).map_err(CopyError::Whole)?;
    let member = table.spec.member.as_deref().unwrap_or("table");
    let encoding = table.spec.encoding.filter(|encoding| !encoding.is_utf8());
    let copy = |out: &mut dyn Write| match encoding {
        None => copy_rows(table, text, plan, out, limits),
        Some(encoding) => {
            let mut encoder = Encoder::new(out, encoding.encoding());
            let counts = copy_rows(table, text, plan, &mut encoder, limits)?;
            encoder.finish().map_err(CopyError::Out)?;
            Ok(counts)
        }
    };
    write_compressed(out, compression, member, copy, CopyError::Out)
}

fn copy_rows(
    table: &Table,
    text: Text,
    plan: &CopyPlan,
    out: &mut dyn Write,
    limits: &IngestLimits,
) -> Result<ExportCounts, CopyError> {
    if text.bom {
        out.write_all(BOM).map_err(CopyError::Out)?;
    }
    let csv = table.spec.format != Some(FileFormat::Jsonl);
    let header = csv && table.spec.columns.is_none();
    match table.spec.separator.as_deref().filter(|_| csv) {
        Some(separator) if separator.len() == 1 => {
            let dialect = Dialect::new(separator.as_bytes()[0], &table.spec);
            let style = match dialect.quote {
                Some(_) => TextStyle::Quoted(separator),
                None => TextStyle::Separated(separator),
            };
            let no_rows = NoRows::new(&table.spec);
            let rows = Delimited::new(text.reader, dialect, no_rows, 0, limits.max_line_bytes).with_lead();
            copy_records(rows, header, plan, style, out)
        }
        separator => {
            let style = separator.map_or(TextStyle::Json, TextStyle::Separated);
            let lines = Lines::new(text.reader, NoRows::new(&table.spec), limits.max_line_bytes);
            copy_lines(lines, header, plan, style, out)
        }
    }
}

fn copy_records(
    mut rows: Delimited,
    mut header: bool,
    plan: &CopyPlan,
    style: TextStyle,
    out: &mut dyn Write,
) -> Result<ExportCounts, CopyError> {
    let mut counts = ExportCounts::default();
    let mut cells = Vec::new();
    // The record before: whether it was kept, and whether it ended in CR.
    let (mut kept, mut after_cr) = (true, false);
    loop {
        cells.clear();
        let more = loop {
            match rows.read(&mut cells) {
                true => break true,
                false if rows.refill()? => {}
                false => break false,
            }
        };
        let mut lead = rows.take_lead();
        let (last, body) = rows.raw();
        lead.extend_from_slice(last);
        // The LF of a CRLF stands before the next record but belongs to the one it ends.
        let (line_end, blank) = lead.split_at(usize::from(after_cr && lead.starts_with(b"\n")));
        if kept {
            out.write_all(line_end).map_err(CopyError::Out)?;
        }
        out.write_all(blank).map_err(CopyError::Out)?;
        if !more {
            return Ok(counts);
        }
        let line = next_line(&mut header, &mut counts, plan);
        kept = line.is_some();
        if let Some(line) = line {
            plan.write_line(body, line, style, out)?;
        }
        after_cr = body.ends_with(b"\r");
    }
}

fn copy_lines(
    mut lines: Lines,
    mut header: bool,
    plan: &CopyPlan,
    style: TextStyle,
    out: &mut dyn Write,
) -> Result<ExportCounts, CopyError> {
    let mut counts = ExportCounts::default();
    while lines.read()? {
        if lines.is_no_row() {
            out.write_all(lines.raw()).map_err(CopyError::Out)?;
        } else if let Some(line) = next_line(&mut header, &mut counts, plan) {
            plan.write_line(lines.raw(), line, style, out)?;
        }
    }
    Ok(counts)
}

/// What the next line is that is not blank, if it is kept. `header`: whether that is still to come.
fn next_line(header: &mut bool, counts: &mut ExportCounts, plan: &CopyPlan) -> Option<Line> {
    if std::mem::take(header) { Some(Line::Header) } else { counts.count_row(plan.dropped).map(Line::Row) }
}

fn write_parquet(source: &Path, plan: &CopyPlan, out: &mut File) -> Result<ExportCounts, CopyError> {
    let builder = parquet::open(source).map_err(CopyError::Whole)?;
    let (properties, has_arrow_schema) = properties(builder.metadata());
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(!has_arrow_schema);
    let schema = match &plan.edit {
        Edit::Nothing => builder.schema().clone(),
        Edit::Mark(marks) => marks.extend_schema(builder.schema()),
        Edit::Withhold(withheld) => withheld.cut_schema(builder.schema()).map_err(|error| unreadable(&error))?,
    };
    let mut writer = ArrowWriter::try_new_with_options(out, schema.clone(), options).map_err(unwritable)?;
    let mut counts = ExportCounts::default();
    for batch in builder.build().map_err(|error| unreadable(&error))? {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let rows: Vec<Option<u32>> = (0..batch.num_rows()).map(|_| counts.count_row(plan.dropped)).collect();
        let keep: BooleanArray = rows.iter().map(|row| Some(row.is_some())).collect();
        let mut kept = arrow_select::filter::filter_record_batch(&batch, &keep).map_err(|error| unreadable(&error))?;
        match &plan.edit {
            Edit::Nothing => {}
            Edit::Mark(marks) => {
                let rows: Vec<u32> = rows.into_iter().flatten().collect();
                kept = marks.extend_batch(&kept, schema.clone(), &rows).map_err(|error| unreadable(&error))?;
            }
            Edit::Withhold(withheld) => kept = withheld.cut_batch(&kept).map_err(|error| unreadable(&error))?,
        }
        writer.write(&kept).map_err(unwritable)?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush().map_err(unwritable)?;
        }
    }
    writer.close().map_err(unwritable)?;
    Ok(counts)
}

/// The upload's codec, row group size and metadata; and whether it holds an Arrow schema.
fn properties(metadata: &ParquetMetaData) -> (WriterProperties, bool) {
    let mut pairs = metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let all = pairs.len();
    // The writer adds its own.
    pairs.retain(|pair| pair.key != ARROW_SCHEMA);
    let has_arrow_schema = pairs.len() < all;
    let mut properties = WriterProperties::builder().set_key_value_metadata((!pairs.is_empty()).then_some(pairs));
    if let Some(group) = metadata.row_groups().first() {
        if let Some(column) = group.columns().first() {
            properties = properties.set_compression(column.compression());
        }
        let rows = usize::try_from(group.num_rows()).unwrap_or_default().clamp(1, MAX_ROW_GROUP_ROWS);
        properties = properties.set_max_row_group_row_count(Some(rows));
    }
    (properties.build(), has_arrow_schema)
}

fn unreadable(error: &dyn std::error::Error) -> CopyError {
    CopyError::Read(ReadError::Content(format!("the Parquet file cannot be read: {error}")))
}

fn unwritable(error: ParquetError) -> CopyError {
    CopyError::Out(io::Error::other(error))
}
