//! One search epoch (spec `autodenoise.md`, Opt_I in section 3, the released code in section 5, every option of section
//! 6): for each batch in the fixed order, the policy acts and learns from rewards, acts again, and the model takes one
//! step on the rows it selects.
//!
//! Where both the reward and the history use evaluation-mode losses, one forward pass of the batch serves both: the model
//! does not change between them.

use super::actions::{eps_greedy, greedy, sample, uniforms};
use super::history::{Entries, History};
use super::policy::{Policy, keep_prob};
use super::reward::rewards;
use crate::backbone::{
    Adam, Backbone, FitError, Gradients, ModelKey, Pass, Rows, Tick, bce, first_not_finite, to_host, train_step,
};
use crate::metrics::of_logits;
use crate::types::{
    Action, DeselectedReward, LmatDeselected, LmatLoss, Metrics, OnFewSelected, Options, RewardForward, UpdateAction,
};
use tch::{Kind, Tensor};

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(
        "the policy selected {selected} rows of batch {batch}, fewer than min_selected = {min}, and on_few_selected is error"
    )]
    TooFewSelected { batch: usize, selected: i64, min: u32 },
    #[error(
        "the policy's probabilities of batch {batch} are not finite numbers; a smaller policy_lr_mult usually helps"
    )]
    PolicyNotFinite { batch: usize },
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// What a search epoch works on.
pub struct Search<'a> {
    pub options: &'a Options,
    pub rows: &'a Rows,
    /// `[N, F]`, or `[N, F + 1]` for a policy that sees the label.
    pub policy_ids: &'a Tensor,
    pub seed: u64,
    /// Counted from 1.
    pub epoch: u32,
    pub key: ModelKey,
}

/// What a search epoch came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSummary {
    /// Over the rows trained on, before each update.
    pub train: Option<Metrics>,
    /// Share of the rows that the second action selected.
    pub kept: f64,
    pub reward_mean: Option<f64>,
    pub reward_std: Option<f64>,
    /// Model updates left out because too few rows were selected.
    pub skipped_updates: u64,
    /// Policy updates left out because no row had a reward.
    pub skipped_policy_updates: u64,
}

/// Running totals of an epoch.
#[derive(Default)]
struct Totals {
    selected: i64,
    rewarded: i64,
    reward_sum: f64,
    reward_squares: f64,
    skipped: u64,
    skipped_policy: u64,
    /// Of each update: the batch and its logits.
    logits: Vec<(usize, Tensor)>,
    labels: Vec<Tensor>,
}

