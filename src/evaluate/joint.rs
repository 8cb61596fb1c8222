//! A pass of all parts of a proof that can be done now, where the engine gains by training their models at once. A part joins
//! once nothing that it needs is missing, nobody else does it and there is room, races first, and leaves when it is over. What
//! comes of it is taken in by the order of the tasks, as where parts are done one by one.

use super::board::NextPart;
use super::crew::{Crew, Effort, Member, list_entrants};
use super::job::{Job, Work, WorkKind};
use super::part::{PartId, PartResult, PartRows, Raced, Setting, Trained};
use super::share::OpenPart;
use super::state::{Outcome, Stage};
use super::tasks::Task;
use super::training::Training;
use super::tune::told_of;
use super::turn::Turn;
use crate::backbone::{Fit, FitError, PassSummary, Runner, Track, run_passes};
use crate::selection::{Context, Keep, PassMetrics, Place, Race, Role, SelectError, Selected, Treatment};
use crate::types::Phase;
use std::time::Instant;

impl Turn<'_, '_> {
    /// Whether the parts of the proof are done together: the engine likes it.
    pub fn works_together(&self) -> Result<bool, SelectError> {
        let task = self.task();
        if !matches!(task, Task::Certify(_)) {
            return Ok(false);
        }
        Ok(match &*self.passes.stage {
            Some(Stage::Together(_)) => true,
            Some(_) => false,
            None => count_at_once(&self.job.prepare(task)?.context) > 1,
        })
    }

    /// A pass of every part under way.
    pub fn work_together(&mut self) -> Result<(), SelectError> {
        let mut crew = match self.passes.stage.take() {
            Some(Stage::Together(crew)) => crew,
            _ => Crew::default(),
        };
        self.fill(&mut crew)?;
        if crew.members.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        self.announce(&crew)?;
        let runners = crew.runners();
        let ended = self.train(&mut crew)?;
        let seconds = started.elapsed().as_secs_f64();
        for (member, ended) in crew.members.iter_mut().zip(&ended) {
            member.seconds += seconds * ended.len() as f64 / runners as f64;
        }
        self.passes.book.count_pass(started, self.passes.test.reads());
        self.passes.book.spent.passes += runners as u64 - 1;
        self.sort_out(crew, ended, seconds / runners as f64)
    }

    /// Has those parts join that can be done now, as far as there is room. Where others do parts too, they come by the board, and
    /// what others came to is taken in; nobody joins where that ended the proof, or where the run is to be paused.
    fn fill(&mut self, crew: &mut Crew) -> Result<(), SelectError> {
        let is_shared = self.desk.board.is_shared();
        if is_shared && crew.members.iter().any(|member| !self.desk.granted.contains(&member.id)) {
            let open = self.list_open(true)?;
            self.offer(&open)?;
            self.claim_again(crew)?;
        }
        while matches!(self.task(), Task::Certify(_)) && !self.is_needless(self.task()) {
            let open = self.list_open(true)?;
            self.offer(&open)?;
            let fitting = self.list_fitting(open, crew)?;
            let numbers: Vec<u32> = fitting.iter().map(|part| part.id.number()).collect();
            let Some(first) = numbers.first() else { return Ok(()) };
            // Nobody else does what has failed out of its turn.
            let put_off = numbers.iter().find(|number| self.outcome.parts.contains_key(number));
            let next = match put_off {
                Some(number) => NextPart::Do(*number),
                None if !is_shared => NextPart::Do(*first),
                None => self.desk.board.next(&numbers, None, crew.members.is_empty()),
            };
            match next {
                NextPart::Do(number) => {
                    let part = fitting.into_iter().find(|part| part.id.number() == number);
                    let member = self.begin(part.expect("a board hands out open parts"))?;
                    self.desk.granted.insert(member.id);
                    crew.members.push(member);
                }
                NextPart::Take { number, file } => self.take_file(PartId::of_number(number), &file)?,
                NextPart::Nothing | NextPart::Pause => return Ok(()),
            }
        }
        Ok(())
    }

    /// Asks for the parts that an earlier process had begun. Those that others do now leave.
    fn claim_again(&mut self, crew: &mut Crew) -> Result<(), SelectError> {
        for member in std::mem::take(&mut crew.members) {
            let number = member.id.number();
            if self.desk.granted.contains(&member.id) {
                crew.members.push(member);
                continue;
            }
            match self.desk.board.next(&[number], Some(number), false) {
                NextPart::Do(_) => {
                    self.desk.granted.insert(member.id);
                    crew.members.push(member);
                }
                NextPart::Pause => crew.members.push(member),
                NextPart::Take { file, .. } => self.take_file(member.id, &file)?,
                NextPart::Nothing => {}
            }
        }
        Ok(())
    }

