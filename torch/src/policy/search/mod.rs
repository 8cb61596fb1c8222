//! A search epoch on a device that is not waited for: what `denoise::search` does batch by batch, with everything that depends on
//! numbers (which rows are selected, whether a step is taken) kept on the device as numbers. It is read back once, at the end.
//!
//! Selected rows are weights of 1 and the others of 0, so every shape is known beforehand. A selected row takes the dropout
//! mask that it would have in a batch of the selected rows alone.

mod rewards;
mod uniforms;

use super::TorchPolicy;
use crate::backbone::{Gradients, Masks, Pass, Table, TorchModel, batch_loss, bce, on_device};
use crate::host::{fetch, upload};
use crate::metrics::{SUMS, metrics_of, sums};
use autodenoise::backbone::{BatchLoss, SearchPass, Searched, SearchedBatch};
use autodenoise::random::Stream;
use autodenoise::types::{DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, RewardForward};
use rewards::{Rewards, act, act_again, rewards};
use std::{cell::RefCell, rc::Rc};
use tch::{Device, Kind, Tensor};
use uniforms::Uniforms;

/// Numbers that are kept of a batch: the fields of `SearchedBatch`, in order.
const KEPT: usize = 8;

/// Runs an epoch with a fresh model.
pub fn run(policy: &mut TorchPolicy, search: &SearchPass, tick: &mut dyn FnMut()) -> Searched {
    let mut epoch = Epoch::new(policy, search);
    let (size, all) = (search.options.batch_size as usize, search.rows.len());
    for (number, first) in (0..all).step_by(size).enumerate() {
        epoch.run_batch(policy, Batch { number: number as u32, first, len: size.min(all - first) });
        tick();
    }
    epoch.finish()
}

/// One batch of the fixed order.
#[derive(Clone, Copy)]
struct Batch {
    number: u32,
    first: usize,
    len: usize,
}

impl Batch {
    /// Its part of a tensor `[N]`.
    fn of(self, all: &Tensor) -> Tensor {
        all.narrow(0, self.first as i64, self.len as i64)
    }
}

/// Random numbers of one of the policy's steps in each batch.
struct Repeat {
    /// Of the policy's dropout.
    explored: Rc<RefCell<Masks>>,
    /// Of the model's dropout in the passes that rewards come from.
    rehearsed: Rc<RefCell<Masks>>,
    actions: Uniforms,
}

/// An epoch under way.
struct Epoch<'a> {
    search: &'a SearchPass<'a>,
    rows: Table<'a>,
    device: Device,
    model: TorchModel,
    repeats: Vec<Repeat>,
    /// Of the model's dropout in its updates, and of the actions before them.
    updates: Rc<RefCell<Masks>>,
    actions: Uniforms,
    /// `[N]`: what rewards are measured against, and the history's row being written.
    look_back: Tensor,
    entries: Tensor,
    /// `[N]`: logits before each update, and which rows it was on.
    logits: Tensor,
    trained: Tensor,
    /// `[KEPT]` f64 of each batch.
    kept: Vec<Tensor>,
}

/// What came of the policy's steps on a batch; scalars in f64.
struct Taught {
    rewarded: Tensor,
    reward_sum: Tensor,
    reward_squares: Tensor,
    skipped: Tensor,
}

/// What came of the model's step; scalars.
struct Updated {
    selected: Tensor,
    few: Tensor,
    is_finite: Tensor,
}

impl<'a> Epoch<'a> {
    fn new(policy: &TorchPolicy, search: &'a SearchPass<'a>) -> Self {
        let (place, policy_key, key) = (policy.place, policy.key, search.key);
        let (device, options) = (place.device, search.options);
        let batches = search.rows.len().div_ceil(options.batch_size as usize);
        let masks = |streams: Box<dyn Fn(u32) -> Vec<Stream>>| Rc::new(RefCell::new(Masks::new(batches, streams)));
        let uniforms = |draw| Uniforms {
            seed: search.seed,
            epoch: search.epoch,
            draw,
            rows: i64::from(options.batch_size),
            device,
            drawn: None,
        };
        let repeat = |repeat: u32| {
            let pass = search.epoch * options.policy_repeats + repeat;
            Repeat {
                explored: masks(Box::new(move |batch| vec![policy_key.dropout(pass, batch)])),
                rehearsed: masks(Box::new(move |batch| vec![key.dropout(1 + repeat, batch)])),
                actions: uniforms(1 + repeat),
            }
        };
        let entries = upload(search.entries, device);
        Self {
            search,
            rows: on_device(search.rows, place),
            device,
            model: TorchModel::new(search.config, &[key], search.optimizer, place),
            repeats: (0..options.policy_repeats).map(repeat).collect(),
            updates: masks(Box::new(move |batch| vec![key.dropout(0, batch)])),
            actions: uniforms(0),
            look_back: upload(search.look_back, device),
            logits: entries.zeros_like(),
            trained: entries.zeros_like().to_kind(Kind::Bool),
            entries,
            kept: Vec::with_capacity(batches),
        }
    }

