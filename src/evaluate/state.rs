//! All that changes while a job runs: what a checkpoint holds.

use super::book::Book;
use super::crew::Crew;
use super::job::Job;
use super::part::{PartResult, PartRows};
use super::proof::Placed;
use super::tasks::Task;
use super::training::Training;
use crate::backbone::{Fit, TensorFile};
use crate::selection::{Race, Selected, Selector};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct State {
    pub book: Book,
    /// Absent between tasks.
    pub stage: Option<Stage>,
    pub outcome: Outcome,
}

/// What is under way within a task.
pub(super) enum Stage {
    Selecting(Box<dyn Selector>),
    Racing(Box<Race>),
    Training(Box<Fit>),
    /// Parts of the proof.
    Together(Crew),
}

/// What finished tasks have left for those that follow.
#[derive(Default)]
pub(super) struct Outcome {
    /// What the method under way chose. Absent where that is every row.
    pub selected: Option<Selected>,
    /// What the job's own method chose with the first seed, and the model trained on it.
    pub own: Option<Selected>,
    pub model: Option<TensorFile>,
    /// The same backbone trained on all rows.
    pub reference: Option<TensorFile>,
    /// What the job's own method chose with each seed, where there are several: how rows are treated, and no more.
    pub by_seed: Vec<Selected>,
    pub placed: Placed,
    /// Parts that are done before their turn, by their numbers.
    pub parts: BTreeMap<u32, PartResult>,
}

impl Outcome {
    /// What a task's training is about, of what a method chose; absent where that changes nothing.
    pub fn find_choice(&self, job: &Job, task: Task) -> Option<&Selected> {
        match task {
            Task::Certify(trial) => {
                let own = self.change(job.data.train.labels)?;
                let reselects = job.input.spec.reselected().is_some();
                Some(if reselects { &self.by_seed[trial.number as usize] } else { own })
            }
            _ => self.selected.as_ref(),
        }
    }

    /// The rows of a task's training as they are treated.
    pub fn find_rows(&self, job: &Job, task: Task, training: &Training, seed: u64) -> PartRows<'_> {
        match (task, job.input.planted) {
            (Task::Oracle(_), Some(planted)) => PartRows::Made(Box::new(planted.clean_choice())),
            _ => PartRows::new(task, training, job.data.train.labels, self.find_choice(job, task), seed),
        }
    }

    /// What the job's own method chose with the first seed, where that changes anything for rows with these labels.
    pub fn change(&self, labels: &[u8]) -> Option<&Selected> {
        self.own.as_ref().filter(|own| !own.treatment().is_none(labels))
    }
}
