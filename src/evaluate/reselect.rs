//! The method's choice made anew with each further seed of a verdict, so that the choice is part of what varies.

use super::job::{Work, WorkKind};
use super::tasks::Task;
use super::tune::find_fit_options;
use super::turn::Turn;
use crate::selection::SelectError;

impl Turn<'_, '_> {
    /// A step of the choice with the seed of this number. Where the first choice changed nothing there is nothing to prove, and
    /// no other is made.
    pub fn reselect(&mut self, number: u32) -> Result<(), SelectError> {
        if self.outcome.change(self.job.data.train.labels).is_none() {
            self.passes.book.begin_next_task();
            return Ok(());
        }
        let task = Task::Reselect(number);
        let Work { context, kind } = self.job.prepare(task)?;
        let selected = match &kind {
            WorkKind::Select => {
                let position = self.passes.begin_choice(&context);
                self.passes.announce(0, position);
                self.passes.choose(&context)?
            }
            WorkKind::Train(training) => {
                let place = self.passes.begin_training(0, context.arm(), task);
                let (spec, tuned) = (self.job.input.spec, &self.passes.book.tuned);
                let options = find_fit_options(spec, tuned, task, training.fit_options(&context));
                let options = options.expect("the line of the table was tuned before");
                self.passes.choose_by_loss(&context, place, training, options)?
            }
        };
        let Some(selected) = selected else { return Ok(()) };
        selected.check_size(&context)?;
        self.outcome.by_seed.push(selected.treatment_alone());
        self.passes.book.begin_next_task();
        Ok(())
    }
}
