//! One step of a run: the job, the passes it may do, and what it leaves behind.

use super::book::shares;
use super::desk::Desk;
use super::job::Job;
use super::part::Trained;
use super::passes::Passes;
use super::state::Outcome;
use super::tasks::Task;
use crate::selection::{Reading, SelectError};
use crate::types::{Options, RunResult};

pub(super) struct Turn<'t, 'a> {
    pub job: &'t Job<'a>,
    pub outcome: &'t mut Outcome,
    pub passes: Passes<'t, 'a>,
    pub desk: &'t mut Desk<'a>,
}

impl Turn<'_, '_> {
    /// The first task that is not over.
    pub fn task(&self) -> Task {
        self.job.task(self.passes.book.task)
    }

    /// The one reading of the test rows by a model of a task.
    pub fn read_test(&mut self, task: Task, logits: Vec<f32>, options: &Options) -> Result<Reading, SelectError> {
        let (phase, epoch) = task.position();
        let reading = self.passes.test.read_logits(logits, options);
        self.passes.book.test_reads = self.passes.test.reads();
        reading.map_err(|source| SelectError::Fit { phase, epoch, source })
    }

    /// What a training on these rows (absent: all) came to.
    pub fn make_result(&self, seed: u64, kept: Option<&[u32]>, trained: &Trained, reading: &Reading) -> RunResult {
        let [kept, kept_positive, kept_negative] = shares(self.job.data.train.labels, kept);
        RunResult {
            seed,
            kept,
            kept_positive,
            kept_negative,
            best_epoch: None,
            trained_rows: kept.rows,
            passes: trained.passes,
            best_pass: trained.chosen.pass,
            valid: trained.chosen.valid,
            test: reading.metrics,
            calibration: Some(reading.calibration),
            as_selected: None,
            found: None,
            select_seconds: self.passes.book.select_seconds,
            train_seconds: trained.seconds,
        }
    }
}
