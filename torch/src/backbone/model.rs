//! A recommender model and its optimiser on libtorch, as the training routine uses them.

use super::feed::{Feed, on_device};
use super::step::train_batch;
use super::steps::{Now, Steps};
use super::{Adam, Backbone, BatchMasks, Gradients, Masks, Pass, bce, predict_rows, train_step};
use crate::host::{fetch, to_host, to_host_at_once};
use crate::metrics::{SUMS, metrics_of, sums_of_replicas};
use crate::place::Place;
use autodenoise::backbone::{
    BackboneConfig, FitError, Measure, Measured, Model, ModelKey, OptimizerConfig, Picked, Recorded, Rows, Seen,
    SeenBatch, TensorFile, Tick, TrainPass, WeightsError, first_not_finite,
};
use autodenoise::random::Stream;
use autodenoise::types::Metrics;
use tch::{Device, Kind, Tensor};

pub struct TorchModel {
    pub backbone: Backbone,
    pub optimizer: Adam,
    pub(super) config: BackboneConfig,
    pub(super) place: Place,
    steps: Steps,
}

impl TorchModel {
    pub fn new(
        config: &BackboneConfig,
        keys: &[ModelKey],
        optimizer: OptimizerConfig,
        place: impl Into<Place>,
    ) -> Self {
        let place = place.into();
        let backbone = Backbone::new(config, keys, place.device);
        let optimizer = Adam::new(optimizer, &backbone.params, place);
        Self { backbone, optimizer, config: config.clone(), place, steps: Steps::new(place) }
    }
}

/// What a pass saw, before each batch's update, in the order of the pass: `[.., n]` each, on the device.
struct SeenThere {
    logits: Tensor,
    losses: Option<Tensor>,
}

impl TorchModel {
    fn run_pass(&mut self, pass: &TrainPass, feed: &mut Feed, tick: Tick) -> SeenThere {
        let (replicas, device) = (self.backbone.replicas(), self.place.device);
        let logits = stacked(replicas, pass.len(), device);
        let losses = pass.record.map(|_| stacked(replicas, pass.len(), device));
        let masks = self.place.resident.then(|| {
            let (keys, number) = (pass.keys.to_vec(), pass.number);
            let streams = move |batch| keys.iter().map(|key| key.dropout(number, batch)).collect();
            Masks::new(pass.len().div_ceil(pass.batch_size), streams)
        });
        self.steps.begin_pass(&self.backbone, &self.optimizer);
        for (number, (first, len)) in pass.batches().enumerate() {
            let batch = feed.batch(number);
            let keep = |into: &Tensor, values: &Tensor| into.narrow(-1, first as i64, len as i64).copy_(values);
            if let (Some(Recorded::Eval), Some(losses)) = (pass.record, &losses) {
                tch::no_grad(|| {
                    keep(losses, &bce(&self.backbone.forward(&batch.ids, &mut Pass::eval()), batch.targets()));
                });
            }
            let active = trainable(pass.active, feed.counted(number), len);
            let (seen, own_losses) = if active.contains(&true) {
                let loss = pass.loss_of(number);
                let Self { backbone, optimizer, steps, .. } = self;
                let step = match &masks {
                    Some(masks) => {
                        let (masks, is_first) = (BatchMasks::drawn(masks, number), number == 0);
                        let now = Now { batch: &batch, loss, masks, is_first, active: &active };
                        steps.take(backbone, optimizer, &now)
                    }
                    None => {
                        let streams = pass.keys.iter().map(|key| key.dropout(pass.number, number as u32)).collect();
                        train_batch(backbone, optimizer, &batch, loss, Pass::train(streams), &active)
                    }
                };
                (step.logits, step.losses)
            } else {
                let seen = tch::no_grad(|| self.backbone.forward(&batch.ids, &mut Pass::eval()));
                let losses = bce(&seen, batch.targets());
                (seen, losses)
            };
            keep(&logits, &seen);
            if let (Some(Recorded::Train), Some(losses)) = (pass.record, &losses) {
                keep(losses, &own_losses);
            }
            tick();
        }
        SeenThere { logits, losses }
    }
}

impl Model for TorchModel {
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen {
        let SeenThere { logits, losses } = self.run_pass(pass, &mut Feed::new(pass, self.place), tick);
        match losses {
            None => Seen { logits: to_host(&logits), losses: None },
            Some(losses) => {
                let [logits, losses] = to_host_at_once([&logits, &losses]);
                Seen { logits, losses: Some(losses) }
            }
        }
    }

