//! Collects what is wrong with a table's rows: the first errors in full, the others by their number.

use super::error::{IngestError, InvalidTable};
use crate::types::{FieldError, RowError, SkippedRows};

pub(super) struct Faults {
    found: InvalidTable,
    /// Errors listed at most.
    max_listed: usize,
}

impl Faults {
    pub fn new(max_listed: usize) -> Self {
        Self { found: InvalidTable::default(), max_listed }
    }

    /// Errors so far, the unlisted ones included.
    pub fn total(&self) -> u64 {
        self.found.total
    }

    /// Adds an error. A table may have as many errors as cells, so `describe` is called only where the error is listed.
    pub fn add(&mut self, describe: impl FnOnce() -> RowError) {
        self.found.total += 1;
        if self.found.rows.len() < self.max_listed {
            self.found.rows.push(describe());
        }
    }

    /// Adds an error in front of all others.
    pub fn add_first(&mut self, error: RowError) {
        self.found.total += 1;
        self.found.rows.insert(0, error);
        self.found.rows.truncate(self.max_listed.max(1));
    }

    /// Counts a row that has errors.
    pub fn reject_row(&mut self) {
        self.found.rejected_rows += 1;
    }

    /// Rows that have errors.
    pub fn rejected_rows(&self) -> u64 {
        self.found.rejected_rows
    }

    /// The rows that have errors, which are left out of the table.
    pub fn into_skipped(self) -> SkippedRows {
        SkippedRows { rows: self.found.rejected_rows, listed: self.found.rows }
    }

    /// Everything found, of a table of which so many rows were read. `fields` is what the rows say of the spec.
    pub fn into_error(self, rows_read: u64, mut fields: Vec<FieldError>) -> IngestError {
        let unlisted_fields = fields.len().saturating_sub(FieldError::MOST) as u64;
        fields.truncate(FieldError::MOST);
        IngestError::Invalid(InvalidTable { rows_read, fields, unlisted_fields, ..self.found })
    }
}
