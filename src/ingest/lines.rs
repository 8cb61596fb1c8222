//! Lines of a text, for formats in which a row is a line: JSON lines, and separators of several characters (no quoting).

use super::{
    batch::{Batch, Fault, Next},
    error::{IngestError, ReadError, shown},
    format::detect_compression,
    limits::IngestLimits,
    source::{self, BUFFER},
};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// The lines of a text, one at a time.
pub(crate) struct Lines {
    input: BufReader<Box<dyn Read>>,
    buffer: Vec<u8>,
    max_bytes: usize,
    line: u64,
}

impl Lines {
    pub fn new(input: Box<dyn Read>, max_bytes: usize) -> Self {
        Self { input: BufReader::with_capacity(BUFFER, input), buffer: Vec::new(), max_bytes, line: 0 }
    }

    /// Lines of a text file, which may be gzip or zstd.
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let limits = IngestLimits::default();
        let text = source::open(path, detect_compression(path)?, limits.max_decompressed_bytes)?;
        Ok(Self::new(text.reader, limits.max_line_bytes))
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

    /// The next line that is not blank.
    pub fn read_row(&mut self) -> Result<bool, ReadError> {
        while self.read()? {
            if !self.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An empty line is not a row, as in CSV.
    pub fn is_blank(&self) -> bool {
        self.text().is_empty()
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
}

impl Separated {
    pub fn new(lines: Lines, separator: String) -> Self {
        Self { lines, separator }
    }

    /// Reads the next row's cells into the batch.
    pub fn read(&mut self, batch: &mut Batch) -> Result<Next, ReadError> {
        if !self.lines.read_row()? {
            return Ok(Next::End);
        }
        match std::str::from_utf8(self.lines.text()) {
            Ok(text) => {
                for cell in text.split(self.separator.as_str()) {
                    batch.push_cell(cell.as_bytes());
                }
                Ok(Next::Row)
            }
            Err(error) => {
                let valid = &self.lines.text()[..error.valid_up_to()];
                let position = String::from_utf8_lossy(valid).matches(self.separator.as_str()).count();
                Ok(Next::Bad(Fault::not_utf8(Some(position), shown(self.lines.text()))))
            }
        }
    }
}
