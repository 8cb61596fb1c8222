//! Subsets tried one after the other: a fresh model is trained on each, and the one whose model does best by `select_by` is
//! kept (spec `autodenoise.md`, section 3, Opt_II and Main; section 6, row 18).

use super::{Context, Place, Role, SelectError, Selected, Session};
use crate::backbone::{Chosen, Fit, FitOptions, PassOptions, TensorFile, WeightsError};
use crate::types::{Metrics, Phase, SelectBy, Tested};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The contest between two passes.
#[derive(Default)]
pub struct Contest {
    /// The running training and its rows.
    running: Option<(Fit, Vec<u32>)>,
    best: Option<Best>,
}

struct Best {
    meta: BestMeta,
    kept: Vec<u32>,
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
    running: Option<Value>,
    best: Option<BestMeta>,
}

impl Contest {
    /// Trains the next pass on the subset of an epoch, which `subset` makes when it is needed. At the end of the training:
    /// whether it is the best so far.
    pub fn step(
        &mut self,
        epoch: u32,
        context: &Context,
        session: &mut Session,
        subset: impl FnOnce() -> Result<Vec<u32>, SelectError>,
    ) -> Result<Option<bool>, SelectError> {
        let options = context.options();
        let (mut fit, subset) = match self.running.take() {
            Some(running) => running,
            None => {
                let key = context.key(Role::Retrain, epoch);
                let subset = subset()?;
                (Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(options)), subset)
            }
        };
        let what = PassOptions { subset: Some(&subset), ..PassOptions::default() };
        let place = Place::denoised(Phase::Validate, epoch);
        session.train_pass(context, place, &mut fit, [&context.data.train, &context.data.valid], &what)?;
        if !fit.is_done() {
            self.running = Some((fit, subset));
            return Ok(None);
        }
        let chosen = fit.finish()[0];
        let mut test = None;
        let score = match options.select_by {
            SelectBy::ValidAuc => chosen.valid.auc.expect("a retrain without an AUC is an error"),
            SelectBy::ValidLogloss => -chosen.valid.logloss,
            SelectBy::TestAuc => {
                let metrics = session.read_test(context, place, &mut *fit.model)?.metrics;
                test = Some(metrics);
                metrics.auc.ok_or(SelectError::TestOneClass)?
            }
        };
        let better = self.best.as_ref().is_none_or(|best| score > best.meta.score);
        if better {
            self.best = Some(Best { meta: BestMeta { epoch, score, chosen, test }, kept: subset });
        }
        Ok(Some(better))
    }

    /// The best subset, of which nothing is left here.
    ///
    /// # Panics
    /// Where no training has ended.
    pub fn take_best(&mut self) -> Selected {
        let Best { meta, kept } = self.best.take().expect("a subset was tried");
        let mut selected = Selected::rows(kept);
        selected.note.best_epoch = Some(meta.epoch);
        selected.note.as_selected = meta.test.map(|test| Tested { valid: meta.chosen.valid, test });
        selected
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let running = self.running.as_ref().map(|(fit, subset)| {
            file.put_positions(format!("{prefix}subset"), subset);
            fit.save(&format!("{prefix}fit/"), file)
        });
        if let Some(best) = &self.best {
            file.put_positions(format!("{prefix}best"), &best.kept);
        }
        let best = self.best.as_ref().map(|best| best.meta.clone());
        Ok(serde_json::to_value(Saved { running: running.transpose()?, best })?)
    }

    pub fn load(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        if let Some(state) = saved.running {
            let options = FitOptions::retrain(context.options());
            let fit = Fit::load(context.engine, &context.config, options, &format!("{prefix}fit/"), file, state)?;
            self.running = Some((fit, file.positions(&format!("{prefix}subset"))?));
        }
        if let Some(meta) = saved.best {
            self.best = Some(Best { meta, kept: file.positions(&format!("{prefix}best"))? });
        }
        Ok(())
    }
}
