//! How a backbone is trained on what a method chose: the loss of the method, and the rows of each pass.

use crate::backbone::{FitOptions, Model, Rows, TrainingLoss, induced};
use crate::baseline::{sampled::Sampled, training_loss};
use crate::ingest::SplitData;
use crate::metrics::sigmoid;
use crate::selection::{Context, SelectError, Selected};

/// One contender's way of training one backbone.
pub(super) struct Training<'a> {
    pub loss: TrainingLoss,
    sampled: Option<(Sampled<'a>, u32)>,
}

impl<'a> Training<'a> {
    /// The plain loss on the rows as they are labelled, whatever the method.
    pub fn plain() -> Self {
        Self { loss: TrainingLoss::Bce, sampled: None }
    }

    pub fn new(context: &Context<'a>) -> Result<Self, SelectError> {
        let sampled = match context.method.kind.sampled() {
            Some(own) => {
                let field = |name: &str| {
                    let found = context.map.fields.iter().position(|field| field.name == name);
                    found.ok_or_else(|| SelectError::Unsuitable(format!("the dataset has no field `{name}`")))
                };
                let (user, item) = (field(&own.user_column)?, field(&own.item_column)?);
                let rows = &context.data.train;
                let sampled = Sampled::new(rows.ids, rows.labels, rows.fields, user, item);
                Some((sampled.map_err(|error| SelectError::Unsuitable(error.to_string()))?, own.num_neg))
            }
            None => None,
        };
        let rows = match &sampled {
            None => context.data.train.len(),
            Some((sampled, each)) => {
                sampled.positives() + (sampled.positives() - sampled.without_negative()) * *each as usize
            }
        };
        let batches = rows.div_ceil(context.options.batch_size as usize);
        let loss = training_loss(&context.method.kind, batches);
        Ok(Self { loss, sampled })
    }

    /// Whether rows are trained on by the plain loss, as they are given.
    pub fn is_plain(&self) -> bool {
        self.loss == TrainingLoss::Bce && self.sampled.is_none()
    }

    /// Whether its loss leaves the choice of rows to others.
    pub fn chooses_nothing(&self) -> bool {
        self.loss == TrainingLoss::Bce
    }

    /// As the method says, before anything is tuned.
    pub fn fit_options(&self, context: &Context) -> FitOptions {
        FitOptions { loss: self.loss, ..FitOptions::retrain(context.options) }
    }

    /// Calls `train` with the rows of a pass (from 0).
    pub fn with_rows<T>(&self, context: &Context, pass: u32, train: impl FnOnce(&Rows) -> T) -> T {
        match &self.sampled {
            None => train(&context.data.train),
            Some((sampled, num_neg)) => {
                let (ids, labels) = sampled.pass(context.seed, pass, *num_neg);
                train(&Rows::new(SplitData { ids: &ids, labels: &labels, rows: &[] }, context.data.train.fields))
            }
        }
    }

    /// The rows that a loss has chosen, as far as the model it trained tells. The plain loss chooses none.
    pub fn induce_choice(&self, context: &Context, model: &mut dyn Model) -> Option<Selected> {
        if self.loss == TrainingLoss::Bce {
            return None;
        }
        let rows = &context.data.train;
        let logits = model.predict(rows);
        let kept = induced(self.loss.at(u64::MAX), &logits, rows.labels, context.options.batch_size as usize);
        let belief = |(z, label): (&f32, &u8)| sigmoid(if *label == 1 { *z } else { -*z });
        Some(Selected::scored(kept, "self_confidence", logits.iter().zip(rows.labels).map(belief).collect()))
    }
}
