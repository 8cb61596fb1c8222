//! A search epoch on libtorch.
//!
//! Where both the reward and the history use evaluation-mode losses, one forward pass of the batch serves both: the model
//! does not change between them.

use super::{Policy, eps_greedy, greedy, keep_prob, rewards, sample, uniforms};
use crate::backbone::torch::{Gradients, OnDevice, Pass, TorchModel, bce, train_step};
use crate::backbone::{FitError, Model, ModelKey, Rows, TensorFile, Tick, WeightsError, first_not_finite, to_host};
use crate::denoise::searcher::Totals;
use crate::denoise::{History, PolicyConfig, SearchEpoch, SearchError, SearchSummary, Searcher};
use crate::metrics::of_logits;
use crate::types::{
    Action, DeselectedReward, LmatDeselected, LmatLoss, Metrics, OnFewSelected, Options, RewardForward, UpdateAction,
};
use tch::{Device, Kind, Tensor};

/// The policy on libtorch.
pub struct TorchSearcher {
    policy: Policy,
    label_field: Option<u32>,
    device: Device,
}

impl TorchSearcher {
    pub fn new(config: &PolicyConfig, key: ModelKey, device: Device) -> Self {
        Self { policy: Policy::new(config, key, device), label_field: config.label_field, device }
    }

    /// The rows as the policy sees them, `[N, F]`, or `[N, F + 1]` with the label.
    fn ids(&self, rows: &OnDevice) -> Tensor {
        match self.label_field {
            None => rows.ids.shallow_clone(),
            Some(start) => {
                let label = (rows.labels.to_kind(Kind::Int) + i64::from(start)).to_kind(Kind::Int).unsqueeze(1);
                Tensor::cat(&[&rows.ids, &label], 1)
            }
        }
    }
}

impl Searcher for TorchSearcher {
    fn epoch(
        &mut self,
        search: &SearchEpoch,
        history: &mut History,
        tick: Tick,
    ) -> Result<(SearchSummary, Box<dyn Model>), SearchError> {
        let mut model = TorchModel::new(search.config, &[search.key], search.optimizer(), self.device);
        let rows = search.rows.on(self.device);
        let ids = self.ids(rows);
        let search = Search { options: search.options, search, rows, policy_ids: &ids, device: self.device };
        let summary = search.run(&mut self.policy, history, &mut model, tick)?;
        Ok((summary, Box::new(model)))
    }

    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32> {
        to_host(&self.policy.keep_prob(&self.ids(rows.on(self.device))))
    }

    fn weights(&self) -> TensorFile {
        self.policy.model.params.save()
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        self.policy.model.params.load(weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        self.policy.optimizer.save(&self.policy.model.params)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        self.policy.optimizer.load(&self.policy.model.params, state)
    }
}

/// What a search epoch works on.
struct Search<'a> {
    options: &'a Options,
    search: &'a SearchEpoch<'a>,
    rows: &'a OnDevice,
    policy_ids: &'a Tensor,
    device: Device,
}

/// What an update saw of the rows it used.
#[derive(Default)]
struct Seen {
    /// Of each update: the batch and its logits.
    logits: Vec<(usize, Tensor)>,
    labels: Vec<Tensor>,
}

