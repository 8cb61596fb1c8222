//! The work of a job in order, and who does it.

use super::proof::{Trial, list_trials};
use crate::baseline;
use crate::denoise::{AutoDenoise, Robust};
use crate::selection::{Context, Selector};
use crate::types::{BackboneKind, Method, Options, Phase, ResolvedMethod, ResolvedSpec, TrainingPasses};
use serde::{Deserialize, Serialize};

/// A method of the job with one of its seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contender {
    /// Number of the method: 0 the job's own, then those of `spec.compare`.
    pub number: usize,
    pub seed: u64,
}

/// A part of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// A method chooses rows.
    Select(Contender),
    /// A backbone is trained on them: trainee 0 is the method's own, then those of `spec.transfer`.
    Train(Contender, usize),
    /// With planted noise: the job's backbone is trained on the rows that were left alone.
    Oracle(u64),
    SelfCheck,
    /// The job's own method chooses once more, with the seed of this number, for the proof alone.
    Reselect(u32),
    /// A training of the proof.
    Certify(Trial),
    Export,
}

/// Seed by seed, method by method.
pub(super) fn list_tasks(spec: &ResolvedSpec, planted: bool) -> Vec<Task> {
    let mut tasks = Vec::new();
    for seed in spec.all_seeds() {
        for (number, method) in spec.contenders().into_iter().enumerate() {
            let contender = Contender { number, seed };
            if method.name().chooses_first() {
                tasks.push(Task::Select(contender));
            }
            let untried = |trainee: &usize| *trainee == 0 || spec.transfer[trainee - 1].backbone != method.backbone;
            tasks.extend((0..=spec.transfer.len()).filter(untried).map(|trainee| Task::Train(contender, trainee)));
        }
        tasks.extend(planted.then_some(Task::Oracle(seed)));
    }
    tasks.extend(spec.self_check.map(|_| Task::SelfCheck));
    tasks.extend(spec.reselected().into_iter().flatten().map(Task::Reselect));
    tasks.extend(list_trials(spec).into_iter().map(Task::Certify));
    tasks.push(Task::Export);
    tasks
}

impl Contender {
    /// The job's own method.
    pub fn job_method(seed: u64) -> Self {
        Self { number: 0, seed }
    }

    pub fn method(self, spec: &ResolvedSpec) -> &ResolvedMethod {
        match self.number {
            0 => &spec.method,
            number => &spec.compare[number - 1],
        }
    }
}

impl Task {
    /// The contender that a task is about, and the number of the backbone it trains.
    pub fn subject(self, spec: &ResolvedSpec) -> (Contender, usize) {
        match self {
            Self::Select(contender) => (contender, 0),
            Self::Train(contender, trainee) => (contender, trainee),
            Self::Oracle(seed) => (Contender::job_method(seed), 0),
            Self::Certify(trial) => (Contender::job_method(spec.seed + u64::from(trial.number)), trial.trainee),
            Self::Reselect(number) => (Contender::job_method(spec.seed + u64::from(number)), 0),
            Self::SelfCheck | Self::Export => (Contender::job_method(spec.seed), 0),
        }
    }

    /// Whether the passes of a task are a method's, which chooses rows; else they train a model on rows.
    pub fn chooses_rows(self, spec: &ResolvedSpec) -> bool {
        match self {
            Self::Select(_) => true,
            Self::SelfCheck | Self::Reselect(_) => spec.method.name().chooses_first(),
            _ => false,
        }
    }

    /// Phase and epoch of a task's passes. A method that chooses rows has phases of its own.
    pub fn position(self) -> (Phase, u32) {
        match self {
            Self::Select(_) | Self::Reselect(_) => (Phase::Select, 1),
            Self::Train(_, trainee) => (Phase::Evaluate, trainee as u32 + 1),
            Self::Oracle(_) => (Phase::Evaluate, 1),
            Self::SelfCheck => (Phase::SelfCheck, 1),
            Self::Certify(trial) => (Phase::Certify, trial.trainee as u32 + 1),
            Self::Export => (Phase::Export, 1),
        }
    }

    /// Passes that a task takes, as far as can be foreseen.
    pub fn expected_passes(self, spec: &ResolvedSpec) -> u64 {
        let (contender, trainee) = self.subject(spec);
        let method = contender.method(spec);
        if self == Self::Export {
            0
        } else if self.chooses_rows(spec) {
            method.cost(TrainingPasses::expect(method.backbone, &method.options, None, None)).passes
        } else {
            let (backbone, options) = find_trainee(spec, method, trainee);
            let training = TrainingPasses::expect(backbone, options, spec.tuning.grid(), None);
            if spec.tuning.grid().is_some() { training.tuned } else { training.fixed }
        }
    }
}

/// Who chooses the rows of a method that chooses them before a model is trained.
pub(super) fn make_selector(context: &Context) -> Box<dyn Selector> {
    match &context.method.kind {
        Method::Autodenoise(_) | Method::AutodenoiseV(_) => Box::new(AutoDenoise::new(context)),
        Method::Robust(own) => Box::new(Robust::new(own, context)),
        method => baseline::selector(method, context).expect("the method chooses first"),
    }
}

/// Every backbone of the job, with its options.
pub(super) fn list_trainees(spec: &ResolvedSpec) -> Vec<(BackboneKind, &Options)> {
    let own = spec.contenders().into_iter().map(|method| find_trainee(spec, method, 0));
    own.chain(spec.transfer.iter().map(|trainee| (trainee.backbone, &trainee.options))).collect()
}

/// A backbone trained on a method's rows, and its options: 0 the method's own, then those of `spec.transfer`.
pub(super) fn find_trainee<'s>(
    spec: &'s ResolvedSpec,
    method: &'s ResolvedMethod,
    number: usize,
) -> (BackboneKind, &'s Options) {
    match number {
        0 => (method.backbone, &method.options),
        number => (spec.transfer[number - 1].backbone, &spec.transfer[number - 1].options),
    }
}
