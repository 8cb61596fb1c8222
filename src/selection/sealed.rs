//! The test rows, sealed: one function reads them, and it counts its reads (spec `design.md`, section 3).

use crate::backbone::{FitError, Model, Rows, evaluate};
use crate::ingest::Dataset;
use crate::types::{Metrics, Options, Split};

pub struct SealedTest<'a> {
    dataset: &'a Dataset,
    reads: u64,
}

impl<'a> SealedTest<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        Self { dataset, reads: 0 }
    }

    /// How a (single) model does on the test rows. The rows are on the device only while this runs.
    pub fn read(&mut self, model: &mut dyn Model, options: &Options) -> Result<Metrics, FitError> {
        self.reads += 1;
        let rows = Rows::new(self.dataset.split(Split::Test), self.dataset.fields());
        Ok(evaluate(model, &rows, options.auc_on, options.logloss_eps)?.swap_remove(0))
    }

    /// Goes on counting from the reads of earlier attempts.
    pub fn resume(&mut self, reads: u64) {
        self.reads = reads;
    }

    pub fn reads(&self) -> u64 {
        self.reads
    }
}
