//! The fused models as the training routine uses them: R replicas are R models, worked on side by side.

use super::loss::{losses, losses_and_gradients};
use super::model::{Batch, Design, Network, Source};
use super::params::Kind;
use super::policy::FusedPolicy;
use super::state::{load, load_optimizer_state, optimizer_state, save};
use super::tower::TowerDesign;
use crate::backbone::team::alone;
use crate::backbone::{
    BackboneConfig, BatchLoss, Engine, Model, ModelKey, OptimizerConfig, Picked, Policy, PolicyConfig, Recorded, Rows,
    Seen, SeenBatch, TensorFile, Tick, TrainPass, WeightsError,
};
use crate::random::Stream;
use crate::simd::Isa;
use crate::types::{BackboneKind, Optimizer};
use rayon::prelude::*;

/// What a backbone is composed of (spec `backbones.md`, section 2), if this engine has it.
pub fn design(config: &BackboneConfig) -> Option<Design> {
    let options = &config.options;
    let hidden = options.mlp_dims.iter().map(|dim| *dim as usize).collect();
    let tower = TowerDesign { hidden, outputs: 1, dropout: options.dropout, batch_norm: true };
    let bare = Design::bare(config.ranges.clone(), options.embed_dim as usize);
    Some(match config.kind {
        BackboneKind::Fm => Design { first_order: true, pairwise: true, ..bare },
        BackboneKind::WideDeep => Design { first_order: true, tower: Some(tower), ..bare },
        BackboneKind::DeepFm => Design { first_order: true, pairwise: true, tower: Some(tower), ..bare },
        BackboneKind::Dcn => Design { cross: Some(options.cross_layers as usize), tower: Some(tower), ..bare },
        BackboneKind::Ipnn => Design { products: true, tower: Some(tower), ..bare },
        _ => return None,
    })
}

/// The engine.
#[derive(Debug)]
pub struct Fused;

impl Engine for Fused {
    fn describe(&self) -> String {
        format!("fused, {}", Isa::detect().name())
    }

    fn device_name(&self) -> String {
        "cpu".to_owned()
    }

    fn model(&self, config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Box<dyn Model> {
        Box::new(FusedModel::new(config, keys, optimizer))
    }

    fn policy(&self, config: &PolicyConfig, key: ModelKey) -> Box<dyn Policy> {
        Box::new(FusedPolicy::new(config, key))
    }

    fn most_side_by_side(&self, threads: usize) -> usize {
        threads
    }

    fn trains_in_parallel(&self) -> bool {
        true
    }
}

pub struct FusedModel {
    replicas: Vec<Network>,
    optimizer: OptimizerConfig,
}

impl FusedModel {
    pub fn new(config: &BackboneConfig, keys: &[ModelKey], optimizer: OptimizerConfig) -> Self {
        let design = design(config).expect("`Engines` gives a backbone an engine that has it");
        let model = |key| {
            let mut model = Network::new(design.clone(), key);
            if optimizer.kind == Optimizer::LazyAdam {
                model.track_touched();
            }
            model
        };
        Self { replicas: keys.iter().map(model).collect(), optimizer }
    }

    /// The network of R = 1.
    fn single(&mut self) -> &mut Network {
        &mut self.replicas[0]
    }
}

impl<'a> Source<'a> {
    pub fn new(rows: &Rows<'a>) -> Self {
        Self { ids: rows.ids, labels: rows.labels, targets: None, fields: rows.fields, label_field: None }
    }

    /// What the rows of a batch are trained on.
    fn targets_of(&self, picked: Picked) -> Vec<f32> {
        picked.positions().map(|position| self.target(position)).collect()
    }
}

/// One replica's share of a pass.
struct Part<'a> {
    model: &'a mut Network,
    key: ModelKey,
    active: bool,
    weights: Option<&'a [f32]>,
    logits: &'a mut [f32],
    losses: Option<&'a mut [f32]>,
}

