//! AutoDenoise as a method that chooses rows (spec `autodenoise.md`, section 3): the warm-up fills the loss history, then
//! search and validation take turns, and the subset of the best epoch is the choice. AutoDenoise-v differs in one option,
//! `select`.

use super::{History, SearchEpoch, search_epoch, select};
use crate::backbone::{Policy, PolicyConfig, TensorFile, WeightsError, evaluate};
use crate::selection::{
    Contest, Context, Place, Role, Scores, SelectError, Selected, Selector, Session, Warmup, empty_row,
};
use crate::types::{EpochRow, Phase};
use serde::{Deserialize, Serialize};
use std::time::Instant;

pub struct AutoDenoise {
    at: At,
    warmup: Warmup,
    policy: Box<dyn Policy>,
    history: History,
    contest: Contest,
    /// The policy of the best epoch so far.
    best: Option<TensorFile>,
}

/// What the next step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Warmup,
    Search { epoch: u32 },
    Validate { epoch: u32 },
}

#[derive(Serialize, Deserialize)]
struct Saved {
    at: At,
    warmup: serde_json::Value,
    contest: serde_json::Value,
    has_best: bool,
}

impl AutoDenoise {
    pub fn new(context: &Context) -> Self {
        let options = context.options();
        let config = PolicyConfig::new(context.map, options);
        Self {
            at: At::Warmup,
            warmup: Warmup::default(),
            policy: context.engine.policy(&config, context.key(Role::Policy, 0)),
            history: History::new(options.warmup_epochs, context.data.train.len(), options.lmat_deselected),
            contest: Contest::default(),
            best: None,
        }
    }

    fn search(&mut self, epoch: u32, context: &Context, session: &mut Session) -> Result<(), SelectError> {
        let options = context.options();
        let started = Instant::now();
        let search = SearchEpoch {
            options,
            config: &context.config,
            rows: &context.data.train,
            seed: context.seed,
            epoch,
            key: context.key(Role::Search, epoch),
        };
        let (policy, history) = (&mut *self.policy, &mut self.history);
        let searched = session.with_ticks(|tick| search_epoch(context.engine, policy, &search, history, tick));
        let (summary, mut model) = searched.map_err(|source| SelectError::Search { epoch, source: source.into() })?;
        let valid = evaluate(&mut *model, &context.data.valid, options.auc_on, options.logloss_eps)
            .map_err(|source| SelectError::Fit { phase: Phase::Search, epoch, source })?;
        let place = Place::denoised(Phase::Search, epoch);
        session.report_row(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train,
            valid: Some(valid[0]),
            kept: Some(summary.kept),
            reward_mean: summary.reward_mean,
            reward_std: summary.reward_std,
            skipped_updates: Some(summary.skipped_updates),
            ..empty_row(context, place, 1)
        });
        if summary.kept < options.min_selected_fraction {
            session.warn_once(context, "min_selected_fraction", || {
                format!(
                    "in search epoch {epoch} the policy selected {:.3} % of the rows, below min_selected_fraction = {:.3} %, and \
                     {} model updates had too few rows; rewards drift this way where a model trained on fewer rows learns more \
                     slowly than the warm-up did; reward_norm = standardize counters it",
                    100.0 * summary.kept,
                    100.0 * options.min_selected_fraction,
                    summary.skipped_updates,
                )
            });
        }
        self.at = At::Validate { epoch };
        Ok(())
    }

    fn validate(
        &mut self,
        epoch: u32,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Selected>, SelectError> {
        let policy = &mut self.policy;
        let subset = || {
            let scores = keep_prob(&mut **policy, epoch, context)?;
            Ok(select(context.options(), &scores, context.seed, epoch))
        };
        let Some(better) = self.contest.step(epoch, context, session, subset)? else { return Ok(None) };
        if better {
            self.best = Some(self.policy.weights());
        }
        if epoch < context.options().epochs {
            self.at = At::Search { epoch: epoch + 1 };
            return Ok(None);
        }
        self.make_choice(context).map(Some)
    }

    /// The best epoch's subset and what its policy says of every row.
    fn make_choice(&mut self, context: &Context) -> Result<Selected, SelectError> {
        let selected = self.contest.take_best();
        let policy = self.best.take().expect("the best epoch had a policy");
        self.policy.load_weights(&policy)?;
        let epoch = selected.note.best_epoch.unwrap_or_default();
        let values = keep_prob(&mut *self.policy, epoch, context)?;
        let scores = Some(Scores { name: "keep_prob".to_owned(), values });
        let losses = self.history.by_age(context.options().epochs);
        Ok(Selected { scores, losses, policy: Some(policy), ..selected })
    }
}

/// Keep probabilities of the training rows after an epoch's search.
fn keep_prob(policy: &mut dyn Policy, epoch: u32, context: &Context) -> Result<Vec<f32>, SelectError> {
    let scores = policy.keep_prob(&context.data.train);
    if scores.iter().all(|p| p.is_finite()) { Ok(scores) } else { Err(SelectError::PolicyNotFinite { epoch }) }
}

impl Selector for AutoDenoise {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        match self.at {
            At::Warmup => {
                let history = &mut self.history;
                self.warmup.step(context, session, &mut |row, losses| history.set(row, losses))?;
                if self.warmup.is_over(context) {
                    self.at = At::Search { epoch: 1 };
                }
                Ok(None)
            }
            At::Search { epoch } => self.search(epoch, context, session).map(|()| None),
            At::Validate { epoch } => self.validate(epoch, context, session),
        }
    }

    fn position(&self) -> (Phase, u32) {
        match self.at {
            At::Warmup => (Phase::Warmup, self.warmup.done() + 1),
            At::Search { epoch } => (Phase::Search, epoch),
            At::Validate { epoch } => (Phase::Validate, epoch),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, WeightsError> {
        file.put_all(&format!("{prefix}policy/model/"), &self.policy.weights());
        file.put_all(&format!("{prefix}policy/optimizer/"), &self.policy.optimizer_state());
        self.history.save(&format!("{prefix}history/"), file);
        if let Some(policy) = &self.best {
            file.put_all(&format!("{prefix}best/"), policy);
        }
        Ok(serde_json::to_value(Saved {
            at: self.at,
            warmup: self.warmup.save(&format!("{prefix}warmup/"), file)?,
            contest: self.contest.save(&format!("{prefix}contest/"), file)?,
            has_best: self.best.is_some(),
        })?)
    }

    fn load(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        self.at = saved.at;
        self.warmup.load(context, &format!("{prefix}warmup/"), file, saved.warmup)?;
        self.policy.load_weights(&file.below(&format!("{prefix}policy/model/")))?;
        self.policy.load_optimizer_state(&file.below(&format!("{prefix}policy/optimizer/")))?;
        self.history.load(&format!("{prefix}history/"), file)?;
        self.contest.load(context, &format!("{prefix}contest/"), file, saved.contest)?;
        self.best = saved.has_best.then(|| file.below(&format!("{prefix}best/")));
        Ok(())
    }
}
