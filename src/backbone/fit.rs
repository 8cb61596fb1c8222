//! The one training routine, one pass at a time: warm-up rows, retrains and the full-data arm all run through it.
//!
//! Between passes a `Fit` can be saved and taken up again; with the streams of `random` the rest of the run is then the
//! same bit for bit on a CPU.

use super::data::order;
use super::{
    BackboneConfig, Engine, FitError, Measure, Measured, Model, ModelKey, OptimizerConfig, Recorded, Rows, Stopper,
    TensorFile, Tick, TrainPass, TrainingLoss, WeightsError,
};
use crate::random::Stream;
use crate::types::{AucOn, Metrics, Options};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    pub batch_size: usize,
    pub max_passes: u32,
    pub patience: u32,
    pub shuffle: bool,
    pub restore_best: bool,
    pub optimizer: OptimizerConfig,
    pub loss: TrainingLoss,
    pub auc_on: AucOn,
    pub logloss_eps: f64,
}

impl FitOptions {
    /// The retrain of a validation phase and of the full-data arm.
    pub fn retrain(options: &Options) -> Self {
        Self {
            batch_size: options.batch_size as usize,
            max_passes: options.retrain_max_epoch,
            patience: options.patience,
            shuffle: options.retrain_shuffle,
            restore_best: options.restore_best,
            optimizer: OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay },
            loss: TrainingLoss::Bce,
            auc_on: options.auc_on,
            logloss_eps: options.logloss_eps,
        }
    }

    /// One row of the warm-up: a fixed number of passes in the fixed order.
    pub fn warmup(options: &Options) -> Self {
        Self {
            max_passes: options.warmup_passes_per_row,
            patience: u32::MAX,
            shuffle: false,
            restore_best: false,
            ..Self::retrain(options)
        }
    }
}

impl FitOptions {
    /// How the fit's predictions are measured.
    pub(super) fn measure(&self) -> Measure {
        Measure { auc_on: self.auc_on, logloss_eps: self.logloss_eps }
    }

    /// The same with a setting that was chosen on validation rows, for which the best weights are kept.
    pub fn tuned(self, weight_decay: f64, patience: u32) -> Self {
        let optimizer = OptimizerConfig { weight_decay, ..self.optimizer };
        Self { optimizer, patience, restore_best: true, ..self }
    }
}

/// What a pass runs over.
#[derive(Clone, Copy, Default)]
pub struct PassOptions<'a> {
    /// Positions of the rows to train on, ascending. Absent: all.
    pub subset: Option<&'a [u32]>,
    /// `[R, N]`: a weight for each row and replica; 0 leaves the row out.
    pub weights: Option<&'a [f32]>,
    /// `[N]`: the probability that each row's label is 1, which models are trained on. Absent: the labels.
    pub targets: Option<&'a [f32]>,
    /// For passes over all rows in their order.
    pub record: Option<Recorded>,
}

impl PassOptions<'_> {
    /// The share of so many rows that the pass runs over.
    pub fn share_of(&self, rows: usize) -> f64 {
        self.subset.map_or(1.0, |subset| subset.len() as f64 / rows as f64)
    }
}

/// What a pass came to, a replica.
pub struct PassSummary {
    /// Of the predictions made on the way; none for a replica that has stopped.
    pub train: Vec<Option<Metrics>>,
    pub valid: Vec<Option<Metrics>>,
    /// `[R, N]`, where asked for.
    pub losses: Option<Vec<f32>>,
}

/// The pass whose weights a finished fit has, and how it did on the validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    pub pass: u32,
    pub valid: Metrics,
}

/// A training run between two passes.
pub struct Fit {
    pub model: Box<dyn Model>,
    pub(super) options: FitOptions,
    state: State,
    /// Each replica's weights at its best pass.
    best: Option<TensorFile>,
}

/// What a checkpoint holds beside tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    keys: Vec<ModelKey>,
    /// Passes done.
    pass: u32,
    stoppers: Vec<Stopper>,
    best: Vec<Option<Chosen>>,
    last: Vec<Option<Chosen>>,
}

impl Fit {
    /// Fresh models, one a key. Batches are shared, so their order is the first key's.
    pub fn new(engine: &dyn Engine, config: &BackboneConfig, keys: &[ModelKey], options: FitOptions) -> Self {
        let model = engine.model(config, keys, options.optimizer);
        let state = State {
            keys: keys.to_vec(),
            pass: 0,
            stoppers: vec![Stopper::new(options.patience); keys.len()],
            best: vec![None; keys.len()],
            last: vec![None; keys.len()],
        };
        Self { model, options, state, best: None }
    }

    /// Passes done.
    pub fn passes(&self) -> u32 {
        self.state.pass
    }

    /// Replicas that are still trained.
    pub fn active(&self) -> Vec<bool> {
        let more = self.state.pass < self.options.max_passes;
        self.state.stoppers.iter().map(|stopper| more && !stopper.stopped()).collect()
    }

    /// The best AUC of a replica on the validation rows so far; 0 before the first pass.
    pub fn best_auc(&self, replica: usize) -> f64 {
        self.state.best[replica].and_then(|best| best.valid.auc).unwrap_or(0.0)
    }

    pub fn is_done(&self) -> bool {
        !self.active().contains(&true)
    }

