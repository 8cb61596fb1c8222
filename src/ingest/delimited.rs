//! CSV with a single-character separator: RFC 4180 quoting, any of LF, CRLF and CR as line end, blank lines skipped.
//!
//! Keeps the raw bytes of the current record, so that errors have true lines and an export is byte for byte.

use super::{
    error::{ContentError, ReadError},
    source::BUFFER,
};
use csv::ByteRecord;
use std::io::{self, Read};

pub(super) struct Delimited {
    reader: csv::Reader<Tee>,
    quote_open: bool,
    /// Raw bytes of the current record, and how many of them are line ends before it.
    raw: usize,
    lead: usize,
    line: u64,
}

impl Delimited {
    pub fn new(inner: Box<dyn Read>, separator: u8, max_row_bytes: usize) -> Self {
        let tee = Tee { inner, kept: Vec::new(), start: 0, separator, limit: max_row_bytes, at_end: false };
        let reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            .from_reader(tee);
        Self { reader, quote_open: false, raw: 0, lead: 0, line: 0 }
    }

    /// The next record; false at the end of the file.
    pub fn read(&mut self, record: &mut ByteRecord) -> Result<bool, ReadError> {
        let (start, line) = (self.reader.position().byte(), self.reader.position().line());
        self.reader.get_mut().start += self.raw;
        self.raw = 0;
        self.line = line + u64::from(self.reader.get_ref().kept[self.reader.get_ref().start..].starts_with(b"\n"));
        let more = self.reader.read_byte_record(record)?;
        self.raw = (self.reader.position().byte() - start) as usize;
        let at_end = self.reader.get_ref().at_end;
        let raw = self.reader.get_ref().front(self.raw);
        // The parser ends a record on CR, so a record begins with the LF of the one before, then with blank lines.
        self.lead = raw.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        self.line = line + raw[..self.lead].iter().filter(|b| **b == b'\n').count() as u64;
        // The parser takes the end of the file for a closing quote. Only the last record can have that.
        self.quote_open = more && at_end && ends_in_quotes(&raw[self.lead..], self.separator());
        Ok(more)
    }

    /// Whether the current record began a quote that never closes.
    pub fn quote_open(&self) -> bool {
        self.quote_open
    }

    /// Line of the file on which the current record starts, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Raw bytes of the current record: line ends before it, then its own without the LF of a CRLF.
    pub fn raw(&self) -> (&[u8], &[u8]) {
        self.reader.get_ref().front(self.raw).split_at(self.lead)
    }

    fn separator(&self) -> u8 {
        self.reader.get_ref().separator
    }
}

fn ends_in_quotes(record: &[u8], separator: u8) -> bool {
    let (mut quoted, mut cell_start) = (false, true);
    let mut bytes = record.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if quoted {
            if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
                quoted = false;
            }
        } else {
            quoted = cell_start && byte == b'"';
            cell_start = byte == separator;
        }
    }
    quoted
}

/// Keeps a copy of what the parser has read and not yet turned into a finished record.
struct Tee {
    inner: Box<dyn Read>,
    kept: Vec<u8>,
    start: usize,
    separator: u8,
    limit: usize,
    at_end: bool,
}

impl Tee {
    fn front(&self, len: usize) -> &[u8] {
        &self.kept[self.start..self.start + len]
    }
}

impl Read for Tee {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // Whatever is kept here belongs to one unfinished record: the parser reads on only when it has used up the rest.
        if self.kept.len() - self.start > self.limit {
            return Err(ContentError::io(format!(
                "the row that starts here is longer than {} bytes; is a quote left open?",
                self.limit
            )));
        }
        self.kept.drain(..self.start);
        self.start = 0;
        let n = self.inner.read(out)?;
        self.kept.extend_from_slice(&out[..n]);
        self.at_end = n == 0;
        Ok(n)
    }
}
