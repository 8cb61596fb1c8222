//! The passes of a run, a function a phase: what is trained on what, and what becomes of it (spec `autodenoise.md`,
//! section 3).

use super::progress::Meter;
use super::run::{At, Best, Role, Run, RunError, Trained, TrainedMeta, key};
use super::searcher::{SearchEpoch, SearchError};
use super::select;
use crate::backbone::{Fit, FitError, FitOptions, Model, PassOptions, Recorded, evaluate};
use crate::types::{Arm, EpochRow, LmatLoss, Metrics, Phase, SelectBy, TrainerEvent, Warning};
use std::time::Instant;

impl Run<'_> {
    pub(super) fn warmup(
        &mut self,
        row: u32,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let options = self.options();
        let started = Instant::now();
        let mut fit = self.fit.take().unwrap_or_else(|| {
            // Rows of the warm-up share nothing but the data.
            let side_by_side = self.input.engine.side_by_side(&self.config, self.input.threads);
            let rows = row..options.warmup_epochs.min(row.saturating_add(side_by_side.try_into().unwrap_or(u32::MAX)));
            let keys: Vec<_> = rows.map(|row| key(self.input.spec, Role::Warmup, row)).collect();
            Fit::new(self.input.engine, &self.config, &keys, FitOptions::warmup(options))
        });
        // Like with like: the look-back holds the kind of loss that search epochs will be compared by.
        let record = match options.lmat_loss {
            LmatLoss::Eval => Recorded::Eval,
            LmatLoss::Train => Recorded::Train,
        };
        let what = PassOptions { record: Some(record), ..PassOptions::default() };
        let mut meter = Meter::new(&self.book.spent, self.total());
        let summary = fit
            .run_pass(&self.data.train, &self.data.valid, &what, &mut ticking(&mut meter, emit, go_on))
            .map_err(|source| fit_error(Phase::Warmup, row + 1, source))?;
        let rows = summary.train.len() as u32;
        let seconds = started.elapsed().as_secs_f64() / f64::from(rows);
        for (number, (train, valid)) in (row..).zip(summary.train.iter().zip(&summary.valid)) {
            emit(TrainerEvent::Epoch(EpochRow {
                seconds,
                train: *train,
                valid: *valid,
                ..self.epoch_row(Arm::Denoised, Phase::Warmup, number + 1, fit.passes())
            }));
        }
        self.book.spent.passes += u64::from(rows) - 1;
        if fit.is_done() {
            let losses = summary.losses.expect("losses were asked for");
            for (number, losses) in (row..).zip(losses.chunks(self.data.train.len())) {
                self.history.set(number, losses.to_vec());
            }
            let next = row + rows;
            self.book.at =
                if next < options.warmup_epochs { At::Warmup { row: next } } else { At::Search { epoch: 1 } };
        } else {
            self.fit = Some(fit);
        }
        Ok(())
    }

    pub(super) fn search(
        &mut self,
        epoch: u32,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let options = self.options();
        let started = Instant::now();
        let mut meter = Meter::new(&self.book.spent, self.total());
        let key = key(self.input.spec, Role::Search, epoch);
        let search = SearchEpoch {
            options,
            config: &self.config,
            rows: &self.data.train,
            seed: self.input.spec.seed,
            epoch,
            key,
        };
        let (summary, mut model) = self
            .policy
            .epoch(&search, &mut self.history, &mut ticking(&mut meter, emit, go_on))
            .map_err(|source| match source {
                SearchError::Fit(FitError::Stopped) => RunError::Stopped,
                source => RunError::Search { epoch, source },
            })?;
        let valid = evaluate(&mut *model, &self.data.valid, options.auc_on, options.logloss_eps)
            .map_err(|source| fit_error(Phase::Search, epoch, source))?;
        emit(TrainerEvent::Epoch(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train,
            valid: Some(valid[0]),
            kept: Some(summary.kept),
            reward_mean: summary.reward_mean,
            reward_std: summary.reward_std,
            skipped_updates: Some(summary.skipped_updates),
            ..self.epoch_row(Arm::Denoised, Phase::Search, epoch, 1)
        }));
        if summary.kept < options.min_selected_fraction {
            let message = format!(
                "in search epoch {epoch} the policy selected {:.3} % of the rows, below min_selected_fraction = {:.3} %, and \
                 {} model updates had too few rows; rewards drift this way where a model trained on fewer rows learns more \
                 slowly than the warm-up did; reward_norm = standardize counters it",
                100.0 * summary.kept,
                100.0 * options.min_selected_fraction,
                summary.skipped_updates,
            );
            self.warn_once("min_selected_fraction", message, emit);
        }
        self.book.at = At::Validate { epoch };
        Ok(())
    }

    pub(super) fn validate(
        &mut self,
        epoch: u32,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let options = self.options();
        let started = Instant::now();
        let mut fit = match self.fit.take() {
            Some(fit) => fit,
            None => {
                let scores = self.policy.keep_prob(&self.data.train);
                if scores.iter().any(|p| !p.is_finite()) {
                    return Err(RunError::PolicyNotFinite { epoch });
                }
                self.subset = Some(select(options, &scores, self.input.spec.seed, epoch));
                self.retrain(epoch)
            }
        };
        let subset = self.subset.take().expect("a validation retrain has its rows");
        let what = PassOptions { subset: Some(&subset), ..PassOptions::default() };
        let mut meter = Meter::new(&self.book.spent, self.total_with(Some(fit.passes() + 1)));
        let summary = fit
            .run_pass(&self.data.train, &self.data.valid, &what, &mut ticking(&mut meter, emit, go_on))
            .map_err(|source| fit_error(Phase::Validate, epoch, source))?;
        emit(TrainerEvent::Epoch(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train[0],
            valid: summary.valid[0],
            kept: Some(subset.len() as f64 / self.data.train.len() as f64),
            ..self.epoch_row(Arm::Denoised, Phase::Validate, epoch, fit.passes())
        }));
        self.book.fit_seconds += started.elapsed().as_secs_f64();
        if !fit.is_done() {
            (self.fit, self.subset) = (Some(fit), Some(subset));
            return Ok(());
        }
        let mut trained = self.finish_retrain(&mut fit, subset.len());
        let score = match options.select_by {
            SelectBy::ValidAuc => trained.meta.chosen.valid.auc.expect("a retrain without an AUC is an error"),
            SelectBy::ValidLogloss => -trained.meta.chosen.valid.logloss,
            SelectBy::TestAuc => {
                let metrics = self.read_test(&mut *fit.model)?;
                trained.meta.test = Some(metrics);
                metrics.auc.ok_or(RunError::TestOneClass)?
            }
        };
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            let policy = self.policy.weights();
            self.best = Some(Best { epoch, score, kept: subset, policy, trained });
        }
        self.book.at = if epoch < options.epochs { At::Search { epoch: epoch + 1 } } else { At::Evaluate };
        Ok(())
    }

    /// The arm of all rows, trained as the best epoch's subset was (same initial weights, same streams); after its last
    /// pass the test rows are read, once an arm.
    pub(super) fn evaluate(
        &mut self,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let paired = self.best.as_ref().map_or(1, |best| best.epoch);
        let mut fit = self.fit.take().unwrap_or_else(|| self.retrain(paired));
        let mut meter = Meter::new(&self.book.spent, self.total_with(Some(fit.passes() + 1)));
        let summary = fit
            .run_pass(
                &self.data.train,
                &self.data.valid,
                &PassOptions::default(),
                &mut ticking(&mut meter, emit, go_on),
            )
            .map_err(|source| fit_error(Phase::Evaluate, 1, source))?;
        emit(TrainerEvent::Epoch(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train[0],
            valid: summary.valid[0],
            kept: Some(1.0),
            ..self.epoch_row(Arm::Full, Phase::Evaluate, 1, fit.passes())
        }));
        self.book.fit_seconds += started.elapsed().as_secs_f64();
        if !fit.is_done() {
            self.fit = Some(fit);
            return Ok(());
        }
        let mut full = self.finish_retrain(&mut fit, self.data.train.len());
        full.meta.test = Some(self.read_test(&mut *fit.model)?);
        self.full = Some(full);
        if let Some(mut best) = self.best.take() {
            // `select_by = test_auc` has read them for this model already.
            if best.trained.meta.test.is_none() {
                fit.model.load_weights(&best.trained.model)?;
                best.trained.meta.test = Some(self.read_test(&mut *fit.model)?);
            }
            self.best = Some(best);
        }
        self.book.at = At::Export;
        Ok(())
    }

    fn retrain(&mut self, epoch: u32) -> Fit {
        self.book.fit_seconds = 0.0;
        let key = key(self.input.spec, Role::Retrain, epoch);
        Fit::new(self.input.engine, &self.config, &[key], FitOptions::retrain(self.options()))
    }

    fn finish_retrain(&mut self, fit: &mut Fit, rows: usize) -> Trained {
        self.book.spent.retrains += 1;
        self.book.spent.retrain_passes += u64::from(fit.passes());
        let chosen = fit.finish()[0];
        let model = fit.model.weights();
        let meta = TrainedMeta {
            train_rows: rows as u64,
            passes: fit.passes(),
            chosen,
            test: None,
            seconds: self.book.fit_seconds,
        };
        Trained { meta, model }
    }

    fn read_test(&mut self, model: &mut dyn Model) -> Result<Metrics, RunError> {
        let (phase, epoch) = self.position();
        let metrics = self.test.read(model, self.options()).map_err(|source| fit_error(phase, epoch, source))?;
        self.book.test_reads = self.test.reads();
        Ok(metrics)
    }

    fn warn_once(&mut self, code: &str, message: String, emit: &mut dyn FnMut(TrainerEvent)) {
        if self.book.warnings.iter().all(|warning| warning.code != code) {
            let warning = Warning { code: code.to_owned(), message };
            self.book.warnings.push(warning.clone());
            emit(TrainerEvent::Warning(warning));
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total_with(match self.book.at {
            At::Validate { .. } | At::Evaluate => self.fit.as_ref().map(|fit| fit.passes()),
            _ => None,
        })
    }

    fn total_with(&self, retrain_running: Option<u32>) -> u64 {
        self.book.spent.total(&self.input.spec.method, retrain_running)
    }

    fn epoch_row(&self, arm: Arm, phase: Phase, epoch: u32, pass: u32) -> EpochRow {
        EpochRow {
            contender: 0,
            arm,
            seed: self.input.spec.seed,
            phase,
            epoch,
            pass,
            seconds: 0.0,
            train: None,
            valid: None,
            kept: None,
            reward_mean: None,
            reward_std: None,
            skipped_updates: None,
        }
    }
}

fn ticking<'t>(
    meter: &'t mut Meter,
    emit: &'t mut dyn FnMut(TrainerEvent),
    go_on: &'t dyn Fn() -> bool,
) -> impl FnMut() -> bool + 't {
    move || {
        if let Some(progress) = meter.due() {
            emit(TrainerEvent::Progress(progress));
        }
        go_on()
    }
}

fn fit_error(phase: Phase, epoch: u32, source: FitError) -> RunError {
    match source {
        FitError::Stopped => RunError::Stopped,
        source => RunError::Fit { phase, epoch, source },
    }
}
