//! A job as a state machine: every step is one pass over training rows, and between steps the whole state can go to a
//! checkpoint; every random number is keyed by what it is for, so a resumed run is the uninterrupted one.

use super::CheckpointError;
use super::export::{DenoisedWriter, ExportError, Exports};
use super::planted::Planted;
use super::proof::{Placed, Proven, RowPart};
use super::table::reference;
use super::tasks::{Contender, Task, chooses_first, selector, tasks, trainee, trainees};
use super::training::Training;
use crate::backbone::{BackboneConfig, Chosen, Engines, Fit, PassOptions, TensorFile, TrainingData, TrainingLoss};
use crate::ingest::Dataset;
use crate::selection::{
    Context, Place, Reading, Role, SealedTest, SelectError, Selected, Selector, Session, Spent, after,
};
use crate::types::{KeptShare, Phase, ResolvedSpec, RunResult, SelfCheckResult, Split, Trainee, TrainerEvent, Warning};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("the dataset's {} split has no rows; give the dataset a split with some", .0.as_str())]
    EmptySplit(Split),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// What a run is about.
pub struct RunInput<'a> {
    pub spec: &'a ResolvedSpec,
    pub dataset: &'a Dataset,
    pub engines: Engines,
    pub threads: usize,
    /// Noise in the labels of the whole job, and of its self-check.
    pub planted: Option<&'a Planted<'a>>,
    pub check: Option<&'a Planted<'a>>,
    /// Folder for checkpoints and results.
    pub out_dir: &'a Path,
    /// Writes the table without the dropped rows.
    pub denoised: &'a DenoisedWriter<'a>,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    More,
    Done,
}

/// What a checkpoint holds beside tensors and the stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    /// Number of the task under way, the passes before it, and its seconds so far.
    pub task: usize,
    pub passes_before: u64,
    pub task_seconds: f64,
    /// Seconds of the current method's choice.
    pub select_seconds: f64,
    pub spent: Spent,
    pub announced: Option<(usize, Phase, u32)>,
    pub warnings: Vec<Warning>,
    pub test_reads: u64,
    pub results: Vec<Tried>,
    pub proven: Vec<Proven>,
    pub row_parts: Vec<RowPart>,
    pub self_check: Option<SelfCheckResult>,
    pub oracle: Vec<RunResult>,
}

/// A finished training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tried {
    pub contender: usize,
    pub trainee: usize,
    pub result: RunResult,
}

/// What is under way within a task.
pub(super) enum Stage {
    Selecting(Box<dyn Selector>),
    Training(Box<Fit>),
}

pub struct Run<'a> {
    pub(super) input: RunInput<'a>,
    pub(super) data: TrainingData<'a>,
    /// The same with the labels of the self-check.
    pub(super) check_data: Option<TrainingData<'a>>,
    pub(super) tasks: Vec<Task>,
    pub(super) book: Book,
    /// Absent between tasks.
    pub(super) stage: Option<Stage>,
    /// What the method under way chose. Absent where that is every row.
    pub(super) selected: Option<Selected>,
    /// What the job's own method chose with the first seed, and the model trained on it.
    pub(super) own: Option<Selected>,
    pub(super) model: Option<TensorFile>,
    /// The same backbone trained on all rows.
    pub(super) reference: Option<TensorFile>,
    /// What the job's own method kept with each seed, where there are several.
    pub(super) by_seed: Vec<Vec<u32>>,
    pub(super) placed: Placed,
    pub(super) test: SealedTest<'a>,
}

impl<'a> Run<'a> {
    pub fn new(input: RunInput<'a>) -> Result<Self, RunError> {
        let dataset = input.dataset;
        if let Some(empty) = Split::ALL.into_iter().find(|split| dataset.len(*split) == 0) {
            return Err(RunError::EmptySplit(empty));
        }
        // What cannot be trained is said before anything is.
        for Trainee { backbone, options } in trainees(input.spec) {
            BackboneConfig::new(backbone, &dataset.feature_map, &options).map_err(SelectError::from)?;
            input.engines.for_model(backbone).map_err(SelectError::from)?;
        }
        Ok(Self {
            data: input.planted.map_or_else(|| TrainingData::new(dataset), Planted::data),
            check_data: input.check.map(Planted::data),
            tasks: tasks(input.spec, input.planted.is_some()),
            test: SealedTest::new(dataset),
            book: Book::default(),
            stage: None,
            selected: None,
            own: None,
            model: None,
            reference: None,
            by_seed: Vec::new(),
            placed: Placed::default(),
            input,
        })
    }

