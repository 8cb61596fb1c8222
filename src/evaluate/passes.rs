//! The passes of one step: a method's step towards its choice, or a pass of a training.

use super::book::Book;
use super::part::{Done, PartResult, Setting, Trained};
use super::state::Stage;
use super::tasks::{Task, make_selector};
use super::training::Training;
use crate::backbone::{Fit, FitOptions};
use crate::selection::{Context, Place, Role, SealedTest, SelectError, Selected, Session, Treatment};
use crate::types::{Arm, Phase, Progress, TrainerEvent};
use std::time::Instant;

/// What the passes of a step may change, and whom they tell.
pub(super) struct Passes<'p, 'a> {
    pub book: &'p mut Book,
    pub stage: &'p mut Option<Stage>,
    pub test: &'p mut SealedTest<'a>,
    pub emit: &'p mut (dyn FnMut(TrainerEvent) + Send),
    /// How far the job was before the step.
    pub progress: Progress,
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

    /// The next pass of a part: what it came to, once it is done. `contender` and `arm` are whom its passes are told of.
    pub fn do_part(
        &mut self,
        (task, setting): (Task, &Setting),
        (contender, arm): (usize, Arm),
        context: &Context,
        training: &Training,
        treatment: Treatment,
    ) -> Result<Option<Done>, SelectError> {
        let (phase, epoch) = task.position();
        let now = if let Setting::Raced(_) = setting { Phase::Tune } else { phase };
        self.announce(contender, (now, epoch));
        let place = Place { arm, phase, epoch };
        let work = |passes: &mut Passes| match setting {
            Setting::Raced(grid) => passes.race((task, grid), contender, context, place, training, treatment),
            setting => {
                let options = setting.fit_options(training.fit_options(context));
                passes.train(task, context, place, training, options, treatment)
            }
        };
        // What a perfect choice would be worth is no result of the job.
        if let Task::Oracle(_) = task { self.quietly(work) } else { work(self) }
    }

    /// Trains the next pass on the rows as they are treated; a model whose training has ended says what it thinks of the test
    /// rows. Methods of a seed start alike and go through the rows alike: their results are paired.
    fn train(
        &mut self,
        task: Task,
        context: &Context,
        place: Place,
        training: &Training,
        options: FitOptions,
        treatment: Treatment,
    ) -> Result<Option<Done>, SelectError> {
        let started = Instant::now();
        let ended = self.run_pass(context, place, training, options, treatment)?.map(|mut fit| {
            let trained = self.end_training(task, context, &mut fit);
            (fit, trained)
        });
        self.book.count_pass(started, self.test.reads());
        Ok(ended.map(|(fit, trained)| {
            let trained = Trained { seconds: self.book.task_seconds, ..trained };
            Done { result: PartResult::Trained(trained), fit }
        }))
    }

    /// What a training that is over came to; its model gets its best weights. Its seconds are the caller's to say.
    pub fn end_training(&mut self, task: Task, context: &Context, fit: &mut Fit) -> Trained {
        let chosen = fit.finish()[0];
        let test = self.test.predict(&mut *fit.model);
        let valid = (!matches!(task, Task::Oracle(_))).then(|| fit.model.predict(&context.data.valid));
        Trained { passes: fit.passes(), chosen, test, valid, seconds: 0.0 }
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
            progress: self.progress,
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
        Session { emit: self.emit, spent, warnings, test: self.test, progress: self.progress }
    }
}