    /// Trains one pass, then judges the model on the validation rows.
    pub fn run_pass(
        &mut self,
        rows: &Rows,
        valid: &Rows,
        what: &PassOptions,
        tick: Tick,
    ) -> Result<PassSummary, FitError> {
        let active = self.active();
        let mut summary = self.train(rows, what, &active, tick)?;
        self.end_pass();
        summary.valid = self.judge(valid, &active)?;
        Ok(summary)
    }

    /// Counts a pass.
    pub(super) fn end_pass(&mut self) {
        self.state.pass += 1;
    }

    fn train(&mut self, rows: &Rows, what: &PassOptions, active: &[bool], tick: Tick) -> Result<PassSummary, FitError> {
        let order = order(rows.len(), what.subset, self.next_shuffle());
        let how = self.options.measure();
        let (model, pass) = self.next_pass(rows, order.as_deref(), what, active);
        let Measured { train, losses } = model.train_measured(&pass, how, tick)?;
        Ok(PassSummary { train, valid: Vec::new(), losses })
    }

    /// The stream that the next pass is shuffled by; none where rows keep their order.
    pub(super) fn next_shuffle(&self) -> Option<Stream> {
        self.options.shuffle.then(|| self.state.keys[0].shuffle(self.state.pass))
    }

    /// The model and what its next pass is, in this order.
    pub(super) fn next_pass<'p>(
        &'p mut self,
        rows: &'p Rows<'p>,
        order: Option<&'p [u32]>,
        what: &PassOptions<'p>,
        active: &'p [bool],
    ) -> (&'p mut (dyn Model + 'static), TrainPass<'p>) {
        let (number, batch_size) = (self.state.pass, self.options.batch_size);
        let batches = order.map_or(rows.len(), <[u32]>::len).div_ceil(batch_size);
        let pass = TrainPass {
            rows,
            order,
            weights: what.weights,
            targets: what.targets,
            batch_size,
            loss: self.options.loss,
            // All passes of a fit have as many batches.
            first_batch: u64::from(number) * batches as u64,
            keys: &self.state.keys,
            number,
            active,
            record: what.record,
        };
        (&mut *self.model, pass)
    }

    /// Scores the validation rows.
    fn judge(&mut self, valid: &Rows, active: &[bool]) -> Result<Vec<Option<Metrics>>, FitError> {
        let metrics = self.model.measure(valid, self.options.measure())?;
        self.take_in(metrics, active)
    }

    /// Takes in a pass and how the replicas did on the validation rows after it: advances early stopping, keeps the best
    /// weights.
    pub(super) fn take_in(&mut self, metrics: Vec<Metrics>, active: &[bool]) -> Result<Vec<Option<Metrics>>, FitError> {
        let mut all = vec![None; active.len()];
        for (r, metrics) in metrics.into_iter().enumerate().filter(|(r, _)| active[*r]) {
            let auc = metrics.auc.ok_or(FitError::OneClass)?;
            let chosen = Chosen { pass: self.state.pass, valid: metrics };
            self.state.last[r] = Some(chosen);
            if self.state.stoppers[r].improves(auc) {
                self.state.best[r] = Some(chosen);
                if self.options.restore_best {
                    let now = self.model.weights();
                    match &mut self.best {
                        None => self.best = Some(now),
                        Some(best) => best.copy_replica(&now, r, active.len()),
                    }
                }
            }
            all[r] = Some(metrics);
        }
        Ok(all)
    }

    /// Ends the run: the model gets the weights of its best pass where `restore_best` says so, and each replica's chosen
    /// pass is returned. A replica that never scored above 0 keeps its last weights.
    pub fn finish(&mut self) -> Vec<Chosen> {
        let chosen = self.state.last.iter().zip(&self.state.best).map(|(last, best)| match best {
            Some(best) if self.options.restore_best => *best,
            _ => last.expect("at least one pass was run"),
        });
        let chosen = chosen.collect();
        if let Some(best) = &self.best {
            let mut whole = self.model.weights();
            for (r, _) in self.state.best.iter().enumerate().filter(|(_, best)| best.is_some()) {
                whole.copy_replica(best, r, self.state.keys.len());
            }
            self.model.load_weights(&whole).expect("weights of this very model");
        }
        chosen
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, WeightsError> {
        file.put_all(&format!("{prefix}model/"), &self.model.weights());
        file.put_all(&format!("{prefix}optimizer/"), &self.model.optimizer_state());
        if let Some(best) = &self.best {
            file.put_all(&format!("{prefix}best/"), best);
        }
        Ok(serde_json::to_value(&self.state)?)
    }

    /// Takes up a saved run. `state` is what `save` returned.
    pub fn load(
        engine: &dyn Engine,
        config: &BackboneConfig,
        options: FitOptions,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<Self, WeightsError> {
        let state: State = serde_json::from_value(state)?;
        let mut fit = Self::new(engine, config, &state.keys, options);
        fit.model.load_weights(&file.below(&format!("{prefix}model/")))?;
        fit.model.load_optimizer_state(&file.below(&format!("{prefix}optimizer/")))?;
        if options.restore_best && state.best.iter().any(Option::is_some) {
            let best = file.below(&format!("{prefix}best/"));
            best.check_like(&fit.model.weights())?;
            fit.best = Some(best);
        }
        fit.state = state;
        Ok(fit)
    }
}

/// Each replica's metrics over the rows, in evaluation mode.
pub fn evaluate(model: &mut dyn Model, rows: &Rows, auc_on: AucOn, eps: f64) -> Result<Vec<Metrics>, FitError> {
    model.measure(rows, Measure { auc_on, logloss_eps: eps })
}
