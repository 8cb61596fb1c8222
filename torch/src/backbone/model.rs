//! A recommender model and its optimiser on libtorch, as the training routine uses them.

use super::feed::{Feed, on_device};
use super::step::train_batch;
use super::{Adam, Backbone, Gradients, Pass, bce, predict, train_step};
use crate::host::{to_host, to_host_at_once};
use autodenoise::backbone::{
    BackboneConfig, Model, ModelKey, OptimizerConfig, Picked, Recorded, Rows, Seen, SeenBatch, TensorFile, Tick,
    TrainPass, WeightsError,
};
use autodenoise::random::Stream;
use tch::{Device, Kind, Tensor};

pub struct TorchModel {
    pub backbone: Backbone,
    pub optimizer: Adam,
    device: Device,
}

impl TorchModel {
    pub fn new(config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig, device: Device) -> Self {
        let backbone = Backbone::new(config, keys, device);
        let optimizer = Adam::new(optimizer, &backbone.params);
        Self { backbone, optimizer, device }
    }
}

impl Model for TorchModel {
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen {
        let mut feed = Feed::new(pass, self.device);
        let replicas = self.backbone.replicas();
        let logits = stacked(replicas, pass.len(), self.device);
        let losses = pass.record.map(|_| stacked(replicas, pass.len(), self.device));
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
                let streams = pass.keys.iter().map(|key| key.dropout(pass.number, number as u32)).collect();
                let (loss, mode) = (pass.loss_of(number), Pass::train(streams));
                let step = train_batch(&self.backbone, &mut self.optimizer, &batch, loss, mode, &active);
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
        match losses {
            None => Seen { logits: to_host(&logits), losses: None },
            Some(losses) => {
                let [logits, losses] = to_host_at_once([&logits, &losses]);
                Seen { logits, losses: Some(losses) }
            }
        }
    }

    fn predict(&mut self, rows: &Rows) -> Vec<f32> {
        to_host(&predict(&self.backbone, &on_device(rows, self.device).ids))
    }

    fn evaluate_batch(&mut self, rows: &Rows, picked: Picked) -> Vec<f32> {
        let (ids, labels) = on_device(rows, self.device).pick(picked);
        to_host(&tch::no_grad(|| bce(&self.backbone.forward(&ids, &mut Pass::eval()), &labels)))
    }

    fn rehearse_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> Vec<f32> {
        let (ids, labels) = on_device(rows, self.device).pick(picked);
        let mut pass = Pass::train(vec![dropout]);
        pass.update_stats = false;
        to_host(&tch::no_grad(|| bce(&self.backbone.forward(&ids, &mut pass), &labels)))
    }

    fn train_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> SeenBatch {
        let (ids, labels) = on_device(rows, self.device).pick(picked);
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

fn stacked(replicas: usize, rows: usize, device: Device) -> Tensor {
    let size = if replicas == 1 { vec![rows as i64] } else { vec![replicas as i64, rows as i64] };
    Tensor::zeros(size, (Kind::Float, device))
}
