//! A whole run as a state machine: warm-up, then search and validation in turn, evaluation, export (spec
//! `autodenoise.md`, section 3). Every step is one pass over training rows, and between steps the whole state can go to a
//! checkpoint; every random number is keyed by what it is for, so a resumed run is the uninterrupted one.

use super::export::{DenoisedWriter, ExportError, Exports};
use super::progress::{Meter, Spent, after};
use super::sealed::SealedTest;
use super::search::{Search, SearchError};
use super::{CheckpointError, History, Policy, PolicyConfig, select};
use crate::backbone::{
    Adam, Backbone, BackboneConfig, Chosen, DeviceData, Fit, FitError, FitOptions, ModelKey, PassOptions, Recorded,
    TensorFile, WeightsError, evaluate, to_host,
};
use crate::ingest::Dataset;
use crate::types::{
    Arm, ArmResult, EpochRow, LmatLoss, MethodName, Metrics, Options, Phase, Reinit, ResolvedSpec, SelectBy, Split,
    TrainerEvent, Warning,
};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};
use tch::{Device, Kind, Tensor};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{} epoch {epoch}: {source}", phase.as_str())]
    Fit { phase: Phase, epoch: u32, source: FitError },
    #[error("search epoch {epoch}: {source}")]
    Search { epoch: u32, source: SearchError },
    #[error("the dataset's {} split has no rows; give the dataset a split with some", .0.as_str())]
    EmptySplit(Split),
    #[error("all test rows have the same label, so select_by = test_auc cannot choose; use valid_auc")]
    TestOneClass,
    #[error(
        "the policy's probabilities are not finite numbers after search epoch {epoch}; a smaller policy_lr_mult usually helps"
    )]
    PolicyNotFinite { epoch: u32 },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("stopped")]
    Stopped,
}

/// What a run is about.
pub struct RunInput<'a> {
    pub spec: &'a ResolvedSpec,
    pub dataset: &'a Dataset,
    pub device: Device,
    pub device_name: &'a str,
    pub threads: usize,
    /// Folder for checkpoints and results.
    pub out_dir: &'a Path,
    /// Writes the table without the dropped rows.
    pub denoised: &'a DenoisedWriter<'a>,
}

/// What the next step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    /// Row counted from 0.
    Warmup {
        row: u32,
    },
    Search {
        epoch: u32,
    },
    Validate {
        epoch: u32,
    },
    Evaluate,
    Export,
    Done,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    More,
    Done,
}

/// What a checkpoint holds beside tensors and the running fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    pub at: At,
    pub spent: Spent,
    /// Seconds of the running retrain.
    pub fit_seconds: f64,
    pub announced: Option<(Phase, u32)>,
    pub warnings: Vec<Warning>,
    pub test_reads: u64,
}

/// A model trained on an arm's rows.
pub(super) struct Trained {
    pub meta: TrainedMeta,
    pub model: TensorFile,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainedMeta {
    pub train_rows: u64,
    pub passes: u32,
    pub chosen: Chosen,
    pub test: Option<Metrics>,
    pub seconds: f64,
}

/// The best epoch so far.
pub(super) struct Best {
    pub epoch: u32,
    pub score: f64,
    /// Positions within the training split, ascending.
    pub kept: Vec<u32>,
    pub policy: TensorFile,
    pub trained: Trained,
}

pub struct Run<'a> {
    pub(super) input: RunInput<'a>,
    pub(super) data: DeviceData,
    /// The training rows as the policy sees them.
    pub(super) policy_ids: Tensor,
    pub(super) config: BackboneConfig,
    pub(super) policy: Policy,
    pub(super) history: History,
    pub(super) book: Book,
    pub(super) fit: Option<Fit>,
    /// The rows of the running validation retrain.
    pub(super) subset: Option<Vec<u32>>,
    pub(super) best: Option<Best>,
    pub(super) full: Option<Trained>,
    pub(super) test: SealedTest<'a>,
}

/// Which model a stream of random numbers belongs to.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Role {
    Warmup = 1,
    Search = 2,
    Retrain = 3,
    Policy = 4,
}

