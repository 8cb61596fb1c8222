//! What the characters of a CSV mean, and what its lines say of whether quotes quote anything.

use super::error::IngestError;
use crate::types::{DatasetSpec, Quote};

/// The characters that mean something, each of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub separator: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
}

impl Dialect {
    /// That of a spec whose separator is this byte.
    pub fn new(separator: u8, spec: &DatasetSpec) -> Self {
        let quote = match spec.quote {
            None => Some(b'"'),
            Some(Quote::None) => None,
            Some(Quote::Byte(byte)) => Some(byte),
        };
        Self { separator, quote, escape: spec.escape.and_then(|escape| u8::try_from(escape).ok()) }
    }
}

/// Refuses characters that cannot mean what the spec says. `separator` is that of the table.
pub(super) fn check(spec: &DatasetSpec, separator: &str) -> Result<(), IngestError> {
    let single = separator.len() == 1;
    let refuse = |pointer: &str, rule: &str| Err(IngestError::field(pointer, rule));
    if separator == "\0" {
        return refuse("/separator", "any character but NUL");
    }
    match spec.quote {
        Some(Quote::Byte(_)) if !single => {
            return refuse("/quote", "a separator of several characters knows no quotes; leave it out, or say `none`");
        }
        Some(Quote::Byte(byte)) if separator.as_bytes() == [byte] => {
            return refuse("/quote", "another character than the separator");
        }
        _ => {}
    }
    let Some(escape) = spec.escape else { return Ok(()) };
    let quote = spec.quote.map_or_else(|| "\"".to_owned(), String::from);
    if !single {
        return refuse("/escape", "a separator of several characters knows no escapes; leave it out");
    }
    if !escape.is_ascii_graphic() || [separator, &quote].contains(&escape.to_string().as_str()) {
        return refuse("/escape", "one ASCII character that is neither the separator nor the quote, for example `\\`");
    }
    Ok(())
}

/// What records with line ends or separators within quotes say.
///
/// A stray quote at the start of a cell takes in all lines up to the next one, each of which has as many values as a row. A
/// text of several lines that is quoted on purpose hardly ever comes in such lines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LinesInQuotes {
    /// Values of a whole line; 0 where nobody wants to know.
    columns: usize,
    /// Records of one line that need their quotes, and of several lines that are no rows by themselves.
    pub needed: u64,
    /// Records of several lines, each of which would be a row by itself.
    pub swallowing: u64,
    /// The first of those: the line it starts on, and how many it has.
    pub first: (u64, u64),
    /// Number of the table's part that the first is in.
    pub part: usize,
}

impl LinesInQuotes {
    pub fn new(columns: usize) -> Self {
        // With one column every line is a row.
        Self { columns: if columns > 1 { columns } else { 0 }, ..Self::default() }
    }

    /// Counts a record that starts on `line`. `broken`: a line end stands within its quotes.
    #[cold]
    pub fn add(&mut self, record: &[u8], line: u64, broken: bool, separator: u8) {
        if self.columns == 0 {
            return;
        }
        let mut lines = 0;
        let mut rows = record.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
        let is_row = |line: &[u8]| line.iter().filter(|byte| **byte == separator).count() + 1 == self.columns;
        let whole = rows.all(|line| {
            lines += 1;
            is_row(line)
        });
        if !broken || !whole || lines < 2 {
            self.needed += 1;
            return;
        }
        if self.swallowing == 0 {
            self.first = (line, lines);
        }
        self.swallowing += 1;
    }

    /// Counts what the records of the next part say.
    pub fn add_part(&mut self, next: Self, part: usize) {
        if self.swallowing == 0 {
            (self.first, self.part) = (next.first, part);
        }
        self.needed += next.needed;
        self.swallowing += next.swallowing;
    }

    /// Whether nothing seems to be quoted.
    pub fn speak_against_quotes(&self) -> bool {
        self.swallowing > 0 && self.needed == 0
    }
}