impl Search<'_> {
    fn run(
        &self,
        policy: &mut Policy,
        history: &mut History,
        model: &mut TorchModel,
        tick: Tick,
    ) -> Result<SearchSummary, SearchError> {
        let look_back = history.look_back();
        let entries = Tensor::from_slice(&history.start(self.search.epoch, &look_back)).to_device(self.device);
        let look_back = Tensor::from_slice(&look_back).to_device(self.device);
        let (mut totals, mut seen) = (Totals::default(), Seen::default());
        let (size, all) = (self.options.batch_size as usize, self.search.rows.len());
        for (number, offset) in (0..all).step_by(size).enumerate() {
            let len = size.min(all - offset);
            let (ids, labels) = self.rows.slice(offset, len);
            let policy_ids = self.policy_ids.narrow(0, offset as i64, len as i64);
            let entries = entries.narrow(0, offset as i64, len as i64);
            let batch = Batch { number: number as u32, len, ids, labels, policy_ids, entries };
            let evaluated = self
                .options
                .search_evaluates()
                .then(|| tch::no_grad(|| bce(&model.backbone.forward(&batch.ids, &mut Pass::eval()), &batch.labels)));
            // BatchNorm cannot learn from a single row: it is only evaluated.
            if len >= 2 {
                let look_back = look_back.narrow(0, offset as i64, len as i64);
                self.teach(policy, model, &batch, &look_back, evaluated.as_ref(), &mut totals)?;
            }
            let actions = self.act_again(policy, &batch)?;
            self.update(model, &batch, &actions, evaluated.as_ref(), &mut totals, &mut seen)?;
            tick();
        }
        let entries = to_host(&entries);
        first_not_finite(&entries, all, size)?;
        let summary = totals.summary(all, self.train_metrics(&seen)?);
        history.finish(self.search.epoch, entries);
        Ok(summary)
    }

    /// The first action, its rewards, and the policy's steps.
    fn teach(
        &self,
        policy: &mut Policy,
        model: &TorchModel,
        batch: &Batch,
        look_back: &Tensor,
        evaluated: Option<&Tensor>,
        totals: &mut Totals,
    ) -> Result<(), SearchError> {
        let options = self.options;
        for repeat in 0..options.policy_repeats {
            let pass_number = self.search.epoch * options.policy_repeats + repeat;
            let (logits, pass) = policy.explore(&batch.policy_ids, pass_number, batch.number);
            let u = uniforms(self.search.seed, self.search.epoch, batch.number, 1 + repeat, batch.len, logits.device());
            let actions = match options.action {
                Action::Sample => sample(&keep_prob(&logits), &u),
                Action::EpsGreedy => eps_greedy(&logits.detach(), &u, options.epsilon),
            };
            let losses = match options.reward_forward {
                RewardForward::Eval => evaluated.map(Tensor::shallow_clone),
                RewardForward::TrainNograd => self.train_mode_losses(model, batch, &actions, 1 + repeat),
            };
            let Some(losses) = losses else {
                totals.skipped_policy += 1;
                continue;
            };
            let rewards = rewards(options, look_back, &losses, &actions);
            if !rewards.sum_of_squares.is_finite() {
                return Err(FitError::NotFinite { batch: batch.number as usize + 1 }.into());
            }
            totals.rewarded += rewards.count as u64;
            totals.reward_sum += rewards.sum;
            totals.reward_squares += rewards.sum_of_squares;
            if rewards.count == 0 {
                totals.skipped_policy += 1;
            } else {
                policy.reinforce(&logits, pass, &actions, &rewards.values);
            }
        }
        Ok(())
    }

    /// Losses `[B]` in train mode without touching the model: of the selected rows among themselves, the others 0; or,
    /// where deselected rows need a reward, theirs from a pass over the whole batch. None where fewer than two rows are
    /// selected, because BatchNorm then has no statistics.
    fn train_mode_losses(&self, model: &TorchModel, batch: &Batch, actions: &Tensor, draw: u32) -> Option<Tensor> {
        let index = actions.nonzero().squeeze_dim(1);
        let forward = |ids: &Tensor, labels: &Tensor| {
            let mut pass = Pass::train(vec![self.search.key.dropout(draw, batch.number)]);
            pass.update_stats = false;
            tch::no_grad(|| bce(&model.backbone.forward(ids, &mut pass), labels))
        };
        let negate = self.options.deselected_reward == DeselectedReward::Negate;
        let whole = if negate { forward(&batch.ids, &batch.labels) } else { batch.labels.zeros_like() };
        if index.size()[0] < 2 {
            return negate.then_some(whole);
        }
        let own = forward(&batch.ids.index_select(0, &index), &batch.labels.index_select(0, &index));
        Some(whole.index_copy(0, &index, &own))
    }

    /// The second action, by the policy as updated.
    fn act_again(&self, policy: &Policy, batch: &Batch) -> Result<Tensor, SearchError> {
        let logits = policy.logits(&batch.policy_ids);
        // A sum that is not finite tells of any logit that is not.
        if !logits.sum(Kind::Double).double_value(&[]).is_finite() {
            return Err(SearchError::PolicyNotFinite { batch: batch.number as usize + 1 });
        }
        Ok(match self.options.update_action {
            UpdateAction::Greedy => greedy(&logits),
            UpdateAction::Sample => {
                let u = uniforms(self.search.seed, self.search.epoch, batch.number, 0, batch.len, logits.device());
                sample(&keep_prob(&logits), &u)
            }
        })
    }

    /// The model's step on the selected rows, and the batch's part of the history's row.
    fn update(
        &self,
        model: &mut TorchModel,
        batch: &Batch,
        actions: &Tensor,
        evaluated: Option<&Tensor>,
        totals: &mut Totals,
        seen: &mut Seen,
    ) -> Result<(), SearchError> {
        let options = self.options;
        if let (LmatDeselected::EvaluateAll, Some(evaluated)) = (options.lmat_deselected, evaluated) {
            batch.entries.shallow_clone().copy_(evaluated);
        }
        let index = actions.nonzero().squeeze_dim(1);
        let selected = index.size()[0] as usize;
        totals.selected += selected as u64;
        if batch.len < 2 {
            return Ok(());
        }
        let everything = selected == batch.len;
        let few = selected < (options.min_selected as usize).min(batch.len);
        if few {
            match options.on_few_selected {
                OnFewSelected::Skip => {
                    totals.skipped += 1;
                    return Ok(());
                }
                OnFewSelected::AdamZeroGrad => {
                    totals.skipped += 1;
                    let params = &model.backbone.params;
                    model.optimizer.step(params, Gradients::zero(params), &[true]);
                    return Ok(());
                }
                OnFewSelected::Error => {
                    let batch = batch.number as usize + 1;
                    return Err(SearchError::TooFewSelected { batch, selected, min: options.min_selected });
                }
                OnFewSelected::SelectAll => {}
            }
        }
        let (ids, labels, index) = if everything || few {
            let all = Tensor::arange(batch.len as i64, (Kind::Int64, index.device()));
            (batch.ids.shallow_clone(), batch.labels.shallow_clone(), all)
        } else {
            (batch.ids.index_select(0, &index), batch.labels.index_select(0, &index), index)
        };
        let pass = Pass::train(vec![self.search.key.dropout(0, batch.number)]);
        let step = train_step(&model.backbone, &mut model.optimizer, &ids, &labels, None, pass, &[true]);
        if options.lmat_loss == LmatLoss::Train {
            let _ = batch.entries.shallow_clone().index_copy_(0, &index, &step.losses);
        }
        seen.logits.push((batch.number as usize + 1, step.logits));
        seen.labels.push(labels);
        Ok(())
    }

    fn train_metrics(&self, seen: &Seen) -> Result<Option<Metrics>, FitError> {
        if seen.logits.is_empty() {
            return Ok(None);
        }
        let mut logits = Vec::with_capacity(self.search.rows.len());
        for (batch, part) in &seen.logits {
            let part = to_host(part);
            if part.iter().any(|z| !z.is_finite()) {
                return Err(FitError::NotFinite { batch: *batch });
            }
            logits.extend(part);
        }
        let labels: Vec<u8> = to_host(&Tensor::cat(&seen.labels, 0)).iter().map(|y| *y as u8).collect();
        Ok(Some(of_logits(&labels, &logits, self.options.auc_on, self.options.logloss_eps)?))
    }
}

/// One batch of the fixed order.
struct Batch {
    number: u32,
    len: usize,
    ids: Tensor,
    labels: Tensor,
    policy_ids: Tensor,
    /// Its part of the history's row.
    entries: Tensor,
}
