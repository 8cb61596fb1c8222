//! The coded rows on disk, between the two readings: one record of fixed width a row.
//!
//! A record is `label u8, split u8, a group's key u64 where rows are split by groups, a time key i128 for each column of times,
//! then each slot's u32 codes or f64`, little-endian. Codes are those of first appearance; an unused place is `UNUSED`, an empty number NaN. A column that may
//! come to hold more numbers than there is memory for codes has eight bytes: a code with `CODED` above it, which as an f64
//! is a NaN that no number becomes, or an f64. The file is
//! written and read in order with plain reads and writes. It is never mapped: the process may run under a limit on its
//! address space, which a mapping of this size could exceed.

use super::{error::IngestError, progress::Ticker};
use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Where the split and the first time key stand in a record, behind the label.
pub(super) const SPLIT_AT: usize = 1;
pub(super) const TIME_AT: usize = 2;
/// Where the key of a row's group stands, in a table that is split by groups and so not by time.
pub(super) const GROUP_AT: usize = 2;
/// Bytes of a time key, and of the key of a group.
pub(super) const TIME_BYTES: usize = size_of::<i128>();
pub(super) const GROUP_BYTES: usize = size_of::<u64>();

/// The code of an unused place of a cell of several values.
pub(super) const UNUSED: u32 = u32::MAX;

/// What stands above a code where a number could stand: the four bytes that a record is filled up with.
const CODED: u64 = u32::MAX as u64;

/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes that are read at a time: as many as fit the processor's cache beside what is made of them.
const READ_BYTES: usize = 1 << 17;

/// Collects records and writes them to an unnamed file.
pub(super) struct SpillWriter {
    file: File,
    folder: PathBuf,
    width: usize,
    /// Whole records that wait to be written, the last ones with codes still to be filled in.
    buffer: Vec<u8>,
}

impl SpillWriter {
    /// Creates the file in `folder`, for records of `width` bytes.
    pub fn create(folder: &Path, width: usize) -> Result<Self, IngestError> {
        let file = tempfile::tempfile_in(folder).map_err(IngestError::io("create a temporary file in", folder))?;
        Ok(Self { file, folder: folder.to_owned(), width, buffer: Vec::with_capacity(WRITE_BYTES + width) })
    }

    /// Where the next record will start in the buffer.
    pub fn next_record(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a record of unused places; gives where it starts in the buffer.
    pub fn push_record(&mut self) -> usize {
        let start = self.buffer.len();
        self.buffer.resize(start + self.width, UNUSED as u8);
        start
    }

    /// Writes bytes over a part of the buffer.
    pub fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.buffer[at..at + N].copy_from_slice(&bytes);
    }

    /// The records that wait to be written.
    pub fn waiting(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Forgets the records that wait to be written.
    pub fn discard(&mut self) {
        self.buffer.clear();
    }

    /// Forgets the last record, which starts at `record`.
    pub fn take_back(&mut self, record: usize) {
        self.buffer.truncate(record);
    }

    /// Writes the records that wait, where there are many of them. Their codes must be filled in.
    pub fn write_if_full(&mut self) -> Result<(), IngestError> {
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Writes what is left; `rows` is the number of records in all.
    pub fn finish(mut self, rows: u32) -> Result<Spill, IngestError> {
        self.write()?;
        Ok(Spill { file: self.file, folder: self.folder, width: self.width, rows })
    }

    fn write(&mut self) -> Result<(), IngestError> {
        let written = self.file.write_all(&self.buffer);
        written.map_err(IngestError::io("write a temporary file in", &self.folder))?;
        self.buffer.clear();
        Ok(())
    }
}

/// The records of all rows, in file order.
pub(super) struct Spill {
    file: File,
    folder: PathBuf,
    /// Bytes of a record.
    pub width: usize,
    pub rows: u32,
}

impl Spill {
    #[cfg(test)]
    pub fn from_records(records: &[u8], width: usize) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(records).unwrap();
        Self { file, folder: PathBuf::new(), width, rows: (records.len() / width) as u32 }
    }

    /// Calls `each` with every row's number and record.
    pub fn for_each_row(
        &self,
        ticker: &mut Ticker,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        self.for_each_run(ticker, |first, records| {
            (first..).zip(records.chunks_exact(self.width)).try_for_each(|(row, record)| each(row, record))
        })
    }

    /// Calls `each` with runs of records and the number of their first row.
    pub fn for_each_run(
        &self,
        ticker: &mut Ticker,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let run = (READ_BYTES / self.width).max(1);
        let mut buffer = vec![0; run * self.width];
        for first in (0..self.rows).step_by(run) {
            ticker.tick()?;
            let records = &mut buffer[..run.min((self.rows - first) as usize) * self.width];
            let read = self.file.read_exact_at(records, u64::from(first) * self.width as u64);
            read.map_err(IngestError::io("read a temporary file in", &self.folder))?;
            each(first, records)?;
        }
        Ok(())
    }
}

/// The u32 that stands at `at` of a record.
pub(super) fn read_code(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(read_bytes(record, at))
}

/// The f64 that stands at `at` of a record.
pub(super) fn read_float(record: &[u8], at: usize) -> f64 {
    f64::from_le_bytes(read_bytes(record, at))
}

/// What stands in eight bytes of a record for a cell that may be a code or a number.
pub(super) enum CodeOrNumber {
    Code(u32),
    /// NaN where the cell has no value.
    Number(f64),
}

/// The code or the number that stands at `at` of a record.
pub(super) fn read_code_or_number(record: &[u8], at: usize) -> CodeOrNumber {
    let bits = u64::from_le_bytes(read_bytes(record, at));
    match bits >> 32 == CODED {
        true => CodeOrNumber::Code(bits as u32),
        false => CodeOrNumber::Number(f64::from_bits(bits)),
    }
}

/// The key of a record's group, where rows are split by groups.
pub(super) fn read_group_key(record: &[u8]) -> u64 {
    u64::from_le_bytes(read_bytes(record, GROUP_AT))
}

/// The time key that stands at `at` of a record.
pub(super) fn read_time_key(record: &[u8], at: usize) -> i128 {
    i128::from_le_bytes(read_bytes(record, at))
}

fn read_bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&record[at..at + N]);
    bytes
}
