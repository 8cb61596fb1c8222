//! The one training routine, one pass at a time: warm-up rows, retrains and the full-data arm all run through it.
//!
//! Between passes a `Fit` can be saved and taken up again; with the streams of `random` the rest of the run is then the
//! same bit for bit on a CPU.

use super::data::Feed;
use super::{
    Adam, Backbone, BackboneConfig, ModelKey, OptimizerConfig, Pass, Rows, Stopper, TensorFile, WeightsError, bce,
    predict, train_step,
};
use crate::metrics::{MetricsError, of_logits};
use crate::types::{AucOn, Metrics, Options};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error("the loss of batch {batch} is not a finite number; a smaller lr usually helps")]
    NotFinite { batch: usize },
    #[error("a prediction of the trained model is not a finite number; a smaller lr usually helps")]
    NotFinitePrediction,
    #[error(
        "all validation rows have the same label, so their AUC is undefined and no training can be judged; give the dataset a split with both labels"
    )]
    OneClass,
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Called after every batch; `false` ends the pass at once.
pub type Tick<'a> = &'a mut dyn FnMut() -> bool;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    pub batch_size: usize,
    pub max_passes: u32,
    pub patience: u32,
    pub shuffle: bool,
    pub restore_best: bool,
    pub optimizer: OptimizerConfig,
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

/// Which loss of every row a pass is to keep: spec section 6 row 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Of the update's own forward pass, before the update.
    Train,
    /// Of a forward pass in evaluation mode, before the update.
    Eval,
}

/// What a pass runs over.
#[derive(Default)]
pub struct PassOptions<'a> {
    /// Positions of the rows to train on, ascending. Absent: all.
    pub subset: Option<&'a [u32]>,
    /// `[R, N]` (`[N]` for R = 1): a weight for each row and replica; 0 leaves the row out.
    pub weights: Option<&'a Tensor>,
    /// For passes over all rows in their order.
    pub record: Option<Recorded>,
}

/// What a pass came to, a replica.
pub struct PassSummary {
    /// Of the predictions made on the way; none for a replica that has stopped.
    pub train: Vec<Option<Metrics>>,
    pub valid: Vec<Option<Metrics>>,
    /// `[R, N]` (`[N]`), where asked for.
    pub losses: Option<Tensor>,
}

/// The pass whose weights a finished fit has, and how it did on the validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    pub pass: u32,
    pub valid: Metrics,
}

/// A training run between two passes.
pub struct Fit {
    pub model: Backbone,
    optimizer: Adam,
    options: FitOptions,
    state: State,
    /// Copy of each replica's tensors at its best pass.
    best: Option<Vec<Tensor>>,
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
    pub fn new(config: &BackboneConfig, keys: &[ModelKey], options: FitOptions, device: Device) -> Self {
        let model = Backbone::new(config, keys, device);
        let optimizer = Adam::new(options.optimizer, &model.params);
        let state = State {
            keys: keys.to_vec(),
            pass: 0,
            stoppers: vec![Stopper::new(options.patience); keys.len()],
            best: vec![None; keys.len()],
            last: vec![None; keys.len()],
        };
        Self { model, optimizer, options, state, best: None }
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
        self.state.pass += 1;
        summary.valid = self.judge(valid, &active)?;
        Ok(summary)
    }

    fn train(&mut self, rows: &Rows, what: &PassOptions, active: &[bool], tick: Tick) -> Result<PassSummary, FitError> {
        let pass = self.state.pass;
        let shuffle = self.options.shuffle.then(|| self.state.keys[0].shuffle(pass));
        let mut feed = Feed::new(rows, what.subset, shuffle, what.weights, self.options.batch_size);
        let replicas = self.model.replicas();
        let logits = stacked(replicas, feed.len(), rows.ids.device());
        let losses = what.record.map(|_| stacked(replicas, feed.len(), rows.ids.device()));
        for number in 0..feed.batches() {
            let batch = feed.batch(number);
            let len = batch.labels.size1().expect("labels are [B]");
            let keep = |into: &Tensor, values: &Tensor| {
                into.narrow(-1, (number * self.options.batch_size) as i64, len).copy_(values);
            };
            if let (Some(Recorded::Eval), Some(losses)) = (what.record, &losses) {
                tch::no_grad(|| keep(losses, &bce(&self.model.forward(&batch.ids, &mut Pass::eval()), &batch.labels)));
            }
            let active = trainable(active, &batch.weights, len);
            let (seen, own_losses) = if active.contains(&true) {
                let streams = self.state.keys.iter().map(|key| key.dropout(pass, number as u32)).collect();
                let step = train_step(
                    &self.model,
                    &mut self.optimizer,
                    &batch.ids,
                    &batch.labels,
                    batch.weights.as_ref(),
                    Pass::train(streams),
                    &active,
                );
                (step.logits, step.losses)
            } else {
                let seen = tch::no_grad(|| self.model.forward(&batch.ids, &mut Pass::eval()));
                let losses = bce(&seen, &batch.labels);
                (seen, losses)
            };
            keep(&logits, &seen);
            if let (Some(Recorded::Train), Some(losses)) = (what.record, &losses) {
                keep(losses, &own_losses);
            }
            if !tick() {
                return Err(FitError::Stopped);
            }
        }
        let train = self.train_metrics(&feed, &logits, what.weights, active)?;
        if let Some(losses) = &losses {
            first_not_finite(&to_host(losses), feed.len(), self.options.batch_size)?;
        }
        Ok(PassSummary { train, valid: Vec::new(), losses })
    }