impl Model for FusedModel {
    fn train(&mut self, pass: &TrainPass, tick: Tick) -> Seen {
        let (n, replicas) = (pass.len(), self.replicas.len());
        let mut logits = vec![0.0; n * replicas];
        let mut recorded = pass.record.map(|_| vec![0.0; n * replicas]);
        let mut losses = recorded.as_mut().map(|losses| losses.chunks_mut(n.max(1)));
        let mut parts: Vec<Part> = Vec::with_capacity(replicas);
        for (r, (model, logits)) in self.replicas.iter_mut().zip(logits.chunks_mut(n.max(1))).enumerate() {
            parts.push(Part {
                model,
                key: pass.keys[r],
                active: pass.active[r],
                weights: pass.weights.map(|weights| &weights[r * pass.rows.len()..][..pass.rows.len()]),
                logits,
                losses: losses.as_mut().and_then(Iterator::next),
            });
        }
        // Where there are threads for all, none is left over to help another.
        let have_threads =
            parts.len() > 1 && parts.iter().filter(|part| part.active).count() >= rayon::current_num_threads();
        let source = Source { targets: pass.targets, ..Source::new(pass.rows) };
        for (number, (first, len)) in pass.batches().enumerate() {
            let picked = match pass.order {
                None => Picked::From(first, len),
                Some(order) => Picked::Positions(&order[first..first + len]),
            };
            let loss = pass.loss_of(number);
            let at = At { source, picked, first, pass: pass.number, batch: number as u32, loss, record: pass.record };
            match &mut parts[..] {
                [one] => one.train(&at, &self.optimizer),
                several => {
                    several.par_iter_mut().for_each(|part| alone(have_threads, || part.train(&at, &self.optimizer)))
                }
            }
            tick();
        }
        Seen { logits, losses: recorded }
    }

    fn predict(&mut self, rows: &Rows) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.replicas.len()];
        for (model, out) in self.replicas.iter_mut().zip(out.chunks_mut(rows.len().max(1))) {
            model.predict(Source::new(rows), Picked::From(0, rows.len()), out);
        }
        out
    }

    fn evaluate_batch(&mut self, rows: &Rows, picked: Picked) -> Vec<f32> {
        let network = self.single();
        let (mut logits, mut out) = (vec![0.0; picked.len()], vec![0.0; picked.len()]);
        network.predict(Source::new(rows), picked, &mut logits);
        losses(network.isa(), &logits, &picked.labels(rows.labels), &mut out);
        out
    }

    fn rehearse_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> Vec<f32> {
        let network = self.single();
        network.forward(Batch { source: Source::new(rows), picked, weights: None }, Some(dropout), false);
        let mut out = vec![0.0; picked.len()];
        for chunk in network.chunks() {
            let out = &mut out[chunk.first..][..chunk.rows];
            losses(network.isa(), &chunk.z[..chunk.rows], &chunk.labels[..chunk.rows], out);
        }
        out
    }

    fn train_batch(&mut self, rows: &Rows, picked: Picked, dropout: Stream) -> SeenBatch {
        let optimizer = self.optimizer;
        let network = self.single();
        let (isa, total) = (network.isa(), picked.len() as f32);
        network.forward(Batch { source: Source::new(rows), picked, weights: None }, Some(dropout), true);
        network.backward(|chunk| cross_entropy(isa, total, chunk));
        let mut seen = SeenBatch { logits: Vec::with_capacity(picked.len()), losses: Vec::with_capacity(picked.len()) };
        for chunk in network.chunks() {
            seen.logits.extend_from_slice(&chunk.z[..chunk.rows]);
            seen.losses.extend_from_slice(&chunk.losses[..chunk.rows]);
        }
        network.step(&optimizer);
        seen
    }

    fn step_at_rest(&mut self) {
        let optimizer = self.optimizer;
        self.single().step_at_rest(&optimizer);
    }

    fn weights(&self) -> TensorFile {
        let mut file = TensorFile::new();
        save(&self.replicas, "", Kind::Value, &mut file);
        file
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        load(&mut self.replicas, "", Kind::Value, weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        optimizer_state(&self.replicas)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        load_optimizer_state(&mut self.replicas, state)
    }
}

