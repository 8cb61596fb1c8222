//! Parts at work: which of them do not wait for another, who does which, and what comes of them. Results are taken in by the
//! order of the tasks, whichever was there first, so that a job comes to the same however many do its parts.

use super::board::NextPart;
use super::checkpoint::save_selected;
use super::job::{Work, WorkKind};
use super::part::{PartFile, PartId, PartOrder, PartResult, Setting};
use super::state::Outcome;
use super::tasks::{Task, find_trainee};
use super::training::Training;
use super::tune::{Tunee, told_of};
use super::turn::Turn;
use crate::backbone::TensorFile;
use crate::selection::{SelectError, Selected};
use crate::types::{Arm, OfferedPart, PartWork, Phase, TrainerEvent};
use std::path::Path;

/// A part that waits for nothing but to be done.
pub(super) struct OpenPart {
    pub id: PartId,
    pub task: Task,
    pub setting: Setting,
}

impl OpenPart {
    /// Whether another process may do it. A model that the job keeps, or that rows are chosen by, stays in its process.
    fn is_shared(&self) -> bool {
        matches!(self.task, Task::Certify(_) | Task::Train(_, 1..))
    }
}

impl Turn<'_, '_> {
    /// A pass of a part, or what another process came to with one.
    pub fn work_on_parts(&mut self) -> Result<(), SelectError> {
        if self.is_needless(self.task()) {
            self.passes.book.begin_next_task();
            return Ok(());
        }
        if self.take_waiting()? {
            return Ok(());
        }
        if self.works_together()? {
            return self.work_together();
        }
        let Some((id, setting)) = self.find_work()? else { return Ok(()) };
        match self.do_part(id, &setting) {
            // Whether it fails its job is for its turn to say.
            Err(error) if id.task != self.passes.book.task && !matches!(error, SelectError::Weights(_)) => {
                self.outcome.parts.insert(id.number(), PartResult::PutOff);
                self.end_part();
                Ok(())
            }
            ended => ended,
        }
    }

    /// Whether a training would show nothing, because the method changed nothing.
    pub fn is_needless(&self, task: Task) -> bool {
        let of_choice = matches!(task, Task::Certify(trial) if matches!(trial.arm, Arm::Denoised | Arm::Random));
        of_choice && self.outcome.change(self.job.data.train.labels).is_none()
    }

    /// The part to do a pass of; none where what another came to was taken in, or the run is to be paused.
    fn find_work(&mut self) -> Result<Option<(PartId, Setting)>, SelectError> {
        let begun = self.passes.book.part;
        if let Some(id) = begun.filter(|id| self.desk.granted.contains(id)) {
            return Ok(Some((id, self.find_setting(id.task)?)));
        }
        let open = self.list_open(self.desk.board.is_shared())?;
        self.offer(&open)?;
        let numbers: Vec<u32> = open.iter().map(|part| part.id.number()).collect();
        let put_off = self.outcome.parts.contains_key(&numbers[0]);
        let next = match open[0].is_shared() && !put_off {
            true => self.desk.board.next(&numbers, begun.map(PartId::number), true),
            false => NextPart::Do(numbers[0]),
        };
        match next {
            NextPart::Do(number) => {
                let part = open.into_iter().find(|part| part.id.number() == number);
                let OpenPart { id, setting, .. } = part.expect("a board hands out open parts");
                if begun != Some(id) {
                    *self.passes.stage = None;
                    self.passes.book.begin_part(Some(id));
                }
                self.desk.granted.insert(id);
                Ok(Some((id, setting)))
            }
            NextPart::Take { number, file } => {
                self.take_file(PartId::of_number(number), &file)?;
                Ok(None)
            }
            NextPart::Nothing | NextPart::Pause => Ok(None),
        }
    }

