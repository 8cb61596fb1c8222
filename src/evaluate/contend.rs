//! A contender at work: its method chooses rows, and every backbone is trained on them.

use super::book::Tried;
use super::job::{Work, WorkKind};
use super::passes::Trained;
use super::table::find_reference;
use super::tasks::{Contender, Task};
use super::turn::Turn;
use crate::backbone::TrainingLoss;
use crate::selection::{SelectError, Selected};
use crate::types::Warning;

impl Turn<'_, '_> {
    /// A step of the contender's method towards its choice.
    pub fn select(&mut self, contender: Contender) -> Result<(), SelectError> {
        let context = self.job.prepare(Task::Select(contender))?.context;
        let position = self.passes.begin_choice(&context);
        self.passes.announce(contender.number, position);
        let Some(selected) = self.passes.choose(&context)? else { return Ok(()) };
        selected.check_size(&context)?;
        self.outcome.selected = Some(selected);
        self.passes.book.select_seconds = self.passes.book.task_seconds;
        self.passes.book.begin_next_task();
        Ok(())
    }

    /// A pass of the training of a backbone on the rows chosen.
    pub fn train(&mut self, contender: Contender, number: usize) -> Result<(), SelectError> {
        let task = Task::Train(contender, number);
        let Work { context, kind } = self.job.prepare(task)?;
        let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
        // With a loss that chooses rows, every backbone is trained on all rows, whatever the first one chose.
        let selected = self.outcome.selected.as_ref().filter(|_| training.loss == TrainingLoss::Bce);
        let treatment = selected.map(Selected::treatment).unwrap_or_default();
        let options = self.passes.tune(self.job, task, &context, &training, treatment)?;
        let Some(options) = options else { return Ok(()) };
        let place = self.passes.begin_training(contender.number, context.arm(), task);
        let trained = self.passes.train(&context, place, &training, options, treatment)?;
        let Some(mut trained) = trained else { return Ok(()) };
        if number == 0
            && let Some(induced) = training.induce_choice(&context, &mut *trained.fit.model)
        {
            self.outcome.selected = Some(induced);
        }
        self.record(contender, number, &trained);
        Ok(())
    }

    /// Writes down what a training came to.
    fn record(&mut self, contender: Contender, trainee: usize, trained: &Trained) {
        let spec = self.job.input.spec;
        let first = contender.seed == spec.seed && trainee == 0;
        if first && contender.number == 0 {
            self.outcome.model = Some(trained.fit.model.weights());
        }
        if first && find_reference(spec) == Some(contender.number) {
            self.outcome.reference = Some(trained.fit.model.weights());
        }
        let selected = self.outcome.selected.as_ref();
        let note = selected.map(|selected| selected.note.clone()).unwrap_or_default();
        let mut result = self.make_result(contender.seed, selected.map(|selected| &selected.kept[..]), trained);
        if !contender.method(spec).name().chooses_first() {
            result.trained_rows = result.kept.of;
        }
        result.best_epoch = note.best_epoch;
        result.as_selected = note.as_selected.filter(|_| trainee == 0);
        result.found = self.job.input.planted.map(|planted| planted.measure_choice(selected));
        self.passes.book.results.push(Tried { contender: contender.number, trainee, result });
        self.passes.book.begin_next_task();
        if !matches!(self.task(), Task::Train(next, _) if next == contender) {
            self.end_contender(contender);
        }
    }

    /// After the contender's last training: of the job's own method, the choice is kept.
    fn end_contender(&mut self, contender: Contender) {
        let spec = self.job.input.spec;
        let selected = self.outcome.selected.take();
        if contender.number == 0 {
            if spec.seeds > 1 || spec.reselected().is_some() {
                let all = || Selected::rows((0..self.job.data.train.len() as u32).collect());
                self.outcome.by_seed.push(selected.as_ref().map_or_else(all, Selected::treatment_alone));
            }
            if contender.seed == spec.seed {
                self.outcome.own = selected;
            }
        }
        self.passes.book.select_seconds = 0.0;
    }

    /// A method that the job is only compared with may fail: it is left out with a warning, because the other results
    /// are worth having. The job's own method may not, nor the reference that it is judged against.
    pub fn leave_out(&mut self, contender: Contender, error: SelectError) -> Result<(), SelectError> {
        let spec = self.job.input.spec;
        let is_needed = contender.number == 0 || find_reference(spec) == Some(contender.number);
        if is_needed || matches!(error, SelectError::Weights(_)) {
            return Err(error);
        }
        let message = format!("{} with seed {} is left out: {error}", contender.method(spec).label, contender.seed);
        let warning = Warning { code: "left_out".to_owned(), contender: contender.number as u32, message };
        self.passes.book.warn(warning, self.passes.emit);
        (*self.passes.stage, self.outcome.selected) = (None, None);
        while matches!(self.task(), Task::Select(next) | Task::Train(next, _) if next == contender) {
            self.passes.book.begin_next_task();
        }
        Ok(())
    }
}
