//! Confident learning as a method that chooses rows (spec `baselines.md`, section 7): each part of the training rows is
//! judged by a model trained on the others, and rows whose labels those models disbelieve are left out.

use super::confident::{flagged, folds};
use crate::backbone::{Fit, FitError, FitOptions, PassOptions, TensorFile, WeightsError};
use crate::metrics::sigmoid;
use crate::selection::{Context, Place, Role, SelectError, Selected, Selector, Session};
use crate::types::{Arm, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub struct ConfidentLearning {
    /// `[N]`: the part each row is in.
    folds: Vec<u8>,
    /// Parts judged.
    done: u8,
    /// `[N]`: probability of label 1 by the model that has not seen the row; 0 for parts not judged yet.
    p: Vec<f32>,
    /// The training under way, on the rows outside of part `done`.
    fit: Option<Fit>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    done: u8,
    fit: Option<Value>,
}

impl ConfidentLearning {
    pub fn new(context: &Context) -> Self {
        let labels = context.data.train.labels;
        let parts = context.method.baseline().folds as u8;
        Self { folds: folds(labels, parts, context.seed), done: 0, p: vec![0.0; labels.len()], fit: None }
    }

    fn choice(&self, context: &Context) -> Selected {
        let labels = context.data.train.labels;
        let (out, _) = flagged(&self.p, labels, context.method.baseline().filter);
        let kept = (0..labels.len() as u32).filter(|row| !out[*row as usize]).collect();
        let belief = |(p, label): (&f32, &u8)| if *label == 1 { *p } else { 1.0 - *p };
        Selected::scored(kept, "self_confidence", self.p.iter().zip(labels).map(belief).collect())
    }
}

impl Selector for ConfidentLearning {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let place = Place { arm: Arm::Denoised, phase: Phase::Select, epoch: u32::from(self.done) + 1 };
        let (options, rows) = (context.options(), &context.data.train);
        let mut fit = self.fit.take().unwrap_or_else(|| {
            let key = context.key(Role::CrossFit, u32::from(self.done));
            Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(options))
        });
        let others: Vec<u32> = (0..rows.len() as u32).filter(|row| self.folds[*row as usize] != self.done).collect();
        let what = PassOptions { subset: Some(&others), ..PassOptions::default() };
        session.pass(context, place, &mut fit, rows, &what)?;
        if !fit.is_done() {
            self.fit = Some(fit);
            return Ok(None);
        }
        fit.finish();
        let logits = fit.model.predict(rows);
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(SelectError::fit(place.phase, place.epoch, FitError::NotFinitePrediction));
        }
        for ((p, fold), z) in self.p.iter_mut().zip(&self.folds).zip(logits) {
            if *fold == self.done {
                *p = sigmoid(z);
            }
        }
        self.done += 1;
        let more = u32::from(self.done) < context.method.baseline().folds;
        Ok((!more).then(|| self.choice(context)))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Select, u32::from(self.done) + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        file.put_values(format!("{prefix}p"), &[self.p.len()], &self.p);
        let fit = self.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?;
        Ok(serde_json::to_value(Saved { done: self.done, fit })?)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        self.done = saved.done;
        self.p = file.values(&format!("{prefix}p"), &[self.p.len()])?;
        let load = |state| {
            let options = FitOptions::retrain(context.options());
            Fit::load(context.engine, &context.config, options, &format!("{prefix}fit/"), file, state)
        };
        self.fit = saved.fit.map(load).transpose()?;
        Ok(())
    }
}