    /// What can be done now, ahead of its turn too where `ahead` says so; never nothing. The first is what the first task that is not
    /// over needs.
    pub fn list_open(&mut self, ahead: bool) -> Result<Vec<OpenPart>, SelectError> {
        let head = self.passes.book.task;
        let mut open = Vec::new();
        let mut raced: Vec<Tunee> = Vec::new();
        for number in head..self.end_of_reach(ahead) {
            let task = self.job.task(number);
            let waits = |outcome: &Outcome, id: PartId| match outcome.parts.get(&id.number()) {
                None => false,
                Some(PartResult::PutOff) => number != head,
                Some(_) => true,
            };
            if waits(self.outcome, PartId::training(number)) || self.is_needless(task) {
                continue;
            }
            let setting = self.find_setting(number)?;
            let id = match &setting {
                Setting::Raced(_) => {
                    let (tunee, _) = Tunee::of(task, self.job.input.spec).expect("a race is for a tunee");
                    // The first training of a tunee has the race, the others wait for it.
                    if raced.contains(&tunee) {
                        continue;
                    }
                    raced.push(tunee);
                    PartId::race(number)
                }
                _ => PartId::training(number),
            };
            if !waits(self.outcome, id) {
                open.push(OpenPart { id, task, setting });
            }
        }
        Ok(open)
    }

    /// Number of the task behind the last one that does not wait for what the tasks before it come to.
    fn end_of_reach(&self, ahead: bool) -> usize {
        let (head, tasks) = (self.passes.book.task, &self.job.tasks);
        if !ahead {
            return head + 1;
        }
        let follows = |task: &&Task| match (self.job.task(head), task) {
            (Task::Train(of, _), Task::Train(other, _)) => of == *other,
            (Task::Certify(_), Task::Certify(_)) => true,
            _ => false,
        };
        head + 1 + tasks[head + 1..].iter().take_while(follows).count()
    }

    /// Lays out what has not been laid out yet.
    pub fn offer(&mut self, open: &[OpenPart]) -> Result<(), SelectError> {
        if !self.desk.board.is_shared() {
            return Ok(());
        }
        let mut parts = Vec::new();
        for part in open.iter().filter(|part| part.is_shared()) {
            if self.desk.offered.insert(part.id) {
                parts.push(self.describe(part)?);
            }
        }
        if !parts.is_empty() {
            self.desk.board.offer(parts);
        }
        Ok(())
    }

    fn describe(&mut self, part: &OpenPart) -> Result<OfferedPart, SelectError> {
        let (spec, task) = (self.job.input.spec, part.task);
        let (contender, trainee) = task.subject(spec);
        let Work { context, kind } = self.job.prepare(task)?;
        let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
        let (_, arm) = told_of(task, &part.setting, spec, &context);
        let phase = if part.id.races { Phase::Tune } else { task.position().0 };
        let chosen = self.outcome.find_choice(self.job, task).filter(|_| needs_choice(task, &training));
        let rows = match chosen {
            None => None,
            Some(chosen) => {
                let of = match task {
                    Task::Certify(_) if spec.reselected().is_none() => "own".to_owned(),
                    Task::Certify(trial) => format!("seed-{}", trial.number),
                    _ => format!("{}-{}", contender.number, contender.seed),
                };
                let name = format!("rows-{of}.safetensors");
                if self.desk.written.insert(name.clone()) {
                    write_rows(chosen, &self.job.input.out_dir.join(&name))?;
                }
                Some(name)
            }
        };
        let order = PartOrder { task, setting: part.setting.clone() };
        let backbone = find_trainee(spec, contender.method(spec), trainee).0;
        Ok(OfferedPart {
            number: part.id.number(),
            work: PartWork { phase, arm, seed: contender.seed, backbone },
            order: serde_json::to_value(order).expect("an order is plain data"),
            rows,
        })
    }