/// A batch of a pass.
struct At<'a> {
    source: Source<'a>,
    picked: Picked<'a>,
    /// Place of its first row in the pass.
    first: usize,
    /// Numbers of the pass and of the batch in it.
    pass: u32,
    batch: u32,
    loss: BatchLoss,
    record: Option<Recorded>,
}

impl Part<'_> {
    fn train(&mut self, at: &At, optimizer: &OptimizerConfig) {
        if !self.active {
            return;
        }
        let (source, picked, len) = (at.source, at.picked, at.picked.len());
        let weights: Option<Vec<f32>> =
            self.weights.map(|weights| picked.positions().map(|position| weights[position]).collect());
        let isa = self.model.isa();
        let logits = &mut self.logits[at.first..][..len];
        let mut kept = self.losses.as_mut().map(|losses| &mut losses[at.first..][..len]);
        if let (Some(Recorded::Eval), Some(kept)) = (at.record, &mut kept) {
            self.model.predict(source, picked, logits);
            losses(isa, logits, &source.targets_of(picked), kept);
        }
        // BatchNorm cannot learn from a single row: such a batch is only looked at.
        if weights.as_ref().map_or(len, |weights| weights.iter().filter(|weight| **weight > 0.0).count()) < 2 {
            self.model.predict(source, picked, logits);
            if let (Some(Recorded::Train), Some(kept)) = (at.record, kept) {
                losses(isa, logits, &source.targets_of(picked), kept);
            }
            return;
        }
        let batch = Batch { source, picked, weights: weights.as_deref() };
        self.model.forward(batch, Some(self.key.dropout(at.pass, at.batch)), true);
        for chunk in self.model.chunks() {
            logits[chunk.first..][..chunk.rows].copy_from_slice(&chunk.z[..chunk.rows]);
        }
        if at.loss == BatchLoss::Mean {
            let total = |weights: &Vec<f32>| weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            let total = weights.as_ref().map_or(len as f32, total);
            self.model.backward(|chunk| cross_entropy(isa, total, chunk));
        } else {
            let mut own = vec![0.0; len];
            losses(isa, logits, &source.targets_of(picked), &mut own);
            let labels: Vec<u8> = picked.positions().map(|position| source.labels[position]).collect();
            let (shares, total) = at.loss.shares(&own, &labels, weights.as_deref());
            self.model.backward(|chunk| cross_entropy_of(isa, &shares, total, chunk));
        }
        if let (Some(Recorded::Train), Some(kept)) = (at.record, kept) {
            for chunk in self.model.chunks() {
                kept[chunk.first..][..chunk.rows].copy_from_slice(&chunk.losses[..chunk.rows]);
            }
        }
        self.model.step(optimizer);
    }
}

/// The head of a recommender: the weighted mean of the rows' losses. `total` is the sum of the batch's weights, or its
/// number of rows.
pub fn cross_entropy(isa: Isa, total: f32, chunk: &mut super::Chunk) {
    let n = chunk.rows;
    let (z, labels) = (&chunk.z[..n], &chunk.labels[..n]);
    losses_and_gradients(isa, total, z, labels, &chunk.weights, &mut chunk.losses[..n], &mut chunk.dz[..n]);
}

/// The head of a loss that gives each row of the batch a share (`BatchLoss::shares`).
fn cross_entropy_of(isa: Isa, shares: &[f32], total: f32, chunk: &mut super::Chunk) {
    let n = chunk.rows;
    let (z, labels, shares) = (&chunk.z[..n], &chunk.labels[..n], &shares[chunk.first..][..n]);
    losses_and_gradients(isa, total, z, labels, shares, &mut chunk.losses[..n], &mut chunk.dz[..n]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_has_the_backbones_it_is_said_to_have() {
        for kind in BackboneKind::ALL {
            let config = BackboneConfig::preset(*kind, vec![0..2, 2..4]);
            assert_eq!(design(&config).is_some(), kind.is_fused(), "{kind}");
        }
    }
}