    fn train_metrics(
        &self,
        feed: &Feed,
        logits: &Tensor,
        weights: Option<&Tensor>,
        active: &[bool],
    ) -> Result<Vec<Option<Metrics>>, FitError> {
        let (labels, logits) = (feed.labels(), to_host(logits));
        let weights = weights.map(|weights| to_host(&feed.in_order(weights)));
        let mut all = Vec::with_capacity(active.len());
        for (r, logits) in logits.chunks(feed.len().max(1)).enumerate() {
            if !active[r] {
                all.push(None);
                continue;
            }
            first_not_finite(logits, feed.len(), self.options.batch_size)?;
            let metrics = match &weights {
                None => of_logits(&labels, logits, self.options.auc_on, self.options.logloss_eps),
                Some(weights) => {
                    let weights = &weights[r * feed.len()..(r + 1) * feed.len()];
                    let kept = |i: &usize| weights[*i] > 0.0;
                    let labels: Vec<u8> = (0..feed.len()).filter(kept).map(|i| labels[i]).collect();
                    let logits: Vec<f32> = (0..feed.len()).filter(kept).map(|i| logits[i]).collect();
                    of_logits(&labels, &logits, self.options.auc_on, self.options.logloss_eps)
                }
            };
            all.push(Some(metrics?));
        }
        Ok(all)
    }

    /// Scores the validation rows, advances early stopping, keeps the best weights.
    fn judge(&mut self, valid: &Rows, active: &[bool]) -> Result<Vec<Option<Metrics>>, FitError> {
        let metrics = evaluate(&self.model, valid, self.options.auc_on, self.options.logloss_eps)?;
        let mut all = vec![None; active.len()];
        for (r, metrics) in metrics.into_iter().enumerate().filter(|(r, _)| active[*r]) {
            let auc = metrics.auc.ok_or(FitError::OneClass)?;
            let chosen = Chosen { pass: self.state.pass, valid: metrics };
            self.state.last[r] = Some(chosen);
            if self.state.stoppers[r].improves(auc) {
                self.state.best[r] = Some(chosen);
                if self.options.restore_best {
                    match &mut self.best {
                        None => self.best = Some(self.model.params.snapshot()),
                        Some(best) => self.model.params.snapshot_replica(best, r),
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
            let mut whole = self.model.params.snapshot();
            for (r, _) in self.state.best.iter().enumerate().filter(|(_, best)| best.is_some()) {
                copy_replica(best, &mut whole, r, self.state.keys.len());
            }
            self.model.params.restore(&whole);
        }
        chosen
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, FitError> {
        self.model.params.save(&format!("{prefix}model/"), file);
        self.optimizer.save(&format!("{prefix}optimizer/"), &self.model.params, file);
        if let Some(best) = &self.best {
            for ((name, _, _), tensor) in self.model.params.iter().zip(best) {
                file.put(format!("{prefix}best/{name}"), tensor);
            }
        }
        Ok(serde_json::to_value(&self.state).map_err(WeightsError::from)?)
    }

    /// Takes up a saved run. `state` is what `save` returned.
    pub fn load(
        config: &BackboneConfig,
        options: FitOptions,
        device: Device,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<Self, FitError> {
        let state: State = serde_json::from_value(state).map_err(WeightsError::from)?;
        let mut fit = Self::new(config, &state.keys, options, device);
        fit.model.params.load(&format!("{prefix}model/"), file)?;
        fit.optimizer.load(&format!("{prefix}optimizer/"), &fit.model.params, file)?;
        if options.restore_best && state.best.iter().any(Option::is_some) {
            let mut best = fit.model.params.snapshot();
            for ((name, _, tensor), best) in fit.model.params.iter().zip(&mut best) {
                best.copy_(&file.get_shaped(&format!("{prefix}best/{name}"), &tensor.size())?);
            }
            fit.best = Some(best);
        }
        fit.state = state;
        Ok(fit)
    }
}

/// Each replica's metrics over the rows, in evaluation mode.
pub fn evaluate(model: &Backbone, rows: &Rows, auc_on: AucOn, eps: f64) -> Result<Vec<Metrics>, FitError> {
    let logits = to_host(&predict(model, &rows.ids));
    if logits.iter().any(|z| !z.is_finite()) {
        return Err(FitError::NotFinitePrediction);
    }
    let metrics = logits.chunks(rows.len().max(1)).map(|logits| of_logits(&rows.label_bytes, logits, auc_on, eps));
    Ok(metrics.collect::<Result<_, _>>()?)
}

/// The replicas that a batch may train: active, and with two rows or more, because BatchNorm needs two.
fn trainable(active: &[bool], weights: &Option<Tensor>, rows: i64) -> Vec<bool> {
    let Some(weights) = weights else { return active.iter().map(|active| *active && rows >= 2).collect() };
    let counts = weights.gt(0.0).sum_dim_intlist(-1, false, Kind::Int64).reshape([-1]);
    let counts: Vec<i64> = Vec::try_from(counts).expect("one count a replica");
    active.iter().zip(counts).map(|(active, count)| *active && count >= 2).collect()
}

fn stacked(replicas: usize, rows: usize, device: Device) -> Tensor {
    let size = if replicas == 1 { vec![rows as i64] } else { vec![replicas as i64, rows as i64] };
    Tensor::zeros(size, (Kind::Float, device))
}

fn copy_replica(from: &[Tensor], to: &mut [Tensor], r: usize, replicas: usize) {
    for (from, to) in from.iter().zip(to) {
        if replicas == 1 {
            to.copy_(from);
        } else {
            to.get(r as i64).copy_(&from.get(r as i64));
        }
    }
}

/// All numbers of a float tensor, row by row.
pub(crate) fn to_host(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// Names the batch of the first value that is not finite. `values` are `rows` a replica.
pub(crate) fn first_not_finite(values: &[f32], rows: usize, batch_size: usize) -> Result<(), FitError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(FitError::NotFinite { batch: at % rows / batch_size + 1 }),
    }
}
