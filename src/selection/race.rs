//! A race: several ways to train are tried at once, and those that fall behind on the validation rows are given up early
//! (successive halving; Jamieson and Talwalkar, "Non-stochastic best arm identification", AISTATS 2016). All start; after
//! [`FIRST_CUT`] passes the worse half goes, and again each time that as many passes are done as before; the last
//! [`LAST_RUNNERS`] are trained to early stopping.
//!
//! A step is a pass of everyone who still runs. On an engine that gains by it they run side by side; what comes of it does
//! not depend on that.

use super::{SelectError, Treatment};
use crate::backbone::{
    Fit, FitError, FitOptions, ModelKey, Rows, Runner, TensorFile, Tick, Track, WeightsError, run_passes,
};
use crate::types::{FIRST_CUT, LAST_RUNNERS, TuningGrid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A way to train: with which options, and on what. It has the same place in every call.
#[derive(Clone)]
pub struct Entrant<'e> {
    pub options: FitOptions,
    /// The streams of its models, one model each; it is judged by their mean.
    pub keys: Vec<ModelKey>,
    pub treatment: Treatment<'e>,
}

impl<'e> Entrant<'e> {
    /// One for each setting of a grid, with a model each. Best weights are not kept: whoever wins is trained again.
    pub fn of_grid(grid: &TuningGrid, options: FitOptions, key: ModelKey, treatment: Treatment<'e>) -> Vec<Self> {
        let entrant = |weight_decay: &f64| Self {
            options: FitOptions { restore_best: false, ..options.tuned(*weight_decay, grid.patience) },
            keys: vec![key],
            treatment,
        };
        grid.weight_decay.iter().map(entrant).collect()
    }
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
    lanes: Vec<Lane>,
    /// Passes done by those who run.
    passes: u32,
    /// Passes after which the next are given up.
    next_cut: u32,
}

struct Lane {
    standing: Standing,
    /// `[keys][V]`: the logits of the validation rows at each model's best pass, of models that have stopped; kept where they
    /// were asked for.
    logits: Option<Vec<Vec<f32>>>,
    /// Models that are still trained, each with its number among the entrant's keys.
    fits: Vec<(usize, Fit)>,
    /// `[keys]`: the best AUC of each.
    best: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    lanes: Vec<SavedLane>,
    passes: u32,
    next_cut: u32,
}

#[derive(Serialize, Deserialize)]
struct SavedLane {
    standing: Standing,
    /// Rows of each model's logits, where they are kept.
    #[serde(default)]
    judged: Option<Vec<usize>>,
    fits: Vec<(usize, Value)>,
    best: Vec<f64>,
}

impl Race {
    pub fn new(track: &Track, entrants: &[Entrant]) -> Self {
        let fresh = |entrant: &Entrant, key: &ModelKey| Fit::new(track.engine, track.config, &[*key], entrant.options);
        let lane = |entrant: &Entrant| Lane {
            standing: Standing { passes: 0, score: 0.0, is_out: false },
            logits: None,
            fits: entrant.keys.iter().map(|key| fresh(entrant, key)).enumerate().collect(),
            best: vec![0.0; entrant.keys.len()],
        };
        Self { lanes: entrants.iter().map(lane).collect(), passes: 0, next_cut: FIRST_CUT }
    }

    /// The same, to be asked for logits when it is over; entrants must restore their best weights.
    pub fn keeping_logits(track: &Track, entrants: &[Entrant]) -> Self {
        let mut race = Self::new(track, entrants);
        for lane in &mut race.lanes {
            lane.logits = Some(vec![Vec::new(); lane.best.len()]);
        }
        race
    }

    /// `[keys][V]`: an entrant's logits of the validation rows, where they were kept; empty for models that were given up.
    pub fn logits(&self, entrant: usize) -> &[Vec<f32>] {
        self.lanes[entrant].logits.as_deref().unwrap_or_default()
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
        let score = |at: &usize| self.lanes[*at].standing.score;
        let better = |best: usize, at: usize| if score(&at) > score(&best) { at } else { best };
        (1..self.lanes.len()).fold(0, better)
    }

