//! CSV with a single-character separator: RFC 4180 quoting, any of LF, CRLF and CR as line end, blank lines skipped.
//!
//! The cells are the same as the `csv` crate's. That crate copies every byte and looks at one byte at a time; here a block
//! of the file is divided where it lies, which is faster. The raw bytes of a record stay available, so that errors have
//! true line numbers and an export is byte for byte.

use super::{
    batch::{BATCH_BYTES, Span},
    error::{ContentError, ReadError},
    source::BUFFER,
    specials::Specials,
};
use std::{
    io::{self, Read},
    ops::Range,
};

/// A reader of CSV records.
pub(super) struct Delimited {
    input: Box<dyn Read>,
    separator: u8,
    limit: usize,
    /// How much is read at once.
    part: usize,
    /// A part of the file, `filled` bytes long, then cells whose quotes had to be taken out.
    block: Vec<u8>,
    filled: usize,
    specials: Specials,
    /// Where in the block the next record begins, with the line ends before it; and on which line.
    next: usize,
    next_line: u64,
    /// Whether the file ends with the block.
    at_end: bool,
    /// The error that reading stopped with. The block's records are given before it.
    failed: Option<io::Error>,
    lead: Range<usize>,
    body: Range<usize>,
    line: u64,
    quote_open: bool,
}

impl Delimited {
    pub fn new(input: Box<dyn Read>, separator: u8, max_row_bytes: usize) -> Self {
        Self {
            input,
            separator,
            // Spans are of 32 bits.
            limit: max_row_bytes.min(1 << 31),
            part: BATCH_BYTES,
            block: Vec::new(),
            filled: 0,
            specials: Specials::new(separator),
            next: 0,
            next_line: 1,
            at_end: false,
            failed: None,
            lead: 0..0,
            body: 0..0,
            line: 1,
            quote_open: false,
        }
    }

    /// Divides the next record of the block, and appends its cells to `cells`. Returns false and appends nothing where the
    /// block holds no further whole record: `refill` it then.
    pub fn read(&mut self, cells: &mut Vec<Span>) -> bool {
        let (before, at_end, separator) = (cells.len(), self.at_end, self.separator);
        let mut specials = self.specials;
        let mut text = &self.block[..self.filled];
        let (mut start, mut line) = (self.next, self.next_line);
        // The LF of a CRLF stands before the next record, as do blank lines.
        while let Some(byte @ (b'\n' | b'\r')) = text.get(start) {
            line += u64::from(*byte == b'\n');
            start += 1;
            specials.next(text);
        }
        (self.lead, self.body, self.line) = (self.next..start, start..start, line);
        if start == text.len() {
            return false;
        }
        let (mut cell, mut quote_open) = (start, false);
        let end = loop {
            let quoted = text.get(cell) == Some(&b'"');
            // Where the quotes of a quoted cell close, and whether there are no quotes between.
            let (mut close, mut plain) = (None, true);
            if quoted {
                specials.next(text);
                while let Some(at) = specials.next(text) {
                    if text[at] != b'"' {
                        line += u64::from(text[at] == b'\n');
                    } else if text.get(at + 1) == Some(&b'"') {
                        specials.next(text);
                        plain = false;
                    } else {
                        close = Some(at);
                        break;
                    }
                }
                quote_open = close.is_none();
            }
            let end = if quote_open { text.len() } else { cell_end(text, &mut specials) };
            // The cell may go on in the next block, even with a quote that makes the last one no closing quote.
            if end == text.len() && !at_end {
                cells.truncate(before);
                return false;
            }
            cells.push(match close {
                _ if !quoted => Span::new(cell, end),
                None if plain => Span::new(cell + 1, end),
                Some(close) if plain && close + 1 == end => Span::new(cell + 1, close),
                _ => {
                    let span = self.without_quotes(cell..end);
                    text = &self.block[..self.filled];
                    span
                }
            });
            match text.get(end) {
                Some(byte) if *byte == separator => cell = end + 1,
                Some(byte) => {
                    line += u64::from(*byte == b'\n');
                    break end + 1;
                }
                None => break end,
            }
        };
        (self.specials, self.next, self.next_line) = (specials, end, line);
        (self.body, self.quote_open) = (start..end, quote_open);
        true
    }

    /// Appends what a quoted cell says, without its quotes, to the block.
    #[cold]
    fn without_quotes(&mut self, cell: Range<usize>) -> Span {
        let start = self.block.len();
        let (mut quoted, mut after_quote) = (true, false);
        for at in cell.start + 1..cell.end {
            let byte = self.block[at];
            if !quoted || byte != b'"' && !after_quote {
                self.block.push(byte);
            } else if byte != b'"' {
                // The quote before it closed the quotes.
                quoted = false;
                self.block.push(byte);
            } else if after_quote {
                self.block.push(b'"');
                after_quote = false;
            } else {
                after_quote = true;
            }
        }
        Span::new(start, self.block.len())
    }

