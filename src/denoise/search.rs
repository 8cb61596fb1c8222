//! A search epoch on any engine: for each batch the policy acts and learns from rewards, acts again, and the model takes one
//! step on the rows it selects. Engines compute networks; what is done with their numbers is here, once.
//!
//! An engine whose networks live on a device runs an epoch by itself (`Policy::search`), so that nothing waits for the device between
//! batches; it is tested by what is said here.
//!
//! Where both the reward and the history use evaluation-mode losses, one forward pass of the batch serves both: the model
//! does not change between them.

use super::History;
use super::actions::{act, act_again, draw_uniforms};
use super::reward::compute_rewards;
use crate::backbone::{
    BackboneConfig, Engine, FitError, Model, ModelKey, OptimizerConfig, Outlook, Picked, Policy, Rows, SearchPass,
    Searched, SearchedBatch, Tick, first_not_finite,
};
use crate::metrics::of_logits;
use crate::types::{DeselectedReward, LmatDeselected, LmatLoss, Metrics, OnFewSelected, Options, RewardForward};

/// One search epoch (spec `autodenoise.md`: Opt_I in section 3, the released code in section 5, every option of section
/// 6): for each batch in the fixed order, the policy acts and learns from rewards, acts again, and the model takes one
/// step on the rows it selects.
pub struct SearchEpoch<'a> {
    pub options: &'a Options,
    pub config: &'a BackboneConfig,
    pub rows: &'a Rows<'a>,
    pub seed: u64,
    /// Counted from 1.
    pub epoch: u32,
    /// The model's.
    pub key: ModelKey,
}

impl SearchEpoch<'_> {
    /// The model's optimiser.
    pub fn optimizer(&self) -> OptimizerConfig {
        let Options { optimizer: kind, lr, weight_decay, .. } = *self.options;
        OptimizerConfig { kind, lr, weight_decay }
    }

    /// The same for an engine that runs it by itself.
    fn pass<'a>(&'a self, look_back: &'a [f32], entries: &'a [f32]) -> SearchPass<'a> {
        let Self { options, config, rows, seed, epoch, key } = *self;
        SearchPass { options, config, rows, seed, epoch, key, optimizer: self.optimizer(), look_back, entries }
    }
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

/// Running totals of a search epoch.
#[derive(Default)]
struct Totals {
    selected: u64,
    rewarded: u64,
    reward_sum: f64,
    reward_squares: f64,
    skipped: u64,
    skipped_policy: u64,
}

impl Totals {
    /// Of what an engine did by itself. Fails as the epoch would have failed at the first batch that went wrong.
    fn of(batches: &[SearchedBatch], options: &Options) -> Result<Self, SearchError> {
        let mut totals = Self::default();
        for (batch, came) in (1..).zip(batches) {
            if !came.reward_squares.is_finite() {
                return Err(FitError::NotFinite { batch }.into());
            }
            totals.rewarded += came.rewarded;
            totals.reward_sum += came.reward_sum;
            totals.reward_squares += came.reward_squares;
            totals.skipped_policy += came.skipped_policy;
            if !came.policy_is_finite {
                return Err(SearchError::PolicyNotFinite { batch });
            }
            totals.selected += came.selected;
            match options.on_few_selected {
                OnFewSelected::Error if came.few => {
                    let selected = came.selected as usize;
                    return Err(SearchError::TooFewSelected { batch, selected, min: options.min_selected });
                }
                OnFewSelected::Skip | OnFewSelected::AdamZeroGrad if came.few => totals.skipped += 1,
                _ => {}
            }
            if !came.model_is_finite {
                return Err(FitError::NotFinite { batch }.into());
            }
        }
        Ok(totals)
    }