    /// Trains everyone who runs for a pass, and gives up those who have fallen behind. Whether the race is over: then
    /// nobody runs, and the leader has won.
    pub fn step(&mut self, track: &Track, entrants: &[Entrant], tick: Tick) -> Result<bool, FitError> {
        let lanes = self.lanes.iter_mut().zip(entrants);
        let runners = lanes.flat_map(|(lane, entrant)| {
            let what = entrant.treatment.pass();
            lane.fits.iter_mut().map(move |(_, fit)| Runner { fit, what, judged: None })
        });
        run_passes(track, runners.collect(), tick).into_iter().try_for_each(|ended| ended.map(drop))?;
        Ok(self.end_pass(track.valid))
    }

    /// The trainings of everyone who runs, in the order of the entrants, for whoever has them trained for a pass.
    pub fn fits(&mut self) -> impl Iterator<Item = &mut Fit> {
        self.lanes.iter_mut().flat_map(|lane| lane.fits.iter_mut().map(|(_, fit)| fit))
    }

    /// Takes in the pass that everyone who runs was trained for, and gives up those who have fallen behind. Whether the race is
    /// over. Logits that are kept are of the rows `valid`.
    pub fn end_pass(&mut self, valid: &Rows) -> bool {
        self.passes += 1;
        for lane in &mut self.lanes {
            lane.judge(valid);
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
        order.sort_by(|a, b| self.lanes[*b].standing.score.total_cmp(&self.lanes[*a].standing.score).then(a.cmp(b)));
        for at in order.into_iter().skip(stay) {
            self.lanes[at].standing.is_out = true;
            self.lanes[at].fits.clear();
        }
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let mut lanes = Vec::with_capacity(self.lanes.len());
        for (at, Lane { standing, logits, fits, best }) in self.lanes.iter().enumerate() {
            for (number, logits) in logits.iter().flatten().enumerate() {
                file.put_values(format!("{prefix}{at}/{number}/logits"), &[logits.len()], logits);
            }
            let judged = logits.as_ref().map(|logits| logits.iter().map(Vec::len).collect());
            let save =
                |(number, fit): &(usize, Fit)| Ok((*number, fit.save(&format!("{prefix}{at}/{number}/"), file)?));
            let fits = fits.iter().map(save).collect::<Result<_, WeightsError>>()?;
            lanes.push(SavedLane { standing: *standing, judged, fits, best: best.clone() });
        }
        Ok(serde_json::to_value(Saved { lanes, passes: self.passes, next_cut: self.next_cut })?)
    }

    /// Takes up a saved race of the same entrants.
    pub fn load(
        track: &Track,
        entrants: &[Entrant],
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, SelectError> {
        let saved: Saved = serde_json::from_value(state).map_err(WeightsError::from)?;
        let mut lanes = Vec::with_capacity(saved.lanes.len());
        for (at, (saved, entrant)) in saved.lanes.into_iter().zip(entrants).enumerate() {
            let SavedLane { standing, judged, fits, best } = saved;
            let load = |(number, state)| {
                let prefix = format!("{prefix}{at}/{number}/");
                Ok((number, Fit::load(track.engine, track.config, entrant.options, &prefix, file, state)?))
            };
            let logits =
                |(number, rows): (usize, usize)| file.values(&format!("{prefix}{at}/{number}/logits"), &[rows]);
            let logits = judged.map(|rows| rows.into_iter().enumerate().map(logits).collect::<Result<_, _>>());
            let logits = logits.transpose()?;
            lanes.push(Lane {
                standing,
                logits,
                fits: fits.into_iter().map(load).collect::<Result<_, WeightsError>>()?,
                best,
            });
        }
        Ok(Self { lanes, passes: saved.passes, next_cut: saved.next_cut })
    }
}

impl Lane {
    /// Takes in the pass that its models were just trained for; those that have stopped leave.
    fn judge(&mut self, valid: &Rows) {
        for (number, fit) in &mut self.fits {
            self.best[*number] = fit.best_auc(0);
            self.standing.passes = self.standing.passes.max(fit.passes());
            if let Some(logits) = self.logits.as_mut().filter(|_| fit.is_done()) {
                fit.finish();
                logits[*number] = fit.model.predict(valid);
            }
        }
        self.standing.score = self.best.iter().sum::<f64>() / self.best.len() as f64;
        self.fits.retain(|(_, fit)| !fit.is_done());
    }
}
