//! A job as a state machine: every step is one pass over training rows, and between steps the whole state can go to a
//! checkpoint; every random number is keyed by what it is for, so a resumed run is the uninterrupted one.

use super::CheckpointError;
use super::export::{DenoisedWriter, ExportError, Exports};
use super::table::reference;
use super::tasks::{Contender, Task, chooses_first, selector, tasks, trainee, trainees};
use super::training::Training;
use crate::backbone::{BackboneConfig, Chosen, Engines, Fit, PassOptions, TensorFile, TrainingData, TrainingLoss};
use crate::ingest::Dataset;
use crate::selection::{Place, Role, SealedTest, SelectError, Selected, Selector, Session, Spent, after};
use crate::types::{KeptShare, Metrics, Phase, ResolvedSpec, RunResult, Split, Trainee, TrainerEvent, Warning};
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
            data: TrainingData::new(dataset),
            tasks: tasks(input.spec),
            test: SealedTest::new(dataset),
            book: Book::default(),
            stage: None,
            selected: None,
            own: None,
            model: None,
            reference: None,
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
            (Task::Export, _) => (Phase::Export, 1),
        }
    }

    /// Runs one pass, or the export.
    pub fn step(&mut self, emit: &mut (dyn FnMut(TrainerEvent) + Send)) -> Result<Step, RunError> {
        self.step_while(emit, &|| true)
    }

    /// The same, ended with `SelectError::Stopped` at the first batch at which `go_on` says no.
    pub fn step_while(
        &mut self,
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Step, RunError> {
        if self.book.task == self.tasks.len() {
            return Ok(Step::Done);
        }
        let total = self.total();
        match self.task() {
            Task::Select(of) => {
                let done = self.select(of, total, emit, go_on);
                self.or_leave_out(of, done, emit)?;
            }
            Task::Train(of, trainee) => {
                let done = self.train(of, trainee, total, emit, go_on);
                self.or_leave_out(of, done, emit)?;
            }
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
            Err(RunError::Select(error)) if !matches!(error, SelectError::Stopped | SelectError::Weights(_)) => error,
            done => return done,
        };
        if of.number == 0 || reference(spec) == Some(of.number) {
            return Err(error.into());
        }
        let message = format!("{} with seed {} is left out: {error}", of.method(spec).label, of.seed);
        let warning = Warning { code: "left_out".to_owned(), contender: of.number as u32, message };
        self.book.warnings.push(warning.clone());
        emit(TrainerEvent::Warning(warning));
        (self.stage, self.selected) = (None, None);
        while matches!(self.task(), Task::Select(next) | Task::Train(next, _) if next == of) {
            self.book.next_task();
        }
        Ok(())
    }

    fn select(
        &mut self,
        of: Contender,
        total: u64,
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let method = of.method(self.input.spec);
        let context = of.context(&self.input, &self.data, method.backbone, &method.options)?;
        let mut selector = match self.stage.take() {
            Some(Stage::Selecting(selector)) => selector,
            _ => selector(&context),
        };
        self.book.announce(of.number, selector.position(), emit);
        let (spent, warnings, test) = (&mut self.book.spent, &mut self.book.warnings, &mut self.test);
        let selected = selector.step(&context, &mut Session { emit, go_on, spent, warnings, test, total })?;
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

    fn train(
        &mut self,
        of: Contender,
        number: usize,
        total: u64,
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let method = of.method(self.input.spec);
        let Trainee { backbone, options } = &trainee(self.input.spec, method, number);
        let context = of.context(&self.input, &self.data, *backbone, options)?;
        let training = Training::new(&context)?;
        let mut fit = match self.stage.take() {
            Some(Stage::Training(fit)) => fit,
            // Methods of a seed start alike and go through the rows alike: their results are paired.
            _ => {
                let key = context.key(Role::Evaluate, 0);
                Box::new(Fit::new(context.engine, &context.config, &[key], training.fit_options(&context)))
            }
        };
        let place = Place { arm: context.arm(), phase: Phase::Evaluate, epoch: number as u32 + 1 };
        self.book.announce(of.number, (place.phase, place.epoch), emit);
        let (spent, warnings, test) = (&mut self.book.spent, &mut self.book.warnings, &mut self.test);
        let mut session = Session { emit, go_on, spent, warnings, test, total };
        // A loss is trained on all rows, whichever it came down to before.
        let selected = self.selected.as_ref().filter(|_| training.loss == TrainingLoss::Bce);
        let subset = selected.map(|selected| &selected.kept[..]);
        let what = PassOptions { subset, ..PassOptions::default() };
        let pass = fit.passes();
        training.with_rows(&context, pass, |rows| session.pass(&context, place, &mut fit, rows, &what))?;
        if !fit.is_done() {
            self.book.passed(started, self.test.reads());
            self.stage = Some(Stage::Training(fit));
            return Ok(());
        }
        let chosen = fit.finish()[0];
        let test = session.read_test(&context, place, &mut *fit.model)?;
        let induced = training.induced(&context, &mut *fit.model);
        self.book.passed(started, self.test.reads());
        if number == 0 && induced.is_some() {
            self.selected = induced;
        }
        self.keep(of, number, *fit, chosen, test);
        Ok(())
    }

    /// Writes down what a training came to.
    fn keep(&mut self, of: Contender, trainee: usize, fit: Fit, chosen: Chosen, test: Metrics) {
        let spec = self.input.spec;
        let first = of.seed == spec.seed && trainee == 0;
        if first && of.number == 0 {
            self.model = Some(fit.model.weights());
        }
        if first && reference(spec) == Some(of.number) {
            self.reference = Some(fit.model.weights());
        }
        let labels = self.data.train.labels;
        let selected = self.selected.as_ref();
        let note = selected.map(|selected| selected.note.clone()).unwrap_or_default();
        let [kept, kept_positive, kept_negative] = shares(labels, selected.map(|selected| &selected.kept[..]));
        let result = RunResult {
            seed: of.seed,
            kept,
            kept_positive,
            kept_negative,
            best_epoch: note.best_epoch,
            trained_rows: if chooses_first(of.method(spec).name) { kept.rows } else { kept.of },
            passes: fit.passes(),
            best_pass: chosen.pass,
            valid: chosen.valid,
            test,
            as_selected: note.as_selected.filter(|_| trainee == 0),
            select_seconds: self.book.select_seconds,
            train_seconds: self.book.task_seconds,
        };
        self.book.results.push(Tried { contender: of.number, trainee, result });
        self.book.next_task();
        if !matches!(self.task(), Task::Train(next, _) if next == of) {
            let selected = self.selected.take();
            if of.number == 0 && of.seed == spec.seed {
                self.own = selected;
            }
            self.book.select_seconds = 0.0;
        }
    }

    /// Passes of the whole run, as far as can be foreseen.
    fn total(&self) -> u64 {
        let (spec, spent) = (self.input.spec, &self.book.spent);
        let foreseen = |task: &Task| match task {
            Task::Select(of) => spent.expected_selection(of.method(spec)),
            Task::Train(of, number) => spent.expected_training(&trainee(spec, of.method(spec), *number).options),
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

impl Book {
    /// Says what is begun, once.
    fn announce(
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

    /// A pass is over.
    fn passed(&mut self, started: Instant, test_reads: u64) {
        let seconds = started.elapsed().as_secs_f64();
        self.spent.seconds += seconds;
        self.spent.passes += 1;
        self.task_seconds += seconds;
        self.test_reads = test_reads;
    }

    fn next_task(&mut self) {
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
