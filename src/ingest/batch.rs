//! Rows on their way from a reader to the encoder, some thousands at a time: what one thread hands to the other.

use super::table::Fault;
use std::ops::Range;

/// A reader ends a batch at so many rows or bytes.
pub(super) const BATCH_ROWS: usize = 4096;
pub(super) const BATCH_BYTES: usize = 1 << 17;

/// Where a cell stands in its batch's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Texts are shorter than 4 GiB, which `Rows::fill` sees to.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn end(self) -> usize {
        self.end as usize
    }

    pub fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start()..self.end()]
    }
}

#[derive(Default)]
pub(super) struct Batch {
    /// What the cells are spans of. More than them may stand in it: for a CSV it is the file's own text.
    pub text: Vec<u8>,
    /// The cells of all rows, and of the row that is being read.
    pub cells: Vec<Span>,
    pub rows: Vec<Row>,
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
    /// Why it is not a run of cells, where it is not.
    pub fault: Option<Box<Fault>>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
        self.broken_off = None;
    }

    /// Puts a copy of the next cell of the row that is being read behind the text.
    pub fn push_cell(&mut self, cell: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(cell);
        self.cells.push(Span::new(start, self.text.len()));
    }

    /// Ends the row that is being read.
    pub fn end_row(&mut self, line: Option<u64>) {
        self.rows.push(Row { end: self.cells.len(), line, fault: None });
    }

    /// Ends the row that is being read, and notes that it is no run of cells.
    pub fn end_bad_row(&mut self, fault: Fault, line: Option<u64>) {
        self.cells.truncate(self.open_row());
        self.rows.push(Row { end: self.cells.len(), line, fault: Some(Box::new(fault)) });
    }

    /// Where the cells of the row that is being read start.
    pub fn open_row(&self) -> usize {
        self.rows.last().map_or(0, |row| row.end)
    }

    /// The cells of a row; none of a bad one.
    pub fn cells(&self, row: usize) -> &[Span] {
        self.cells_of(row..row + 1)
    }

    /// The cells of several rows, at least one, one behind the other.
    pub fn cells_of(&self, rows: Range<usize>) -> &[Span] {
        let start = if rows.start == 0 { 0 } else { self.rows[rows.start - 1].end };
        &self.cells[start..self.rows[rows.end - 1].end]
    }
}