    /// Reads on, and drops what was read before; false at the end of the file.
    pub fn refill(&mut self) -> Result<bool, ReadError> {
        // The line that an error here is reported with.
        self.line = self.next_line + u64::from(self.text()[self.next..].starts_with(b"\n"));
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        if self.at_end {
            return Ok(false);
        }
        self.block.truncate(self.filled);
        self.block.drain(..self.next);
        // What is left belongs to one unfinished record.
        if self.block.len() > self.limit {
            return Err(ContentError::io(format!(
                "the row that starts here is longer than {} bytes; is a quote left open?",
                self.limit
            ))
            .into());
        }
        // A long record is read in ever larger parts, because it is divided from its start each time. No part goes far beyond
        // the limit, so that a record that is too long is noticed there.
        let enough = self.part.max(2 * self.block.len()).min(self.limit + 1);
        while self.block.len() < enough && !self.at_end {
            let len = self.block.len();
            self.block.resize(len + BUFFER, 0);
            let read = self.input.read(&mut self.block[len..]);
            self.block.truncate(len + read.as_ref().map_or(0, |n| *n));
            match read {
                Ok(n) => self.at_end = n == 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The records read before the error are given first.
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        self.restart();
        Ok(true)
    }

    /// Puts the block into `text`, because the spans of the records read since the last call refer to it. Takes the memory of
    /// `text` in return.
    pub fn hand_over(&mut self, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(&self.block[self.next..self.filled]);
        std::mem::swap(&mut self.block, text);
        self.restart();
    }

    /// Goes to the start of a new block.
    fn restart(&mut self) {
        (self.filled, self.next) = (self.block.len(), 0);
        self.specials = Specials::new(self.separator);
    }

    fn text(&self) -> &[u8] {
        &self.block[..self.filled]
    }

    /// What a cell of the current record says.
    pub fn cell(&self, cell: Span) -> &[u8] {
        cell.slice(&self.block)
    }

    /// Whether the current record began a quote that never closes: the file ends within.
    pub fn quote_open(&self) -> bool {
        self.quote_open
    }

    /// Line of the file on which the current record starts, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Raw bytes of the current record: the line ends before it, then its own bytes without the LF of a CRLF. Behind the
    /// last record: the line ends that are left, then nothing.
    pub fn raw(&self) -> (&[u8], &[u8]) {
        (&self.block[self.lead.clone()], &self.block[self.body.clone()])
    }
}

/// Where a cell ends; the search starts behind its quotes, if it has any.
#[inline(always)]
fn cell_end(text: &[u8], specials: &mut Specials) -> usize {
    // A quote here is a character like any other.
    while let Some(at) = specials.next(text) {
        if text[at] != b'"' {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every record's line and cells, read in blocks that begin with `part` bytes.
    fn divided(text: &[u8], part: usize) -> Vec<(u64, Vec<Vec<u8>>)> {
        let mut reader = Delimited::new(Box::new(Parts { text: text.to_vec(), part }), b',', usize::MAX);
        reader.part = part;
        let (mut records, mut cells) = (Vec::new(), Vec::new());
        loop {
            while reader.read(&mut cells) {
                records.push((reader.line(), cells.iter().map(|cell| reader.cell(*cell).to_vec()).collect()));
                cells.clear();
            }
            assert_eq!(cells, [], "what is unfinished leaves nothing behind");
            if !reader.refill().unwrap() {
                return records;
            }
        }
    }

    /// Gives at most `part` bytes at a time.
    struct Parts {
        text: Vec<u8>,
        part: usize,
    }

    impl Read for Parts {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.part.min(self.text.len()).min(out.len());
            out[..n].copy_from_slice(&self.text[..n]);
            self.text.drain(..n);
            Ok(n)
        }
    }

    fn by_the_csv_crate(text: &[u8]) -> Vec<(u64, Vec<Vec<u8>>)> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut records = Vec::new();
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).unwrap() {
            let start = record.position().unwrap().byte() as usize;
            // Its positions are those behind the record before; lines are counted from the record's own first byte.
            let lead = text[start..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let line = 1 + text[..start + lead].iter().filter(|byte| **byte == b'\n').count() as u64;
            records.push((line, record.iter().map(<[u8]>::to_vec).collect()));
        }
        records
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn records_are_those_of_the_csv_crate(text in "[a\",;\\r\\n\u{e9}]{0,200}", copies in 1_usize..4, part in 1_usize..80) {
            let text = text.repeat(copies).into_bytes();
            let expected = by_the_csv_crate(&text);
            prop_assert_eq!(&divided(&text, usize::MAX), &expected);
            // Blocks end anywhere.
            prop_assert_eq!(&divided(&text, part), &expected);
        }
    }
}