    pub(super) fn task(&self) -> Task {
        // After the export there is nothing more to do.
        self.tasks.get(self.book.task).copied().unwrap_or(Task::Export)
    }

    /// What the run is at: the phase and its epoch.
    pub fn position(&self) -> (Phase, u32) {
        match (self.task(), &self.stage) {
            (Task::Select(_), Some(Stage::Selecting(selector))) => selector.position(),
            (Task::Select(_), _) => (Phase::Select, 1),
            (Task::Train(_, trainee), _) => (Phase::Evaluate, trainee as u32 + 1),
            (Task::Oracle(_), _) => (Phase::Evaluate, 1),
            (Task::SelfCheck, _) => (Phase::SelfCheck, 1),
            (Task::Certify(trial), _) => (Phase::Certify, trial.trainee as u32 + 1),
            (Task::Export, _) => (Phase::Export, 1),
        }
    }

    /// Runs one pass, or the export.
    pub fn step(&mut self, emit: &mut (dyn FnMut(TrainerEvent) + Send)) -> Result<Step, RunError> {
        if self.book.task == self.tasks.len() {
            return Ok(Step::Done);
        }
        let mut outside = Outside { emit, total: self.total() };
        match self.task() {
            Task::Select(of) => {
                let done = self.select(of, &mut outside);
                self.or_leave_out(of, done, outside.emit)?;
            }
            Task::Train(of, trainee) => {
                let done = self.train(of, trainee, &mut outside);
                self.or_leave_out(of, done, outside.emit)?;
            }
            Task::Oracle(seed) => self.oracle(seed, &mut outside)?,
            Task::SelfCheck => {
                let done = self.self_check(&mut outside);
                self.or_without_check(done, outside.emit)?;
            }
            Task::Certify(trial) => self.certify(trial, &mut outside)?,
            Task::Export => {
                self.book.announce(0, self.position(), emit);
                Exports::new(self).write(emit)?;
                self.book.task += 1;
                return Ok(Step::Done);
            }
        }
        emit(TrainerEvent::Progress(after(&self.book.spent, self.total())));
        Ok(Step::More)
    }

    /// A method that is only compared with, and fails, is left out with a warning: what else the job has found is worth
    /// having. The job's own method and the reference it is judged against are not.
    fn or_leave_out(
        &mut self,
        of: Contender,
        done: Result<(), RunError>,
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
    ) -> Result<(), RunError> {
        let spec = self.input.spec;
        let error = match done {
            Err(RunError::Select(error)) if !matches!(error, SelectError::Weights(_)) => error,
            done => return done,
        };
        if of.number == 0 || reference(spec) == Some(of.number) {
            return Err(error.into());
        }
        let message = format!("{} with seed {} is left out: {error}", of.method(spec).label, of.seed);
        self.book.warn(Warning { code: "left_out".to_owned(), contender: of.number as u32, message }, emit);
        (self.stage, self.selected) = (None, None);
        while matches!(self.task(), Task::Select(next) | Task::Train(next, _) if next == of) {
            self.book.next_task();
        }
        Ok(())
    }

    /// A self-check that fails costs the job nothing but its answer.
    fn or_without_check(
        &mut self,
        done: Result<(), RunError>,
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
    ) -> Result<(), RunError> {
        let error = match done {
            Err(RunError::Select(error)) if !matches!(error, SelectError::Weights(_)) => error,
            done => return done,
        };
        let message = format!("the self-check could not be done: {error}");
        self.book.warn(Warning { code: "self_check".to_owned(), contender: 0, message }, emit);
        self.stage = None;
        self.book.next_task();
        Ok(())
    }

    fn select(&mut self, of: Contender, outside: &mut Outside) -> Result<(), RunError> {
        let started = Instant::now();
        let method = of.method(self.input.spec);
        let context = of.context(&self.input, &self.data, method.backbone, &method.options)?;
        let mut selector = match self.stage.take() {
            Some(Stage::Selecting(selector)) => selector,
            _ => selector(&context),
        };
        self.book.announce(of.number, selector.position(), outside.emit);
        let selected = selector.step(&context, &mut outside.session(&mut self.book, &mut self.test))?;
        self.book.passed(started, self.test.reads());
        match selected {
            None => self.stage = Some(Stage::Selecting(selector)),
            Some(selected) => {
                if selected.kept.len() < 2 {
                    return Err(
                        SelectError::TooFewKept { method: method.label.clone(), kept: selected.kept.len() }.into()
                    );
                }
                self.selected = Some(selected);
                self.book.select_seconds = self.book.task_seconds;
                self.book.next_task();
            }
        }
        Ok(())
    }

