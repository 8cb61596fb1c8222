//! The third stage: a factorisation machine whose embeddings are the directions in which draws of rows are balanced.

use super::machine::{Machine, as_damaged};
use super::reliable::ReliableRows;
use super::taught::Taught;
use crate::backbone::{Fit, PassOptions, TensorFile, WeightsError};
use crate::selection::{Context, Place, Role, SelectError, Session};
use crate::types::Phase;
use crate::types::method::RobustOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every engine calls a factorisation machine's embeddings.
const TABLE: &str = "embedding.embedding.weight";
/// Number of the machine's passes: they come after those of the models that examine values.
const NUMBER: u32 = RobustOptions::MOST_FIELDS as u32 * RobustOptions::VALUE_PARTS as u32;

pub(super) struct Embed {
    pub taught: Taught,
    /// Absent before its first pass.
    fit: Option<Fit>,
}

/// An embedding for each id.
#[derive(Default)]
pub(super) struct Embeddings {
    /// `[D, width]`.
    pub values: Vec<f32>,
    pub width: usize,
}

impl Embeddings {
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        file.put_values(format!("{prefix}table"), &[self.values.len()], &self.values);
    }

    /// Of so many ids.
    pub fn load(ids: usize, width: usize, prefix: &str, file: &TensorFile) -> Result<Self, WeightsError> {
        Ok(Self { values: file.values(&format!("{prefix}table"), &[ids * width])?, width })
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    taught: Value,
    fit: Option<Value>,
}

impl Embed {
    pub fn new(taught: Taught) -> Self {
        Self { taught, fit: None }
    }

    /// Trains a pass of the machine; its embeddings, after the last.
    pub fn step(
        &mut self,
        reliable: &ReliableRows,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Embeddings>, SelectError> {
        let machine = Machine::fm(context)?;
        let mut fit = self.fit.take().unwrap_or_else(|| {
            let key = context.key(Role::Embed, 0);
            Fit::new(context.engine, &machine.config, &[key], machine.options)
        });
        let rows = reliable.positions();
        let what = PassOptions { subset: Some(&rows), ..PassOptions::default() };
        session.train_pass(
            context,
            Place::denoised(Phase::Select, NUMBER + 1),
            &mut fit,
            &context.data.train,
            &what,
        )?;
        if !fit.is_done() {
            self.fit = Some(fit);
            return Ok(None);
        }
        fit.finish();
        let (ids, width) = (machine.config.cardinality(), machine.config.options.embed_dim as usize);
        Ok(Some(Embeddings { values: fit.model.weights().values(TABLE, &[ids, width])?, width }))
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let taught = self.taught.save(prefix, file)?;
        let fit = self.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?;
        Ok(serde_json::to_value(Saved { taught, fit })?)
    }

    pub fn load(context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let machine = Machine::fm(context).map_err(as_damaged)?;
        let load = |state| {
            let prefix = format!("{prefix}fit/");
            Fit::load(context.engine, &machine.config, machine.options, &prefix, file, state)
        };
        Ok(Self {
            taught: Taught::load(context.data.train.len(), prefix, file, saved.taught)?,
            fit: saved.fit.map(load).transpose()?,
        })
    }
}
