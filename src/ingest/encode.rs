//! First reading: checks every cell, codes every value, and spills one record of fixed width a row to disk.
//!
//! A record is `label u8, split u8, [time key i128], then each slot's u32 codes or f64`, little-endian. Codes are those of
//! first appearance; an unused place is `UNUSED`, an empty number NaN. The spill is read and written in order with plain
//! reads, never mapped, for the process may run under a limit on its address space.

use super::{
    IngestLimits,
    batch::{Batch, Span},
    cell,
    error::{IngestError, InvalidTable, shown},
    pipeline::Ticker,
    plan::{Plan, SPLIT_AT, Slot, SlotKind, SplitPlan, TIME_AT},
    table::Fault,
    vocabulary::Vocabulary,
};
use crate::types::{RowError, SplitCounts};
use std::{
    fs::File,
    io::Write,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The code of an unused place of a cell of several values.
pub(super) const UNUSED: u32 = u32::MAX;

const SPILL_BUFFER: usize = 1 << 20;
/// Read back so many bytes at a time: what fits the processor's cache beside what is made of it.
const SPILL_RUN: usize = 1 << 17;
/// Values are coded so many rows at a time (see `vocabulary`).
const CODED_ROWS: usize = 1024;

pub(super) struct Encoder<'a> {
    plan: &'a Plan,
    limits: &'a IngestLimits,
    /// The slots whose values can be wrong. A category cannot: its turn comes when the rows around are found to be good, a
    /// column at a time, which is faster.
    checked: Vec<&'a Slot>,
    pub vocabularies: Vec<Vocabulary>,
    folder: PathBuf,
    spill: File,
    /// Whole records that wait to be written, the last ones with codes to be filled in.
    buffer: Vec<u8>,
    faults: InvalidTable,
    pub rows: u64,
    pub split_rows: SplitCounts,
    /// Least and greatest time key.
    pub times: Option<(i128, i128)>,
    time_kind: Option<cell::TimeKind>,
}

impl<'a> Encoder<'a> {
    /// Spills to an unnamed file in `folder`.
    pub fn new(plan: &'a Plan, limits: &'a IngestLimits, folder: &Path) -> Result<Self, IngestError> {
        Ok(Self {
            plan,
            limits,
            checked: plan.slots.iter().filter(|slot| !matches!(slot.kind, SlotKind::Category { .. })).collect(),
            vocabularies: (0..plan.vocabularies).map(|_| Vocabulary::default()).collect(),
            spill: tempfile::tempfile_in(folder).map_err(IngestError::io("create a temporary file in", folder))?,
            folder: folder.to_owned(),
            buffer: Vec::with_capacity(SPILL_BUFFER + plan.width),
            faults: InvalidTable::default(),
            rows: 0,
            split_rows: SplitCounts::default(),
            times: None,
            time_kind: None,
        })
    }