    fn train(&mut self, of: Contender, number: usize, outside: &mut Outside) -> Result<(), RunError> {
        let method = of.method(self.input.spec);
        let Trainee { backbone, options } = &trainee(self.input.spec, method, number);
        let context = of.context(&self.input, &self.data, *backbone, options)?;
        let training = Training::new(&context)?;
        let place = Place { arm: context.arm(), phase: Phase::Evaluate, epoch: number as u32 + 1 };
        self.book.announce(of.number, (place.phase, place.epoch), outside.emit);
        // A loss is trained on all rows, whichever it came down to before.
        let selected = self.selected.as_ref().filter(|_| training.loss == TrainingLoss::Bce);
        let subset = selected.map(|selected| &selected.kept[..]);
        let (book, stage) = (&mut self.book, &mut self.stage);
        let trained = outside.train(book, stage, &mut self.test, &context, place, &training, subset)?;
        let Some(mut trained) = trained else { return Ok(()) };
        if number == 0
            && let Some(induced) = training.induced(&context, &mut *trained.fit.model)
        {
            self.selected = Some(induced);
        }
        self.keep(of, number, trained);
        Ok(())
    }

    /// Writes down what a training came to.
    fn keep(&mut self, of: Contender, trainee: usize, trained: Trained) {
        let Trained { fit, chosen, reading } = trained;
        let spec = self.input.spec;
        let first = of.seed == spec.seed && trainee == 0;
        if first && of.number == 0 {
            self.model = Some(fit.model.weights());
        }
        if first && reference(spec) == Some(of.number) {
            self.reference = Some(fit.model.weights());
        }
        let selected = self.selected.as_ref();
        let note = selected.map(|selected| selected.note.clone()).unwrap_or_default();
        let kept = selected.map(|selected| &selected.kept[..]);
        let mut result = self.result(of.seed, kept, &fit, chosen, &reading);
        if !chooses_first(of.method(spec).name) {
            result.trained_rows = result.kept.of;
        }
        result.best_epoch = note.best_epoch;
        result.as_selected = note.as_selected.filter(|_| trainee == 0);
        result.found = self.input.planted.map(|planted| planted.found(selected));
        self.book.results.push(Tried { contender: of.number, trainee, result });
        self.book.next_task();
        if !matches!(self.task(), Task::Train(next, _) if next == of) {
            let selected = self.selected.take();
            if of.number == 0 {
                if spec.seeds > 1 {
                    let all = || (0..self.data.train.len() as u32).collect();
                    self.by_seed.push(selected.as_ref().map_or_else(all, |selected| selected.kept.clone()));
                }
                if of.seed == spec.seed {
                    self.own = selected;
                }
            }
            self.book.select_seconds = 0.0;
        }
    }

    /// What a training on these rows came to.
    pub(super) fn result(
        &self,
        seed: u64,
        kept: Option<&[u32]>,
        fit: &Fit,
        chosen: Chosen,
        reading: &Reading,
    ) -> RunResult {
        let [kept, kept_positive, kept_negative] = shares(self.data.train.labels, kept);
        RunResult {
            seed,
            kept,
            kept_positive,
            kept_negative,
            best_epoch: None,
            trained_rows: kept.rows,
            passes: fit.passes(),
            best_pass: chosen.pass,
            valid: chosen.valid,
            test: reading.metrics,
            calibration: Some(reading.calibration),
            as_selected: None,
            found: None,
            select_seconds: self.book.select_seconds,
            train_seconds: self.book.task_seconds,
        }
    }

    /// Passes of the whole run, as far as can be foreseen.
    fn total(&self) -> u64 {
        let (spec, spent) = (self.input.spec, &self.book.spent);
        let foreseen = |task: &Task| match task {
            Task::Select(of) => spent.expected_selection(of.method(spec)),
            Task::Train(of, number) => spent.expected_training(&trainee(spec, of.method(spec), *number).options),
            Task::Oracle(_) => spent.expected_training(&spec.method.options),
            Task::SelfCheck if chooses_first(spec.method.name) => spent.expected_selection(&spec.method),
            Task::SelfCheck => spent.expected_training(&spec.method.options),
            Task::Certify(trial) => spent.expected_training(&trainee(spec, &spec.method, trial.trainee).options),
            Task::Export => 0,
        };
        let ahead = self.tasks.get(self.book.task + 1..).unwrap_or_default().iter().map(foreseen).sum::<u64>();
        let current = match self.task() {
            Task::Export => 0,
            task => foreseen(&task).saturating_sub(spent.passes - self.book.passes_before).max(1),
        };
        spent.passes + current + ahead
    }
}

