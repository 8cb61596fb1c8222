//! The passes of one step: a method's step towards its choice, or a pass of a training.

use super::book::Book;
use super::state::Stage;
use super::tasks::{Task, make_selector};
use super::training::Training;
use crate::backbone::{Chosen, Fit, FitOptions};
use crate::selection::{Context, Place, Reading, Role, SealedTest, SelectError, Selected, Session, Treatment};
use crate::types::{Arm, Phase, TrainerEvent};
use std::time::Instant;

/// What the passes of a step may change, and whom they tell.
pub(super) struct Passes<'p, 'a> {
    pub book: &'p mut Book,
    pub stage: &'p mut Option<Stage>,
    pub test: &'p mut SealedTest<'a>,
    pub emit: &'p mut (dyn FnMut(TrainerEvent) + Send),
    /// Passes of the whole job, as far as foreseen.
    pub total: u64,
}

/// A training that has ended, and its one reading of the test rows.
pub(super) struct Trained {
    pub fit: Box<Fit>,
    pub chosen: Chosen,
    pub reading: Reading,
}

impl<'a> Passes<'_, 'a> {
    pub fn announce(&mut self, contender: usize, position: (Phase, u32)) {
        self.book.announce(contender, position, self.emit);
    }

    /// Announces the training of a task; what its passes belong to.
    pub fn begin_training(&mut self, contender: usize, arm: Arm, task: Task) -> Place {
        let (phase, epoch) = task.position();
        self.announce(contender, (phase, epoch));
        Place { arm, phase, epoch }
    }

    /// Where the method under way stands; it is begun where it has not been.
    pub fn begin_choice(&mut self, context: &Context) -> (Phase, u32) {
        if let Some(Stage::Selecting(selector)) = &self.stage {
            return selector.position();
        }
        let selector = make_selector(context);
        let position = selector.position();
        *self.stage = Some(Stage::Selecting(selector));
        position
    }

    /// The method's next step: its choice, once it is made.
    pub fn choose(&mut self, context: &Context) -> Result<Option<Selected>, SelectError> {
        let started = Instant::now();
        let mut selector = match self.stage.take() {
            Some(Stage::Selecting(selector)) => selector,
            _ => make_selector(context),
        };
        let selected = selector.step(context, &mut self.session())?;
        if selected.is_none() {
            *self.stage = Some(Stage::Selecting(selector));
        }
        self.book.count_pass(started, self.test.reads());
        Ok(selected)
    }

    /// Trains the next pass on the rows as they are treated; a model whose training has ended is tested. Methods of a seed
    /// start alike and go through the rows alike: their results are paired.
    pub fn train(
        &mut self,
        context: &Context,
        place: Place,
        training: &Training,
        options: FitOptions,
        treatment: Treatment,
    ) -> Result<Option<Trained>, SelectError> {
        let started = Instant::now();
        let mut trained = None;
        if let Some(mut fit) = self.run_pass(context, place, training, options, treatment)? {
            let chosen = fit.finish()[0];
            let reading = self.session().read_test(context, place, &mut *fit.model)?;
            trained = Some(Trained { fit, chosen, reading });
        }
        self.book.count_pass(started, self.test.reads());
        Ok(trained)
    }

    /// Trains the next pass of a loss that chooses rows on the way; its choice, once the training has ended. The model is
    /// not tested.
    pub fn choose_by_loss(
        &mut self,
        context: &Context,
        place: Place,
        training: &Training,
        options: FitOptions,
    ) -> Result<Option<Selected>, SelectError> {
        let started = Instant::now();
        let mut selected = None;
        if let Some(mut fit) = self.run_pass(context, place, training, options, Treatment::default())? {
            fit.finish();
            selected = training.induce_choice(context, &mut *fit.model);
        }
        self.book.count_pass(started, self.test.reads());
        Ok(selected)
    }

    /// Lets `work` do passes that are no results of the job: of all that they tell, only the progress is passed on.
    pub fn quietly<T>(&mut self, work: impl FnOnce(&mut Passes<'_, 'a>) -> T) -> T {
        let emit = &mut *self.emit;
        let mut emit_progress = |event| {
            if matches!(event, TrainerEvent::Progress(_)) {
                emit(event);
            }
        };
        work(&mut Passes {
            book: self.book,
            stage: self.stage,
            test: self.test,
            emit: &mut emit_progress,
            total: self.total,
        })
    }

    /// The fit, once its training has ended.
    fn run_pass(
        &mut self,
        context: &Context,
        place: Place,
        training: &Training,
        options: FitOptions,
        treatment: Treatment,
    ) -> Result<Option<Box<Fit>>, SelectError> {
        let mut fit = match self.stage.take() {
            Some(Stage::Training(fit)) => fit,
            _ => {
                let key = context.key(Role::Evaluate, 0);
                Box::new(Fit::new(context.engine, &context.config, &[key], options))
            }
        };
        let mut session = self.session();
        let pass = fit.passes();
        treatment.with_valid(&context.data.valid, |valid| {
            training.with_rows(context, pass, |rows| {
                session.train_pass(context, place, &mut fit, [rows, valid], &treatment.pass())
            })
        })?;
        if fit.is_done() {
            return Ok(Some(fit));
        }
        *self.stage = Some(Stage::Training(fit));
        Ok(None)
    }

    pub fn session(&mut self) -> Session<'_, 'a> {
        let (spent, warnings) = (&mut self.book.spent, &mut self.book.warnings);
        Session { emit: self.emit, spent, warnings, test: self.test, total: self.total }
    }
}
