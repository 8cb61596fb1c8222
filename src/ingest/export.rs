//! The upload without the rows a job dropped: byte for byte for text, schema for schema for Parquet. Where the job's rows
//! count as of other labels or weigh otherwise, two more columns say so (`marks`).
//!
//! Rows are found by the parsers that read them at ingest, so a row means the same both times. Whatever is no row (byte
//! order mark, header, blank lines, the missing line end of the last row) is copied as it stands.

use super::{
    compressed::write_compressed,
    copy::{CopyError, CopyPlan, Edit, ExportCounts},
    error::IngestError,
    export_parquet::{write_parquet, write_parquet_part},
    export_text::TextCopy,
    file_archive::FileArchive,
    jsonl::discover_keys,
    layout::{folder_of, sync_folder},
    limits::IngestLimits,
    line_ends::LineEnds,
    marks::{Marks, RowMark, TARGET, WEIGHT},
    part::Part,
    reader::open_lines,
    recode::Encoder,
    reshape::Reshape,
    table::Table,
    withheld::Withheld,
};
use crate::types::{Compression, DatasetSpec, FileFormat, LabelColumns, OutputForm, Split, TableSource};
use std::{fs::File, io::Write, path::Path};

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

/// Copies `source` to the file `out` with what `changes` says of its rows. Of several files their rows one behind the other.
///
/// `spec` is the one ingest gave back, or the one it was given. The compression is that of the first file. `out` appears, or is
/// replaced, when it is whole.
pub fn write_denoised(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    changes: RowChanges,
    out: &Path,
) -> Result<Exported, IngestError> {
    write_denoised_as(OutputForm::File, &source.into(), spec, changes, out)
}

/// The same in any form. A folder must not be there yet, and is not removed where writing it fails. The files of an archive pass
/// through the folder of `out`, one after the other.
pub fn write_denoised_as(
    form: OutputForm,
    source: &TableSource,
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
    let mut counts = ExportCounts::default();
    match form {
        OutputForm::File => write_copy(&table, &table.parts, &plan, &mut counts, out, &limits)?,
        OutputForm::TrainFile => {
            let train = table.parts.iter().take_while(|part| part.split.is_none_or(|split| split == Split::Train));
            write_copy(&table, &table.parts[..train.count()], &plan, &mut counts, out, &limits)?;
        }
        OutputForm::Folder => {
            for (part, named) in table.parts.iter().zip(&source.parts) {
                let out = out.join(&named.name);
                let folder = out.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(IngestError::io("create", folder))?;
                write_file(&out, |file| write_part(&table, part, &plan, &mut counts, file, &limits))?;
            }
        }
        OutputForm::Archive => write_file(out, |file| {
            let mut archive = FileArchive::new(file, folder_of(out));
            for (part, named) in table.parts.iter().zip(&source.parts) {
                archive.add(&named.name, |file| write_part(&table, part, &plan, &mut counts, file, &limits))?;
            }
            archive.finish()
        })?,
    }
    let label_columns = match plan.edit {
        Edit::Mark(marks) => Some(marks.columns),
        Edit::Nothing | Edit::Withhold(_) => None,
    };
    Ok(Exported { counts, label_columns })
}

