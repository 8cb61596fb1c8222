//! What students are trained with: the options of their method, or a setting that was chosen for their rows and backbone on
//! the validation rows. It is chosen once, with the first seed that comes to it, by a race over the grid.

use super::job::{Work, WorkKind};
use super::part::{Done, PartResult, Raced, Setting, Trained};
use super::passes::Passes;
use super::proof::Trial;
use super::state::Stage;
use super::tasks::{Contender, Task};
use super::training::Training;
use super::turn::Turn;
use crate::backbone::{Fit, FitOptions, Track};
use crate::selection::{Context, Entrant, Keep, Place, Race, Role, SelectError, Treatment, Winner};
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
    /// Number of the task that it was chosen for first.
    pub task: usize,
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
                    Arm::Full => spec.reference(),
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

    /// The training of the table that a trial would repeat: of the same rows, with the same seed and the same setting.
    pub fn repeated_by(trial: Trial, spec: &ResolvedSpec) -> Option<Task> {
        let number = match Self::of(Task::Certify(trial), spec) {
            Some((Self::Line { contender, .. }, _)) => Some(contender),
            None if spec.tuning.grid().is_none() => spec.reference(),
            _ => None,
        };
        let number = number.filter(|_| trial.number == 0)?;
        Some(Task::Train(Contender { number, seed: spec.seed }, trial.trainee))
    }

    /// Whom the passes of its race are told of.
    fn who(self, spec: &ResolvedSpec, context: &Context) -> (usize, Arm) {
        match self {
            Self::Line { .. } => (context.contender as usize, context.arm()),
            Self::Oracle => (spec.contenders().len(), Arm::Denoised),
            Self::Arm { arm, .. } => (0, arm),
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

/// Whom the passes of a part are told of: the number of a method, and an arm.
pub(super) fn told_of(task: Task, setting: &Setting, spec: &ResolvedSpec, context: &Context) -> (usize, Arm) {
    match (task, setting, Tunee::of(task, spec)) {
        (_, Setting::Raced(_), Some((tunee, _))) => tunee.who(spec, context),
        (Task::Certify(trial), ..) => (0, trial.arm),
        // The oracle is no method of the job: its number is one above theirs.
        (Task::Oracle(_), ..) => (spec.contenders().len(), Arm::Denoised),
        _ => (context.contender as usize, context.arm()),
    }
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
    /// A pass of the race for the setting of a task's training: where everyone stands and what the winner's training came to,
    /// once it is over. `place` is the training's.
    pub fn race(
        &mut self,
        (task, grid): (Task, &TuningGrid),
        contender: usize,
        context: &Context,
        place: Place,
        training: &Training,
        treatment: Treatment,
    ) -> Result<Option<Done>, SelectError> {
        let (started, now) = (Instant::now(), Place { phase: Phase::Tune, ..place });
        let options = training.fit_options(context);
        let entrants = Entrant::of_grid(grid, options, context.key(Role::Evaluate, 0), treatment);
        let track = Track::new(context.engine, &context.config, context.data, context.threads);
        let mut race = match self.stage.take() {
            Some(Stage::Racing(race)) => race,
            _ => Box::new(Race::new(&track, &entrants, Keep::Leader)),
        };
        let runners = race.runners() as u64;
        let is_over = treatment.with_valid(&context.data.valid, |valid| {
            training.with_rows(context, race.passes(), |rows| {
                let track = Track { train: rows, valid, ..track };
                self.session().with_ticks(|tick| race.step(&track, &entrants, tick))
            })
        });
        let Place { phase, epoch, .. } = now;
        let is_over = is_over.map_err(|source| SelectError::Fit { phase, epoch, source })?;
        let share = treatment.pass().share_of(context.data.train.len());
        self.report_race(context, now, share, &race);
        let ended = is_over.then(|| {
            self.announce(contender, (place.phase, place.epoch));
            self.end_race(task, context, place, share, &mut race)
        });
        self.book.count_pass(started, self.test.reads());
        self.book.spent.passes += runners - 1;
        let Some((fit, trained)) = ended else {
            *self.stage = Some(Stage::Racing(race));
            return Ok(None);
        };
        let (standings, leader, seconds) = (race.standings(), race.leader(), self.book.task_seconds);
        Ok(Some(Done { result: PartResult::Raced(Raced { standings, leader, trained, seconds }), fit }))
    }

    /// Tells how the best did in the pass that a race has just made.
    pub fn report_race(&mut self, context: &Context, place: Place, share: f64, race: &Race) {
        if let Some(metrics) = race.best_pass() {
            self.session().report_pass(context, place, race.passes(), share, metrics);
        }
    }

    /// The training that won a race which is over, and what it came to: its passes are told as those of any training.
    pub fn end_race(
        &mut self,
        task: Task,
        context: &Context,
        place: Place,
        share: f64,
        race: &mut Race,
    ) -> (Box<Fit>, Trained) {
        let Winner { mut fit, passes } = race.take_winner().expect("a race that is over has a winner");
        for (pass, metrics) in (1..).zip(&passes) {
            self.session().report_pass(context, place, pass, share, metrics);
        }
        let seconds = passes.iter().map(|pass| pass.seconds).sum();
        let trained = Trained { seconds, ..self.end_training(task, context, &mut fit) };
        (Box::new(fit), trained)
    }
}

impl Turn<'_, '_> {
    /// What a task's model is trained with. A setting that was chosen for the same training of another line is taken over.
    pub fn find_setting(&mut self, number: usize) -> Result<Setting, SelectError> {
        let (task, spec) = (self.job.task(number), self.job.input.spec);
        let Some((tunee, grid)) = Tunee::of(task, spec) else { return Ok(Setting::AsGiven) };
        let tuned =
            |student: &TunedStudent| Setting::Tuned { weight_decay: student.weight_decay, patience: student.patience };
        if let Some(student) = find_student(&self.passes.book.tuned, tunee) {
            return Ok(tuned(student));
        }
        let is_twin = |other: &&Tuned| other.all_rows && tunee.is_twin(other.tunee, spec);
        let Some(twin) = self.passes.book.tuned.iter().find(is_twin).map(|twin| twin.student.clone()) else {
            return Ok(Setting::Raced(grid));
        };
        let (context, all_rows) = self.look_at(number)?;
        if !all_rows {
            return Ok(Setting::Raced(grid));
        }
        let student = TunedStudent { contender: context.contender, arm: context.arm(), ..twin };
        let setting = tuned(&student);
        self.passes.book.add_tuned(Tuned { task: number, tunee, all_rows, student });
        Ok(setting)
    }

    /// Takes in the race for the setting of a task: the setting. What the winner's training came to is the task's.
    pub fn settle(&mut self, number: usize, raced: &Raced) -> Result<(), SelectError> {
        let (task, spec) = (self.job.task(number), self.job.input.spec);
        let (tunee, grid) = Tunee::of(task, spec).expect("a task without a tunee has no race");
        let (context, all_rows) = self.look_at(number)?;
        let (contender, arm) = tunee.who(spec, &context);
        let candidates = grid.weight_decay.iter().zip(&raced.standings).map(|(weight_decay, standing)| {
            TunedCandidate { weight_decay: *weight_decay, passes: standing.passes, valid_auc: standing.score }
        });
        let student = TunedStudent {
            contender: contender as u32,
            arm,
            backbone: context.config.kind,
            weight_decay: grid.weight_decay[raced.leader],
            patience: grid.patience,
            candidates: candidates.collect(),
            // Of all others: the winner's are those of the task's training.
            seconds: (raced.seconds - raced.trained.seconds).max(0.0),
        };
        self.passes.book.add_tuned(Tuned { task: number, tunee, all_rows, student });
        Ok(())
    }

    /// What a task's model is trained on, and whether that is all rows as they are labelled.
    fn look_at(&self, number: usize) -> Result<(Context<'_>, bool), SelectError> {
        let task = self.job.task(number);
        let Work { context, kind } = self.job.prepare(task)?;
        let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
        let rows = self.outcome.find_rows(self.job, task, &training, context.seed);
        let all_rows = training.is_plain() && rows.treatment().is_none(context.data.train.labels);
        Ok((context, all_rows))
    }
}
