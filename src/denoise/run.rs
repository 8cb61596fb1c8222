//! A whole run as a state machine: warm-up, then search and validation in turn, evaluation, export (spec
//! `autodenoise.md`, section 3). Every step is one pass over training rows, and between steps the whole state can go to a
//! checkpoint; every random number is keyed by what it is for, so a resumed run is the uninterrupted one.

use super::export::{DenoisedWriter, ExportError, Exports};
use super::progress::{Spent, after};
use super::sealed::SealedTest;
use super::searcher::{PolicyConfig, SearchError, Searcher, searcher};
use super::{CheckpointError, History};
use crate::backbone::{
    BackboneConfig, Chosen, ConfigError, Engine, Fit, FitError, ModelKey, TensorFile, TrainingData, WeightsError,
};
use crate::ingest::Dataset;
use crate::types::{
    Arm, ArmResult, MethodName, Metrics, Options, Phase, Reinit, ResolvedSpec, Split, TrainerEvent, Warning,
};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};

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
    Config(#[from] ConfigError),
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
    pub engine: Engine,
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
    pub(super) data: TrainingData<'a>,
    pub(super) config: BackboneConfig,
    pub(super) policy: Box<dyn Searcher>,
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
pub(super) enum Role {
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
        let options = &input.spec.method.options;
        let data = TrainingData::new(dataset);
        let key = key(input.spec, Role::Policy, 0);
        let policy = searcher(input.engine, &PolicyConfig::new(&dataset.feature_map, options), key);
        let history = History::new(options.warmup_epochs, data.train.len(), options.lmat_deselected);
        let at = match input.spec.method.name {
            MethodName::Autodenoise => At::Warmup { row: 0 },
            MethodName::None => At::Evaluate,
        };
        Ok(Self {
            config: BackboneConfig::new(input.spec.method.backbone, &dataset.feature_map, options)?,
            test: SealedTest::new(dataset),
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
            policy,
            history,
        })
    }

    pub(super) fn options(&self) -> &'a Options {
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
pub(super) fn key(spec: &ResolvedSpec, role: Role, number: u32) -> ModelKey {
    let run = [role as u32, number];
    let init = match (spec.method.options.reinit, role) {
        (Reinit::Fresh, _) | (_, Role::Policy) => run,
        (Reinit::SameSeed, _) => [0, 0],
    };
    ModelKey { seed: spec.seed, init, run }
}
