//! The second stage: the loss history. Every row is judged by models that have not seen it, twice over, in rounds; from
//! the second round on rows weigh what the round before believes of their labels.

use super::machine::{Machine, as_damaged};
use super::reliable::ReliableRows;
use super::streams;
use super::taught::Taught;
use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{Context, CrossFit, CrossFitPlan, Place, Role, SelectError, Session};
use crate::types::Phase;
use crate::types::method::RobustOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) struct Teach {
    /// Counted from 1.
    round: u32,
    /// `[N]`: what the round before believes of each label. Absent in the first round.
    beliefs: Option<Vec<f32>>,
    /// `[N]`: the first half of the round. Absent while it is under way.
    first_half: Option<Vec<f32>>,
    /// The half under way.
    cross: CrossFit,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    round: u32,
    has_beliefs: bool,
    has_first_half: bool,
    cross: Value,
}

impl Teach {
    /// For so many training rows.
    pub fn new(rows: usize) -> Self {
        Self { round: 1, beliefs: None, first_half: None, cross: CrossFit::new(rows) }
    }

    /// Counted from 1.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Trains a pass of a teacher; what all of them say, after the last round.
    pub fn step(
        &mut self,
        options: &RobustOptions,
        reliable: &ReliableRows,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Taught>, SelectError> {
        let half = u32::from(self.first_half.is_some());
        let run = (self.round - 1) * u32::from(RobustOptions::HALVES) + half;
        let parts = divide_rows(context.data.train.len(), options.folds as u8, context.seed, run);
        let number = run * options.folds + u32::from(self.cross.done());
        let teacher = Machine::new(options.teacher, options.teacher_weight_decay, context)?;
        let plan = CrossFitPlan {
            trained: Some(&reliable.train),
            weights: self.beliefs.as_deref(),
            ..plan_cross_fit(&teacher, &parts, options, context)
        };
        let key = context.key(Role::CrossFit, number);
        if !self.cross.step(&plan, key, Place::denoised(Phase::Warmup, number + 1), context, session)? {
            return Ok(None);
        }
        let logits = self.cross.logits().to_vec();
        self.cross = CrossFit::new(parts.len());
        let Some(first_half) = self.first_half.take() else {
            self.first_half = Some(logits);
            return Ok(None);
        };
        let weights = self.beliefs.as_deref();
        let taught = Taught::new([first_half, logits], weights, reliable, context.data.train.labels);
        if self.round == options.rounds {
            return Ok(Some(taught));
        }
        self.round += 1;
        self.beliefs = Some(taught.beliefs);
        Ok(None)
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        for (name, values) in [("beliefs", &self.beliefs), ("first_half", &self.first_half)] {
            if let Some(values) = values {
                file.put_values(format!("{prefix}{name}"), &[values.len()], values);
            }
        }
        Ok(serde_json::to_value(Saved {
            round: self.round,
            has_beliefs: self.beliefs.is_some(),
            has_first_half: self.first_half.is_some(),
            cross: self.cross.save(&format!("{prefix}cross/"), file)?,
        })?)
    }

    pub fn load(
        options: &RobustOptions,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let rows = context.data.train.len();
        let values =
            |there: bool, name: &str| there.then(|| file.values(&format!("{prefix}{name}"), &[rows])).transpose();
        let teacher = Machine::new(options.teacher, options.teacher_weight_decay, context).map_err(as_damaged)?;
        let mut cross = CrossFit::new(rows);
        cross.load(&plan_cross_fit(&teacher, &[], options, context), &format!("{prefix}cross/"), file, saved.cross)?;
        Ok(Self {
            round: saved.round,
            beliefs: values(saved.has_beliefs, "beliefs")?,
            first_half: values(saved.has_first_half, "first_half")?,
            cross,
        })
    }
}

/// How teachers are trained, on all rows alike.
fn plan_cross_fit<'m>(
    teacher: &'m Machine,
    parts: &'m [u8],
    options: &RobustOptions,
    context: &Context<'m>,
) -> CrossFitPlan<'m> {
    CrossFitPlan {
        engine: context.engine,
        config: &teacher.config,
        options: teacher.options,
        parts,
        count: options.folds as u8,
        trained: None,
        weights: None,
    }
}

/// `[N]`: the part that each row is in, below `count`; parts differ by at most one row.
fn divide_rows(rows: usize, count: u8, seed: u64, run: u32) -> Vec<u8> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    streams::row_parts(seed, run).shuffle(&mut order);
    let mut parts = vec![0; rows];
    for (position, row) in order.into_iter().enumerate() {
        parts[row as usize] = (position % usize::from(count)) as u8;
    }
    parts
}
