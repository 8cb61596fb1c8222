//! One step of a run: the job, the passes it may do, and what it leaves behind.

use super::book::shares;
use super::job::Job;
use super::passes::{Passes, Trained};
use super::state::Outcome;
use super::tasks::Task;
use crate::types::RunResult;

pub(super) struct Turn<'t, 'a> {
    pub job: &'t Job<'a>,
    pub outcome: &'t mut Outcome,
    pub passes: Passes<'t, 'a>,
}

impl Turn<'_, '_> {
    /// The task under way.
    pub fn task(&self) -> Task {
        self.job.task(self.passes.book.task)
    }

    /// What a training on these rows (absent: all) came to.
    pub fn make_result(&self, seed: u64, kept: Option<&[u32]>, trained: &Trained) -> RunResult {
        let [kept, kept_positive, kept_negative] = shares(self.job.data.train.labels, kept);
        RunResult {
            seed,
            kept,
            kept_positive,
            kept_negative,
            best_epoch: None,
            trained_rows: kept.rows,
            passes: trained.fit.passes(),
            best_pass: trained.chosen.pass,
            valid: trained.chosen.valid,
            test: trained.reading.metrics,
            calibration: Some(trained.reading.calibration),
            as_selected: None,
            found: None,
            select_seconds: self.passes.book.select_seconds,
            train_seconds: self.passes.book.task_seconds,
        }
    }
}