    /// Of an epoch over `rows` rows.
    fn summary(&self, rows: usize, train: Option<Metrics>) -> SearchSummary {
        let count = self.rewarded as f64;
        let mean = (self.rewarded > 0).then(|| self.reward_sum / count);
        let std = mean.map(|mean| (self.reward_squares / count - mean * mean).max(0.0).sqrt());
        SearchSummary {
            train,
            kept: self.selected as f64 / rows as f64,
            reward_mean: mean,
            reward_std: std,
            skipped_updates: self.skipped,
            skipped_policy_updates: self.skipped_policy,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(
        "the policy selected {selected} rows of batch {batch}, fewer than min_selected = {min}, and on_few_selected is error"
    )]
    TooFewSelected { batch: usize, selected: usize, min: u32 },
    #[error(
        "the policy's probabilities of batch {batch} are not finite numbers; a smaller policy_lr_mult usually helps"
    )]
    PolicyNotFinite { batch: usize },
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// Runs a search epoch with a fresh model, which it returns as trained. The history's oldest row is replaced at the end,
/// and only if every loss was finite.
pub fn search_epoch(
    engine: &dyn Engine,
    policy: &mut dyn Policy,
    search: &SearchEpoch,
    history: &mut History,
    tick: Tick,
) -> Result<(SearchSummary, Box<dyn Model>), SearchError> {
    let look_back = history.look_back();
    let entries = history.start(search.epoch, &look_back);
    if let Some(searched) = policy.search(&search.pass(&look_back, &entries), tick) {
        let Searched { model, entries, batches, train } = searched;
        let totals = Totals::of(&batches, search.options)?;
        first_not_finite(&entries, entries.len(), search.options.batch_size as usize)?;
        let summary = totals.summary(entries.len(), train);
        history.finish(search.epoch, entries);
        return Ok((summary, model));
    }
    let mut model = engine.model(search.config, &[search.key], search.optimizer());
    let mut epoch = Epoch {
        entries,
        search,
        options: search.options,
        look_back,
        totals: Totals::default(),
        logits: Vec::new(),
        labels: Vec::new(),
    };
    epoch.run(policy, &mut *model, tick)?;
    let Epoch { entries, totals, logits, labels, options, .. } = epoch;
    first_not_finite(&entries, entries.len(), options.batch_size as usize)?;
    let train = match logits.len() {
        0 => None,
        _ => Some(of_logits(&labels, &logits, options.auc_on, options.logloss_eps).map_err(FitError::from)?),
    };
    let summary = totals.summary(entries.len(), train);
    history.finish(search.epoch, entries);
    Ok((summary, model))
}