    /// Those of the open parts that may join, races first: of the backbone under way, and as many as there is room for. With nobody
    /// under way it is that of the first task that is not over; others come last, where parts are shared.
    fn list_fitting(&self, open: Vec<OpenPart>, crew: &Crew) -> Result<Vec<OpenPart>, SelectError> {
        let trainee = |task: Task| task.subject(self.job.input.spec).1;
        let current = crew.members.first().map_or(self.task(), |member| self.job.task(member.id.task));
        let may_be_other = crew.members.is_empty() && self.desk.board.is_shared();
        let most = count_at_once(&self.job.prepare(current)?.context);
        let fits = |part: &OpenPart| {
            let more = match &part.setting {
                Setting::Raced(grid) => grid.weight_decay.len(),
                _ => 1,
            };
            !crew.has(part.id)
                && (trainee(part.task) == trainee(current) || may_be_other)
                && (crew.members.is_empty() || crew.runners() + more <= most)
        };
        let mut fitting: Vec<_> = open.into_iter().filter(fits).collect();
        // Trainings wait for races.
        fitting.sort_by_key(|part| (trainee(part.task) != trainee(current), !part.id.races, part.id.number()));
        Ok(fitting)
    }

    fn begin(&mut self, OpenPart { id, setting, .. }: OpenPart) -> Result<Member, SelectError> {
        let (context, training) = prepare(self.job, id)?;
        let options = training.fit_options(&context);
        let effort = match &setting {
            Setting::Raced(grid) => {
                let track = Track::new(context.engine, &context.config, context.data, context.threads);
                Effort::Race(Box::new(Race::new(&track, &list_entrants(grid, options, &context), Keep::Leader)))
            }
            setting => {
                let (key, options) = (context.key(Role::Evaluate, 0), setting.fit_options(options));
                Effort::Train(Box::new(Fit::new(context.engine, &context.config, &[key], options)))
            }
        };
        let drawn = draw_rows(self.job, self.outcome, id, &context);
        Ok(Member { id, setting, effort, seconds: 0.0, drawn })
    }

    fn announce(&mut self, crew: &Crew) -> Result<(), SelectError> {
        let first = crew.members.iter().find(|member| member.id.races == crew.races()).expect("someone is under way");
        let task = self.job.task(first.id.task);
        let context = self.job.prepare(task)?.context;
        let (contender, _) = told_of(task, &first.setting, self.job.input.spec, &context);
        let (phase, epoch) = task.position();
        self.passes.announce(contender, (if crew.races() { Phase::Tune } else { phase }, epoch));
        Ok(())
    }

    /// A pass of all: what it came to, of each member's models.
    fn train(&mut self, crew: &mut Crew) -> Result<Vec<Vec<Result<PassSummary, FitError>>>, SelectError> {
        let job = self.job;
        let (context, _) = prepare(job, crew.members[0].id)?;
        for member in crew.members.iter_mut().filter(|member| member.drawn.is_none()) {
            member.drawn = draw_rows(job, self.outcome, member.id, &prepare(job, member.id)?.0);
        }
        let (mut runners, mut counts) = (Vec::new(), Vec::with_capacity(crew.members.len()));
        for Member { id, effort, drawn, .. } in &mut crew.members {
            let treatment = find_treatment(job, self.outcome, *id, drawn.as_deref())?;
            let runner = |fit| Runner { fit, what: treatment.pass(), judged: treatment.valid };
            counts.push(effort.runners());
            match effort {
                Effort::Race(race) => runners.extend(race.fits().map(runner)),
                Effort::Train(fit) => runners.push(runner(&mut **fit)),
            }
        }
        let track = Track::new(context.engine, &context.config, context.data, context.threads);
        let mut ended = self.passes.session().with_ticks(|tick| run_passes(&track, runners, tick)).into_iter();
        Ok(counts.into_iter().map(|count| ended.by_ref().take(count).collect()).collect())
    }

