//! A race: several ways to train are tried at once, and those that fall behind on the validation rows are given up early
//! (successive halving; Jamieson and Talwalkar, "Non-stochastic best arm identification", AISTATS 2016). All start; after
//! [`FIRST_CUT`] passes the worse half goes, and again each time that as many passes are done as before; the last
//! [`LAST_RUNNERS`] are trained to early stopping.
//!
//! A step is a pass of everyone who still runs. On an engine that gains by it they run side by side; what comes of it does
//! not depend on that. Whoever wins has been trained as it would have been alone.

use super::{PassMetrics, SelectError, Treatment};
use crate::backbone::{
    Fit, FitError, FitOptions, ModelKey, PassSummary, Rows, Runner, TensorFile, Tick, Track, WeightsError, run_passes,
};
use crate::types::{FIRST_CUT, LAST_RUNNERS, TuningGrid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{cmp::Ordering, time::Instant};

/// A way to train: with which options, and on what. It has the same place in every call.
#[derive(Clone)]
pub struct Entrant<'e> {
    pub options: FitOptions,
    /// The streams of its models, one model each; it is judged by their mean.
    pub keys: Vec<ModelKey>,
    pub treatment: Treatment<'e>,
}

impl<'e> Entrant<'e> {
    /// One for each setting of a grid, with a model each.
    pub fn of_grid(grid: &TuningGrid, options: FitOptions, key: ModelKey, treatment: Treatment<'e>) -> Vec<Self> {
        let entrant = |weight_decay: &f64| Self {
            options: options.tuned(*weight_decay, grid.patience),
            keys: vec![key],
            treatment,
        };
        grid.weight_decay.iter().map(entrant).collect()
    }
}

/// What stays of models that have stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    Nothing,
    /// Their logits of the validation rows, at each model's best pass.
    Logits,
    /// The training of the leader, of entrants with a model each.
    Leader,
}

/// Where an entrant stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Passes of its models, the most of them.
    pub passes: u32,
    /// Mean over its models of the best AUC on the validation rows so far; 0 before the first pass.
    pub score: f64,
    /// Whether it was given up.
    pub is_out: bool,
}

/// A race between two passes.
pub struct Race {
    keep: Keep,
    lanes: Vec<Lane>,
    /// Passes done by those who run.
    passes: u32,
    /// Passes after which the next are given up.
    next_cut: u32,
    /// Of those who have stopped the one that leads, by its number.
    best_stopped: Option<(usize, Fit)>,
}

/// The training that won a race: it has ended, and the best weights are still to be restored.
pub struct Winner {
    pub fit: Fit,
    /// What each of its passes came to.
    pub passes: Vec<PassMetrics>,
}

struct Lane {
    standing: Standing,
    /// `[keys][V]`: the logits that are kept, of models that have stopped.
    logits: Vec<Vec<f32>>,
    /// What each pass came to, of the model that did best in it.
    history: Vec<PassMetrics>,
    /// Models that are still trained, each with its number among the entrant's keys.
    fits: Vec<(usize, Fit)>,
    /// `[keys]`: the best AUC of each.
    best: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    keep: Keep,
    lanes: Vec<SavedLane>,
    passes: u32,
    next_cut: u32,
    best_stopped: Option<(usize, Value)>,
}

#[derive(Serialize, Deserialize)]
struct SavedLane {
    standing: Standing,
    /// Rows of each model's logits.
    judged: Vec<usize>,
    history: Vec<PassMetrics>,
    fits: Vec<(usize, Value)>,
    best: Vec<f64>,
}

impl Race {
    pub fn new(track: &Track, entrants: &[Entrant], keep: Keep) -> Self {
        let fresh = |entrant: &Entrant, key: &ModelKey| Fit::new(track.engine, track.config, &[*key], entrant.options);
        let lane = |entrant: &Entrant| Lane {
            standing: Standing { passes: 0, score: 0.0, is_out: false },
            logits: vec![Vec::new(); entrant.keys.len()],
            history: Vec::new(),
            fits: entrant.keys.iter().map(|key| fresh(entrant, key)).enumerate().collect(),
            best: vec![0.0; entrant.keys.len()],
        };
        let lanes = entrants.iter().map(lane).collect();
        Self { keep, lanes, passes: 0, next_cut: FIRST_CUT, best_stopped: None }
    }

