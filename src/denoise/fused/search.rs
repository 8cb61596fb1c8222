//! A search epoch of the fused engine.
//!
//! Where both the reward and the history use evaluation-mode losses, one forward pass of the batch serves both: the model
//! does not change between them.

use super::rules::{act, act_again, keep_prob, rewards, uniforms};
use crate::backbone::fused::{
    Batch, Chunk, Design, FusedModel, Kind, Model, Picked, Source, TowerDesign, cross_entropy, load,
    load_optimizer_state, losses, optimizer_state, save,
};
use crate::backbone::{FitError, ModelKey, OptimizerConfig, Rows, TensorFile, Tick, WeightsError, first_not_finite};
use crate::denoise::searcher::Totals;
use crate::denoise::{History, PolicyConfig, SearchEpoch, SearchError, SearchSummary, Searcher};
use crate::metrics::of_logits;
use crate::simd::Isa;
use crate::types::{
    DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, Options, PolicyReduction, RewardForward,
};

/// Rows scored at once: bounds the memory of their logits.
const SCORE_ROWS: usize = 1 << 16;

/// The policy on the fused engine.
pub struct FusedSearcher {
    /// One model; a slice, as saving and loading take them.
    policy: [Model; 1],
    optimizer: OptimizerConfig,
    reduction: PolicyReduction,
    label_field: Option<u32>,
    key: ModelKey,
}

impl FusedSearcher {
    pub fn new(config: &PolicyConfig, key: ModelKey) -> Self {
        let tower = TowerDesign {
            hidden: config.mlp_dims.clone(),
            outputs: 2,
            dropout: config.dropout,
            batch_norm: config.batch_norm,
        };
        let design = Design { tower: Some(tower), ..Design::bare(config.ranges.clone(), config.embed_dim) };
        let mut policy = Model::new(design, &key);
        if config.optimizer.kind == Optimizer::LazyAdam {
            policy.track_touched();
        }
        Self {
            policy: [policy],
            optimizer: config.optimizer,
            reduction: config.reduction,
            label_field: config.label_field,
            key,
        }
    }