    /// Takes in the pass: its rows of metrics, and what is over.
    fn sort_out(
        &mut self,
        crew: Crew,
        ended: Vec<Vec<Result<PassSummary, FitError>>>,
        seconds: f64,
    ) -> Result<(), SelectError> {
        let mut left = Crew::default();
        let mut results = Vec::new();
        for (mut member, ended) in crew.members.into_iter().zip(ended) {
            let id = member.id;
            match self.end_pass(&mut member, ended, seconds) {
                Ok(None) => left.members.push(member),
                Ok(Some(result)) => results.push((id, result)),
                Err(error) if id.task == self.passes.book.task => return Err(error),
                // Whether it fails its job is for its turn to say.
                Err(_) => results.push((id, PartResult::PutOff)),
            }
        }
        *self.passes.stage = (!left.members.is_empty()).then_some(Stage::Together(left));
        results.into_iter().try_for_each(|(id, result)| match result {
            PartResult::PutOff => {
                self.outcome.parts.insert(id.number(), PartResult::PutOff);
                Ok(())
            }
            result => self.finish_part(id, result),
        })
    }

    /// Takes in the pass of one part: what it came to, once it is over.
    fn end_pass(
        &mut self,
        member: &mut Member,
        ended: Vec<Result<PassSummary, FitError>>,
        seconds: f64,
    ) -> Result<Option<PartResult>, SelectError> {
        let task = self.job.task(member.id.task);
        let ((phase, epoch), context) = (task.position(), self.job.prepare(task)?.context);
        let (_, arm) = told_of(task, &member.setting, self.job.input.spec, &context);
        let place = Place { arm, phase, epoch };
        let now = Place { phase: if member.id.races { Phase::Tune } else { phase }, ..place };
        let summaries = ended.into_iter().collect::<Result<Vec<_>, _>>();
        let summaries = summaries.map_err(|source| SelectError::Fit { phase: now.phase, epoch, source })?;
        let treatment = find_treatment(self.job, self.outcome, member.id, member.drawn.as_deref())?;
        let share = treatment.pass().share_of(context.data.train.len());
        match &mut member.effort {
            Effort::Race(race) => {
                let is_over = race.end_pass(&context.data.valid, &summaries, seconds);
                self.passes.report_race(&context, now, share, race);
                if !is_over {
                    return Ok(None);
                }
                let (_, trained) = self.passes.end_race(task, &context, place, share, race);
                let (standings, leader, seconds) = (race.standings(), race.leader(), member.seconds);
                Ok(Some(PartResult::Raced(Raced { standings, leader, trained, seconds })))
            }
            Effort::Train(fit) => {
                let metrics = PassMetrics::new(&summaries[0], seconds);
                self.passes.session().report_pass(&context, now, fit.passes(), share, &metrics);
                if !fit.is_done() {
                    return Ok(None);
                }
                let trained = self.passes.end_training(task, &context, fit);
                Ok(Some(PartResult::Trained(Trained { seconds: member.seconds, ..trained })))
            }
        }
    }
}

/// How many models the engine likes to train at once.
fn count_at_once(context: &Context) -> usize {
    context.engine.most_at_once(&context.config, context.data.train.len(), context.threads)
}

/// What a part works on, and how its model is trained.
fn prepare<'j>(job: &'j Job, id: PartId) -> Result<(Context<'j>, Box<Training<'j>>), SelectError> {
    let Work { context, kind } = job.prepare(job.task(id.task))?;
    let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
    Ok((context, training))
}

/// The rows of a random arm as they are treated; none of other arms, whose rows are known.
fn draw_rows(job: &Job, outcome: &Outcome, id: PartId, context: &Context) -> Option<Box<Selected>> {
    match outcome.find_rows(job, job.task(id.task), &Training::plain(), context.seed) {
        PartRows::Made(drawn) => Some(drawn),
        PartRows::All | PartRows::Chosen(_) => None,
    }
}

/// How the rows of a part are treated; those of a random arm as they were `drawn`.
fn find_treatment<'o>(
    job: &Job,
    outcome: &'o Outcome,
    id: PartId,
    drawn: Option<&'o Selected>,
) -> Result<Treatment<'o>, SelectError> {
    if let Some(drawn) = drawn {
        return Ok(drawn.treatment());
    }
    let (context, training) = prepare(job, id)?;
    Ok(match outcome.find_rows(job, job.task(id.task), &training, context.seed) {
        PartRows::Chosen(chosen) => chosen.treatment(),
        PartRows::All => Treatment::default(),
        PartRows::Made(_) => unreachable!("the rows of a draw are kept"),
    })
}
