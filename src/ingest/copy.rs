//! What a copy of a table is to be: which rows, and what becomes of their columns.

use super::{
    error::{IngestError, ReadError},
    marks::Marks,
    part::Part,
    withheld::Withheld,
};
use std::io;

/// Rows copied and rows left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportCounts {
    pub kept: u64,
    pub dropped: u64,
}

impl ExportCounts {
    /// Counts the next row; its position where it is kept.
    pub(super) fn count_row(&mut self, dropped: &dyn Fn(u32) -> bool) -> Option<u32> {
        // Ingest has refused files of more than u32::MAX rows.
        let row = (self.kept + self.dropped) as u32;
        let keep = !dropped(row);
        *(if keep { &mut self.kept } else { &mut self.dropped }) += 1;
        keep.then_some(row)
    }
}

/// Which rows are copied, and what becomes of their columns.
pub(super) struct CopyPlan<'a> {
    pub dropped: &'a dyn Fn(u32) -> bool,
    pub edit: Edit<'a>,
    /// Whether every row ends with a separator, and the header does not.
    pub rows_end_empty: bool,
}

/// What becomes of a table's columns in a copy.
pub(super) enum Edit<'a> {
    Nothing,
    /// Two are added.
    Mark(Marks<'a>),
    /// One is left out.
    Withhold(Withheld),
}

/// Why a copy failed. The message names the file at fault: the one read, or the one written.
pub(super) enum CopyError {
    Out(io::Error),
    Source(IngestError),
}

impl CopyError {
    /// A part could not be read.
    pub fn of_part(part: &Part) -> impl Fn(ReadError) -> Self {
        |error| Self::Source(error.at_start(&part.path).in_part(part.name.as_deref()))
    }
}
