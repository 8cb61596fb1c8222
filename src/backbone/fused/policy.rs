//! The policy on this engine: a tower with two outputs over embeddings of its own.

use super::state::{load, load_optimizer_state, optimizer_state, save};
use super::{Batch, Chunk, Design, Kind, Network, Source, TowerDesign, exp_of_negative};
use crate::backbone::{
    ModelKey, OptimizerConfig, Outlook, Picked, Policy, PolicyConfig, Rows, TensorFile, WeightsError,
};
use crate::simd::{Isa, kernel};
use crate::types::{Optimizer, PolicyReduction};

/// Rows scored at once: bounds the memory of their logits.
const SCORE_ROWS: usize = 1 << 16;

pub struct FusedPolicy {
    /// One network; a slice, as saving and loading take them.
    network: [Network; 1],
    optimizer: OptimizerConfig,
    reduction: PolicyReduction,
    label_field: Option<u32>,
    key: ModelKey,
}

impl FusedPolicy {
    pub fn new(config: &PolicyConfig, key: ModelKey) -> Self {
        let tower = TowerDesign {
            hidden: config.mlp_dims.clone(),
            outputs: 2,
            dropout: config.dropout,
            batch_norm: config.batch_norm,
        };
        let design = Design { tower: Some(tower), ..Design::bare(config.ranges.clone(), config.embed_dim) };
        let mut network = Network::new(design, &key);
        if config.optimizer.kind == Optimizer::LazyAdam {
            network.track_touched();
        }
        Self {
            network: [network],
            optimizer: config.optimizer,
            reduction: config.reduction,
            label_field: config.label_field,
            key,
        }
    }

    fn source<'a>(&self, rows: &Rows<'a>) -> Source<'a> {
        Source { label_field: self.label_field, ..Source::new(rows) }
    }
}

kernel! {
    /// Probability of action 1, `[n]`, from logits `[n, 2]`.
    pub fn keep_prob<S>(logits: &[f32], out: &mut [f32]) {
        for (z, p) in logits.as_chunks::<2>().0.iter().zip(out) {
            let difference = z[1] - z[0];
            let e = exp_of_negative(-difference.abs());
            *p = if difference >= 0.0 { 1.0 } else { e } / (1.0 + e);
        }
    }
}

/// Derivatives of -sum r log Θ(a | x) by a chunk's logits, times `scale`: r (softmax - onehot(a)). Actions and rewards
/// are the batch's.
pub fn reinforce_head(isa: Isa, chunk: &mut Chunk, actions: &[bool], rewards: &[f32], scale: f32) {
    let Chunk { z, dz, losses, rows, first, .. } = chunk;
    // The losses' room is free here.
    let p = &mut losses[..*rows];
    keep_prob(isa, &z[..2 * *rows], p);
    for (i, (dz, p)) in dz.as_chunks_mut::<2>().0.iter_mut().zip(p).enumerate() {
        let taken = if actions[*first + i] { 1.0 } else { 0.0 };
        dz[1] = rewards[*first + i] * scale * (*p - taken);
        dz[0] = -dz[1];
    }
}

/// Of logits `[n, 2]`.
fn outlook(isa: Isa, logits: Vec<f32>) -> Outlook {
    let mut p = vec![0.0; logits.len() / 2];
    keep_prob(isa, &logits, &mut p);
    Outlook { logits: logits.as_chunks::<2>().0.to_vec(), keep_prob: p }
}

impl Policy for FusedPolicy {
    fn explore(&mut self, rows: &Rows, picked: Picked, pass: u32, batch: u32) -> Outlook {
        let (source, dropout) = (self.source(rows), self.key.dropout(pass, batch));
        let network = &mut self.network[0];
        network.forward(Batch { source, picked, weights: None }, Some(dropout), true);
        let mut logits = Vec::with_capacity(2 * picked.len());
        for chunk in network.chunks() {
            logits.extend_from_slice(&chunk.z[..2 * chunk.rows]);
        }
        outlook(network.isa(), logits)
    }

    fn reinforce(&mut self, actions: &[bool], rewards: &[f32]) {
        let network = &mut self.network[0];
        let isa = network.isa();
        let scale = match self.reduction {
            PolicyReduction::Mean => 1.0 / actions.len() as f32,
            PolicyReduction::Sum => 1.0,
        };
        network.backward(|chunk| reinforce_head(isa, chunk, actions, rewards, scale));
        network.step(&self.optimizer);
    }

    fn score_batch(&mut self, rows: &Rows, picked: Picked) -> Outlook {
        let source = self.source(rows);
        let network = &mut self.network[0];
        let mut logits = vec![0.0; 2 * picked.len()];
        network.predict(source, picked, &mut logits);
        outlook(network.isa(), logits)
    }

    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32> {
        let source = self.source(rows);
        let network = &mut self.network[0];
        let mut logits = vec![0.0; 2 * SCORE_ROWS.min(rows.len())];
        let mut scores = vec![0.0; rows.len()];
        for (number, scores) in scores.chunks_mut(SCORE_ROWS).enumerate() {
            let logits = &mut logits[..2 * scores.len()];
            network.predict(source, Picked::From(number * SCORE_ROWS, scores.len()), logits);
            keep_prob(network.isa(), logits, scores);
        }
        scores
    }

    fn weights(&self) -> TensorFile {
        let mut file = TensorFile::new();
        save(&self.network, "", Kind::Value, &mut file);
        file
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        load(&mut self.network, "", Kind::Value, weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        optimizer_state(&self.network)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        load_optimizer_state(&mut self.network, state)
    }
}
