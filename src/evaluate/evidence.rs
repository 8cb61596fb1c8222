//! The parts of a job that show what its result is worth: the self-check, the proof of the verdict, and with planted noise
//! the oracle.

use super::proof::{Proven, RowPart, Trial, random_rows};
use super::run::{Outside, Run, RunError, Stage};
use super::tasks::{Contender, Task, chooses_first, selector, trainee};
use super::training::Training;
use super::verdict::{arms, certification, judge};
use crate::backbone::{Fit, PassOptions};
use crate::selection::{Place, Role, Selected};
use crate::types::{Arm, Certification, CertifiedRun, Found, Phase, SelfCheckResult, Trainee, TrainerEvent};
use std::time::Instant;

impl Run<'_> {
    /// A training of the proof. Where every row was kept there is nothing to prove.
    pub(super) fn certify(&mut self, trial: Trial, outside: &mut Outside) -> Result<(), RunError> {
        let spec = self.input.spec;
        let labels = self.data.train.labels;
        let Some(own) = self.own.as_ref().filter(|own| own.kept.len() < labels.len()) else {
            self.book.next_task();
            return Ok(());
        };
        let of = Contender::own(spec.seed + u64::from(trial.number));
        let Trainee { backbone, options } = &trainee(spec, &spec.method, trial.trainee);
        let context = of.context(&self.input, &self.data, *backbone, options)?;
        let place = Place { arm: trial.arm, phase: Phase::Certify, epoch: trial.trainee as u32 + 1 };
        self.book.announce(of.number, (place.phase, place.epoch), outside.emit);
        let drawn;
        let subset = match trial.arm {
            Arm::Denoised => Some(&own.kept[..]),
            Arm::Full => None,
            Arm::Random => {
                drawn = random_rows(labels, &own.kept, of.seed);
                Some(&drawn[..])
            }
        };
        let (book, stage) = (&mut self.book, &mut self.stage);
        let training = Training::plain();
        let trained = outside.train(book, stage, &mut self.test, &context, place, &training, subset)?;
        let Some(trained) = trained else { return Ok(()) };
        let run = CertifiedRun {
            seed: of.seed,
            passes: trained.fit.passes(),
            best_pass: trained.chosen.pass,
            valid: trained.chosen.valid,
            test: trained.reading.metrics,
            calibration: trained.reading.calibration,
            seconds: self.book.task_seconds,
        };
        self.book.proven.push(Proven { trainee: trial.trainee, arm: trial.arm, run });
        self.placed.add(trial, trained.reading);
        self.book.next_task();
        let last = !matches!(self.task(), Task::Certify(next) if next.trainee == trial.trainee);
        if last {
            for (over, differences) in [(Arm::Full, &self.placed.full), (Arm::Random, &self.placed.random)] {
                let error = self.test.row_error(differences);
                self.book.row_parts.push(RowPart { trainee: trial.trainee, over, error });
            }
        }
        Ok(())
    }

    /// What the proof came to: for the job's own backbone, and for those of a transfer.
    pub(super) fn certifications(&self) -> Option<(Certification, Vec<Certification>)> {
        let spec = self.input.spec;
        let asked = spec.certify?;
        let kept = self.own.as_ref().map_or(self.data.train.len(), |own| own.kept.len()) as u64;
        let rows = |arm| if arm == Arm::Full { self.data.train.len() as u64 } else { kept };
        let of = |number: usize| {
            let row_error = |over| {
                let part = self.book.row_parts.iter().find(|part| part.trainee == number && part.over == over);
                part.and_then(|part| part.error)
            };
            let backbone = trainee(spec, &spec.method, number).backbone;
            certification(asked, backbone, arms(&self.book.proven, number, &rows), &row_error)
        };
        let mut own = of(0);
        let mut transfers: Vec<_> = (1..=spec.transfer.len()).map(of).collect();
        judge(&mut own, &mut transfers);
        Some((own, transfers))
    }

    /// Runs the method on labels with planted flips, and sees whether it finds them. Its passes are no results of the job
    /// and are not reported; nor is the test read.
    pub(super) fn self_check(&mut self, outside: &mut Outside) -> Result<(), RunError> {
        let started = Instant::now();
        let spec = self.input.spec;
        let (Some(planted), Some(data)) = (self.input.check, &self.check_data) else {
            self.book.next_task();
            return Ok(());
        };
        let of = Contender::own(spec.seed);
        let context = of.context(&self.input, data, spec.method.backbone, &spec.method.options)?;
        self.book.announce(0, (Phase::SelfCheck, 1), outside.emit);
        let total = outside.total;
        let mut quiet = |event| {
            if matches!(event, TrainerEvent::Progress(_)) {
                (outside.emit)(event);
            }
        };
        let mut outside = Outside { emit: &mut quiet, total };
        let warnings = self.book.warnings.len();
        let selected = if chooses_first(spec.method.name) {
            let mut selector = match self.stage.take() {
                Some(Stage::Selecting(selector)) => selector,
                _ => selector(&context),
            };
            let selected = selector.step(&context, &mut outside.session(&mut self.book, &mut self.test))?;
            if selected.is_none() {
                self.stage = Some(Stage::Selecting(selector));
            }
            selected
        } else {
            let training = Training::new(&context)?;
            let mut fit = match self.stage.take() {
                Some(Stage::Training(fit)) => fit,
                _ => {
                    let key = context.key(Role::Evaluate, 0);
                    Box::new(Fit::new(context.engine, &context.config, &[key], training.fit_options(&context)))
                }
            };
            let place = Place { arm: Arm::Denoised, phase: Phase::SelfCheck, epoch: 1 };
            let mut session = outside.session(&mut self.book, &mut self.test);
            let pass = fit.passes();
            let what = PassOptions::default();
            training.with_rows(&context, pass, |rows| session.pass(&context, place, &mut fit, rows, &what))?;
            if fit.is_done() {
                fit.finish();
                training.induced(&context, &mut *fit.model)
            } else {
                self.stage = Some(Stage::Training(fit));
                None
            }
        };
        self.book.warnings.truncate(warnings);
        self.book.passed(started, self.test.reads());
        let Some(selected) = selected else { return Ok(()) };
        let found = planted.found(Some(&selected));
        let planted_rate = spec.self_check.unwrap_or_default().planted_rate;
        self.book.self_check = Some(SelfCheckResult { planted_rate, found, passed: passed(&found) });
        self.book.next_task();
        Ok(())
    }

    /// Trains on the rows the noise left alone: what a perfect choice would be worth.
    pub(super) fn oracle(&mut self, seed: u64, outside: &mut Outside) -> Result<(), RunError> {
        let spec = self.input.spec;
        let planted = self.input.planted.expect("an oracle needs planted noise");
        let of = Contender::own(seed);
        let context = of.context(&self.input, &self.data, spec.method.backbone, &spec.method.options)?;
        // One number above the methods': its rows are nobody's.
        let contender = spec.contenders().len();
        let place = Place { arm: Arm::Denoised, phase: Phase::Evaluate, epoch: 1 };
        self.book.announce(contender, (place.phase, place.epoch), outside.emit);
        let clean = Selected::rows(planted.clean_rows());
        let training = Training::plain();
        let mut quiet = |event| {
            if matches!(event, TrainerEvent::Progress(_)) {
                (outside.emit)(event);
            }
        };
        let mut outside = Outside { emit: &mut quiet, total: outside.total };
        let (book, stage) = (&mut self.book, &mut self.stage);
        let trained = outside.train(book, stage, &mut self.test, &context, place, &training, Some(&clean.kept))?;
        let Some(trained) = trained else { return Ok(()) };
        let mut result = self.result(seed, Some(&clean.kept), &trained.fit, trained.chosen, &trained.reading);
        result.found = Some(planted.found(Some(&clean)));
        self.book.oracle.push(result);
        self.book.next_task();
        Ok(())
    }
}

/// Whether flipped rows score worse than others beyond chance.
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
