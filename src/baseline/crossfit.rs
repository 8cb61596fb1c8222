//! Confident learning as a method that chooses rows (spec `baselines.md`, section 7): each part of the training rows is
//! judged by a model trained on the others, and rows whose labels those models disbelieve are left out.

use super::confident::{flagged, folds};
use crate::backbone::{TensorFile, WeightsError};
use crate::metrics::sigmoid;
use crate::selection::{Context, CrossFit, CrossFitPlan, Place, Role, SelectError, Selected, Selector, Session};
use crate::types::Phase;
use crate::types::method::ConfidentOptions;
use serde_json::Value;

pub struct ConfidentLearning {
    own: ConfidentOptions,
    /// `[N]`: the part each row is in.
    folds: Vec<u8>,
    models: CrossFit,
}

impl ConfidentLearning {
    pub fn new(own: &ConfidentOptions, context: &Context) -> Self {
        let labels = context.data.train.labels;
        let folds = folds(labels, own.folds as u8, context.seed);
        Self { own: own.clone(), folds, models: CrossFit::new(labels.len()) }
    }

    fn make_choice(&self, context: &Context) -> Selected {
        let labels = context.data.train.labels;
        let p: Vec<f32> = self.models.logits().iter().map(|z| sigmoid(*z)).collect();
        let (out, _) = flagged(&p, labels, self.own.filter);
        let kept = (0..labels.len() as u32).filter(|row| !out[*row as usize]).collect();
        let belief = |(p, label): (&f32, &u8)| if *label == 1 { *p } else { 1.0 - *p };
        Selected::scored(kept, "self_confidence", p.iter().zip(labels).map(belief).collect())
    }
}

impl Selector for ConfidentLearning {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let name = |part| {
            let part = u32::from(part);
            (context.key(Role::CrossFit, part), Place::denoised(Phase::Select, part + 1))
        };
        let plan = CrossFitPlan::of_job(context, &self.folds, self.own.folds);
        let over = self.models.step(&plan, name, context, session)?;
        Ok(over.then(|| self.make_choice(context)))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Select, u32::from(self.models.done()) + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        self.models.save(prefix, file)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        self.models.load(&CrossFitPlan::of_job(context, &self.folds, self.own.folds), prefix, file, state)
    }
}