    fn run_batch(&mut self, policy: &mut TorchPolicy, batch: Batch) {
        let (ids, labels) = self.rows.slice(batch.first, batch.len);
        let seen = policy.ids(&ids, &labels);
        let evaluated = self
            .search
            .options
            .search_evaluates()
            .then(|| tch::no_grad(|| bce(&self.model.backbone.forward(&ids, &mut Pass::eval()), &labels)));
        let mut taught = Taught::nothing(self.device);
        // BatchNorm cannot learn from a single row: it is only evaluated.
        if batch.len >= 2 {
            for repeat in 0..self.repeats.len() {
                self.teach(policy, batch, repeat, [&ids, &labels, &seen], evaluated.as_ref(), &mut taught);
            }
        }
        let opinion = policy.logits(&seen);
        let u = self.actions.of(batch.number, batch.len as i64);
        let selected = act_again(self.search.options, &opinion, &u);
        if let (LmatDeselected::EvaluateAll, Some(evaluated)) = (self.search.options.lmat_deselected, &evaluated) {
            batch.of(&self.entries).copy_(evaluated);
        }
        let updated = self.update(batch, &ids, &labels, &selected);
        let kept = [
            taught.rewarded,
            taught.reward_sum,
            taught.reward_squares,
            taught.skipped,
            updated.selected,
            updated.few,
            opinion.isfinite().all(),
            updated.is_finite,
        ];
        self.kept.push(Tensor::stack(&kept.map(|number: Tensor| number.to_kind(Kind::Double)), 0));
    }

    /// A first action, its rewards, and the policy's step.
    fn teach(
        &mut self,
        policy: &mut TorchPolicy,
        batch: Batch,
        repeat: usize,
        [ids, labels, seen]: [&Tensor; 3],
        evaluated: Option<&Tensor>,
        taught: &mut Taught,
    ) {
        let options = self.search.options;
        let mut pass = Pass::train_with(&self.repeats[repeat].explored, batch.number);
        let logits = policy.model.forward(seen, &mut pass);
        let u = self.repeats[repeat].actions.of(batch.number, batch.len as i64);
        let actions = act(options, &logits.detach(), &u);
        let (losses, known) = match (options.reward_forward, evaluated) {
            (RewardForward::Eval, Some(evaluated)) => (evaluated.shallow_clone(), self.yes()),
            (RewardForward::Eval, None) => unreachable!("a reward from evaluation-mode losses asks for them"),
            (RewardForward::TrainNograd, _) => tch::no_grad(|| self.rehearse(batch, repeat, ids, labels, &actions)),
        };
        let given = rewards(options, &batch.of(&self.look_back), &losses, &actions, &known);
        let Rewards { values, count, sum, sum_of_squares } = given;
        let taken = count.gt(0.0);
        policy.learn(&logits, &actions.to_kind(Kind::Int64), &values, pass, &taken.to_kind(Kind::Float));
        taught.rewarded += count;
        taught.reward_sum += sum;
        taught.reward_squares += sum_of_squares;
        taught.skipped += taken.logical_not().to_kind(Kind::Double);
    }

    /// Losses `[B]` in train mode without touching the model: of the selected rows among themselves, the others 0; or, where
    /// deselected rows need a reward, theirs from a pass over the whole batch. And whether there are such losses: with fewer
    /// than two rows BatchNorm has no statistics.
    fn rehearse(
        &self,
        batch: Batch,
        repeat: usize,
        ids: &Tensor,
        labels: &Tensor,
        actions: &Tensor,
    ) -> (Tensor, Tensor) {
        let losses = |pass: &mut Pass| {
            pass.update_stats = false;
            bce(&self.model.backbone.forward(ids, pass), labels)
        };
        let masks = &self.repeats[repeat].rehearsed;
        let mut among = Pass::train_with(masks, batch.number);
        keep_apart(&mut among, &actions.to_kind(Kind::Float));
        let own = losses(&mut among);
        let enough = actions.sum(Kind::Int64).ge(2);
        let from_own = actions.logical_and(&enough);
        if self.search.options.deselected_reward == DeselectedReward::Negate {
            let whole = losses(&mut Pass::train_with(masks, batch.number));
            return (own.where_self(&from_own, &whole), self.yes());
        }
        (own.where_scalarother(&from_own, 0.0), enough)
    }

