//! CSV with a single-character separator: RFC 4180 quoting, any of LF, CRLF and CR as line end, blank lines skipped. Where
//! the spec says so another character quotes, or none, and one escapes.
//!
//! The cells are the same as the `csv` crate's. That crate copies every byte and looks at one byte at a time; here a block
//! of the file is divided where it lies, which is faster. The raw bytes of a record stay available, so that errors have
//! true line numbers and an export is byte for byte.

use super::{
    batch::{BATCH_BYTES, Span},
    dialect::{Dialect, LinesInQuotes},
    disk::BUFFER,
    error::{ContentError, ReadError},
    preamble::NoRows,
    specials::Specials,
};
use std::{
    io::{self, Read},
    ops::Range,
};

/// A reader of CSV records.
pub(super) struct Delimited {
    input: Box<dyn Read>,
    dialect: Dialect,
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
    /// Lines that are no records.
    no_rows: NoRows,
    /// Whether those before the last records are wanted, and those that are no longer in the block.
    keeps_lead: bool,
    kept_lead: Vec<u8>,
    lead: Range<usize>,
    body: Range<usize>,
    line: u64,
    quote_open: bool,
    /// Of the records so far.
    lines_in_quotes: LinesInQuotes,
}

impl Delimited {
    /// `columns`: how many values a whole line has, where it is not known whether anything is quoted; else 0.
    pub fn new(input: Box<dyn Read>, dialect: Dialect, no_rows: NoRows, columns: usize, max_row_bytes: usize) -> Self {
        Self {
            input,
            dialect,
            // Spans are of 32 bits.
            limit: max_row_bytes.min(1 << 31),
            part: BATCH_BYTES,
            block: Vec::new(),
            filled: 0,
            specials: Specials::new(dialect.separator, dialect.quote),
            next: 0,
            next_line: 1,
            at_end: false,
            failed: None,
            no_rows,
            keeps_lead: false,
            kept_lead: Vec::new(),
            lead: 0..0,
            body: 0..0,
            line: 1,
            quote_open: false,
            lines_in_quotes: LinesInQuotes::new(columns),
        }
    }

    /// What the records so far say of whether anything is quoted.
    pub fn lines_in_quotes(&self) -> &LinesInQuotes {
        &self.lines_in_quotes
    }

    /// The same reader, for a copy of the text: `take_lead` gives what stands between records.
    pub fn with_lead(self) -> Self {
        Self { keeps_lead: true, ..self }
    }

    /// Divides the next record of the block, and appends its cells to `cells`. Returns false and appends nothing where the
    /// block holds no further whole record: `refill` it then.
    pub fn read(&mut self, cells: &mut Vec<Span>) -> bool {
        if !self.no_rows.is_empty() && !self.pass_no_rows() {
            return false;
        }
        // Hardly any table has escapes, and the others need not be asked for them at every cell.
        if self.dialect.escape.is_some() { self.divide::<true>(cells) } else { self.divide::<false>(cells) }
    }

    /// Goes behind the lines that are no records; false where the block ends before it is known which they are.
    #[cold]
    fn pass_no_rows(&mut self) -> bool {
        let text = &self.block[..self.filled];
        let (mut at, mut line, mut passed) = (self.next, self.next_line, None);
        let known = loop {
            let rest = &text[at..];
            let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let skipped = line <= self.no_rows.skipped;
            if !skipped && rest.first().is_some_and(is_line_end) {
                line += u64::from(rest[0] == b'\n');
                at += 1;
                continue;
            }
            let is_comment = self.no_rows.is_comment(rest);
            if !skipped && !is_comment {
                break self.at_end || rest.len() >= self.no_rows.comment_bytes();
            }
            // Lines are counted by their LF; a comment may also end with a CR alone.
            match rest.iter().position(|byte| *byte == b'\n' || *byte == b'\r' && !skipped) {
                Some(end) => (at, line) = (at + end + 1, line + u64::from(rest[end] == b'\n')),
                None if self.at_end && !rest.is_empty() => (at, line) = (text.len(), line + 1),
                None => break self.at_end,
            }
            passed = Some((at, line));
        };
        if let Some((at, line)) = passed {
            if self.keeps_lead {
                self.kept_lead.extend_from_slice(&text[self.next..at]);
            }
            (self.next, self.next_line) = (at, line);
            self.specials = Specials::new(self.dialect.separator, self.dialect.quote).starting_at(at);
        }
        known
    }