    /// `[keys][V]`: an entrant's logits of the validation rows, where they are kept; empty for models that were given up.
    pub fn logits(&self, entrant: usize) -> &[Vec<f32>] {
        &self.lanes[entrant].logits
    }

    /// What the best model of the pass just made came to.
    pub fn best_pass(&self) -> Option<&PassMetrics> {
        let ran = self.lanes.iter().filter_map(|lane| lane.history.get(self.passes.checked_sub(1)? as usize));
        ran.max_by(|a, b| a.auc().total_cmp(&b.auc()))
    }

    /// The leader's training, once the race is over, where it is kept.
    pub fn take_winner(&mut self) -> Option<Winner> {
        let (number, fit) = self.best_stopped.take()?;
        Some(Winner { fit, passes: std::mem::take(&mut self.lanes[number].history) })
    }

    /// Models that the next step trains for a pass.
    pub fn runners(&self) -> usize {
        self.lanes.iter().map(|lane| lane.fits.len()).sum()
    }

    /// Passes done by those who still run.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Where the entrants stand, in their order.
    pub fn standings(&self) -> Vec<Standing> {
        self.lanes.iter().map(|lane| lane.standing).collect()
    }

    /// Number of the entrant that leads: of the highest score, the first of equals.
    pub fn leader(&self) -> usize {
        (0..self.lanes.len()).min_by(|a, b| self.rank(*a, *b)).unwrap_or(0)
    }

    /// Who of two entrants comes first: the one of the higher score, of equals the one with the lower number.
    fn rank(&self, a: usize, b: usize) -> Ordering {
        let score = |at: usize| self.lanes[at].standing.score;
        score(b).total_cmp(&score(a)).then(a.cmp(&b))
    }

    /// Trains everyone who runs for a pass, and gives up those who have fallen behind. Whether the race is over: then
    /// nobody runs, and the leader has won.
    pub fn step(&mut self, track: &Track, entrants: &[Entrant], tick: Tick) -> Result<bool, FitError> {
        let (started, count) = (Instant::now(), self.runners());
        let lanes = self.lanes.iter_mut().zip(entrants);
        let runners = lanes.flat_map(|(lane, entrant)| {
            let what = entrant.treatment.pass();
            lane.fits.iter_mut().map(move |(_, fit)| Runner { fit, what, judged: None })
        });
        let ended = run_passes(track, runners.collect(), tick).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(self.end_pass(track.valid, &ended, started.elapsed().as_secs_f64() / count as f64))
    }

    /// The trainings of everyone who runs, in the order of the entrants, for whoever has them trained for a pass.
    pub fn fits(&mut self) -> impl Iterator<Item = &mut Fit> {
        self.lanes.iter_mut().flat_map(|lane| lane.fits.iter_mut().map(|(_, fit)| fit))
    }

    /// Takes in what the pass of everyone who runs came to, which took so many seconds of each, and gives up those who have fallen
    /// behind. Whether the race is over. Logits that are kept are of the rows `valid`.
    pub fn end_pass(&mut self, valid: &Rows, ended: &[PassSummary], seconds: f64) -> bool {
        self.passes += 1;
        let mut ended = ended.iter();
        for number in 0..self.lanes.len() {
            let lane = &mut self.lanes[number];
            let summaries = ended.by_ref().take(lane.fits.len()).map(|summary| PassMetrics::new(summary, seconds));
            lane.history.extend(summaries.max_by(|a, b| a.auc().total_cmp(&b.auc())));
            let stopped = lane.judge(valid, self.keep);
            let leads = self.best_stopped.as_ref().is_none_or(|(best, _)| self.rank(number, *best).is_lt());
            if let Some(fit) = stopped.filter(|_| self.keep == Keep::Leader && leads) {
                self.best_stopped = Some((number, fit));
            }
        }
        if self.passes == self.next_cut {
            self.cut();
            self.next_cut *= 2;
        }
        self.runners() == 0
    }