    /// Takes in the next rows. May add to the batch's text.
    pub fn take_in(&mut self, batch: &mut Batch) -> Result<(), IngestError> {
        for first in (0..batch.rows.len()).step_by(CODED_ROWS) {
            let rows = first..batch.rows.len().min(first + CODED_ROWS);
            let record = self.buffer.len();
            for row in rows.clone() {
                match batch.rows[row].fault.take() {
                    None => self.row(batch, row),
                    Some(fault) => self.bad_row(*fault, batch.rows[row].line),
                }
            }
            // Once a row is bad nothing will be encoded, and the rest is only checked.
            if self.faults.total == 0 {
                self.code(batch, rows, record)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, batch: &mut Batch, row: usize) {
        let (plan, line, before) = (self.plan, batch.rows[row].line, self.faults.total);
        let cells = batch.cells(row);
        if cells.len() == plan.columns.len() {
            let record = self.buffer.len();
            // Places that stay unused are so already.
            self.buffer.resize(record + plan.width, UNUSED as u8);
            self.label(cells[plan.label].of(&batch.text), record, line);
            self.split(&batch.text, cells, record, line);
            for place in 0..self.checked.len() {
                let slot = self.checked[place];
                let value = batch.cells(row)[slot.column];
                if let Err(rule) = self.slot(&slot.kind, &mut batch.text, value, record + slot.at) {
                    self.fault(line, slot.column, value.of(&batch.text), rule);
                }
            }
        } else {
            let rule = format!("{} values where there are {} columns", cells.len(), plan.columns.len());
            self.push_fault(RowError { row: self.rows, line, column: None, value: None, rule });
        }
        self.rows += 1;
        if self.faults.total > before {
            self.faults.rejected_rows += 1;
        }
        if self.faults.total > 0 {
            self.buffer.clear();
        }
    }

    /// Puts the codes of the rows' values into their records, the first of which stands at `record` of the buffer. The
    /// rows are good.
    fn code(&mut self, batch: &Batch, rows: Range<usize>, record: usize) -> Result<(), IngestError> {
        let cells = batch.cells_of(rows);
        for slot in &self.plan.slots {
            if let SlotKind::Category { vocabulary } = slot.kind {
                let places = (record + slot.at..).step_by(self.plan.width);
                for (cells, at) in cells.chunks_exact(self.plan.columns.len()).zip(places) {
                    self.vocabularies[vocabulary].gather(&batch.text, cells[slot.column], at);
                }
            }
        }
        for vocabulary in &mut self.vocabularies {
            vocabulary.code_gathered(&batch.text, &mut self.buffer);
        }
        if self.buffer.len() >= SPILL_BUFFER {
            let written = self.spill.write_all(&self.buffer);
            written.map_err(IngestError::io("write a temporary file in", &self.folder))?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Takes in a row that could not be divided into cells.
    fn bad_row(&mut self, fault: Fault, line: Option<u64>) {
        let column = fault.column.or_else(|| self.plan.columns.get(fault.position?).cloned());
        self.push_fault(RowError { row: self.rows, line, column, value: fault.value, rule: fault.rule });
        self.faults.rejected_rows += 1;
        self.rows += 1;
    }

    /// Notes that the file breaks off at this row. Listed first: it may be why rows before it look wrong.
    pub fn broken_off(&mut self, message: &str, line: Option<u64>) {
        let rule = format!("{message} ({} rows were read before)", self.rows);
        self.faults.total += 1;
        self.faults.rejected_rows += 1;
        self.faults.rows.insert(0, RowError { row: self.rows, line, column: None, value: None, rule });
        self.faults.rows.truncate(self.limits.max_errors.max(1));
        self.rows += 1;
    }

    /// Distinct values of all columns, of the rows taken in.
    pub fn distinct(&self) -> u64 {
        self.vocabularies.iter().map(|vocabulary| vocabulary.len() as u64).sum()
    }

    /// The spilled rows, or everything found wrong with them.
    pub fn finish(mut self) -> Result<(Spill, Vec<Vocabulary>), IngestError> {
        if self.faults.total > 0 {
            self.faults.rows_read = self.rows;
            return Err(IngestError::Invalid(self.faults));
        }
        self.spill.write_all(&self.buffer).map_err(IngestError::io("write a temporary file in", &self.folder))?;
        self.vocabularies.iter_mut().for_each(Vocabulary::seal);
        Ok((
            Spill { file: self.spill, folder: self.folder, width: self.plan.width, rows: self.rows as u32 },
            self.vocabularies,
        ))
    }

    fn label(&mut self, value: &[u8], record: usize, line: Option<u64>) {
        let label = match self.plan.rule {
            None => cell::label(value)
                .ok_or("the label must be 0 or 1; for other numbers give a rule, for example `rating > 3`"),
            Some((comparison, threshold)) => cell::number(value)
                .map(|number| u8::from(comparison.holds(number, threshold)))
                .ok_or("the label's rule needs a number here"),
        };
        match label {
            Ok(label) => self.buffer[record] = label,
            Err(rule) => self.fault(line, self.plan.label, value, rule),
        }
    }

    fn split(&mut self, text: &[u8], cells: &[Span], record: usize, line: Option<u64>) {
        match self.plan.split {
            SplitPlan::Ratio { .. } => {}
            SplitPlan::Column(column) => match cell::split(cells[column].of(text)) {
                Some(split) => {
                    *self.split_rows.of_mut(split) += 1;
                    self.buffer[record + SPLIT_AT] = split as u8;
                }
                None => self.fault(line, column, cells[column].of(text), "the split must be train, valid or test"),
            },
            SplitPlan::Time { column, .. } => {
                let value = cells[column].of(text);
                let time = cell::time(value);
                match time.filter(|time| *self.time_kind.get_or_insert(time.kind) == time.kind) {
                    Some(cell::Time { key, .. }) => {
                        let (low, high) = self.times.unwrap_or((key, key));
                        self.times = Some((low.min(key), high.max(key)));
                        self.put(record + TIME_AT, key.to_le_bytes());
                    }
                    None => {
                        let rule = match self.time_kind {
                            Some(cell::TimeKind::Number) if time.is_some() => "a number, as in the rows before",
                            Some(cell::TimeKind::Iso8601) if time.is_some() => "a date, as in the rows before",
                            _ => {
                                "the time must be a number or an ISO 8601 date or time, for example 2020-01-31T12:00:00Z"
                            }
                        };
                        self.fault(line, column, value, rule);
                    }
                }
            }
        }
    }

    /// Puts what the value becomes at `at` of the buffer, or sees to it that `code` does.
    fn slot(&mut self, kind: &SlotKind, text: &mut Vec<u8>, value: Span, at: usize) -> Result<(), String> {
        match kind {
            SlotKind::Category { .. } => {}
            SlotKind::Quantile { .. } => {
                let value = value.of(text);
                let number = if value.is_empty() { f64::NAN } else { number(value)? };
                self.put(at, number.to_le_bytes());
            }
            SlotKind::Log { vocabulary } => {
                let start = text.len();
                if !value.of(text).is_empty() {
                    let bucket = cell::log_bucket(number(value.of(text))?);
                    write!(text, "{bucket:.0}").map_err(|error| error.to_string())?;
                }
                self.gather(*vocabulary, text, Span::new(start, text.len()), at);
            }
            SlotKind::Multi { vocabulary, separator, places } => {
                // The reader has checked that cells are UTF-8.
                let cell = std::str::from_utf8(value.of(text)).map_err(|error| error.to_string())?;
                let (mut used, mut start) = (0, value.start());
                for part in cell.split(separator.as_str()).filter(|_| !cell.is_empty()) {
                    used += 1;
                    if used > *places {
                        let all = cell.split(separator.as_str()).count();
                        return Err(format!("{all} values in one cell; raise `max_values` (now {places})"));
                    }
                    let end = start + part.len();
                    self.gather(*vocabulary, text, Span::new(start, end), at + 4 * (used as usize - 1));
                    start = end + separator.len();
                }
            }
        }
        Ok(())
    }

    /// `code` will put the value's code at `at` of the buffer.
    fn gather(&mut self, vocabulary: usize, text: &[u8], value: Span, at: usize) {
        if self.faults.total == 0 {
            self.vocabularies[vocabulary].gather(text, value, at);
        }
    }

    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.buffer[at..at + N].copy_from_slice(&bytes);
    }

    fn fault(&mut self, line: Option<u64>, column: usize, value: &[u8], rule: impl Into<String>) {
        // Past the cap only the count matters.
        if self.faults.rows.len() >= self.limits.max_errors {
            self.faults.total += 1;
            return;
        }
        let column = Some(self.plan.columns[column].clone());
        self.push_fault(RowError { row: self.rows, line, column, value: Some(shown(value)), rule: rule.into() });
    }

    fn push_fault(&mut self, fault: RowError) {
        self.faults.total += 1;
        if self.faults.rows.len() < self.limits.max_errors {
            self.faults.rows.push(fault);
        }
    }
}

fn number(value: &[u8]) -> Result<f64, String> {
    cell::number(value).ok_or_else(|| {
        "a finite number or an empty cell; if this column holds words, list it in `fields` as {\"column\": …}"
            .to_owned()
    })
}

/// The rows as first coded, in file order.
pub(super) struct Spill {
    file: File,
    folder: PathBuf,
    pub width: usize,
    pub rows: u32,
}

impl Spill {
    #[cfg(test)]
    pub fn of(records: &[u8], width: usize) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(records).unwrap();
        Self { file, folder: PathBuf::new(), width, rows: (records.len() / width) as u32 }
    }

    /// Calls `each` with every row's number and record.
    pub fn each(
        &self,
        ticker: &mut Ticker,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        self.each_run(ticker, |first, records| {
            (first..).zip(records.chunks_exact(self.width)).try_for_each(|(row, record)| each(row, record))
        })
    }

    /// Calls `each` with runs of records and the number of their first row.
    pub fn each_run(
        &self,
        ticker: &mut Ticker,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let run = (SPILL_RUN / self.width).max(1);
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

/// The u32 at `at` of a record.
pub(super) fn code(record: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&record[at..at + 4]);
    u32::from_le_bytes(bytes)
}

/// The f64 at `at` of a record.
pub(super) fn float(record: &[u8], at: usize) -> f64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&record[at..at + 8]);
    f64::from_le_bytes(bytes)
}
