//! The table that a verdict is about, and the parts of it that runs are handed: in its own format, with its own columns.

use crate::evaluate::{OutsideRun, with_arm_rows};
use crate::ingest::{Dataset, IngestError, RowChanges, write_denoised, write_withheld};
use crate::selection::Selected;
use crate::types::{DatasetSpec, Split, TableSource};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
#[error("cannot write {what}: {source}")]
pub struct JudgedTableError {
    what: &'static str,
    source: IngestError,
}

impl JudgedTableError {
    fn of(what: &'static str) -> impl Fn(IngestError) -> Self {
        move |source| Self { what, source }
    }
}

/// The table's files, how it is read, and what was read.
#[derive(Clone, Copy)]
pub struct JudgedTable<'a> {
    pub source: &'a TableSource,
    /// As ingest gave it back.
    pub spec: &'a DatasetSpec,
    pub dataset: &'a Dataset,
}

impl JudgedTable<'_> {
    /// Writes the training rows of a run, as `own` treats them where it is of the arm denoised.
    pub fn write_train(&self, own: &Selected, run: OutsideRun, out: &Path) -> Result<(), JudgedTableError> {
        let written =
            with_arm_rows(self.dataset, own, run, |changes| write_denoised(self.source, self.spec, changes, out));
        written.map(|_| ()).map_err(JudgedTableError::of("the training rows of an arm"))
    }

    /// Writes the validation rows.
    pub fn write_valid(&self, out: &Path) -> Result<(), JudgedTableError> {
        let dropped = |position| self.is_outside(Split::Valid, position);
        let written = write_denoised(self.source, self.spec, RowChanges { dropped: &dropped, marks: None }, out);
        written.map(|_| ()).map_err(JudgedTableError::of("the validation rows"))
    }

    /// Writes the test rows, without the column that their labels are in.
    pub fn write_test(&self, out: &Path) -> Result<(), JudgedTableError> {
        let dropped = |position| self.is_outside(Split::Test, position);
        let written = write_withheld(self.source, self.spec, &dropped, &self.spec.label.column, out);
        written.map(|_| ()).map_err(JudgedTableError::of("the test rows"))
    }

    /// The rows of a run that [`Self::write_train`] writes, by their positions in the table, in order.
    pub fn rows_of_run(&self, own: &Selected, run: OutsideRun) -> Vec<u64> {
        let train = &self.dataset.split(Split::Train).rows;
        with_arm_rows(self.dataset, own, run, |changes| {
            let kept = train.iter().filter(|position| !(changes.dropped)(**position));
            kept.map(|position| u64::from(*position)).collect()
        })
    }

    /// The rows of a split, by their positions in the table, in order.
    pub fn rows_of(&self, split: Split) -> Vec<u64> {
        self.dataset.split(split).rows.iter().map(|position| u64::from(*position)).collect()
    }

    fn is_outside(&self, split: Split, position: u32) -> bool {
        self.dataset.split(split).rows.binary_search(&position).is_err()
    }
}
