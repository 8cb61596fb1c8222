//! First reading: checks every cell, codes every value, and spills one record of fixed width a row to disk.
//!
//! A record is `label u8, split u8, [time key i128], then each slot's u32 codes or f64`, little-endian. Codes are those of
//! first appearance; an unused place is `UNUSED`, an empty number NaN. The spill is read and written in order with plain
//! reads, never mapped, for the process may run under a limit on its address space.

use super::{
    IngestLimits, cell,
    error::{IngestError, InvalidTable, shown},
    pipeline::Ticker,
    plan::{Plan, SlotKind, SplitPlan},
    table::Fault,
    vocabulary::Vocabulary,
};
use crate::types::{RowError, SplitCounts};
use csv::ByteRecord;
use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The code of an unused place of a cell of several values.
pub(super) const UNUSED: u32 = u32::MAX;

const SPILL_BUFFER: usize = 1 << 20;
/// Values are coded in batches of so many rows, or of so many bytes (see `vocabulary`).
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 1 << 20;

pub(super) struct Encoder<'a> {
    plan: &'a Plan,
    limits: &'a IngestLimits,
    pub vocabularies: Vec<Vocabulary>,
    folder: PathBuf,
    spill: File,
    buffer: Vec<u8>,
    record: Vec<u8>,
    gathered_rows: usize,
    gathered_bytes: usize,
    scratch: Vec<u8>,
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
            vocabularies: (0..plan.vocabularies).map(|_| Vocabulary::default()).collect(),
            spill: tempfile::tempfile_in(folder).map_err(IngestError::io("create a temporary file in", folder))?,
            folder: folder.to_owned(),
            buffer: Vec::with_capacity(SPILL_BUFFER + plan.width),
            record: Vec::with_capacity(plan.width),
            gathered_rows: 0,
            gathered_bytes: 0,
            scratch: Vec::new(),
            faults: InvalidTable::default(),
            rows: 0,
            split_rows: SplitCounts::default(),
            times: None,
            time_kind: None,
        })
    }

    /// Takes in the next row.
    pub fn row(&mut self, cells: &ByteRecord, line: Option<u64>) -> Result<(), IngestError> {
        let plan = self.plan;
        let before = self.faults.total;
        if cells.len() == plan.columns.len() {
            self.record.clear();
            self.label(cells, line);
            self.split(cells, line);
            for slot in &plan.slots {
                let value = &cells[slot.column];
                if let Err(rule) = self.slot(&slot.kind, value) {
                    self.fault(line, slot.column, value, rule);
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
        // Once a row is bad nothing will be encoded, and the rest is only checked.
        if self.faults.total == 0 {
            self.buffer.extend_from_slice(&self.record);
            self.gathered_rows += 1;
            if self.gathered_rows >= BATCH_ROWS || self.gathered_bytes >= BATCH_BYTES {
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Codes the values gathered so far.
    pub fn settle(&mut self) -> Result<(), IngestError> {
        (self.gathered_rows, self.gathered_bytes) = (0, 0);
        if self.faults.total > 0 {
            return Ok(());
        }
        for vocabulary in &mut self.vocabularies {
            vocabulary.code_gathered(&mut self.buffer);
        }
        if self.buffer.len() >= SPILL_BUFFER {
            let written = self.spill.write_all(&self.buffer);
            written.map_err(IngestError::io("write a temporary file in", &self.folder))?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Leaves room for a code in the record; `settle` fills it.
    fn gather(&mut self, vocabulary: usize, value: &[u8]) {
        if self.faults.total == 0 {
            self.gathered_bytes += value.len();
            self.vocabularies[vocabulary].gather(value, self.buffer.len() + self.record.len());
            self.record.extend_from_slice(&UNUSED.to_le_bytes());
        }
    }

    /// Takes in a row that could not be divided into cells.
    pub fn bad_row(&mut self, fault: Fault, line: Option<u64>) {
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

    /// Distinct values of all columns, as of the last `settle`.
    pub fn distinct(&self) -> u64 {
        self.vocabularies.iter().map(|vocabulary| vocabulary.len() as u64).sum()
    }

    /// The spilled rows, or everything found wrong with them.
    pub fn finish(mut self) -> Result<(Spill, Vec<Vocabulary>), IngestError> {
        if self.faults.total > 0 {
            self.faults.rows_read = self.rows;
            return Err(IngestError::Invalid(self.faults));
        }
        self.settle()?;
        self.spill.write_all(&self.buffer).map_err(IngestError::io("write a temporary file in", &self.folder))?;
        self.vocabularies.iter_mut().for_each(Vocabulary::seal);
        Ok((
            Spill { file: self.spill, folder: self.folder, width: self.plan.width, rows: self.rows as u32 },
            self.vocabularies,
        ))
    }

    fn label(&mut self, cells: &ByteRecord, line: Option<u64>) {
        let value = &cells[self.plan.label];
        let label = match self.plan.rule {
            None => cell::label(value)
                .ok_or("the label must be 0 or 1; for other numbers give a rule, for example `rating > 3`"),
            Some((comparison, threshold)) => cell::number(value)
                .map(|number| u8::from(comparison.holds(number, threshold)))
                .ok_or("the label's rule needs a number here"),
        };
        match label {
            Ok(label) => self.record.push(label),
            Err(rule) => self.fault(line, self.plan.label, value, rule),
        }
    }

    fn split(&mut self, cells: &ByteRecord, line: Option<u64>) {
        match self.plan.split {
            SplitPlan::Ratio { .. } => self.record.push(0),
            SplitPlan::Column(column) => match cell::split(&cells[column]) {
                Some(split) => {
                    *self.split_rows.of_mut(split) += 1;
                    self.record.push(split as u8);
                }
                None => self.fault(line, column, &cells[column], "the split must be train, valid or test"),
            },
            SplitPlan::Time { column, .. } => {
                let time = cell::time(&cells[column]);
                match time.filter(|time| *self.time_kind.get_or_insert(time.kind) == time.kind) {
                    Some(cell::Time { key, .. }) => {
                        let (low, high) = self.times.unwrap_or((key, key));
                        self.times = Some((low.min(key), high.max(key)));
                        self.record.push(0);
                        self.record.extend_from_slice(&key.to_le_bytes());
                    }
                    None => {
                        let rule = match self.time_kind {
                            Some(cell::TimeKind::Number) if time.is_some() => "a number, as in the rows before",
                            Some(cell::TimeKind::Iso8601) if time.is_some() => "a date, as in the rows before",
                            _ => {
                                "the time must be a number or an ISO 8601 date or time, for example 2020-01-31T12:00:00Z"
                            }
                        };
                        self.fault(line, column, &cells[column], rule);
                    }
                }
            }
        }
    }

    fn slot(&mut self, kind: &SlotKind, value: &[u8]) -> Result<(), String> {
        match kind {
            SlotKind::Category { vocabulary } => {
                self.gather(*vocabulary, value);
            }
            SlotKind::Quantile { .. } => {
                let number = if value.is_empty() { f64::NAN } else { number(value)? };
                self.record.extend_from_slice(&number.to_le_bytes());
            }
            SlotKind::Log { vocabulary } => {
                let mut text = std::mem::take(&mut self.scratch);
                text.clear();
                if !value.is_empty() {
                    let bucket = cell::log_bucket(number(value)?);
                    write!(text, "{bucket:.0}").map_err(|error| error.to_string())?;
                }
                self.gather(*vocabulary, &text);
                self.scratch = text;
            }
            SlotKind::Multi { vocabulary, separator, places } => {
                // The reader has checked that cells are UTF-8.
                let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
                let mut used = 0;
                for part in text.split(separator.as_str()).filter(|_| !text.is_empty()) {
                    used += 1;
                    if used > *places {
                        let all = text.split(separator.as_str()).count();
                        return Err(format!("{all} values in one cell; raise `max_values` (now {places})"));
                    }
                    self.gather(*vocabulary, part.as_bytes());
                }
                for _ in used..*places {
                    self.record.extend_from_slice(&UNUSED.to_le_bytes());
                }
            }
        }
        Ok(())
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
    width: usize,
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
        let mut buffer = vec![0; (SPILL_BUFFER / self.width).max(1) * self.width];
        let (mut row, mut offset) = (0_u32, 0_u64);
        let end = u64::from(self.rows) * self.width as u64;
        while offset < end {
            ticker.tick()?;
            let n = buffer.len().min((end - offset) as usize);
            let read = self.file.read_exact_at(&mut buffer[..n], offset);
            read.map_err(IngestError::io("read a temporary file in", &self.folder))?;
            for record in buffer[..n].chunks_exact(self.width) {
                each(row, record)?;
                row += 1;
            }
            offset += n as u64;
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