/// Copies `source` to `out` without its column `withheld` and without the rows that are `dropped`, by their position in the
/// file. `spec` and `out` are as of [`write_denoised`].
pub fn write_withheld(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    dropped: &dyn Fn(u32) -> bool,
    withheld: &str,
    out: &Path,
) -> Result<ExportCounts, IngestError> {
    let limits = no_limits();
    let table = Table::open(&source.into(), spec, &limits)?;
    let edit = Edit::Withhold(Withheld::new(&table.columns, withheld)?);
    let mut counts = ExportCounts::default();
    let plan = CopyPlan { dropped, edit, rows_end_empty: table.rows_end_empty };
    write_copy(&table, &table.parts, &plan, &mut counts, out, &limits)?;
    Ok(counts)
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

/// Writes these parts of the table to one file, in the table's columns.
fn write_copy(
    table: &Table,
    parts: &[Part],
    plan: &CopyPlan,
    counts: &mut ExportCounts,
    out: &Path,
    limits: &IngestLimits,
) -> Result<(), IngestError> {
    write_file(out, |file| match table.spec.format {
        Some(FileFormat::Parquet) => write_parquet(table, parts, plan, counts, file),
        _ => write_text(file, &table.spec, parts.iter().find_map(|part| part.spec.member.as_deref()), |out| {
            let (mut out, mut first) = (LineEnds::new(out), true);
            for part in parts.iter().filter(|part| part.has_rows()) {
                out.end_line().map_err(CopyError::Out)?;
                let reshape = Reshape::of(part, &table.columns[table.own_columns().len()..]);
                let copy = TextCopy { table, part, plan, reshape, first };
                copy.write(counts, &mut out, limits)?;
                first = false;
            }
            Ok(())
        }),
    })
}

/// Writes one part of the table to a file like it.
fn write_part(
    table: &Table,
    part: &Part,
    plan: &CopyPlan,
    counts: &mut ExportCounts,
    file: &mut File,
    limits: &IngestLimits,
) -> Result<(), CopyError> {
    match part.spec.format {
        _ if !part.has_rows() => Ok(()),
        Some(FileFormat::Parquet) => write_parquet_part(part, plan, counts, file),
        _ => write_text(file, &part.spec, part.spec.member.as_deref(), |out| {
            let copy = TextCopy { table, part, plan, reshape: None, first: true };
            copy.write(counts, out, limits)
        }),
    }
}

/// Hands `write` where text in UTF-8 goes: to a file that is compressed and encoded as the spec says. `member` is the text's name in
/// a zip archive.
fn write_text(
    file: &File,
    spec: &DatasetSpec,
    member: Option<&str>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let compression = spec.compression.unwrap_or(Compression::None);
    let encoding = spec.encoding.filter(|encoding| !encoding.is_utf8());
    let write = |out: &mut dyn Write| match encoding {
        None => write(out),
        Some(encoding) => {
            let mut encoder = Encoder::new(out, encoding.encoding());
            write(&mut encoder)?;
            encoder.finish().map_err(CopyError::Out)
        }
    };
    write_compressed(file, compression, member.unwrap_or("table"), write, CopyError::Out)
}

/// Makes a file that appears under its name when `write` has written it.
fn write_file(out: &Path, write: impl FnOnce(&mut File) -> Result<(), CopyError>) -> Result<(), IngestError> {
    let folder = folder_of(out);
    let temporary = tempfile::Builder::new().prefix(".export-").tempfile_in(folder);
    let mut temporary = temporary.map_err(IngestError::io("create a file in", folder))?;
    write(temporary.as_file_mut()).map_err(|error| match error {
        CopyError::Out(error) => IngestError::io("write", out)(error),
        CopyError::Source(error) => error,
    })?;
    temporary.as_file().sync_all().map_err(IngestError::io("write", out))?;
    temporary.persist(out).map_err(|error| IngestError::io("create", out)(error.error))?;
    sync_folder(folder).map_err(IngestError::io("write", folder))
}

/// Names that added columns cannot have.
fn taken_names(table: &Table, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
    let mut names = table.columns.clone();
    if table.spec.format == Some(FileFormat::Jsonl) {
        // Any object may have keys of its own. Only those that could be in the way are kept: bounds memory.
        let in_the_way = |key: &str| key.starts_with(TARGET) || key.starts_with(WEIGHT);
        for part in table.parts.iter().filter(|part| part.has_rows()) {
            let (mut lines, _) = open_lines(part.text(), limits)?;
            let read = discover_keys(&mut lines, u64::MAX, in_the_way, usize::MAX, &mut names);
            read.map_err(|error| error.at_start(&part.path).in_part(part.name.as_deref()))?;
        }
    }
    Ok(names)
}