impl<'a> Run<'a> {
    pub fn new(input: RunInput<'a>) -> Result<Self, RunError> {
        let dataset = input.dataset;
        if let Some(empty) = Split::ALL.into_iter().find(|split| dataset.len(*split) == 0) {
            return Err(RunError::EmptySplit(empty));
        }
        let (options, device) = (&input.spec.method.options, input.device);
        let data = DeviceData::new(dataset, device);
        let policy_ids = if options.policy_label_field {
            let offset = i64::from(dataset.feature_map.total_cardinality);
            let label = (data.train.labels.to_kind(Kind::Int) + offset).to_kind(Kind::Int).unsqueeze(1);
            Tensor::cat(&[&data.train.ids, &label], 1)
        } else {
            data.train.ids.shallow_clone()
        };
        let key = key(input.spec, Role::Policy, 0);
        let policy = Policy::new(&PolicyConfig::new(&dataset.feature_map, options), key, device);
        let history = History::new(options.warmup_epochs, data.train.len(), options.lmat_deselected, device);
        let at = match input.spec.method.name {
            MethodName::Autodenoise => At::Warmup { row: 0 },
            MethodName::None => At::Evaluate,
        };
        Ok(Self {
            config: BackboneConfig::new(input.spec.method.backbone, &dataset.feature_map, options),
            test: SealedTest::new(dataset, device),
            book: Book {
                at,
                spent: Spent::default(),
                fit_seconds: 0.0,
                announced: None,
                warnings: Vec::new(),
                test_reads: 0,
            },
            fit: None,
            subset: None,
            best: None,
            full: None,
            input,
            data,
            policy_ids,
            policy,
            history,
        })
    }