    /// The next pass of a part that this process does.
    fn do_part(&mut self, id: PartId, setting: &Setting) -> Result<(), SelectError> {
        let task = self.job.task(id.task);
        let Work { context, kind } = self.job.prepare(task)?;
        let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
        let rows = self.outcome.find_rows(self.job, task, &training, context.seed);
        let who = told_of(task, setting, self.job.input.spec, &context);
        let done = self.passes.do_part((task, setting), who, &context, &training, rows.treatment())?;
        let Some(mut done) = done else { return Ok(()) };
        if let Task::Train(contender, 0) = task {
            self.keep_model(contender, &context, &training, &mut *done.fit.model);
        }
        self.end_part();
        self.finish_part(id, done.result)
    }

    /// Takes in a part that this process has done, and tells those who hand parts round.
    pub fn finish_part(&mut self, id: PartId, result: PartResult) -> Result<(), SelectError> {
        if !self.desk.offered.contains(&id) {
            return self.take_in(id, result);
        }
        let name = format!("part-{}.safetensors", id.number());
        // The rows of its passes were told as they came.
        let file = PartFile { result, rows: Vec::new() };
        file.write(&self.job.input.out_dir.join(&name))?;
        self.desk.board.finish(id.number(), &name);
        self.take_in(id, file.result)
    }

    /// Nothing is under way any more.
    pub fn end_part(&mut self) {
        *self.passes.stage = None;
        self.passes.book.begin_part(None);
        self.desk.granted.clear();
    }

    /// Takes in what another process came to.
    pub fn take_file(&mut self, id: PartId, path: &Path) -> Result<(), SelectError> {
        let PartFile { result, rows } = PartFile::read(path)?;
        if self.passes.book.part == Some(id) {
            self.end_part();
        }
        let spent = &mut self.passes.book.spent;
        match &result {
            PartResult::Raced(raced) => {
                spent.passes += raced.standings.iter().map(|standing| u64::from(standing.passes)).sum::<u64>();
                spent.seconds += raced.seconds;
            }
            PartResult::Trained(trained) => {
                spent.passes += u64::from(trained.passes);
                spent.seconds += trained.seconds;
            }
            PartResult::PutOff => {}
        }
        rows.into_iter().for_each(|row| (self.passes.emit)(TrainerEvent::Epoch(row)));
        self.take_in(id, result)
    }

    pub fn take_in(&mut self, id: PartId, result: PartResult) -> Result<(), SelectError> {
        let (number, result) = match result {
            PartResult::Raced(raced) => {
                self.settle(id.task, &raced)?;
                (PartId::training(id.task).number(), PartResult::Trained(raced.trained))
            }
            other => (id.number(), other),
        };
        self.outcome.parts.insert(number, result);
        self.take_waiting().map(drop)
    }

    /// Takes in what is there of the first task that is not over and of those behind it, as many trainings as are there in a row.
    /// Whether there was any.
    fn take_waiting(&mut self) -> Result<bool, SelectError> {
        let head = self.passes.book.task;
        loop {
            let number = PartId::training(self.passes.book.task).number();
            let trained = match self.outcome.parts.remove(&number) {
                Some(PartResult::Trained(trained)) => trained,
                Some(other) => {
                    self.outcome.parts.insert(number, other);
                    break;
                }
                None => break,
            };
            match self.task() {
                Task::Train(contender, trainee) => self.record(contender, trainee, trained)?,
                Task::Certify(trial) => self.add_run(trial, trained)?,
                Task::Oracle(seed) => self.record_oracle(seed, trained)?,
                task => unreachable!("{task:?} trains no model"),
            }
        }
        Ok(self.passes.book.task > head)
    }
}

/// Whether a training is of the rows that were chosen, or of as many others.
fn needs_choice(task: Task, training: &Training) -> bool {
    match task {
        Task::Certify(trial) => matches!(trial.arm, Arm::Denoised | Arm::Random),
        _ => training.chooses_nothing(),
    }
}

/// Writes how the rows of a choice are treated, for whoever does a part.
fn write_rows(chosen: &Selected, path: &Path) -> Result<(), SelectError> {
    let mut file = TensorFile::new();
    let meta = save_selected(&chosen.treatment_alone(), "", &mut file);
    file.describe(&meta)?;
    Ok(file.write(path)?)
}