    fn source<'a>(&self, rows: &Rows<'a>) -> Source<'a> {
        Source { label_field: self.label_field, ..Source::new(rows) }
    }

    /// One step of gradient ascent on the rewards of the last forward pass (equations 7 and 8).
    fn reinforce(&mut self, actions: &[bool], rewards: &[f32]) {
        let isa = self.policy[0].isa();
        let scale = match self.reduction {
            PolicyReduction::Mean => 1.0 / actions.len() as f32,
            PolicyReduction::Sum => 1.0,
        };
        self.policy[0].backward(|chunk| reinforce_head(isa, chunk, actions, rewards, scale));
        self.policy[0].step(&self.optimizer);
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

impl Searcher for FusedSearcher {
    fn epoch(
        &mut self,
        search: &SearchEpoch,
        history: &mut History,
        tick: Tick,
    ) -> Result<(SearchSummary, Box<dyn crate::backbone::Model>), SearchError> {
        let mut model = FusedModel::new(search.config, &[search.key], search.optimizer());
        let look_back = history.look_back();
        let mut epoch = Epoch {
            entries: history.start(search.epoch, &look_back),
            search,
            options: search.options,
            source: Source::new(search.rows),
            policy_source: self.source(search.rows),
            optimizer: search.optimizer(),
            look_back,
            totals: Totals::default(),
            logits: Vec::new(),
            labels: Vec::new(),
        };
        epoch.run(self, model.single(), tick)?;
        let Epoch { entries, totals, logits, labels, options, .. } = epoch;
        first_not_finite(&entries, entries.len(), options.batch_size as usize)?;
        let train = match logits.len() {
            0 => None,
            _ => Some(of_logits(&labels, &logits, options.auc_on, options.logloss_eps).map_err(FitError::from)?),
        };
        let summary = totals.summary(entries.len(), train);
        history.finish(search.epoch, entries);
        Ok((summary, Box::new(model)))
    }

    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32> {
        let (source, policy) = (self.source(rows), &mut self.policy[0]);
        let mut logits = vec![0.0; 2 * SCORE_ROWS.min(rows.len())];
        let mut scores = vec![0.0; rows.len()];
        for (number, scores) in scores.chunks_mut(SCORE_ROWS).enumerate() {
            let logits = &mut logits[..2 * scores.len()];
            policy.predict(source, Picked::From(number * SCORE_ROWS, scores.len()), logits);
            keep_prob(policy.isa(), logits, scores);
        }
        scores
    }

    fn weights(&self) -> TensorFile {
        let mut file = TensorFile::new();
        save(&self.policy, "", Kind::Value, &mut file);
        file
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        load(&mut self.policy, "", Kind::Value, weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        optimizer_state(&self.policy)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        load_optimizer_state(&mut self.policy, state)
    }
}

/// A search epoch under way.
struct Epoch<'a> {
    search: &'a SearchEpoch<'a>,
    options: &'a Options,
    source: Source<'a>,
    /// The same rows as the policy sees them.
    policy_source: Source<'a>,
    optimizer: OptimizerConfig,
    /// `[N]`.
    look_back: Vec<f32>,
    /// `[N]`: the history's row being written.
    entries: Vec<f32>,
    totals: Totals,
    /// Of the rows trained on: logits before each update, and labels.
    logits: Vec<f32>,
    labels: Vec<u8>,
}

impl Epoch<'_> {
    fn run(&mut self, searcher: &mut FusedSearcher, model: &mut Model, tick: Tick) -> Result<(), SearchError> {
        let (size, all) = (self.options.batch_size as usize, self.search.rows.len());
        for (number, offset) in (0..all).step_by(size).enumerate() {
            let rows = InBatch { number: number as u32, offset, len: size.min(all - offset) };
            let evaluated = self.options.search_evaluates().then(|| self.evaluate(model, rows));
            // BatchNorm cannot learn from a single row: it is only evaluated.
            if rows.len >= 2 {
                self.teach(searcher, model, rows, evaluated.as_deref())?;
            }
            let actions = self.act_again(&mut searcher.policy[0], rows)?;
            self.update(model, rows, &actions, evaluated.as_deref())?;
            tick();
        }
        Ok(())
    }

    /// Losses `[B]` in evaluation mode.
    fn evaluate(&self, model: &mut Model, rows: InBatch) -> Vec<f32> {
        let (mut logits, mut out) = (vec![0.0; rows.len], vec![0.0; rows.len]);
        model.predict(self.source, rows.picked(), &mut logits);
        losses(model.isa(), &logits, &rows.picked().labels(self.source.labels), &mut out);
        out
    }

    /// The first action, its rewards, and the policy's steps.
    fn teach(
        &mut self,
        searcher: &mut FusedSearcher,
        model: &mut Model,
        rows: InBatch,
        evaluated: Option<&[f32]>,
    ) -> Result<(), SearchError> {
        let options = self.options;
        for repeat in 0..options.policy_repeats {
            let pass = self.search.epoch * options.policy_repeats + repeat;
            let batch = Batch { source: self.policy_source, picked: rows.picked(), weights: None };
            let policy = &mut searcher.policy[0];
            policy.forward(batch, Some(searcher.key.dropout(pass, rows.number)), true);
            let u = uniforms(self.search.seed, self.search.epoch, rows.number, 1 + repeat, rows.len);
            let mut actions = Vec::with_capacity(rows.len);
            let mut p = vec![0.0; rows.len];
            for chunk in policy.chunks() {
                let logits = &chunk.z[..2 * chunk.rows];
                let p = &mut p[chunk.first..][..chunk.rows];
                keep_prob(policy.isa(), logits, p);
                let each = logits.as_chunks::<2>().0.iter().zip(p).zip(&u[chunk.first..]);
                actions.extend(each.map(|((z, p), u)| act(options.action, options.epsilon, z, *p, *u)));
            }
            let own;
            let losses = match (options.reward_forward, evaluated) {
                (RewardForward::Eval, Some(evaluated)) => Some(evaluated),
                (RewardForward::Eval, None) => unreachable!("a reward from evaluation-mode losses asks for them"),
                (RewardForward::TrainNograd, _) => {
                    own = self.train_mode_losses(model, rows, &actions, 1 + repeat);
                    own.as_deref()
                }
            };
            let Some(losses) = losses else {
                self.totals.skipped_policy += 1;
                continue;
            };
            let look_back = &self.look_back[rows.offset..][..rows.len];
            let rewards = rewards(options, look_back, losses, &actions);
            if !rewards.sum_of_squares.is_finite() {
                return Err(FitError::NotFinite { batch: rows.number as usize + 1 }.into());
            }
            self.totals.rewarded += rewards.count as u64;
            self.totals.reward_sum += rewards.sum;
            self.totals.reward_squares += rewards.sum_of_squares;
            if rewards.count == 0 {
                self.totals.skipped_policy += 1;
            } else {
                searcher.reinforce(&actions, &rewards.values);
            }
        }
        Ok(())
    }

    /// Losses `[B]` in train mode without touching the model: of the selected rows among themselves, the others 0; or,
    /// where deselected rows need a reward, theirs from a pass over the whole batch. None where fewer than two rows are
    /// selected, because BatchNorm then has no statistics.
    fn train_mode_losses(&self, model: &mut Model, rows: InBatch, actions: &[bool], draw: u32) -> Option<Vec<f32>> {
        let stream = self.search.key.dropout(draw, rows.number);
        let mut forward = |picked: Picked, keep: &mut dyn FnMut(usize, f32)| {
            model.forward(Batch { source: self.source, picked, weights: None }, Some(stream), false);
            for chunk in model.chunks() {
                let mut own = vec![0.0; chunk.rows];
                losses(model.isa(), &chunk.z[..chunk.rows], &chunk.labels[..chunk.rows], &mut own);
                own.into_iter().enumerate().for_each(|(i, loss)| keep(chunk.first + i, loss));
            }
        };
        let negate = self.options.deselected_reward == DeselectedReward::Negate;
        let mut out = vec![0.0; rows.len];
        if negate {
            forward(rows.picked(), &mut |i, loss| out[i] = loss);
        }
        let selected = rows.selected(actions);
        if selected.len() < 2 {
            return negate.then_some(out);
        }
        forward(Picked::Positions(&selected), &mut |i, loss| out[selected[i] as usize - rows.offset] = loss);
        Some(out)
    }

    /// The second action, by the policy as updated.
    fn act_again(&self, policy: &mut Model, rows: InBatch) -> Result<Vec<bool>, SearchError> {
        let (mut logits, mut p) = (vec![0.0; 2 * rows.len], vec![0.0; rows.len]);
        policy.predict(self.policy_source, rows.picked(), &mut logits);
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(SearchError::PolicyNotFinite { batch: rows.number as usize + 1 });
        }
        keep_prob(policy.isa(), &logits, &mut p);
        let u = uniforms(self.search.seed, self.search.epoch, rows.number, 0, rows.len);
        let each = logits.as_chunks::<2>().0.iter().zip(&p).zip(&u);
        Ok(each.map(|((z, p), u)| act_again(self.options.update_action, z, *p, *u)).collect())
    }

    /// The model's step on the selected rows, and the batch's part of the history's row.
    fn update(
        &mut self,
        model: &mut Model,
        rows: InBatch,
        actions: &[bool],
        evaluated: Option<&[f32]>,
    ) -> Result<(), SearchError> {
        let options = self.options;
        let entries = &mut self.entries[rows.offset..][..rows.len];
        if let (LmatDeselected::EvaluateAll, Some(evaluated)) = (options.lmat_deselected, evaluated) {
            entries.copy_from_slice(evaluated);
        }
        let mut selected = rows.selected(actions);
        self.totals.selected += selected.len() as u64;
        if rows.len < 2 {
            return Ok(());
        }
        if selected.len() < (options.min_selected as usize).min(rows.len) {
            match options.on_few_selected {
                OnFewSelected::Skip => {
                    self.totals.skipped += 1;
                    return Ok(());
                }
                OnFewSelected::AdamZeroGrad => {
                    self.totals.skipped += 1;
                    model.step_at_rest(&self.optimizer);
                    return Ok(());
                }
                OnFewSelected::Error => {
                    let (batch, selected) = (rows.number as usize + 1, selected.len());
                    return Err(SearchError::TooFewSelected { batch, selected, min: options.min_selected });
                }
                OnFewSelected::SelectAll => selected = (rows.offset as u32..(rows.offset + rows.len) as u32).collect(),
            }
        }
        let isa = model.isa();
        let total = selected.len() as f32;
        let batch = Batch { source: self.source, picked: Picked::Positions(&selected), weights: None };
        model.forward(batch, Some(self.search.key.dropout(0, rows.number)), true);
        model.backward(|chunk| cross_entropy(isa, total, chunk));
        for chunk in model.chunks() {
            let seen = &chunk.z[..chunk.rows];
            if seen.iter().any(|z| !z.is_finite()) {
                return Err(FitError::NotFinite { batch: rows.number as usize + 1 }.into());
            }
            self.logits.extend_from_slice(seen);
            if options.lmat_loss == LmatLoss::Train {
                for (position, loss) in selected[chunk.first..][..chunk.rows].iter().zip(chunk.losses.iter()) {
                    entries[*position as usize - rows.offset] = *loss;
                }
            }
        }
        self.labels.extend(selected.iter().map(|position| self.source.labels[*position as usize]));
        model.step(&self.optimizer);
        Ok(())
    }
}

/// One batch of the fixed order.
#[derive(Clone, Copy)]
struct InBatch {
    number: u32,
    offset: usize,
    len: usize,
}

impl InBatch {
    fn picked(&self) -> Picked<'static> {
        Picked::From(self.offset, self.len)
    }

    /// Positions of the rows that the actions select.
    fn selected(&self, actions: &[bool]) -> Vec<u32> {
        let offset = self.offset as u32;
        (offset..).zip(actions).filter(|(_, action)| **action).map(|(position, _)| position).collect()
    }
}
