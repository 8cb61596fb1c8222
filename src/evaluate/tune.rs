//! What students are trained with: the options of their method, or a setting that was chosen for their rows and backbone on
//! the validation rows. It is chosen once, with the first seed that comes to it, by a race over the grid.

use super::job::Job;
use super::passes::Passes;
use super::state::Stage;
use super::table::find_reference;
use super::tasks::{Contender, Task};
use super::training::Training;
use crate::backbone::FitOptions;
use crate::selection::{Context, Entrant, Race, Role, SelectError, Track, Treatment};
use crate::types::{Arm, Phase, ResolvedSpec, TunedCandidate, TunedStudent, TuningGrid};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a setting is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Tunee {
    /// A backbone trained on what a method chose.
    Line {
        contender: usize,
        trainee: usize,
    },
    Oracle,
    /// An arm of the proof that is no line of the table.
    Arm {
        arm: Arm,
        trainee: usize,
    },
}

/// A setting that was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tuned {
    pub tunee: Tunee,
    /// Whether it was chosen for all rows as they are labelled.
    pub all_rows: bool,
    pub student: TunedStudent,
}

impl Tunee {
    /// What the setting of a task's training is chosen for, and from which grid; none where it has the options of its
    /// method. The arms of a proof are tuned also where the table is not: a gain over a model that nobody tuned is none.
    pub fn of(task: Task, spec: &ResolvedSpec) -> Option<(Self, TuningGrid)> {
        let line = |contender, trainee| Self::Line { contender, trainee };
        match (task, spec.tuning.grid()) {
            (Task::Train(contender, trainee), Some(grid)) => Some((line(contender.number, trainee), grid.clone())),
            // Rows that a loss chooses are those of a model trained as the table's was.
            (Task::Reselect(_), Some(grid)) if !spec.method.name().chooses_first() => Some((line(0, 0), grid.clone())),
            (Task::Oracle(_), Some(grid)) => Some((Self::Oracle, grid.clone())),
            (Task::Certify(trial), grid) => {
                let as_line = match trial.arm {
                    Arm::Untuned => return None,
                    Arm::Full => find_reference(spec),
                    // A loss that chooses rows is trained on all of them in the table.
                    Arm::Denoised => spec.method.name().chooses_first().then_some(0),
                    Arm::Random => None,
                };
                let arm = Self::Arm { arm: trial.arm, trainee: trial.trainee };
                let tunee = as_line.filter(|_| grid.is_some()).map_or(arm, |number| line(number, trial.trainee));
                Some((tunee, grid.cloned().unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// Whether what was chosen for `other` on all rows holds for this too: the same backbone is trained with the same options.
    fn is_twin(self, other: Self, spec: &ResolvedSpec) -> bool {
        let (Self::Line { contender, trainee }, Self::Line { contender: number, trainee: of_other }) = (self, other)
        else {
            return false;
        };
        let method = |number| Contender { number, seed: spec.seed }.method(spec);
        trainee == of_other && (trainee > 0 || method(contender).trains_like(method(number)))
    }
}

/// The setting chosen for a tunee.
pub(super) fn find_student(tuned: &[Tuned], tunee: Tunee) -> Option<&TunedStudent> {
    tuned.iter().find(|tuned| tuned.tunee == tunee).map(|tuned| &tuned.student)
}

/// The options of a task's training; none while its setting is not chosen yet.
pub(super) fn find_fit_options(
    spec: &ResolvedSpec,
    tuned: &[Tuned],
    task: Task,
    options: FitOptions,
) -> Option<FitOptions> {
    let Some((tunee, _)) = Tunee::of(task, spec) else { return Some(options) };
    let student = find_student(tuned, tunee)?;
    Some(options.tuned(student.weight_decay, student.patience))
}

impl Passes<'_, '_> {
    /// The options that a task's model is trained with. While the setting is still to be chosen, each call is a step of the
    /// race for it, and there are none.
    pub fn tune(
        &mut self,
        job: &Job,
        task: Task,
        context: &Context,
        training: &Training,
        treatment: Treatment,
    ) -> Result<Option<FitOptions>, SelectError> {
        let (spec, options) = (job.input.spec, training.fit_options(context));
        if let Some(options) = find_fit_options(spec, &self.book.tuned, task, options) {
            return Ok(Some(options));
        }
        let (tunee, grid) = Tunee::of(task, spec).expect("a task without a tunee has its options");
        let all_rows = training.is_plain() && treatment.is_none(context.data.train.labels);
        let twin = self.book.tuned.iter().find(|other| all_rows && other.all_rows && tunee.is_twin(other.tunee, spec));
        let twin = twin.map(|other| TunedStudent {
            contender: context.contender,
            arm: context.arm(),
            ..other.student.clone()
        });
        if let Some(student) = twin {
            let tuned = options.tuned(student.weight_decay, student.patience);
            self.book.tuned.push(Tuned { tunee, all_rows, student });
            return Ok(Some(tuned));
        }
        let (contender, arm) = match tunee {
            Tunee::Line { .. } => (context.contender, context.arm()),
            Tunee::Oracle => (spec.contenders().len() as u32, Arm::Denoised),
            Tunee::Arm { arm, .. } => (0, arm),
        };
        let (_, epoch) = task.position();
        self.announce(contender as usize, (Phase::Tune, epoch));
        let entrants = Entrant::of_grid(&grid, options, context.key(Role::Evaluate, 0), treatment);
        let Some(race) = self.run_race(context, training, treatment, &entrants, (Phase::Tune, epoch))? else {
            return Ok(None);
        };
        let candidates = grid.weight_decay.iter().zip(race.standings()).map(|(weight_decay, standing)| {
            TunedCandidate { weight_decay: *weight_decay, passes: standing.passes, valid_auc: standing.score }
        });
        let student = TunedStudent {
            contender,
            arm,
            backbone: context.config.kind,
            weight_decay: grid.weight_decay[race.leader()],
            patience: grid.patience,
            candidates: candidates.collect(),
            seconds: self.book.task_seconds,
        };
        self.book.tuned.push(Tuned { tunee, all_rows, student });
        // What it took is told with the setting, and is no part of the training.
        self.book.task_seconds = 0.0;
        self.book.passes_before = self.book.spent.passes;
        Ok(None)
    }

    /// The race, once it is over.
    fn run_race(
        &mut self,
        context: &Context,
        training: &Training,
        treatment: Treatment,
        entrants: &[Entrant],
        (phase, epoch): (Phase, u32),
    ) -> Result<Option<Box<Race>>, SelectError> {
        let started = Instant::now();
        let track = Track::new(context.engine, &context.config, context.data, context.threads);
        let mut race = match self.stage.take() {
            Some(Stage::Racing(race)) => race,
            _ => Box::new(Race::new(&track, entrants)),
        };
        let runners = race.runners() as u64;
        let is_over = treatment.with_valid(&context.data.valid, |valid| {
            training.with_rows(context, race.passes(), |rows| {
                let track = Track { train: rows, valid, ..track };
                self.session().with_ticks(|tick| race.step(&track, entrants, tick))
            })
        });
        let is_over = is_over.map_err(|source| SelectError::Fit { phase, epoch, source })?;
        self.book.count_pass(started, self.test.reads());
        self.book.spent.passes += runners - 1;
        if is_over {
            return Ok(Some(race));
        }
        *self.stage = Some(Stage::Racing(race));
        Ok(None)
    }
}
