//! The first stage: every row is judged by a model that has not seen it.

use super::machine::{Machine, as_damaged};
use crate::backbone::{TensorFile, WeightsError};
use crate::random::{Purpose, Stream};
use crate::selection::{Context, CrossFit, CrossFitPlan, Place, Role, SelectError, Session};
use crate::types::Phase;
use crate::types::method::RobustOptions;
use serde_json::Value;

pub(super) struct Judge {
    cross: CrossFit,
}

impl Judge {
    /// For so many training rows.
    pub fn new(rows: usize) -> Self {
        Self { cross: CrossFit::new(rows) }
    }

    /// Counted from 1.
    pub fn part(&self) -> u32 {
        u32::from(self.cross.done()) + 1
    }

    /// Trains a pass of the judges under way; `[N]` logits, after the last.
    pub fn step(
        &mut self,
        options: &RobustOptions,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Vec<f32>>, SelectError> {
        let teacher = Machine::teacher(options, context)?;
        let parts = divide_rows(context.data.train.len(), options.folds as u8, context.seed);
        let name = |part| {
            let part = u32::from(part) + 1;
            (context.key(Role::CrossFit, part), Place::denoised(Phase::Warmup, part))
        };
        let is_over = self.cross.step(&plan(&teacher, &parts, options, context), name, context, session)?;
        Ok(is_over.then(|| self.cross.logits().to_vec()))
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        self.cross.save(prefix, file)
    }

    pub fn load(
        options: &RobustOptions,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, WeightsError> {
        let teacher = Machine::teacher(options, context).map_err(as_damaged)?;
        let mut cross = CrossFit::new(context.data.train.len());
        cross.load(&plan(&teacher, &[], options, context), prefix, file, state)?;
        Ok(Self { cross })
    }
}

fn plan<'m>(teacher: &'m Machine, parts: &'m [u8], options: &RobustOptions, context: &Context<'m>) -> CrossFitPlan<'m> {
    CrossFitPlan {
        engine: context.engine,
        config: &teacher.config,
        options: teacher.options,
        parts,
        count: options.folds as u8,
    }
}

/// Path of the stream that deals rows out: no label has this number.
const ROBUST: u32 = 2;

/// `[N]`: the part that each row is in, below `count`.
fn divide_rows(rows: usize, count: u8, seed: u64) -> Vec<u8> {
    let mut draws = vec![0.0; rows];
    Stream::new(seed, Purpose::Folds, &[ROBUST]).fill_uniform(&mut draws);
    draws.into_iter().map(|draw| ((draw * f32::from(count)) as u8).min(count - 1)).collect()
}
