//! The table an import writes: CSV, compressed where its name says so. The values of its columns are counted on the way.

use super::error::ImportError;
use crate::ingest::folder_of;
use hashbrown::HashSet;
use std::{
    fs::{File, Permissions},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const ZSTD_LEVEL: i32 = 3;
/// Rows between two calls of the tick.
const TICK: u64 = 1 << 13;

/// Called now and then with the rows written so far; can stop the import.
pub type Tick<'t> = &'t mut dyn FnMut(u64) -> ControlFlow<()>;

/// Writes a table, and counts what its columns hold.
pub(super) struct TableWriter<'t> {
    out: PathBuf,
    temporary: NamedTempFile,
    text: Text,
    /// Distinct values of each column.
    values: Vec<HashSet<Box<[u8]>>>,
    rows: u64,
    positives: u64,
    tick: Tick<'t>,
}

enum Text {
    Plain(BufWriter<File>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

/// What was written.
pub(super) struct Written {
    pub rows: u64,
    /// Rows with label 1.
    pub positives: u64,
    /// Distinct values of each column.
    pub values: Vec<u64>,
}

impl<'t> TableWriter<'t> {
    /// Begins a table that appears at `out` when it is whole.
    pub fn create(out: &Path, columns: &[String], tick: Tick<'t>) -> Result<Self, ImportError> {
        let failed = |error| ImportError::io("write", out)(error);
        let mut builder = tempfile::Builder::new();
        // The permissions of any new file: the umask takes its part away.
        builder.prefix(".import-").permissions(Permissions::from_mode(0o666));
        let temporary = builder.tempfile_in(folder_of(out)).map_err(failed)?;
        let file = BufWriter::with_capacity(1 << 18, temporary.reopen().map_err(failed)?);
        let text = match out.extension() {
            Some(end) if end == "zst" => Text::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL).map_err(failed)?),
            _ => Text::Plain(file),
        };
        let values = vec![HashSet::new(); columns.len()];
        let mut table = Self { out: out.to_owned(), temporary, text, values, rows: 0, positives: 0, tick };
        let header: Vec<&str> = columns.iter().map(String::as_str).collect();
        table.text.write_line(&header).map_err(failed)?;
        Ok(table)
    }

    /// Writes a row; `cells` is one for each column.
    pub fn write_row(&mut self, cells: &[&str], positive: bool) -> Result<(), ImportError> {
        debug_assert_eq!(cells.len(), self.values.len());
        for (values, cell) in self.values.iter_mut().zip(cells) {
            if !values.contains(cell.as_bytes()) {
                values.insert(cell.as_bytes().into());
            }
        }
        self.rows += 1;
        self.positives += u64::from(positive);
        if self.rows.is_multiple_of(TICK) && (self.tick)(self.rows) == ControlFlow::Break(()) {
            return Err(ImportError::Cancelled);
        }
        self.text.write_line(cells).map_err(ImportError::io("write", &self.out))
    }

    pub fn finish(self) -> Result<Written, ImportError> {
        let failed = |error| ImportError::io("write", &self.out)(error);
        self.text.finish().map_err(failed)?;
        self.temporary.as_file().sync_all().map_err(failed)?;
        self.temporary.persist(&self.out).map_err(|error| failed(error.error))?;
        let values = self.values.iter().map(|values| values.len() as u64).collect();
        Ok(Written { rows: self.rows, positives: self.positives, values })
    }
}

impl Text {
    fn write_line(&mut self, cells: &[&str]) -> io::Result<()> {
        match self {
            Self::Plain(out) => write_line(out, cells),
            Self::Zstd(out) => write_line(out, cells),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out,
            Self::Zstd(out) => out.finish()?,
        }
        .flush()
    }
}

fn write_line(out: &mut impl Write, cells: &[&str]) -> io::Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

/// Names of columns as a table's own.
pub(super) fn column_names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}
