//! A raw file line by line, with line numbers for errors. Text is Latin-1, as in the titles of GroupLens and Netflix.

use super::error::{BadLine, ImportError};
use crate::ingest::{IngestError, Lines, ReadError, shown};
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// A raw file, at one of its lines.
pub(super) struct RawFile {
    path: PathBuf,
    lines: Lines,
}

impl RawFile {
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        if !path.is_file() {
            return Err(ImportError::file(path, "there is no such file"));
        }
        let lines = Lines::open(path).map_err(|error| match error {
            IngestError::Io { action, path, source } => ImportError::Io { action, path, source },
            other => ImportError::file(path, other.to_string()),
        })?;
        Ok(Self { path: path.to_owned(), lines })
    }

    /// Goes to the next line that is not blank; false at the end of the file.
    pub fn advance(&mut self) -> Result<bool, ImportError> {
        self.lines.read_row().map_err(|error| match error {
            ReadError::Disk(source) => ImportError::io("read", &self.path)(source),
            ReadError::Content(rule) => self.fault(None, b"", rule),
        })
    }

    /// The current line without its line end (LF or CRLF).
    pub fn line(&self) -> &[u8] {
        self.lines.text()
    }

    /// What is wrong with a value of the current line.
    pub fn bad_value(&self, column: &'static str, value: &[u8], rule: impl Into<String>) -> ImportError {
        self.fault(Some(column), value, rule.into())
    }

    /// What is wrong with the current line as a whole.
    pub fn bad_line(&self, rule: impl Into<String>) -> ImportError {
        self.fault(None, self.line(), rule.into())
    }

    fn fault(&self, column: Option<&'static str>, value: &[u8], rule: String) -> ImportError {
        let (path, line) = (self.path.clone(), self.lines.number());
        ImportError::Line(BadLine { path, line, column, value: shown(value), rule })
    }

    /// A whole number of the current line.
    pub fn number(&self, column: &'static str, cell: &[u8], range: RangeInclusive<u32>) -> Result<u32, ImportError> {
        let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.bad_value(column, cell, rule)
        })
    }
}

/// `N` cells between separators; none where there are more or fewer.
pub(super) fn cells<'a, const N: usize>(line: &'a [u8], separator: &[u8]) -> Option<[&'a [u8]; N]> {
    let mut cells = [&line[..0]; N];
    let mut rest = line;
    for (at, cell) in cells.iter_mut().enumerate() {
        let end = rest.windows(separator.len()).position(|part| part == separator);
        match end {
            Some(end) if at + 1 < N => (*cell, rest) = (&rest[..end], &rest[end + separator.len()..]),
            None if at + 1 == N => *cell = rest,
            _ => return None,
        }
    }
    Some(cells)
}

/// Latin-1 as text: every byte is the character of the same number.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted() {
        assert_eq!(cells(b"1::2::", b"::"), Some([&b"1"[..], b"2", b""]));
        assert_eq!(cells::<3>(b"1::2", b"::"), None);
        assert_eq!(cells::<3>(b"1::2::3::4", b"::"), None);
        assert_eq!(latin1(b"Caf\xe9"), "Café");
    }
}
