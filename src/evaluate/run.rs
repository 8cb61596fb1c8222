//! A job as a state machine: every step is one pass over training rows, and between steps the whole state can go to a
//! checkpoint; every random number is keyed by what it is for, so a resumed run is the uninterrupted one.

use super::artifacts::ExportError;
use super::board::{Alone, PartBoard};
use super::checkpoint::CheckpointError;
use super::desk::Desk;
use super::export::export_results;
use super::job::{Job, RunInput};
use super::outlook::{Outlook, Stand};
use super::part::PartId;
use super::passes::Passes;
use super::state::{Stage, State};
use super::tasks::{Task, list_trainees};
use super::trusted::{Trusted, TrustedError};
use super::tune::Tunee;
use super::turn::Turn;
use crate::backbone::BackboneConfig;
use crate::selection::{SealedTest, SelectError};
use crate::types::{EpochRow, Phase, Progress, ResolvedSpec, Split, TrainerEvent};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("the dataset's {} split has no rows; give the dataset a split with some", .0.as_str())]
    EmptySplit(Split),
    #[error(transparent)]
    Trusted(#[from] TrustedError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    More,
    Done,
}

pub struct Run<'a> {
    job: Job<'a>,
    outlook: Outlook,
    state: State,
    test: SealedTest<'a>,
    desk: Desk<'a>,
}

impl<'a> Run<'a> {
    pub fn new(input: RunInput<'a>) -> Result<Self, RunError> {
        let dataset = input.dataset;
        if let Some(empty) = Split::ALL.into_iter().find(|split| dataset.len(*split) == 0) {
            return Err(RunError::EmptySplit(empty));
        }
        // A backbone that cannot be trained ends the job before any work is done.
        for (backbone, options) in list_trainees(input.spec) {
            BackboneConfig::new(backbone, &dataset.feature_map, options).map_err(SelectError::from)?;
            input.engines.for_model(backbone).map_err(SelectError::from)?;
        }
        let rule = input.spec.certify.as_ref().and_then(|certify| certify.trusted.as_ref());
        let trusted = rule.map(|rule| Trusted::find(dataset, rule, input.read_column)).transpose()?;
        let test = SealedTest::new(dataset, trusted.as_ref().map(|trusted| trusted.test.clone()));
        let desk = Desk::new(Box::new(Alone));
        let job = Job::new(input, trusted);
        let outlook = Outlook::new(job.input.spec, &job.tasks);
        Ok(Self { job, outlook, state: State::default(), test, desk })
    }

    /// Has a board say who does which part of the job. Without one this process does all of them.
    pub fn share_parts(&mut self, board: impl PartBoard + 'a) {
        self.desk = Desk::new(Box::new(board));
    }

    /// What the run is at: the phase and its epoch.
    pub fn position(&self) -> (Phase, u32) {
        let book = &self.state.book;
        match (self.job.task(book.part.map_or(book.task, |part| part.task)), &self.state.stage) {
            (Task::Select(_) | Task::Reselect(_), Some(Stage::Selecting(selector))) => selector.position(),
            (task, Some(Stage::Racing(_))) => (Phase::Tune, task.position().1),
            (task, Some(Stage::Together(crew))) if crew.races() => (Phase::Tune, task.position().1),
            (task, _) => task.position(),
        }
    }

    /// Runs one pass, or the export.
    pub fn step(&mut self, emit: &mut (dyn FnMut(TrainerEvent) + Send)) -> Result<Step, RunError> {
        if self.state.book.task == self.job.tasks.len() {
            return Ok(Step::Done);
        }
        let task = self.job.task(self.state.book.task);
        if task == Task::Export {
            self.state.book.announce(0, task.position(), emit);
            export_results(&self.job, &self.state, emit)?;
            self.state.book.task += 1;
            return Ok(Step::Done);
        }
        self.run_pass(task, emit)?;
        emit(TrainerEvent::Progress(self.progress()));
        Ok(Step::More)
    }

    fn run_pass(&mut self, task: Task, emit: &mut (dyn FnMut(TrainerEvent) + Send)) -> Result<(), SelectError> {
        let progress = self.progress();
        let mut drawn = Vec::new();
        let spec = self.job.input.spec;
        let mut emit_and_keep = |event| {
            if let TrainerEvent::Epoch(row) = &event
                && is_drawn(row, spec)
            {
                drawn.push(row.clone());
            }
            emit(event);
        };
        let State { book, stage, outcome } = &mut self.state;
        let passes = Passes { book, stage, test: &mut self.test, emit: &mut emit_and_keep, progress };
        let mut turn = Turn { job: &self.job, outcome, passes, desk: &mut self.desk };
        let done = match task {
            Task::Select(of) => turn.select(of).or_else(|error| turn.leave_out(of, error)),
            Task::Train(of, _) => turn.work_on_parts().or_else(|error| turn.leave_out(of, error)),
            Task::Oracle(_) | Task::Certify(_) => turn.work_on_parts(),
            Task::SelfCheck => turn.run_self_check().or_else(|error| turn.skip_self_check(error)),
            Task::Reselect(number) => turn.reselect(number),
            Task::Export => Ok(()),
        };
        self.state.book.drawn.extend(drawn);
        done
    }

    /// How far the run is.
    fn progress(&self) -> Progress {
        let State { book, stage, outcome } = &self.state;
        let under_way = book.part.map_or(book.task, |part| part.task);
        let made = |id: PartId| match stage {
            // Of parts that go on together each has made some of its passes.
            Some(Stage::Together(crew)) => crew.passes_of(id).unwrap_or(0),
            _ if id.task == under_way && book.part.is_some_and(|part| part.races) == id.races => {
                book.spent.passes - book.passes_before
            }
            _ => 0,
        };
        let is_tuned = |number: usize| {
            let tunee = Tunee::of(self.job.task(number), self.job.input.spec);
            tunee.is_some_and(|(tunee, _)| book.tuned.iter().any(|tuned| tuned.tunee == tunee))
        };
        self.outlook.progress(book.spent.seconds, |number| {
            let (race, training) = (PartId::race(number), PartId::training(number));
            if number < book.task || outcome.parts.contains_key(&training.number()) {
                Stand::Over
            } else if is_tuned(number) {
                Stand::Raced(made(training))
            } else {
                Stand::Begun(made(race), made(training))
            }
        })
    }

    /// Writes `checkpoint-PASSES.safetensors` into the run's folder, removes all but the one before it, and returns its
    /// name. The name differs each time, so a reader of the last one is never handed a newer.
    pub fn save_checkpoint(&self) -> Result<String, CheckpointError> {
        self.state.save(&self.job)
    }

    /// Takes up the state of a checkpoint of the same job.
    pub fn resume(&mut self, path: &Path) -> Result<(), CheckpointError> {
        self.state = State::load(&self.job, path)?;
        self.test.resume(self.state.book.test_reads);
        Ok(())
    }
}

/// Whether a report draws a pass: those with the first seed of the job's own method, and of the training on all rows that it is
/// compared with.
pub fn is_drawn(row: &EpochRow, spec: &ResolvedSpec) -> bool {
    let contender = row.contender as usize;
    let searches = spec.method.name().searches();
    let is_choice = contender == 0
        && (row.phase == Phase::Warmup || searches && matches!(row.phase, Phase::Search | Phase::Validate));
    let is_training = row.phase == Phase::Evaluate && row.epoch == 1;
    let is_compared = contender == 0 || spec.reference() == Some(contender);
    row.seed == spec.seed && (is_choice || is_training && is_compared)
}