    /// What was passed between the records since the last call, but for the line ends that `raw` gives.
    pub fn take_lead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept_lead)
    }

    #[inline(always)]
    fn divide<const ESCAPES: bool>(&mut self, cells: &mut Vec<Span>) -> bool {
        let (before, at_end) = (cells.len(), self.at_end);
        let Dialect { separator, quote, escape } = self.dialect;
        let escape = if ESCAPES { escape } else { None };
        // No special byte is a NUL.
        let (quotes, quote) = (quote.is_some(), quote.unwrap_or(0));
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
        // Whether quotes hold a line end, and whether they hold what only quotes make part of a cell.
        let (mut broken, mut needed) = (false, false);
        let end = loop {
            let quoted = text.get(cell) == Some(&quote) && quotes;
            // Where the quotes of a quoted cell close, and whether there are no quotes between.
            let (mut close, mut plain) = (None, true);
            if quoted {
                specials.next(text);
                while let Some(at) = specials.next(text) {
                    if text[at] != quote {
                        line += u64::from(text[at] == b'\n');
                        broken |= text[at] != separator;
                        needed |= text[at] == separator;
                    } else if is_escaped(text, cell + 1, at, escape) {
                        (plain, needed) = (false, true);
                    } else if text.get(at + 1) == Some(&quote) {
                        specials.next(text);
                        (plain, needed) = (false, true);
                    } else {
                        close = Some(at);
                        break;
                    }
                }
                quote_open = close.is_none();
            }
            let behind = close.map_or(cell, |close| close + 1);
            let end = if quote_open { text.len() } else { cell_end(text, &mut specials, quote, behind, escape) };
            // The cell may go on in the next block, even with a quote that makes the last one no closing quote.
            if end == text.len() && !at_end {
                cells.truncate(before);
                return false;
            }
            let escapes = escape.is_some_and(|escape| text[cell..end].contains(&escape));
            cells.push(match close {
                _ if escapes => {
                    let span = self.without_escapes(cell..end, close);
                    text = &self.block[..self.filled];
                    span
                }
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
        if escape.is_some() {
            // A line end that is escaped is no special byte.
            line = self.line + text[start..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        (self.specials, self.next, self.next_line) = (specials, end, line);
        (self.body, self.quote_open) = (start..end, quote_open);
        if (broken || needed) && !quote_open {
            self.lines_in_quotes.add(&self.block[start..end], self.line, broken, separator);
        }
        true
    }

    /// Appends what a cell with escapes says to the block. `close`: where its quotes close, if it is quoted.
    #[cold]
    fn without_escapes(&mut self, cell: Range<usize>, close: Option<usize>) -> Span {
        let start = self.block.len();
        let quoted = Some(self.block[cell.start]) == self.dialect.quote;
        let mut at = cell.start + usize::from(quoted);
        while at < cell.end {
            let byte = self.block[at];
            let next = (at + 1 < cell.end).then(|| self.block[at + 1]);
            let quote = |byte: Option<u8>| quoted && byte == self.dialect.quote;
            let text = match next {
                // MySQL and Hive write no value so.
                Some(b'N') if Some(byte) == self.dialect.escape => &b"\\N"[..],
                Some(next) if Some(byte) == self.dialect.escape => &[next][..],
                Some(_) if quote(Some(byte)) && quote(next) => &[byte][..],
                _ if Some(at) == close => {
                    at += 1;
                    continue;
                }
                _ => {
                    self.block.push(byte);
                    at += 1;
                    continue;
                }
            };
            let text = text.to_vec();
            self.block.extend_from_slice(&text);
            at += 2;
        }
        Span::new(start, self.block.len())
    }

    /// Appends what a quoted cell says, without its quotes, to the block.
    #[cold]
    fn without_quotes(&mut self, cell: Range<usize>) -> Span {
        let start = self.block.len();
        let quote = self.block[cell.start];
        let (mut quoted, mut after_quote) = (true, false);
        for at in cell.start + 1..cell.end {
            let byte = self.block[at];
            if !quoted || byte != quote && !after_quote {
                self.block.push(byte);
            } else if byte != quote {
                // The quote before it closed the quotes.
                quoted = false;
                self.block.push(byte);
            } else if after_quote {
                self.block.push(quote);
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
                "the row that starts here is longer than {} bytes; is a quote left open? If nothing is quoted, say `quote`: `none`",
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
        self.specials = Specials::new(self.dialect.separator, self.dialect.quote);
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

/// Where a cell ends; the search starts at `start`, behind its quotes, if it has any.
#[inline(always)]
fn cell_end(text: &[u8], specials: &mut Specials, quote: u8, start: usize, escape: Option<u8>) -> usize {
    // A quote here is a character like any other.
    while let Some(at) = specials.next(text) {
        if text[at] != quote && !is_escaped(text, start, at, escape) {
            return at;
        }
    }
    text.len()
}

/// Whether an odd number of escapes, none of them before `start`, stand before the byte at `at`.
#[inline(always)]
fn is_escaped(text: &[u8], start: usize, at: usize, escape: Option<u8>) -> bool {
    escape.is_some_and(|escape| text[start..at].iter().rev().take_while(|byte| **byte == escape).count() % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIALECT: Dialect = Dialect { separator: b',', quote: Some(b'"'), escape: None };

    /// Every record's line and cells, read in blocks that begin with `part` bytes.
    fn divided(text: &[u8], part: usize) -> Vec<(u64, Vec<Vec<u8>>)> {
        divided_by(DIALECT, text, part)
    }

    fn divided_by(dialect: Dialect, text: &[u8], part: usize) -> Vec<(u64, Vec<Vec<u8>>)> {
        divided_without(NoRows::default(), dialect, text, part)
    }

    fn divided_without(no_rows: NoRows, dialect: Dialect, text: &[u8], part: usize) -> Vec<(u64, Vec<Vec<u8>>)> {
        let input = Box::new(Parts { text: text.to_vec(), part });
        let mut reader = Delimited::new(input, dialect, no_rows, 3, usize::MAX);
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

    /// The cells of a text, read at once.
    fn cells(dialect: Dialect, text: &str) -> Vec<Vec<String>> {
        let text_of = |cell: Vec<u8>| String::from_utf8(cell).unwrap();
        let rows = divided_by(dialect, text.as_bytes(), usize::MAX).into_iter();
        rows.map(|(_, cells)| cells.into_iter().map(text_of).collect()).collect()
    }

    #[test]
    fn without_quotes_a_quote_is_a_character() {
        let dialect = Dialect { separator: b'\t', quote: None, escape: None };
        assert_eq!(cells(dialect, "5\t\"big\t0\n6\tsmall\"\t\n"), [["5", "\"big", "0"], ["6", "small\"", ""]]);
        let single = Dialect { separator: b',', quote: Some(b'\''), escape: None };
        assert_eq!(cells(single, "'a,''b',\"c\n"), [["a,'b", "\"c"]]);
    }

    #[test]
    fn what_is_escaped_is_part_of_the_cell() {
        let dialect = Dialect { escape: Some(b'\\'), ..DIALECT };
        assert_eq!(
            cells(dialect, r#""a \"b\", c",d\,e,f\\,\N,"x""y\\""#),
            [["a \"b\", c", "d,e", "f\\", "\\N", "x\"y\\"]]
        );
        let bare = Dialect { quote: None, ..dialect };
        assert_eq!(cells(bare, "a\\,b,\"c\n1\\\n2,3\n"), [["a,b", "\"c"], ["1\n2", "3"]]);
    }

    #[test]
    fn lines_before_the_table_and_comments_are_no_records() {
        let spec = |member: serde_json::Value| {
            let mut spec = serde_json::json!({"label": "click"});
            spec.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
            NoRows::new(&serde_json::from_value(spec).unwrap())
        };
        for end in ["\n", "\r\n"] {
            let text =
                ["a title, \"with a quote", "", "# more,", "x,y", "# a \"comment\"", "", "##", "1,2", "3,#4", "# end"];
            let text = text.join(end);
            let all = spec(serde_json::json!({"skip_lines": 2, "comment": "#"}));
            for part in [1, 5, 16, usize::MAX] {
                let records = divided_without(all.clone(), DIALECT, text.as_bytes(), part);
                let lines: Vec<_> = records.iter().map(|(line, _)| *line).collect();
                assert_eq!(lines, [4, 8, 9], "{part} {end:?}");
                assert_eq!(records[2].1, [b"3".to_vec(), b"#4".to_vec()]);
            }
        }
        let first = spec(serde_json::json!({"skip_lines": 9}));
        assert_eq!(divided_without(first, DIALECT, b"a\nb", 2), [], "there may be fewer lines");
        let comment = spec(serde_json::json!({"comment": "//"}));
        let records = divided_without(comment, DIALECT, b"/,1\n//,2\n/", usize::MAX);
        assert_eq!(records.len(), 2, "half a mark is none");
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
