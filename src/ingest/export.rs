//! The upload without the rows a job dropped: byte for byte for text, schema for schema for Parquet.
//!
//! Rows are found by the parsers that read them at ingest, so a row means the same both times. Whatever is no row (byte
//! order mark, header, blank lines, the missing line end of the last row) is copied as it stands.

use super::{
    delimited::Delimited,
    error::{IngestError, ReadError},
    format::compression,
    layout::sync_folder,
    limits::IngestLimits,
    lines::Lines,
    parquet,
    source::{self, BOM, BUFFER, Text},
    table::Table,
};
use crate::types::{Compression, DatasetSpec, FileFormat};
use ::parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    errors::ParquetError,
    file::{metadata::ParquetMetaData, properties::WriterProperties},
};
use arrow_array::BooleanArray;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// Level of a compressed export, as of the `gzip` and `zstd` programs.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
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
    /// Counts the next row; whether it is kept.
    fn count_row(&mut self, dropped: &dyn Fn(u32) -> bool) -> bool {
        // Ingest has refused files of more than u32::MAX rows.
        let keep = !dropped((self.kept + self.dropped) as u32);
        *(if keep { &mut self.kept } else { &mut self.dropped }) += 1;
        keep
    }
}

/// Copies `source` to `out` without the rows of which `dropped` (by position in the file) is true.
///
/// `spec` is the one ingest gave back, or the one it was given. The compression is the upload's. `out` appears, or is
/// replaced, when it is whole.
pub fn write_denoised(
    source: &Path,
    spec: &DatasetSpec,
    dropped: &dyn Fn(u32) -> bool,
    out: &Path,
) -> Result<ExportCounts, IngestError> {
    // A table that ingest accepted must not be refused here, whatever the limits were then.
    let limits = IngestLimits {
        max_columns: usize::MAX,
        max_decompressed_bytes: u64::MAX,
        max_line_bytes: 1 << 40,
        ..IngestLimits::default()
    };
    let table = Table::open(source, spec, &limits)?;
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".export-").tempfile_in(folder);
    let mut temporary = temporary.map_err(IngestError::io("create a file in", folder))?;
    let counts = match table.spec.format {
        Some(FileFormat::Parquet) => write_parquet(source, dropped, temporary.as_file_mut()),
        _ => write_text(&table, dropped, temporary.as_file(), &limits),
    };
    let counts = counts.map_err(|error| match error {
        CopyError::Out(error) => IngestError::io("write", out)(error),
        CopyError::Read(error) => error.at_start(source),
        CopyError::Whole(error) => error,
    })?;
    temporary.as_file().sync_all().map_err(IngestError::io("write", out))?;
    temporary.persist(out).map_err(|error| IngestError::io("create", out)(error.error))?;
    sync_folder(folder).map_err(IngestError::io("write", folder))?;
    Ok(counts)
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

fn write_text(
    table: &Table,
    dropped: &dyn Fn(u32) -> bool,
    out: &File,
    limits: &IngestLimits,
) -> Result<ExportCounts, CopyError> {
    let compression = compression(&table.spec);
    let text = source::open(table.path, compression, limits.max_decompressed_bytes).map_err(CopyError::Whole)?;
    let out = BufWriter::with_capacity(BUFFER, out);
    match compression {
        Compression::None => {
            let mut out = out;
            let counts = copy_rows(table, text, dropped, &mut out, limits)?;
            out.flush().map_err(CopyError::Out)?;
            Ok(counts)
        }
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            let counts = copy_rows(table, text, dropped, &mut out, limits)?;
            out.finish().and_then(|mut out| out.flush()).map_err(CopyError::Out)?;
            Ok(counts)
        }
        Compression::Zstd => {
            let mut out = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL).map_err(CopyError::Out)?;
            out.include_checksum(true).map_err(CopyError::Out)?;
            let counts = copy_rows(table, text, dropped, &mut out, limits)?;
            out.finish().and_then(|mut out| out.flush()).map_err(CopyError::Out)?;
            Ok(counts)
        }
    }
}

fn copy_rows(
    table: &Table,
    text: Text,
    dropped: &dyn Fn(u32) -> bool,
    out: &mut dyn Write,
    limits: &IngestLimits,
) -> Result<ExportCounts, CopyError> {
    if text.bom {
        out.write_all(BOM).map_err(CopyError::Out)?;
    }
    let csv = table.spec.format != Some(FileFormat::Jsonl);
    let header = csv && table.spec.columns.is_none();
    match table.spec.separator.as_deref().map(str::as_bytes) {
        Some(&[separator]) if csv => {
            let rows = Delimited::new(text.reader, separator, limits.max_line_bytes);
            copy_records(rows, header, dropped, out)
        }
        _ => copy_lines(Lines::new(text.reader, limits.max_line_bytes), header, dropped, out),
    }
}

fn copy_records(
    mut rows: Delimited,
    mut header: bool,
    dropped: &dyn Fn(u32) -> bool,
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
        let (lead, body) = rows.raw();
        // The LF of a CRLF stands before the next record but belongs to the one it ends.
        let (line_end, blank) = lead.split_at(usize::from(after_cr && lead.starts_with(b"\n")));
        if kept {
            out.write_all(line_end).map_err(CopyError::Out)?;
        }
        out.write_all(blank).map_err(CopyError::Out)?;
        if !more {
            return Ok(counts);
        }
        kept = std::mem::take(&mut header) || counts.count_row(dropped);
        if kept {
            out.write_all(body).map_err(CopyError::Out)?;
        }
        after_cr = body.ends_with(b"\r");
    }
}

fn copy_lines(
    mut lines: Lines,
    mut header: bool,
    dropped: &dyn Fn(u32) -> bool,
    out: &mut dyn Write,
) -> Result<ExportCounts, CopyError> {
    let mut counts = ExportCounts::default();
    while lines.read()? {
        if lines.is_blank() || std::mem::take(&mut header) || counts.count_row(dropped) {
            out.write_all(lines.raw()).map_err(CopyError::Out)?;
        }
    }
    Ok(counts)
}

fn write_parquet(source: &Path, dropped: &dyn Fn(u32) -> bool, out: &mut File) -> Result<ExportCounts, CopyError> {
    let builder = parquet::open(source).map_err(CopyError::Whole)?;
    let (properties, has_arrow_schema) = properties(builder.metadata());
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(!has_arrow_schema);
    let schema = builder.schema().clone();
    let mut writer = ArrowWriter::try_new_with_options(out, schema, options).map_err(unwritable)?;
    let mut counts = ExportCounts::default();
    for batch in builder.build().map_err(|error| unreadable(&error))? {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let keep: BooleanArray = (0..batch.num_rows()).map(|_| Some(counts.count_row(dropped))).collect();
        let kept = arrow_select::filter::filter_record_batch(&batch, &keep).map_err(|error| unreadable(&error))?;
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
