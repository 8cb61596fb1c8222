//! Rows on their way from a reader to the encoder, some thousands at a time: what the reading thread hands to the encoding
//! thread.

use std::ops::Range;

/// A reader ends a batch after this many rows or bytes.
pub(super) const BATCH_ROWS: usize = 4096;
pub(super) const BATCH_BYTES: usize = 1 << 17;

/// Where a cell stands in its batch's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Both are below 4 GiB: `Rows::fill` refuses longer texts.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn end(self) -> usize {
        self.end as usize
    }

    /// The cell's bytes; `text` is the batch's.
    pub fn slice(self, text: &[u8]) -> &[u8] {
        &text[self.start()..self.end()]
    }
}

/// Why a row could not be divided into cells.
pub(super) struct Fault {
    pub column: Option<String>,
    /// Position of the column, where the reader does not know its name.
    pub position: Option<usize>,
    pub value: Option<String>,
    pub rule: String,
    /// Whether other rows may be within this one, so that it cannot be left out.
    pub hides_rows: bool,
}

impl Fault {
    pub fn new(column: Option<String>, value: Option<String>, rule: impl Into<String>) -> Self {
        Self { column, position: None, value, rule: rule.into(), hides_rows: false }
    }

    /// A cell, or the line as a whole, is not UTF-8.
    pub fn not_utf8(position: Option<usize>, value: String) -> Self {
        let rule = "not UTF-8, or not of the `encoding` that is said: say which it is (--encoding), for example windows-1252, or \
                    convert the file, for example with iconv -f latin1 -t utf-8";
        Self { position, ..Self::new(None, Some(value), rule) }
    }
}

/// What a reader found next.
pub(super) enum Next {
    /// A row, whose cells are in the batch.
    Row,
    /// A row that could not be divided into cells.
    Bad(Fault),
    End,
}

/// The rows a reader gave at once.
#[derive(Default)]
pub(super) struct Batch {
    /// What the cells are spans of. It may hold more than the cells: for a CSV it is the file's own text.
    pub text: Vec<u8>,
    /// The cells of all rows, and of the row that is being read.
    pub cells: Vec<Span>,
    pub rows: Vec<Row>,
    /// Number of the table's part that the rows are of.
    pub part: usize,
    /// Bytes of the file read so far.
    pub bytes_read: u64,
    /// Why the file breaks off behind these rows, and on which line, if it does.
    pub broken_off: Option<(String, Option<u64>)>,
}

pub(super) struct Row {
    /// Where its cells end.
    end: usize,
    /// Line of the file on which it starts, from 1; none for Parquet.
    pub line: Option<u64>,
    /// Why the row could not be divided into cells, if so.
    pub fault: Option<Box<Fault>>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
        self.broken_off = None;
    }

    /// Adds a cell to the row that is being read: appends a copy of it to the text.
    pub fn push_cell(&mut self, cell: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(cell);
        self.cells.push(Span::new(start, self.text.len()));
    }

    /// Ends the row that is being read.
    pub fn end_row(&mut self, line: Option<u64>) {
        self.rows.push(Row { end: self.cells.len(), line, fault: None });
    }

    /// Ends the row that is being read, which could not be divided into cells.
    pub fn end_bad_row(&mut self, fault: Fault, line: Option<u64>) {
        self.cells.truncate(self.open_row());
        self.rows.push(Row { end: self.cells.len(), line, fault: Some(Box::new(fault)) });
    }

    /// Gives every row the cells of the places `order`, in this order, and behind them the cells `added`. A row of another number
    /// of cells becomes a bad one.
    pub fn arrange(&mut self, order: &[usize], added: &[String]) {
        let before = std::mem::take(&mut self.cells);
        let added: Vec<Span> = added
            .iter()
            .map(|cell| {
                let start = self.text.len();
                self.text.extend_from_slice(cell.as_bytes());
                Span::new(start, self.text.len())
            })
            .collect();
        self.cells.reserve(self.rows.len() * (order.len() + added.len()));
        let mut start = 0;
        for row in &mut self.rows {
            let cells = &before[start..row.end];
            start = row.end;
            if row.fault.is_none() && cells.len() != order.len() {
                let rule = format!("{} values where there are {} columns", cells.len(), order.len());
                row.fault = Some(Box::new(Fault::new(None, None, rule)));
            }
            if let Some(fault) = &mut row.fault {
                fault.position = fault.position.and_then(|place| order.iter().position(|own| *own == place));
            } else {
                self.cells.extend(order.iter().map(|place| cells[*place]));
                self.cells.extend_from_slice(&added);
            }
            row.end = self.cells.len();
        }
    }

    /// Where the cells of the row that is being read start.
    pub fn open_row(&self) -> usize {
        self.rows.last().map_or(0, |row| row.end)
    }

    /// The cells of a row; none of a bad one.
    pub fn cells(&self, row: usize) -> &[Span] {
        self.cells_of(row..row + 1)
    }

    /// The cells of one or more consecutive rows, as one slice.
    pub fn cells_of(&self, rows: Range<usize>) -> &[Span] {
        let start = if rows.start == 0 { 0 } else { self.rows[rows.start - 1].end };
        &self.cells[start..self.rows[rows.end - 1].end]
    }
}
