//! The parts of a job that show what its result is worth: the self-check, the proof of the verdict, and with planted noise
//! the oracle.

use super::job::{Work, WorkKind};
use super::part::Trained;
use super::parts::{list_parts, read_parts};
use super::proof::{Proven, Trial};
use super::tasks::Task;
use super::trusted::recalibration;
use super::turn::Turn;
use crate::selection::{Context, Reading, SelectError, Selected};
use crate::types::{Arm, CertifiedRun, Found, SelfCheckResult, TestedPart, Warning};

impl Turn<'_, '_> {
    /// Takes in a training of the proof.
    pub fn add_run(&mut self, trial: Trial, mut trained: Trained) -> Result<(), SelectError> {
        let task = Task::Certify(trial);
        let context = self.job.prepare(task)?.context;
        let reading = self.read_test(task, std::mem::take(&mut trained.test), context.options)?;
        let of_choice = matches!(trial.arm, Arm::Denoised | Arm::Random);
        let chosen = self.outcome.find_choice(self.job, task).filter(|_| of_choice);
        let counted = chosen.and_then(|chosen| chosen.valid.as_deref());
        let logits = trained.valid.as_deref().expect("a training of the proof says what it thinks of validation rows");
        let logloss = self.recalibrated_logloss(&context, task, counted, logits, &reading)?;
        let own = self.outcome.change(self.job.data.train.labels);
        let parts = self.read_parts(&context, task, &reading, own)?;
        let run = CertifiedRun {
            seed: context.seed,
            passes: Some(trained.passes),
            best_pass: Some(trained.chosen.pass),
            valid: Some(trained.chosen.valid),
            test: reading.metrics,
            parts,
            logloss_recalibrated: Some(logloss),
            calibration: reading.calibration,
            seconds: Some(trained.seconds),
        };
        self.passes.book.proven.push(Proven { trainee: trial.trainee, arm: trial.arm, run });
        self.outcome.placed.add(trial, reading);
        self.passes.book.begin_next_task();
        let last = !matches!(self.task(), Task::Certify(next) if next.trainee == trial.trainee);
        if last {
            let (differences, clusters) = (&self.outcome.placed.differences, self.job.clusters.as_ref());
            self.passes.book.row_parts.extend(differences.row_parts(trial.trainee, self.passes.test, clusters));
        }
        Ok(())
    }

    /// How a model did on the parts of the test rows that are read beside all of them. `own`: what was chosen, where that
    /// changes anything.
    fn read_parts(
        &self,
        context: &Context,
        task: Task,
        reading: &Reading,
        own: Option<&Selected>,
    ) -> Result<Vec<TestedPart>, SelectError> {
        let (phase, epoch) = task.position();
        let (dataset, trusted) = (self.job.input.dataset, self.job.trusted.as_ref());
        let trusted = trusted.map(|trusted| &trusted.test[..]);
        let parts = list_parts(dataset, trusted, own.map_or(&[], |own| &own.note.places));
        let read = read_parts(self.passes.test, reading, &parts, context.options);
        read.map_err(|error| SelectError::Fit { phase, epoch, source: error.into() })
    }

    /// The log-loss on the test rows once the model is recalibrated on the validation rows: rows that were dropped shift the
    /// predictions of all, which whoever uses the model puts right. `counted` are the places of the validation rows that count
    /// (absent: all), `logits` the model's of all of them.
    fn recalibrated_logloss(
        &self,
        context: &Context,
        task: Task,
        counted: Option<&[u32]>,
        logits: &[f32],
        reading: &Reading,
    ) -> Result<f64, SelectError> {
        let (phase, epoch) = task.position();
        let recalibration = recalibration(self.job.trusted.as_ref(), counted, logits, context.data.valid.labels);
        let logloss = self.passes.test.recalibrated_logloss(reading, recalibration, context.options);
        logloss.map_err(|error| SelectError::Fit { phase, epoch, source: error.into() })
    }

    /// Runs the method on labels with planted flips, and sees whether it finds them. Its passes are no results of the job
    /// and are not reported; nor is the test read.
    pub fn run_self_check(&mut self) -> Result<(), SelectError> {
        let (Some(planted), true) = (self.job.input.check, self.job.check_data.is_some()) else {
            self.passes.book.begin_next_task();
            return Ok(());
        };
        let Work { context, kind } = self.job.prepare(Task::SelfCheck)?;
        let place = self.passes.begin_training(0, Arm::Denoised, Task::SelfCheck);
        let warnings = self.passes.book.warnings.len();
        let selected = self.passes.quietly(|passes| match &kind {
            WorkKind::Select => passes.choose(&context),
            WorkKind::Train(training) => {
                passes.choose_by_loss(&context, place, training, training.fit_options(&context))
            }
        })?;
        self.passes.book.warnings.truncate(warnings);
        let Some(selected) = selected else { return Ok(()) };
        let found = planted.measure_choice(Some(&selected));
        let planted_rate = self.job.input.spec.self_check.unwrap_or_default().planted_rate;
        self.passes.book.self_check = Some(SelfCheckResult { planted_rate, found, passed: passed(&found) });
        self.passes.book.begin_next_task();
        Ok(())
    }

    /// A self-check that fails costs the job nothing but its answer.
    pub fn skip_self_check(&mut self, error: SelectError) -> Result<(), SelectError> {
        if matches!(error, SelectError::Weights(_)) {
            return Err(error);
        }
        let message = format!("the self-check could not be done: {error}");
        self.passes.book.warn(Warning { code: "self_check".to_owned(), contender: 0, message }, self.passes.emit);
        *self.passes.stage = None;
        self.passes.book.begin_next_task();
        Ok(())
    }

    /// Writes down the training on the rows that the noise left alone, judged by such validation rows: what a perfect choice
    /// would be worth.
    pub fn record_oracle(&mut self, seed: u64, mut trained: Trained) -> Result<(), SelectError> {
        let planted = self.job.input.planted.expect("an oracle needs planted noise");
        let options = &self.job.input.spec.method.options;
        let reading = self.read_test(Task::Oracle(seed), std::mem::take(&mut trained.test), options)?;
        let clean = planted.clean_choice();
        let mut result = self.make_result(seed, Some(&clean.kept), &trained, &reading);
        result.found = Some(planted.measure_choice(Some(&clean)));
        self.passes.book.oracle.push(result);
        self.passes.book.begin_next_task();
        Ok(())
    }
}

/// Whether flipped rows score lower than others, by more than chance.
fn passed(found: &Found) -> bool {
    match (found.auroc, found.auroc_standard_error) {
        (Some(auroc), Some(error)) => auroc - 3.0 * error > 0.5,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_check_needs_more_than_chance() {
        let found = |auroc, error| Found {
            corrupted: 100,
            dropped: 100,
            auroc: Some(auroc),
            auroc_standard_error: Some(error),
            precision: None,
            recall: None,
        };
        assert!(passed(&found(0.6, 0.01)));
        assert!(!passed(&found(0.51, 0.01)), "chance does as well");
        assert!(!passed(&found(0.4, 0.01)), "inverted");
        assert!(!passed(&Found { auroc: None, ..found(0.6, 0.01) }));
    }
}
