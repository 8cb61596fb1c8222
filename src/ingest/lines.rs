//! Lines of a text, for formats in which a row is a line: JSON lines, and separators of several characters (no quoting).

use super::{
    batch::{Batch, Fault, Next},
    disk::BUFFER,
    error::{IngestError, ReadError, shown},
    format::detect_compression,
    limits::IngestLimits,
    preamble::NoRows,
    source,
};
use crate::types::SourceFile;
use std::{
    io::{BufRead, BufReader, Read},
    ops::Range,
    path::Path,
};

/// The lines of a text, one at a time.
pub(crate) struct Lines {
    input: BufReader<Box<dyn Read>>,
    buffer: Vec<u8>,
    max_bytes: usize,
    line: u64,
    no_rows: NoRows,
}

impl Lines {
    pub fn new(input: Box<dyn Read>, no_rows: NoRows, max_bytes: usize) -> Self {
        Self { input: BufReader::with_capacity(BUFFER, input), buffer: Vec::new(), max_bytes, line: 0, no_rows }
    }

    /// Lines of a text file, which may be compressed.
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let limits = IngestLimits::default();
        let file = SourceFile::from(path);
        let text = source::open(&file, detect_compression(&file)?, None, limits.max_decompressed_bytes)?;
        Ok(Self::new(text.reader, NoRows::default(), limits.max_line_bytes))
    }

    /// Reads the next line; false at the end of the file.
    pub fn read(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        self.line += 1;
        let n = (&mut self.input).take(self.max_bytes as u64 + 1).read_until(b'\n', &mut self.buffer)?;
        if n > self.max_bytes {
            return Err(ReadError::Content(format!(
                "the row that starts here is longer than {} bytes",
                self.max_bytes
            )));
        }
        Ok(n > 0)
    }

    /// The next line that is a row.
    pub fn read_row(&mut self) -> Result<bool, ReadError> {
        while self.read()? {
            if !self.is_no_row() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the line is none, as in CSV: an empty one, and what the spec says to skip.
    pub fn is_no_row(&self) -> bool {
        self.text().is_empty() || self.line <= self.no_rows.skipped || self.no_rows.is_comment(&self.buffer)
    }

    /// The line with its line end.
    pub fn raw(&self) -> &[u8] {
        &self.buffer
    }

    /// The line without its line end.
    pub fn text(&self) -> &[u8] {
        let text = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        text.strip_suffix(b"\r").unwrap_or(text)
    }

    /// Number of the line, from 1.
    pub fn number(&self) -> u64 {
        self.line
    }
}

/// Rows whose values stand between separators of several characters (`::`).
pub(super) struct Separated {
    pub lines: Lines,
    separator: String,
    /// The columns whose cells must be text.
    needed: Vec<bool>,
}

impl Separated {
    pub fn new(lines: Lines, separator: String, needed: Vec<bool>) -> Self {
        Self { lines, separator, needed }
    }

    /// Reads the next row's cells into the batch.
    pub fn read(&mut self, batch: &mut Batch) -> Result<Next, ReadError> {
        if !self.lines.read_row()? {
            return Ok(Next::End);
        }
        let line = self.lines.text();
        if let Ok(text) = std::str::from_utf8(line) {
            text.split(self.separator.as_str()).for_each(|cell| batch.push_cell(cell.as_bytes()));
            return Ok(Next::Row);
        }
        for (position, cell) in separated_cells(line, self.separator.as_bytes()).into_iter().enumerate() {
            let cell = &line[cell];
            if self.needed.get(position) == Some(&true) && std::str::from_utf8(cell).is_err() {
                return Ok(Next::Bad(Fault::not_utf8(Some(position), shown(cell))));
            }
            batch.push_cell(cell);
        }
        Ok(Next::Row)
    }
}

/// Where the cells of a line stand whose separator has several characters.
pub(super) fn separated_cells(text: &[u8], separator: &[u8]) -> Vec<Range<usize>> {
    let (mut cells, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        if text[at..].starts_with(separator) {
            cells.push(start..at);
            at += separator.len();
            start = at;
        } else {
            at += 1;
        }
    }
    cells.push(start..text.len());
    cells
}
