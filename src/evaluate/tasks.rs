//! The work of a job in order, and who does it.

use super::RunInput;
use super::proof::{Trial, trials};
use crate::backbone::{BackboneConfig, TrainingData};
use crate::baseline;
use crate::denoise::{AutoDenoise, Robust};
use crate::selection::{Context, SelectError, Selector};
use crate::types::{BackboneKind, Method, Options, ResolvedMethod, ResolvedSpec, Trainee};

/// A method of the job with one of its seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contender {
    /// Number of the method: 0 the job's own, then those of `spec.compare`.
    pub number: usize,
    pub seed: u64,
}

/// A part of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// A method chooses rows.
    Select(Contender),
    /// A backbone is trained on them: trainee 0 is the method's own, then those of `spec.transfer`.
    Train(Contender, usize),
    /// With planted noise: the job's backbone is trained on the rows that were left alone.
    Oracle(u64),
    SelfCheck,
    /// A training of the proof.
    Certify(Trial),
    Export,
}

/// Seed by seed, method by method.
pub(super) fn tasks(spec: &ResolvedSpec, planted: bool) -> Vec<Task> {
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
    tasks.extend(trials(spec).into_iter().map(Task::Certify));
    tasks.push(Task::Export);
    tasks
}

impl Contender {
    /// The job's own method.
    pub fn own(seed: u64) -> Self {
        Self { number: 0, seed }
    }

    pub fn method(self, spec: &ResolvedSpec) -> &ResolvedMethod {
        match self.number {
            0 => &spec.method,
            number => &spec.compare[number - 1],
        }
    }

    /// What it works on, with models of this kind.
    pub fn context<'c>(
        self,
        input: &'c RunInput,
        data: &'c TrainingData<'c>,
        backbone: BackboneKind,
        options: &'c Options,
    ) -> Result<Context<'c>, SelectError> {
        Ok(Context {
            data,
            map: &input.dataset.feature_map,
            engine: input.engines.for_model(backbone)?,
            threads: input.threads,
            contender: self.number as u32,
            method: self.method(input.spec),
            options,
            config: BackboneConfig::new(backbone, &input.dataset.feature_map, options)?,
            seed: self.seed,
        })
    }
}

/// Who chooses the rows of a method that chooses them before a model is trained.
pub(super) fn selector(context: &Context) -> Box<dyn Selector> {
    match &context.method.kind {
        Method::Autodenoise(_) | Method::AutodenoiseV(_) => Box::new(AutoDenoise::new(context)),
        Method::Robust(own) => Box::new(Robust::new(own, context)),
        method => baseline::selector(method, context).expect("the method chooses first"),
    }
}

/// Every backbone of the job, with its options.
pub(super) fn trainees(spec: &ResolvedSpec) -> Vec<Trainee> {
    let own = spec.contenders().into_iter().map(|method| trainee(spec, method, 0));
    own.chain(spec.transfer.iter().cloned()).collect()
}

/// What a trainee is trained as.
pub(super) fn trainee(spec: &ResolvedSpec, method: &ResolvedMethod, number: usize) -> Trainee {
    match number {
        0 => Trainee { backbone: method.backbone, options: method.options.clone() },
        number => spec.transfer[number - 1].clone(),
    }
}