/// A search epoch under way.
struct Epoch<'a> {
    search: &'a SearchEpoch<'a>,
    options: &'a Options,
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
    fn run(&mut self, policy: &mut dyn Policy, model: &mut dyn Model, tick: Tick) -> Result<(), SearchError> {
        let (size, all) = (self.options.batch_size as usize, self.search.rows.len());
        for (number, offset) in (0..all).step_by(size).enumerate() {
            let batch = Batch { number: number as u32, offset, len: size.min(all - offset) };
            let evaluated =
                self.options.search_evaluates().then(|| model.evaluate_batch(self.search.rows, batch.picked()));
            // BatchNorm cannot learn from a single row: it is only evaluated.
            if batch.len >= 2 {
                self.teach(policy, model, batch, evaluated.as_deref())?;
            }
            let actions = self.act_again(policy, batch)?;
            self.update(model, batch, &actions, evaluated.as_deref())?;
            tick();
        }
        Ok(())
    }

    /// The first action, its rewards, and the policy's steps.
    fn teach(
        &mut self,
        policy: &mut dyn Policy,
        model: &mut dyn Model,
        batch: Batch,
        evaluated: Option<&[f32]>,
    ) -> Result<(), SearchError> {
        let options = self.options;
        for repeat in 0..options.policy_repeats {
            let pass = self.search.epoch * options.policy_repeats + repeat;
            let Outlook { logits, keep_prob } = policy.explore(self.search.rows, batch.picked(), pass, batch.number);
            let u = draw_uniforms(self.search.seed, self.search.epoch, batch.number, 1 + repeat, batch.len);
            let each = logits.iter().zip(&keep_prob).zip(&u);
            let actions: Vec<bool> = each.map(|((z, p), u)| act(options.action, options.epsilon, z, *p, *u)).collect();
            let own;
            let losses = match (options.reward_forward, evaluated) {
                (RewardForward::Eval, Some(evaluated)) => Some(evaluated),
                (RewardForward::Eval, None) => unreachable!("a reward from evaluation-mode losses asks for them"),
                (RewardForward::TrainNograd, _) => {
                    own = self.rehearse(model, batch, &actions, 1 + repeat);
                    own.as_deref()
                }
            };
            let Some(losses) = losses else {
                self.totals.skipped_policy += 1;
                continue;
            };
            let look_back = &self.look_back[batch.offset..][..batch.len];
            let rewards = compute_rewards(options, look_back, losses, &actions);
            if !rewards.sum_of_squares.is_finite() {
                return Err(FitError::NotFinite { batch: batch.number as usize + 1 }.into());
            }
            self.totals.rewarded += rewards.count as u64;
            self.totals.reward_sum += rewards.sum;
            self.totals.reward_squares += rewards.sum_of_squares;
            if rewards.count == 0 {
                self.totals.skipped_policy += 1;
            } else {
                policy.reinforce(&actions, &rewards.values);
            }
        }
        Ok(())
    }

    /// Losses `[B]` in train mode without touching the model: of the selected rows among themselves, the others 0; or,
    /// where deselected rows need a reward, theirs from a pass over the whole batch. None where fewer than two rows are
    /// selected, because BatchNorm then has no statistics.
    fn rehearse(&self, model: &mut dyn Model, batch: Batch, actions: &[bool], draw: u32) -> Option<Vec<f32>> {
        let rows = self.search.rows;
        let dropout = self.search.key.dropout(draw, batch.number);
        let negate = self.options.deselected_reward == DeselectedReward::Negate;
        let mut losses = match negate {
            true => model.rehearse_batch(rows, batch.picked(), dropout),
            false => vec![0.0; batch.len],
        };
        let selected = batch.selected(actions);
        if selected.len() < 2 {
            return negate.then_some(losses);
        }
        let own = model.rehearse_batch(rows, Picked::Positions(&selected), dropout);
        for (position, loss) in selected.iter().zip(own) {
            losses[*position as usize - batch.offset] = loss;
        }
        Some(losses)
    }

    /// The second action, by the policy as updated.
    fn act_again(&self, policy: &mut dyn Policy, batch: Batch) -> Result<Vec<bool>, SearchError> {
        let Outlook { logits, keep_prob } = policy.score_batch(self.search.rows, batch.picked());
        if logits.iter().flatten().any(|z| !z.is_finite()) {
            return Err(SearchError::PolicyNotFinite { batch: batch.number as usize + 1 });
        }
        let u = draw_uniforms(self.search.seed, self.search.epoch, batch.number, 0, batch.len);
        let each = logits.iter().zip(&keep_prob).zip(&u);
        Ok(each.map(|((z, p), u)| act_again(self.options.update_action, z, *p, *u)).collect())
    }

    /// The model's step on the selected rows, and the batch's part of the history's row.
    fn update(
        &mut self,
        model: &mut dyn Model,
        batch: Batch,
        actions: &[bool],
        evaluated: Option<&[f32]>,
    ) -> Result<(), SearchError> {
        let (options, rows) = (self.options, self.search.rows);
        let entries = &mut self.entries[batch.offset..][..batch.len];
        if let (LmatDeselected::EvaluateAll, Some(evaluated)) = (options.lmat_deselected, evaluated) {
            entries.copy_from_slice(evaluated);
        }
        let selected = batch.selected(actions);
        self.totals.selected += selected.len() as u64;
        if batch.len < 2 {
            return Ok(());
        }
        let few = selected.len() < (options.min_selected as usize).min(batch.len);
        if few {
            match options.on_few_selected {
                OnFewSelected::Skip => {
                    self.totals.skipped += 1;
                    return Ok(());
                }
                OnFewSelected::AdamZeroGrad => {
                    self.totals.skipped += 1;
                    model.step_at_rest();
                    return Ok(());
                }
                OnFewSelected::Error => {
                    let (batch, selected) = (batch.number as usize + 1, selected.len());
                    return Err(SearchError::TooFewSelected { batch, selected, min: options.min_selected });
                }
                OnFewSelected::SelectAll => {}
            }
        }
        let picked = match few || selected.len() == batch.len {
            true => batch.picked(),
            false => Picked::Positions(&selected),
        };
        let seen = model.train_batch(rows, picked, self.search.key.dropout(0, batch.number));
        if seen.logits.iter().any(|z| !z.is_finite()) {
            return Err(FitError::NotFinite { batch: batch.number as usize + 1 }.into());
        }
        if options.lmat_loss == LmatLoss::Train {
            for (position, loss) in picked.positions().zip(&seen.losses) {
                entries[position - batch.offset] = *loss;
            }
        }
        self.labels.extend(picked.positions().map(|position| rows.labels[position]));
        self.logits.extend(seen.logits);
        Ok(())
    }
}

/// One batch of the fixed order.
#[derive(Clone, Copy)]
struct Batch {
    number: u32,
    offset: usize,
    len: usize,
}

impl Batch {
    fn picked(&self) -> Picked<'static> {
        Picked::From(self.offset, self.len)
    }

    /// Positions of the rows that the actions select.
    fn selected(&self, actions: &[bool]) -> Vec<u32> {
        let offset = self.offset as u32;
        (offset..).zip(actions).filter(|(_, action)| **action).map(|(position, _)| position).collect()
    }
}
