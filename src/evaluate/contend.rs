//! A contender at work: its method chooses rows, and every backbone is trained on them.

use super::book::Tried;
use super::part::{PartId, PartResult, Trained};
use super::tasks::{Contender, Task, find_trainee};
use super::training::Training;
use super::tune::Tunee;
use super::turn::Turn;
use crate::backbone::Model;
use crate::selection::{Context, SelectError, Selected};
use crate::types::{Arm, Warning};

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

    /// Keeps what is needed of the model of a method's own backbone, once it is trained.
    pub fn keep_model(&mut self, contender: Contender, context: &Context, training: &Training, model: &mut dyn Model) {
        let spec = self.job.input.spec;
        if let Some(induced) = training.induce_choice(context, model) {
            self.outcome.selected = Some(induced);
        }
        if contender.seed == spec.seed && contender.number == 0 {
            self.outcome.model = Some(model.weights());
        }
        if contender.seed == spec.seed && spec.reference() == Some(contender.number) {
            self.outcome.reference = Some(model.weights());
        }
    }

    /// Writes down what a training came to.
    pub fn record(&mut self, contender: Contender, trainee: usize, mut trained: Trained) -> Result<(), SelectError> {
        let spec = self.job.input.spec;
        let (_, options) = find_trainee(spec, contender.method(spec), trainee);
        self.keep_for_proof(Task::Train(contender, trainee), &trained);
        let logits = std::mem::take(&mut trained.test);
        let reading = self.read_test(Task::Train(contender, trainee), logits, options)?;
        let selected = self.outcome.selected.as_ref();
        let note = selected.map(|selected| selected.note.clone()).unwrap_or_default();
        let kept = selected.map(|selected| &selected.kept[..]);
        let mut result = self.make_result(contender.seed, kept, &trained, &reading);
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
        Ok(())
    }

    /// Keeps what a training of the table came to for the trial that would repeat it.
    fn keep_for_proof(&mut self, task: Task, trained: &Trained) {
        let (spec, labels) = (self.job.input.spec, self.job.data.train.labels);
        let repeats = |other: &Task| match other {
            Task::Certify(trial) => {
                // A choice that changes nothing is not put to the proof.
                let is_needed = trial.arm != Arm::Denoised
                    || self.outcome.selected.as_ref().is_some_and(|own| !own.treatment().is_none(labels));
                is_needed && Tunee::repeated_by(*trial, spec) == Some(task)
            }
            _ => false,
        };
        if let Some(number) = self.job.tasks.iter().position(repeats) {
            let id = PartId::training(number).number();
            self.outcome.parts.insert(id, PartResult::Trained(trained.clone()));
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
        let is_needed = contender.number == 0 || spec.reference() == Some(contender.number);
        if is_needed || matches!(error, SelectError::Weights(_)) {
            return Err(error);
        }
        let message = format!("{} with seed {} is left out: {error}", contender.method(spec).label, contender.seed);
        let warning = Warning { code: "left_out".to_owned(), contender: contender.number as u32, message };
        self.passes.book.warn(warning, self.passes.emit);
        self.outcome.selected = None;
        self.outcome.parts.clear();
        self.end_part();
        while matches!(self.task(), Task::Select(next) | Task::Train(next, _) if next == contender) {
            self.passes.book.begin_next_task();
        }
        Ok(())
    }
}
