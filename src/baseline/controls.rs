//! Controls (spec `baselines.md`, section 8): without them a gain cannot be put down to a method.

use crate::backbone::{TensorFile, WeightsError};
use crate::random::{Purpose, Stream};
use crate::selection::{
    Contest, Context, SelectError, Selected, Selector, Session, Warmup, keep_count, top_k, top_k_per_batch,
};
use crate::types::Phase;
use crate::types::method::{LabelSmoothingOptions, LossDropOptions, RandomDropOptions};
use serde::Deserialize;
use serde_json::{Value, json};

/// `select_ratio` of the rows at random, of each batch or of all. With several `tries` it has the choice AutoDenoise has:
/// a model is trained on each draw, and the best by `select_by` is kept.
pub struct RandomDrop {
    own: RandomDropOptions,
    /// Tries done.
    done: u32,
    contest: Contest,
}

impl RandomDrop {
    pub fn new(own: &RandomDropOptions) -> Self {
        Self { own: own.clone(), done: 0, contest: Contest::default() }
    }
}

impl Selector for RandomDrop {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let (number, tries) = (self.done, self.own.tries);
        let draw = || {
            let mut draw = vec![0.0; context.data.train.len()];
            Stream::new(context.seed, Purpose::RandomDrop, &[number]).fill_uniform(&mut draw);
            pick_highest(context, self.own.per_batch, &draw)
        };
        if tries == 1 {
            return Ok(Some(Selected::rows(draw())));
        }
        if self.contest.step(number + 1, context, session, || Ok(draw()))?.is_some() {
            self.done += 1;
        }
        Ok((self.done == tries).then(|| self.contest.take_best()))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Validate, self.done + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        Ok(json!({"done": self.done, "contest": self.contest.save(prefix, file)?}))
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        self.done = u32::deserialize(&state["done"])?;
        self.contest.load(context, prefix, file, state["contest"].clone())
    }
}

/// Drops the rows whose mean loss over the warm-up is highest. A policy starts from the same warm-up.
pub struct LossDrop {
    own: LossDropOptions,
    warmup: Warmup,
    /// `[N]` of each row of the warm-up so far.
    losses: Vec<Vec<f32>>,
}

impl LossDrop {
    pub fn new(own: &LossDropOptions) -> Self {
        Self { own: own.clone(), warmup: Warmup::default(), losses: Vec::new() }
    }
}

impl Selector for LossDrop {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        self.warmup.step(context, session, &mut |_, losses| self.losses.push(losses))?;
        if !self.warmup.is_over(context) {
            return Ok(None);
        }
        let mean = |i: usize| self.losses.iter().map(|row| f64::from(row[i])).sum::<f64>() / self.losses.len() as f64;
        let scores: Vec<f32> = (0..context.data.train.len()).map(|i| -mean(i) as f32).collect();
        let kept = pick_highest(context, self.own.per_batch, &scores);
        let losses = std::mem::take(&mut self.losses);
        Ok(Some(Selected { losses, ..Selected::scored(kept, "minus_mean_loss", scores) }))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Warmup, self.warmup.done() + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        for (row, losses) in self.losses.iter().enumerate() {
            file.put_values(format!("{prefix}losses/{row}"), &[losses.len()], losses);
        }
        self.warmup.save(prefix, file)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        self.warmup.load(context, prefix, file, state)?;
        let rows = context.data.train.len();
        let losses = |row| file.values(&format!("{prefix}losses/{row}"), &[rows]);
        self.losses = (0..self.warmup.done()).map(losses).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// Keeps every row and moves its label towards one half.
pub struct LabelSmoothing {
    own: LabelSmoothingOptions,
}

impl LabelSmoothing {
    pub fn new(own: &LabelSmoothingOptions) -> Self {
        Self { own: own.clone() }
    }
}

impl Selector for LabelSmoothing {
    fn step(&mut self, context: &Context, _session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let labels = context.data.train.labels;
        let kept = (0..labels.len() as u32).collect();
        let target = |label: &u8| (f64::from(*label) + self.own.smoothing * (0.5 - f64::from(*label))) as f32;
        Ok(Some(Selected { targets: Some(labels.iter().map(target).collect()), ..Selected::rows(kept) }))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Validate, 1)
    }

    fn save(&self, _prefix: &str, _file: &mut TensorFile) -> Result<Value, WeightsError> {
        Ok(Value::Null)
    }

    fn load(&mut self, _: &Context, _: &str, _: &TensorFile, _: Value) -> Result<(), WeightsError> {
        Ok(())
    }
}

/// The `select_ratio` of the rows with the highest scores, of each batch or of all.
fn pick_highest(context: &Context, per_batch: bool, scores: &[f32]) -> Vec<u32> {
    let options = context.options();
    if per_batch {
        top_k_per_batch(scores, options.batch_size as usize, options.select_ratio)
    } else {
        top_k(scores, keep_count(scores.len(), options.select_ratio))
    }
}
