//! Cross-fitting: what a model that has not seen a row says of it. The rows are divided into parts; each part is judged by
//! a model trained on the others.

use super::{Context, Place, SelectError, Session};
use crate::backbone::{
    BackboneConfig, Engine, Fit, FitError, FitOptions, ModelKey, PassOptions, TensorFile, WeightsError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A cross-fitting between two passes.
pub struct CrossFit {
    /// Parts judged.
    done: u8,
    /// `[N]`: by the model that has not seen the row; 0 for parts not judged yet.
    logits: Vec<f32>,
    /// The training under way, on the rows outside of part `done`.
    fit: Option<Fit>,
}

/// How its models are trained.
pub struct CrossFitPlan<'m> {
    pub engine: &'m dyn Engine,
    pub config: &'m BackboneConfig,
    pub options: FitOptions,
    /// `[N]`: the part each row is in, below `count`.
    pub parts: &'m [u8],
    pub count: u8,
}

impl<'m> CrossFitPlan<'m> {
    /// As the models of the job are, over `count` parts.
    pub fn of_job(context: &'m Context, parts: &'m [u8], count: u32) -> Self {
        let options = FitOptions::retrain(context.options());
        Self { engine: context.engine, config: &context.config, options, parts, count: count as u8 }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    done: u8,
    fit: Option<Value>,
}

impl CrossFit {
    pub fn new(rows: usize) -> Self {
        Self { done: 0, logits: vec![0.0; rows], fit: None }
    }

    /// Parts judged.
    pub fn done(&self) -> u8 {
        self.done
    }

    /// Trains the next pass of the model that judges the part under way; its streams are those of `key`. After its last
    /// pass the part is judged. Whether all parts are.
    pub fn step(
        &mut self,
        plan: &CrossFitPlan,
        key: ModelKey,
        place: Place,
        context: &Context,
        session: &mut Session,
    ) -> Result<bool, SelectError> {
        let rows = &context.data.train;
        let mut fit = self.fit.take().unwrap_or_else(|| Fit::new(plan.engine, plan.config, &[key], plan.options));
        let is_other = |row: &u32| plan.parts[*row as usize] != self.done;
        let others: Vec<u32> = (0..rows.len() as u32).filter(is_other).collect();
        let what = PassOptions { subset: Some(&others), ..PassOptions::default() };
        session.train_pass(context, place, &mut fit, [rows, &context.data.valid], &what)?;
        if !fit.is_done() {
            self.fit = Some(fit);
            return Ok(false);
        }
        fit.finish();
        let logits = fit.model.predict(rows);
        if logits.iter().any(|z| !z.is_finite()) {
            let source = FitError::NotFinitePrediction;
            return Err(SelectError::Fit { phase: place.phase, epoch: place.epoch, source });
        }
        for ((own, part), z) in self.logits.iter_mut().zip(plan.parts).zip(logits) {
            if *part == self.done {
                *own = z;
            }
        }
        self.done += 1;
        Ok(self.done == plan.count)
    }

    /// `[N]`, once all parts are judged.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        file.put_values(format!("{prefix}logits"), &[self.logits.len()], &self.logits);
        let fit = self.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?;
        Ok(serde_json::to_value(Saved { done: self.done, fit })?)
    }

    /// Takes up what `save` left, to go on with models of the same plan.
    pub fn load(
        &mut self,
        plan: &CrossFitPlan,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        self.done = saved.done;
        self.logits = file.values(&format!("{prefix}logits"), &[self.logits.len()])?;
        let load = |state| Fit::load(plan.engine, plan.config, plan.options, &format!("{prefix}fit/"), file, state);
        self.fit = saved.fit.map(load).transpose()?;
        Ok(())
    }
}
