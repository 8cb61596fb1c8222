//! Passes of several trainings that share nothing but their rows. An engine goes through them in the way that it gains most by:
//! each on a thread of its own, with every batch of all at once, or one after the other. Each is trained on its own rows in its
//! own order, as it would be alone.

use super::data::order;
use super::team::alone;
use super::{
    BackboneConfig, Engine, Fit, FitError, Member, PassOptions, PassSummary, Rows, RowsApart, Tick, TrainingData,
    TrainingLoss,
};
use rayon::prelude::*;
use std::sync::Mutex;

/// What the models of several trainings are, and what they are trained and judged on.
pub struct Track<'r> {
    pub engine: &'r dyn Engine,
    pub config: &'r BackboneConfig,
    pub train: &'r Rows<'r>,
    /// The rows that models are judged by.
    pub valid: &'r Rows<'r>,
    /// Threads that a pass may use.
    pub threads: usize,
}

impl<'r> Track<'r> {
    pub fn new(engine: &'r dyn Engine, config: &'r BackboneConfig, data: &'r TrainingData<'r>, threads: usize) -> Self {
        Self { engine, config, train: &data.train, valid: &data.valid, threads }
    }
}

/// One of several trainings of a single model, and what its next pass runs over.
pub struct Runner<'p> {
    pub fit: &'p mut Fit,
    pub what: PassOptions<'p>,
    /// Places of the validation rows that it is judged by, ascending. Absent: all.
    pub judged: Option<&'p [u32]>,
}

/// Trains models of one config for a pass each, and judges each by validation rows: what each pass came to, in their order.
pub fn run_passes(track: &Track, mut runners: Vec<Runner>, tick: Tick) -> Vec<Result<PassSummary, FitError>> {
    let Track { engine, config, train: rows, valid, .. } = *track;
    if engine.trains_in_parallel() {
        return run_side_by_side(track, &mut runners, tick);
    }
    let most = engine.most_together(config, rows.len());
    let mut summaries = Vec::with_capacity(runners.len());
    let mut rest = &mut runners[..];
    while let Some(first) = rest.first() {
        let alike = rest.iter().take(most).take_while(|other| are_alike(first, other)).count();
        let (now, later) = rest.split_at_mut(alike);
        match now {
            [runner] => summaries.push(run_alone(runner, [rows, valid], tick)),
            now => summaries.extend(run_joined(engine, [rows, valid], now, tick)),
        }
        rest = later;
    }
    summaries
}

/// A thread each, as many as the engine likes at once. Where they are fewer than the threads, those that are left over help;
/// else none has time for another's, and each keeps to its own.
fn run_side_by_side(track: &Track, runners: &mut [Runner], tick: Tick) -> Vec<Result<PassSummary, FitError>> {
    let Track { engine, config, train, valid, threads } = *track;
    // Rows are not shared between threads, because an engine may put a copy into them; what they are made of is.
    let (fields, train, valid) = (train.fields, train.split(), valid.split());
    let tick = Mutex::new(tick);
    let pass = |runner: &mut Runner| {
        let mut tick = || (tick.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))();
        run_alone(runner, [&Rows::new(train, fields), &Rows::new(valid, fields)], &mut tick)
    };
    let side_by_side = runners.chunks_mut(engine.side_by_side(config, threads));
    let ended = side_by_side.flat_map(|runners| {
        let keeps = runners.len() >= threads;
        runners.par_iter_mut().map(|runner| alone(keeps, || pass(runner))).collect::<Vec<_>>()
    });
    ended.collect()
}

/// Whether two trainings can go through a pass together.
fn are_alike(one: &Runner, other: &Runner) -> bool {
    let [ours, theirs] = [one, other].map(|runner| &runner.fit.options);
    // The share of a batch that it drops depends on how many batches there were.
    let is_counted = matches!(ours.loss, TrainingLoss::TruncatedCe { .. });
    let in_step = one.fit.passes() == other.fit.passes()
        && one.what.subset.map(<[u32]>::len) == other.what.subset.map(<[u32]>::len);
    ours.batch_size == theirs.batch_size
        && ours.loss == theirs.loss
        && ours.optimizer.kind == theirs.optimizer.kind
        && (in_step || !is_counted)
}

fn run_alone(runner: &mut Runner, [rows, valid]: [&Rows; 2], tick: Tick) -> Result<PassSummary, FitError> {
    let Runner { fit, what, judged } = runner;
    match judged {
        None => fit.run_pass(rows, valid, what, tick),
        Some(places) => fit.run_pass(rows, &RowsApart::new(valid, places).rows(), what, tick),
    }
}

fn run_joined(
    engine: &dyn Engine,
    [rows, valid]: [&Rows; 2],
    runners: &mut [Runner],
    tick: Tick,
) -> Vec<Result<PassSummary, FitError>> {
    let shuffles: Vec<_> = runners.iter().map(|runner| (runner.what.subset, runner.fit.next_shuffle())).collect();
    let all = rows.len();
    let orders: Vec<_> = shuffles.into_par_iter().map(|(subset, shuffle)| order(all, subset, shuffle)).collect();
    let pairs = runners.iter_mut().zip(&orders);
    let mut members: Vec<_> = pairs.map(|(runner, order)| member(runner, rows, order.as_deref())).collect();
    let joined = engine.train_together(&mut members, valid, tick);
    drop(members);
    let take_in = |(runner, joined): (&mut Runner, _)| {
        let [train, valid] = joined?;
        runner.fit.end_pass();
        let valid = runner.fit.take_in(vec![valid], &[true])?;
        Ok(PassSummary { train: vec![Some(train)], valid, losses: None })
    };
    runners.iter_mut().zip(joined).map(take_in).collect()
}

fn member<'p>(runner: &'p mut Runner, rows: &'p Rows<'p>, order: Option<&'p [u32]>) -> Member<'p> {
    let Runner { fit, what, judged } = runner;
    let measure = fit.options.measure();
    let (model, pass) = fit.next_pass(rows, order, what, &[true]);
    Member { model, pass, judged: *judged, measure }
}