    fn options(&self) -> &'a Options {
        &self.input.spec.method.options
    }

    /// What the run is at: the phase and its epoch.
    pub fn position(&self) -> (Phase, u32) {
        match self.book.at {
            At::Warmup { row } => (Phase::Warmup, row + 1),
            At::Search { epoch } => (Phase::Search, epoch),
            At::Validate { epoch } => (Phase::Validate, epoch),
            At::Evaluate => (Phase::Evaluate, 1),
            At::Export | At::Done => (Phase::Export, 1),
        }
    }

    /// Runs one pass, or the export.
    pub fn step(&mut self, emit: &mut dyn FnMut(TrainerEvent)) -> Result<Step, RunError> {
        self.step_while(emit, &|| true)
    }

    /// The same, ended with `RunError::Stopped` at the first batch at which `go_on` says no.
    pub fn step_while(
        &mut self,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<Step, RunError> {
        let (phase, epoch) = self.position();
        if self.book.at == At::Done {
            return Ok(Step::Done);
        }
        if self.book.announced != Some((phase, epoch)) {
            self.book.announced = Some((phase, epoch));
            emit(TrainerEvent::Phase { phase, epoch });
        }
        let started = Instant::now();
        match self.book.at {
            At::Warmup { row } => self.warmup(row, emit, go_on)?,
            At::Search { epoch } => self.search(epoch, emit, go_on)?,
            At::Validate { epoch } => self.validate(epoch, emit, go_on)?,
            At::Evaluate => self.evaluate(emit, go_on)?,
            At::Export => {
                self.book.spent.seconds += started.elapsed().as_secs_f64();
                Exports::new(self)?.write(emit)?;
                self.book.at = At::Done;
                return Ok(Step::Done);
            }
            At::Done => unreachable!("returned above"),
        }
        self.book.spent.seconds += started.elapsed().as_secs_f64();
        self.book.spent.passes += 1;
        emit(TrainerEvent::Progress(after(&self.book.spent, self.total())));
        Ok(Step::More)
    }

    fn warmup(
        &mut self,
        row: u32,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let options = self.options();
        let started = Instant::now();
        let mut fit = self.fit.take().unwrap_or_else(|| {
            let key = key(self.input.spec, Role::Warmup, row);
            Fit::new(&self.config, &[key], FitOptions::warmup(options), self.input.device)
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
        emit(TrainerEvent::Epoch(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train[0],
            valid: summary.valid[0],
            ..self.epoch_row(Arm::Denoised, Phase::Warmup, row + 1, fit.passes())
        }));
        if fit.is_done() {
            self.history.set(row, summary.losses.as_ref().expect("losses were asked for"));
            let next = row + 1;
            self.book.at =
                if next < options.warmup_epochs { At::Warmup { row: next } } else { At::Search { epoch: 1 } };
        } else {
            self.fit = Some(fit);
        }
        Ok(())
    }

    fn search(
        &mut self,
        epoch: u32,
        emit: &mut dyn FnMut(TrainerEvent),
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let options = self.options();
        let started = Instant::now();
        let mut meter = Meter::new(&self.book.spent, self.total());
        let key = key(self.input.spec, Role::Search, epoch);
        let model = Backbone::new(&self.config, &[key], self.input.device);
        let mut optimizer = Adam::new(FitOptions::retrain(options).optimizer, &model.params);
        let search = Search {
            options,
            rows: &self.data.train,
            policy_ids: &self.policy_ids,
            seed: self.input.spec.seed,
            epoch,
            key,
        };
        let summary = search
            .run(&mut self.policy, &mut self.history, &model, &mut optimizer, &mut ticking(&mut meter, emit, go_on))
            .map_err(|source| match source {
                SearchError::Fit(FitError::Stopped) => RunError::Stopped,
                source => RunError::Search { epoch, source },
            })?;
        let valid = evaluate(&model, &self.data.valid, options.auc_on, options.logloss_eps)
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

    fn validate(
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
                let scores = to_host(&self.policy.keep_prob(&self.policy_ids));
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
                let metrics = self.read_test(&fit.model)?;
                trained.meta.test = Some(metrics);
                metrics.auc.ok_or(RunError::TestOneClass)?
            }
        };
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            let mut policy = TensorFile::new();
            self.policy.model.params.save("", &mut policy);
            self.best = Some(Best { epoch, score, kept: subset, policy, trained });
        }
        self.book.at = if epoch < options.epochs { At::Search { epoch: epoch + 1 } } else { At::Evaluate };
        Ok(())
    }

    /// The arm of all rows, trained as the best epoch's subset was (same initial weights, same streams); after its last
    /// pass the test rows are read, once an arm.
    fn evaluate(&mut self, emit: &mut dyn FnMut(TrainerEvent), go_on: &dyn Fn() -> bool) -> Result<(), RunError> {
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
        full.meta.test = Some(self.read_test(&fit.model)?);
        self.full = Some(full);
        if let Some(mut best) = self.best.take() {
            // `select_by = test_auc` has read them for this model already.
            if best.trained.meta.test.is_none() {
                fit.model.params.load("", &best.trained.model)?;
                best.trained.meta.test = Some(self.read_test(&fit.model)?);
            }
            self.best = Some(best);
        }
        self.book.at = At::Export;
        Ok(())
    }

    fn retrain(&mut self, epoch: u32) -> Fit {
        self.book.fit_seconds = 0.0;
        let key = key(self.input.spec, Role::Retrain, epoch);
        Fit::new(&self.config, &[key], FitOptions::retrain(self.options()), self.input.device)
    }

    fn finish_retrain(&mut self, fit: &mut Fit, rows: usize) -> Trained {
        self.book.spent.retrains += 1;
        self.book.spent.retrain_passes += u64::from(fit.passes());
        let chosen = fit.finish()[0];
        let mut model = TensorFile::new();
        fit.model.params.save("", &mut model);
        let meta = TrainedMeta {
            train_rows: rows as u64,
            passes: fit.passes(),
            chosen,
            test: None,
            seconds: self.book.fit_seconds,
        };
        Trained { meta, model }
    }

    fn read_test(&mut self, model: &Backbone) -> Result<Metrics, RunError> {
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

    fn total(&self) -> u64 {
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

    /// The arms' results, once evaluated.
    pub(super) fn arms(&self) -> Vec<ArmResult> {
        let arm = |arm, trained: &Trained| ArmResult {
            arm,
            seed: self.input.spec.seed,
            train_rows: trained.meta.train_rows,
            passes: trained.meta.passes,
            best_pass: trained.meta.chosen.pass,
            valid: trained.meta.chosen.valid,
            test: trained.meta.test.expect("an evaluated arm has its test metrics"),
            seconds: trained.meta.seconds,
        };
        let full = self.full.iter().map(|full| arm(Arm::Full, full));
        full.chain(self.best.iter().map(|best| arm(Arm::Denoised, &best.trained))).collect()
    }
}

/// The streams of a model of the run.
fn key(spec: &ResolvedSpec, role: Role, number: u32) -> ModelKey {
    let run = [role as u32, number];
    let init = match (spec.method.options.reinit, role) {
        (Reinit::Fresh, _) | (_, Role::Policy) => run,
        (Reinit::SameSeed, _) => [0, 0],
    };
    ModelKey { seed: spec.seed, init, run }
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