    /// Gives up the worse half, of equals the later.
    fn cut(&mut self) {
        let mut order: Vec<usize> = (0..self.lanes.len()).filter(|at| !self.lanes[*at].standing.is_out).collect();
        let stay = order.len().div_ceil(2).max(LAST_RUNNERS);
        order.sort_by(|a, b| self.rank(*a, *b));
        for at in order.into_iter().skip(stay) {
            self.lanes[at].standing.is_out = true;
            self.lanes[at].fits.clear();
        }
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let mut lanes = Vec::with_capacity(self.lanes.len());
        for (at, Lane { standing, logits, history, fits, best }) in self.lanes.iter().enumerate() {
            for (number, logits) in logits.iter().enumerate() {
                file.put_values(format!("{prefix}{at}/{number}/logits"), &[logits.len()], logits);
            }
            let save =
                |(number, fit): &(usize, Fit)| Ok((*number, fit.save(&format!("{prefix}{at}/{number}/"), file)?));
            let fits = fits.iter().map(save).collect::<Result<_, WeightsError>>()?;
            let judged = logits.iter().map(Vec::len).collect();
            lanes.push(SavedLane { standing: *standing, judged, history: history.clone(), fits, best: best.clone() });
        }
        let best_stopped = match &self.best_stopped {
            Some((number, fit)) => Some((*number, fit.save(&format!("{prefix}stopped/"), file)?)),
            None => None,
        };
        let Self { keep, passes, next_cut, .. } = *self;
        Ok(serde_json::to_value(Saved { keep, lanes, passes, next_cut, best_stopped })?)
    }

    /// Takes up a saved race of the same entrants.
    pub fn load(
        track: &Track,
        entrants: &[Entrant],
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, SelectError> {
        let Saved { keep, lanes: saved, passes, next_cut, best_stopped } =
            serde_json::from_value(state).map_err(WeightsError::from)?;
        let load_fit = |entrant: &Entrant, prefix: &str, state| {
            Fit::load(track.engine, track.config, entrant.options, prefix, file, state)
        };
        let mut lanes = Vec::with_capacity(saved.len());
        for (at, (saved, entrant)) in saved.into_iter().zip(entrants).enumerate() {
            let SavedLane { standing, judged, history, fits, best } = saved;
            let load = |(number, state)| Ok((number, load_fit(entrant, &format!("{prefix}{at}/{number}/"), state)?));
            let logits =
                |(number, rows): (usize, usize)| file.values(&format!("{prefix}{at}/{number}/logits"), &[rows]);
            lanes.push(Lane {
                standing,
                logits: judged.into_iter().enumerate().map(logits).collect::<Result<_, _>>()?,
                history,
                fits: fits.into_iter().map(load).collect::<Result<_, WeightsError>>()?,
                best,
            });
        }
        let stopped = |(number, state): (usize, Value)| {
            let entrant = entrants.get(number).ok_or_else(|| WeightsError::Missing("entrant of a race".to_owned()))?;
            Ok::<_, WeightsError>((number, load_fit(entrant, &format!("{prefix}stopped/"), state)?))
        };
        Ok(Self { keep, lanes, passes, next_cut, best_stopped: best_stopped.map(stopped).transpose()? })
    }
}

impl Lane {
    /// Takes in the pass that its models were just trained for; those that have stopped leave, the last of them to the caller.
    fn judge(&mut self, valid: &Rows, keep: Keep) -> Option<Fit> {
        for (number, fit) in &mut self.fits {
            self.best[*number] = fit.best_auc(0);
            self.standing.passes = self.standing.passes.max(fit.passes());
            if keep == Keep::Logits && fit.is_done() {
                fit.finish();
                self.logits[*number] = fit.model.predict(valid);
            }
        }
        self.standing.score = self.best.iter().sum::<f64>() / self.best.len() as f64;
        self.fits.extract_if(.., |(_, fit)| fit.is_done()).last().map(|(_, fit)| fit)
    }
}
