//! AutoDenoise as a method that chooses rows (spec `autodenoise.md`, section 3): the warm-up fills the loss history, then
//! search and validation take turns, and the subset of the best epoch is the choice. AutoDenoise-v differs in one option,
//! `select`.

use super::searcher::{PolicyConfig, SearchEpoch, SearchError, Searcher, searcher};
use super::{History, select};
use crate::backbone::{Chosen, Fit, FitError, FitOptions, PassOptions, TensorFile, WeightsError, evaluate};
use crate::selection::{
    Context, Place, Role, Scores, SelectError, Selected, SelectedNote, Selector, Session, Warmup, row,
};
use crate::types::{Arm, EpochRow, Metrics, Phase, SelectBy, Tested};
use serde::{Deserialize, Serialize};
use std::time::Instant;

pub struct AutoDenoise {
    at: At,
    warmup: Warmup,
    policy: Box<dyn Searcher>,
    history: History,
    /// The running retrain and its rows.
    retrain: Option<(Fit, Vec<u32>)>,
    best: Option<Best>,
}

/// What the next step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Warmup,
    Search { epoch: u32 },
    Validate { epoch: u32 },
}

/// The best epoch so far.
struct Best {
    meta: BestMeta,
    kept: Vec<u32>,
    policy: TensorFile,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BestMeta {
    epoch: u32,
    score: f64,
    chosen: Chosen,
    test: Option<Metrics>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    at: At,
    warmup: serde_json::Value,
    retrain: Option<serde_json::Value>,
    best: Option<BestMeta>,
}

impl AutoDenoise {
    pub fn new(context: &Context) -> Self {
        let options = context.options();
        let config = PolicyConfig::new(context.map, options);
        Self {
            at: At::Warmup,
            warmup: Warmup::default(),
            policy: searcher(context.engine, &config, context.key(Role::Policy, 0)),
            history: History::new(options.warmup_epochs, context.data.train.len(), options.lmat_deselected),
            retrain: None,
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
        let searched = session.ticking(|tick| self.policy.epoch(&search, &mut self.history, tick));
        let (summary, mut model) = searched.map_err(|source| match source {
            SearchError::Fit(FitError::Stopped) => SelectError::Stopped,
            source => SelectError::Search { epoch, source: source.into() },
        })?;
        let valid = evaluate(&mut *model, &context.data.valid, options.auc_on, options.logloss_eps)
            .map_err(|source| SelectError::fit(Phase::Search, epoch, source))?;
        let place = Place { arm: Arm::Denoised, phase: Phase::Search, epoch };
        session.row(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            train: summary.train,
            valid: Some(valid[0]),
            kept: Some(summary.kept),
            reward_mean: summary.reward_mean,
            reward_std: summary.reward_std,
            skipped_updates: Some(summary.skipped_updates),
            ..row(context, place, 1)
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
        let options = context.options();
        let (mut fit, subset) = match self.retrain.take() {
            Some(retrain) => retrain,
            None => {
                let scores = self.keep_prob(epoch, context)?;
                let key = context.key(Role::Retrain, epoch);
                let fit = Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(options));
                (fit, select(options, &scores, context.seed, epoch))
            }
        };
        let what = PassOptions { subset: Some(&subset), ..PassOptions::default() };
        let place = Place { arm: Arm::Denoised, phase: Phase::Validate, epoch };
        session.pass(context, place, &mut fit, &context.data.train, &what)?;
        if !fit.is_done() {
            self.retrain = Some((fit, subset));
            return Ok(None);
        }
        let chosen = fit.finish()[0];
        let mut test = None;
        let score = match options.select_by {
            SelectBy::ValidAuc => chosen.valid.auc.expect("a retrain without an AUC is an error"),
            SelectBy::ValidLogloss => -chosen.valid.logloss,
            SelectBy::TestAuc => {
                let metrics = session.read_test(context, place, &mut *fit.model)?;
                test = Some(metrics);
                metrics.auc.ok_or(SelectError::TestOneClass)?
            }
        };
        if self.best.as_ref().is_none_or(|best| score > best.meta.score) {
            let meta = BestMeta { epoch, score, chosen, test };
            self.best = Some(Best { meta, kept: subset, policy: self.policy.weights() });
        }
        if epoch < options.epochs {
            self.at = At::Search { epoch: epoch + 1 };
            return Ok(None);
        }
        self.choice(context).map(Some)
    }

    /// The best epoch's subset and what its policy says of every row.
    fn choice(&mut self, context: &Context) -> Result<Selected, SelectError> {
        let Best { meta, kept, policy } = self.best.take().expect("an epoch was validated");
        self.policy.load_weights(&policy)?;
        let values = self.keep_prob(meta.epoch, context)?;
        let as_selected = meta.test.map(|test| Tested { valid: meta.chosen.valid, test });
        Ok(Selected {
            kept,
            scores: Some(Scores { name: "keep_prob".to_owned(), values }),
            policy: Some(policy),
            note: SelectedNote { best_epoch: Some(meta.epoch), as_selected },
        })
    }

    fn keep_prob(&mut self, epoch: u32, context: &Context) -> Result<Vec<f32>, SelectError> {
        let scores = self.policy.keep_prob(&context.data.train);
        if scores.iter().all(|p| p.is_finite()) { Ok(scores) } else { Err(SelectError::PolicyNotFinite { epoch }) }
    }
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
        let retrain = self.retrain.as_ref().map(|(fit, subset)| {
            file.put_positions(format!("{prefix}subset"), subset);
            fit.save(&format!("{prefix}fit/"), file)
        });
        if let Some(best) = &self.best {
            file.put_positions(format!("{prefix}best/kept"), &best.kept);
            file.put_all(&format!("{prefix}best/policy/"), &best.policy);
        }
        Ok(serde_json::to_value(Saved {
            at: self.at,
            warmup: self.warmup.save(&format!("{prefix}warmup/"), file)?,
            retrain: retrain.transpose()?,
            best: self.best.as_ref().map(|best| best.meta.clone()),
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
        if let Some(state) = saved.retrain {
            let options = FitOptions::retrain(context.options());
            let fit = Fit::load(context.engine, &context.config, options, &format!("{prefix}fit/"), file, state)?;
            self.retrain = Some((fit, file.positions(&format!("{prefix}subset"))?));
        }
        if let Some(meta) = saved.best {
            let kept = file.positions(&format!("{prefix}best/kept"))?;
            self.best = Some(Best { meta, kept, policy: file.below(&format!("{prefix}best/policy/")) });
        }
        Ok(())
    }
}