/// What a step may use of the world.
pub(super) struct Outside<'o> {
    pub emit: &'o mut (dyn FnMut(TrainerEvent) + Send),
    /// Passes of the whole job, as far as foreseen.
    pub total: u64,
}

/// A training that has ended, and its one reading of the test rows.
pub(super) struct Trained {
    pub fit: Fit,
    pub chosen: Chosen,
    pub reading: Reading,
}

impl Outside<'_> {
    pub fn session<'s, 'a>(&'s mut self, book: &'s mut Book, test: &'s mut SealedTest<'a>) -> Session<'s, 'a> {
        let (spent, warnings) = (&mut book.spent, &mut book.warnings);
        Session { emit: self.emit, spent, warnings, test, total: self.total }
    }

    /// Trains the next pass on a subset. Methods of a seed start alike and go through the rows alike: their results are
    /// paired.
    #[allow(clippy::too_many_arguments, reason = "parts of a run that are borrowed apart")]
    pub fn train(
        &mut self,
        book: &mut Book,
        stage: &mut Option<Stage>,
        test: &mut SealedTest,
        context: &Context,
        place: Place,
        training: &Training,
        subset: Option<&[u32]>,
    ) -> Result<Option<Trained>, RunError> {
        let started = Instant::now();
        let mut fit = match stage.take() {
            Some(Stage::Training(fit)) => fit,
            _ => {
                let key = context.key(Role::Evaluate, 0);
                Box::new(Fit::new(context.engine, &context.config, &[key], training.fit_options(context)))
            }
        };
        let mut session = self.session(book, test);
        let what = PassOptions { subset, ..PassOptions::default() };
        let pass = fit.passes();
        training.with_rows(context, pass, |rows| session.pass(context, place, &mut fit, rows, &what))?;
        let trained = if fit.is_done() {
            let chosen = fit.finish()[0];
            let reading = session.read_test(context, place, &mut *fit.model)?;
            Some(Trained { fit: *fit, chosen, reading })
        } else {
            *stage = Some(Stage::Training(fit));
            None
        };
        book.passed(started, test.reads());
        Ok(trained)
    }
}

impl Book {
    /// Says what is begun, once.
    pub fn announce(
        &mut self,
        contender: usize,
        (phase, epoch): (Phase, u32),
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
    ) {
        if self.announced != Some((self.task, phase, epoch)) {
            self.announced = Some((self.task, phase, epoch));
            emit(TrainerEvent::Phase { contender: contender as u32, phase, epoch });
        }
    }

    pub fn warn(&mut self, warning: Warning, emit: &mut (dyn FnMut(TrainerEvent) + Send)) {
        self.warnings.push(warning.clone());
        emit(TrainerEvent::Warning(warning));
    }

    /// A pass is over.
    pub fn passed(&mut self, started: Instant, test_reads: u64) {
        let seconds = started.elapsed().as_secs_f64();
        self.spent.seconds += seconds;
        self.spent.passes += 1;
        self.task_seconds += seconds;
        self.test_reads = test_reads;
    }

    pub fn next_task(&mut self) {
        (self.task, self.passes_before, self.task_seconds) = (self.task + 1, self.spent.passes, 0.0);
    }
}

/// Rows kept: in all, of label 1, of label 0.
pub(super) fn shares(labels: &[u8], kept: Option<&[u32]>) -> [KeptShare; 3] {
    let of = labels.len() as u64;
    let positive = labels.iter().filter(|label| **label == 1).count() as u64;
    let rows = kept.map_or(of, |kept| kept.len() as u64);
    let rows_positive =
        kept.map_or(positive, |kept| kept.iter().filter(|row| labels[**row as usize] == 1).count() as u64);
    [
        KeptShare { rows, of },
        KeptShare { rows: rows_positive, of: positive },
        KeptShare { rows: rows - rows_positive, of: of - positive },
    ]
}