    /// The model's step on the selected rows, and the batch's part of the history's row.
    fn update(&mut self, batch: Batch, ids: &Tensor, labels: &Tensor, selected: &Tensor) -> Updated {
        let options = self.search.options;
        let count = selected.sum(Kind::Int64);
        if batch.len < 2 {
            return Updated { selected: count, few: self.yes().logical_not(), is_finite: self.yes() };
        }
        let few = count.lt(i64::from(options.min_selected).min(batch.len as i64));
        let enough = few.logical_not();
        let to_all = options.on_few_selected == OnFewSelected::SelectAll;
        let on = if to_all { selected.logical_or(&few) } else { selected.logical_and(&enough) };
        let weights = on.to_kind(Kind::Float);
        let mut pass = Pass::train_with(&self.updates, batch.number);
        keep_apart(&mut pass, &weights);
        pass.moves = (!to_all).then(|| enough.to_kind(Kind::Float));
        let TorchModel { backbone, optimizer, .. } = &mut self.model;
        let logits = backbone.forward(ids, &mut pass);
        let losses = bce(&logits, labels);
        let loss = batch_loss(BatchLoss::Mean, &losses, labels, Some(&weights));
        let gradients = Gradients::of(&loss, &backbone.params, pass);
        // Gradients of no rows are 0, which is what a step at rest is taken on.
        let taken = match options.on_few_selected {
            OnFewSelected::Skip | OnFewSelected::Error => Some(enough.to_kind(Kind::Float)),
            OnFewSelected::AdamZeroGrad | OnFewSelected::SelectAll => None,
        };
        optimizer.step_where(&backbone.params, gradients, &[true], taken.as_ref());
        let (logits, losses) = (logits.detach(), losses.detach());
        batch.of(&self.logits).copy_(&logits);
        batch.of(&self.trained).copy_(&on);
        if options.lmat_loss == LmatLoss::Train {
            let entries = batch.of(&self.entries);
            entries.shallow_clone().copy_(&losses.where_self(&on, &entries));
        }
        let is_finite = logits.isfinite().logical_or(&on.logical_not()).all();
        Updated { selected: count, few, is_finite }
    }

    /// True, on the device.
    fn yes(&self) -> Tensor {
        Tensor::ones([], (Kind::Bool, self.device))
    }

    fn finish(self) -> Searched {
        let (rows, batches) = (self.search.rows.len(), self.kept.len());
        let sums = sums(&self.logits, self.rows.labels(), Some(&self.trained), self.search.measure());
        let kept = Tensor::stack(&self.kept, 0);
        let mut fetched = fetch(&[&self.entries, &kept, &sums]);
        let entries = fetched.f32s(rows);
        let kept = fetched.f64s(batches * KEPT);
        let (_, train) = metrics_of(&fetched.f64s(SUMS), rows);
        // No row was trained on, if there are no metrics; and a logit that is not finite is told by its batch.
        Searched {
            model: Box::new(self.model),
            entries,
            batches: kept.chunks(KEPT).map(read).collect(),
            train: train.ok(),
        }
    }
}

impl Taught {
    fn nothing(device: Device) -> Self {
        let zero = || Tensor::zeros([], (Kind::Double, device));
        Self { rewarded: zero(), reward_sum: zero(), reward_squares: zero(), skipped: zero() }
    }
}

/// A batch as it was read back.
fn read(kept: &[f64]) -> SearchedBatch {
    let &[rewarded, reward_sum, reward_squares, skipped, selected, few, policy_is_finite, model_is_finite] = kept
    else {
        panic!("{KEPT} numbers")
    };
    SearchedBatch {
        rewarded: rewarded as u64,
        reward_sum,
        reward_squares,
        skipped_policy: skipped as u64,
        selected: selected as u64,
        few: few == 1.0,
        policy_is_finite: policy_is_finite == 1.0,
        model_is_finite: model_is_finite == 1.0,
    }
}

/// Rows of weight 0 count in nothing, and the others take the dropout masks of a batch of them alone. Weights `[B]` are 0 or 1.
fn keep_apart(pass: &mut Pass, weights: &Tensor) {
    pass.counted = Some(weights.unsqueeze(-1));
    pass.mask_rows = Some((weights.cumsum(0, Kind::Int64) - 1).clamp_min(0));
}