impl Search<'_> {
    /// Runs the epoch with a fresh model and its optimiser; the history's oldest row is replaced at the end, and only if
    /// every loss was finite.
    pub fn run(
        &self,
        policy: &mut Policy,
        history: &mut History,
        model: &Backbone,
        optimizer: &mut Adam,
        tick: Tick,
    ) -> Result<SearchSummary, SearchError> {
        let look_back = history.look_back();
        let mut entries = history.start(self.epoch, &look_back);
        let mut totals = Totals::default();
        let size = self.options.batch_size as usize;
        for (number, offset) in (0..self.rows.len()).step_by(size).enumerate() {
            let len = size.min(self.rows.len() - offset);
            let (ids, labels) = self.rows.slice(offset, len);
            let policy_ids = self.policy_ids.narrow(0, offset as i64, len as i64);
            let batch = Batch { number: number as u32, offset, len, ids, labels, policy_ids };
            let evaluated = self
                .needs_eval()
                .then(|| tch::no_grad(|| bce(&model.forward(&batch.ids, &mut Pass::eval()), &batch.labels)));
            // BatchNorm cannot learn from a single row: it is only evaluated.
            if len >= 2 {
                let look_back = look_back.narrow(0, offset as i64, len as i64);
                self.teach(policy, model, &batch, &look_back, evaluated.as_ref(), &mut totals)?;
            }
            let actions = self.act_again(policy, &batch)?;
            self.update(model, optimizer, &batch, &actions, evaluated.as_ref(), &mut entries, &mut totals)?;
            if !tick() {
                return Err(FitError::Stopped.into());
            }
        }
        first_not_finite(&to_host(entries.values()), self.rows.len(), size)?;
        let summary = self.summary(&totals)?;
        history.finish(self.epoch, entries);
        Ok(summary)
    }

    fn needs_eval(&self) -> bool {
        let options = self.options;
        options.reward_forward == RewardForward::Eval
            || options.lmat_loss == LmatLoss::Eval
            || options.lmat_deselected == LmatDeselected::EvaluateAll
    }

    /// The first action, its rewards, and the policy's steps.
    fn teach(
        &self,
        policy: &mut Policy,
        model: &Backbone,
        batch: &Batch,
        look_back: &Tensor,
        evaluated: Option<&Tensor>,
        totals: &mut Totals,
    ) -> Result<(), SearchError> {
        let options = self.options;
        for repeat in 0..options.policy_repeats {
            let pass_number = self.epoch * options.policy_repeats + repeat;
            let (logits, pass) = policy.explore(&batch.policy_ids, pass_number, batch.number);
            let u = uniforms(self.seed, self.epoch, batch.number, 1 + repeat, batch.len, logits.device());
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
            totals.rewarded += rewards.count;
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
    fn train_mode_losses(&self, model: &Backbone, batch: &Batch, actions: &Tensor, draw: u32) -> Option<Tensor> {
        let index = actions.nonzero().squeeze_dim(1);
        let forward = |ids: &Tensor, labels: &Tensor| {
            let mut pass = Pass::train(vec![self.key.dropout(draw, batch.number)]);
            pass.update_stats = false;
            tch::no_grad(|| bce(&model.forward(ids, &mut pass), labels))
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
                let u = uniforms(self.seed, self.epoch, batch.number, 0, batch.len, logits.device());
                sample(&keep_prob(&logits), &u)
            }
        })
    }

    /// The model's step on the selected rows, and the batch's part of the history's row.
    #[allow(clippy::too_many_arguments, reason = "the parts of one batch, each used once")]
    fn update(
        &self,
        model: &Backbone,
        optimizer: &mut Adam,
        batch: &Batch,
        actions: &Tensor,
        evaluated: Option<&Tensor>,
        entries: &mut Entries,
        totals: &mut Totals,
    ) -> Result<(), SearchError> {
        let options = self.options;
        if let (LmatDeselected::EvaluateAll, Some(evaluated)) = (options.lmat_deselected, evaluated) {
            entries.put(batch.offset, evaluated);
        }
        let index = actions.nonzero().squeeze_dim(1);
        let selected = index.size()[0];
        totals.selected += selected;
        if batch.len < 2 {
            return Ok(());
        }
        let everything = selected == batch.len as i64;
        let few = selected < i64::from(options.min_selected).min(batch.len as i64);
        if few {
            match options.on_few_selected {
                OnFewSelected::Skip => {
                    totals.skipped += 1;
                    return Ok(());
                }
                OnFewSelected::AdamZeroGrad => {
                    totals.skipped += 1;
                    optimizer.step(&model.params, Gradients::zero(&model.params), &[true]);
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
        let pass = Pass::train(vec![self.key.dropout(0, batch.number)]);
        let step = train_step(model, optimizer, &ids, &labels, None, pass, &[true]);
        if options.lmat_loss == LmatLoss::Train {
            entries.put_selected(batch.offset, &index, &step.losses);
        }
        totals.logits.push((batch.number as usize + 1, step.logits));
        totals.labels.push(labels);
        Ok(())
    }

    fn summary(&self, totals: &Totals) -> Result<SearchSummary, FitError> {
        let train = if totals.logits.is_empty() {
            None
        } else {
            let mut logits = Vec::with_capacity(self.rows.len());
            for (batch, part) in &totals.logits {
                let part = to_host(part);
                if part.iter().any(|z| !z.is_finite()) {
                    return Err(FitError::NotFinite { batch: *batch });
                }
                logits.extend(part);
            }
            let labels: Vec<u8> = to_host(&Tensor::cat(&totals.labels, 0)).iter().map(|y| *y as u8).collect();
            Some(of_logits(&labels, &logits, self.options.auc_on, self.options.logloss_eps)?)
        };
        let count = totals.rewarded as f64;
        let mean = (totals.rewarded > 0).then(|| totals.reward_sum / count);
        let std = mean.map(|mean| (totals.reward_squares / count - mean * mean).max(0.0).sqrt());
        Ok(SearchSummary {
            train,
            kept: totals.selected as f64 / self.rows.len() as f64,
            reward_mean: mean,
            reward_std: std,
            skipped_updates: totals.skipped,
            skipped_policy_updates: totals.skipped_policy,
        })
    }
}

/// One batch of the fixed order.
struct Batch {
    number: u32,
    offset: usize,
    len: usize,
    ids: Tensor,
    labels: Tensor,
    policy_ids: Tensor,
}
