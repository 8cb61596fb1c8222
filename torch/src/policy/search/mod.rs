//! A search epoch on a device that is not waited for: what `denoise::search` does batch by batch, with everything that depends on
//! numbers (which rows are selected, whether a step is taken) kept on the device as numbers. It is read back once, at the end.
//!
//! Selected rows are weights of 1 and the others of 0, so every shape is known beforehand, and a batch can be staged as a step of a pass
//! is. A selected row takes the dropout mask that it would have in a batch of the selected rows alone.

mod batch;
mod given;
mod rewards;
mod uniforms;

use super::TorchPolicy;
use crate::backbone::{BatchMasks, Masks, Table, TorchModel, on_device};
use crate::host::{fetch, upload};
use crate::metrics::{SUMS, metrics_of, sums};
use crate::staged::Staged;
use autodenoise::backbone::{SearchPass, Searched, SearchedBatch};
use autodenoise::random::Stream;
use batch::{KEPT, Learners, Outcome};
use given::{Draws, Given, OwnGiven};
use std::{cell::RefCell, rc::Rc};
use tch::{Kind, Tensor};
use uniforms::Uniforms;

/// Runs an epoch with a fresh model.
pub fn run(policy: &mut TorchPolicy, search: &SearchPass, tick: &mut dyn FnMut()) -> Searched {
    let mut epoch = Epoch::new(policy, search);
    let (size, all) = (search.options.batch_size as usize, search.rows.len());
    for (number, first) in (0..all).step_by(size).enumerate() {
        epoch.run_batch(policy, Batch { number, first, len: size.min(all - first) });
        tick();
    }
    epoch.finish()
}

/// One batch of the fixed order.
#[derive(Clone, Copy)]
struct Batch {
    number: usize,
    first: usize,
    len: usize,
}

impl Batch {
    /// Its part of a tensor `[N]`.
    fn of(self, all: &Tensor) -> Tensor {
        all.narrow(0, self.first as i64, self.len as i64)
    }
}

/// Random numbers of one of the policy's steps in each batch, as `Draws` has them.
struct Repeat {
    explored: Rc<RefCell<Masks>>,
    rehearsed: Rc<RefCell<Masks>>,
    actions: Uniforms,
}

/// An epoch under way.
struct Epoch<'a> {
    search: &'a SearchPass<'a>,
    rows: Table<'a>,
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
    is_staged: bool,
    /// What batches like the first are given, and how they are done from the second on.
    staged: Option<(OwnGiven, Staged<Outcome>)>,
}

impl<'a> Epoch<'a> {
    fn new(policy: &TorchPolicy, search: &'a SearchPass<'a>) -> Self {
        let (place, policy_key, key) = (policy.place, policy.key, search.key);
        let (device, options) = (place.device, search.options);
        let batches = search.rows.len().div_ceil(options.batch_size as usize);
        let masks = |streams: Box<dyn Fn(u32) -> Vec<Stream>>| Masks::new(batches, streams);
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
            model: TorchModel::new(search.config, &[key], search.optimizer, place),
            repeats: (0..options.policy_repeats).map(repeat).collect(),
            updates: masks(Box::new(move |batch| vec![key.dropout(0, batch)])),
            actions: uniforms(0),
            look_back: upload(search.look_back, device),
            logits: entries.zeros_like(),
            trained: entries.zeros_like().to_kind(Kind::Bool),
            entries,
            kept: Vec::with_capacity(batches),
            is_staged: place.staged,
            staged: None,
        }
    }

    fn run_batch(&mut self, policy: &mut TorchPolicy, batch: Batch) {
        let given = self.given(batch);
        let outcome = match self.run_staged(policy, &given) {
            Some(outcome) => outcome,
            None => Learners { options: self.search.options, policy, model: &mut self.model }.run(&given),
        };
        if self.is_staged && batch.number == 0 {
            match Staged::on(self.rows.device) {
                Ok(work) => self.staged = Some((OwnGiven::like(&given), work)),
                Err(reason) => self.give_up(&reason),
            }
        }
        for (all, own) in
            [(&self.entries, &outcome.entries), (&self.logits, &outcome.logits), (&self.trained, &outcome.trained)]
        {
            batch.of(all).copy_(own);
        }
        // What was staged writes the next batch's numbers over these.
        self.kept.push(outcome.kept.copy());
    }

    /// A batch of as many rows as the first; none where it is done plainly.
    fn run_staged(&mut self, policy: &mut TorchPolicy, given: &Given) -> Option<Outcome> {
        let (own, work) = self.staged.as_mut().filter(|(own, _)| own.given().len() == given.len())?;
        own.copy_from(given);
        let mut learners = Learners { options: self.search.options, policy, model: &mut self.model };
        work.run(|| learners.run(own.given())).map_err(|reason| self.give_up(&reason)).ok()
    }

    fn give_up(&mut self, reason: &str) {
        tracing::warn!(reason, "no CUDA graph of a batch: this epoch searches without");
        (self.is_staged, self.staged) = (false, None);
    }

    fn given(&mut self, batch: Batch) -> Given {
        let (ids, labels) = self.rows.slice(batch.first, batch.len);
        let (number, len) = (batch.number, batch.len as i64);
        let draws = |repeat: &mut Repeat| Draws {
            explored: BatchMasks::drawn(&repeat.explored, number),
            rehearsed: BatchMasks::drawn(&repeat.rehearsed, number),
            u: repeat.actions.of(number as u32, len),
        };
        Given {
            ids,
            labels,
            look_back: batch.of(&self.look_back),
            entries: batch.of(&self.entries),
            repeats: self.repeats.iter_mut().map(draws).collect(),
            updates: BatchMasks::drawn(&self.updates, number),
            u: self.actions.of(number as u32, len),
        }
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