    fn train_measured(&mut self, pass: &TrainPass, how: Measure, tick: Tick) -> Result<Measured, FitError> {
        let (rows, replicas) = (pass.len(), pass.active.len());
        let mut feed = Feed::new(pass, self.place);
        // Where not even the ids have room there is none to sort predictions.
        if !self.place.resident || feed.streams() {
            return how.of_pass(pass, self.train(pass, tick));
        }
        let SeenThere { logits, losses } = self.run_pass(pass, &mut feed, tick);
        let (labels, counted) = feed.judged();
        let sums = sums_of_replicas(&logits, &labels, counted.as_ref(), how);
        let mut fetched = fetch(&[Some(&sums), losses.as_ref()].into_iter().flatten().collect::<Vec<_>>());
        let mut train = Vec::with_capacity(replicas);
        for (sums, active) in fetched.f64s(replicas * SUMS).chunks(SUMS).zip(pass.active) {
            if !active {
                train.push(None);
                continue;
            }
            let (not_finite, metrics) = metrics_of(sums, rows);
            if let Some(at) = not_finite {
                return Err(FitError::NotFinite { batch: at / pass.batch_size + 1 });
            }
            train.push(Some(metrics?));
        }
        let losses = losses.map(|_| fetched.f32s(replicas * rows));
        if let Some(losses) = &losses {
            first_not_finite(losses, rows, pass.batch_size)?;
        }
        Ok(Measured { train, losses })
    }

    fn measure(&mut self, rows: &Rows, how: Measure) -> Result<Vec<Metrics>, FitError> {
        let table = on_device(rows, self.place);
        if !self.place.resident || table.streams() {
            return how.of_predictions(rows, &self.predict(rows));
        }
        let sums = sums_of_replicas(&predict_rows(&self.backbone, table), table.labels(), None, how);
        let sums = fetch(&[&sums]).f64s(self.backbone.replicas() * SUMS);
        let each = sums.chunks(SUMS).map(|sums| match metrics_of(sums, rows.len()) {
            (Some(_), _) => Err(FitError::NotFinitePrediction),
            (None, metrics) => metrics,
        });
        each.collect()
    }

    fn predict(&mut self, rows: &Rows) -> Vec<f32> {
        to_host(&predict_rows(&self.backbone, on_device(rows, self.place)))
    }

    fn evaluate_batch(&mut self, rows: &Rows, picked: Picked) -> Vec<f32> {
        let (ids, labels) = on_device(rows, self.place).pick(picked);
        to_host(&tch::no_grad(|| bce(&self.backbone.forward(&ids, &mut Pass::eval()), &labels)))
    }

    fn rehearse_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> Vec<f32> {
        let (ids, labels) = on_device(rows, self.place).pick(picked);
        let mut pass = Pass::train(vec![dropout]);
        pass.update_stats = false;
        to_host(&tch::no_grad(|| bce(&self.backbone.forward(&ids, &mut pass), &labels)))
    }

    fn train_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> SeenBatch {
        let (ids, labels) = on_device(rows, self.place).pick(picked);
        let pass = Pass::train(vec![dropout]);
        let step = train_step(&self.backbone, &mut self.optimizer, &ids, &labels, None, pass, &[true]);
        let [logits, losses] = to_host_at_once([&step.logits, &step.losses]);
        SeenBatch { logits, losses }
    }

    fn step_at_rest(&mut self) {
        let params = &self.backbone.params;
        self.optimizer.step(params, Gradients::zero(params), &[true]);
    }

    fn weights(&self) -> TensorFile {
        self.backbone.params.save()
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        self.backbone.params.load(weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        self.optimizer.save(&self.backbone.params)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        self.optimizer.load(&self.backbone.params, state)
    }
}

/// The replicas that a batch may train: active, and with two rows or more that count, because BatchNorm needs two. Without
/// weights all `rows` do.
fn trainable(active: &[bool], counted: Option<Vec<usize>>, rows: usize) -> Vec<bool> {
    let counted = counted.unwrap_or_else(|| vec![rows; active.len()]);
    active.iter().zip(counted).map(|(active, counted)| *active && counted >= 2).collect()
}

pub(super) fn stacked(replicas: usize, rows: usize, device: Device) -> Tensor {
    let size = if replicas == 1 { vec![rows as i64] } else { vec![replicas as i64, rows as i64] };
    Tensor::zeros(size, (Kind::Float, device))
}
