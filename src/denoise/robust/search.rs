//! The fourth stage: the policy learns the keep probability of every row by REINFORCE from the loss history.

use super::embed::Embeddings;
use super::learned::Learned;
use super::policy::{Policy, States};
use super::reliable::ReliableRows;
use super::taught::Taught;
use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{Context, Place, Session, empty_row};
use crate::types::{EpochRow, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;

pub(super) struct Search {
    pub taught: Taught,
    pub table: Embeddings,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    taught: Value,
    width: usize,
}

impl Search {
    /// Searches, and reports it as a pass.
    pub fn step(&mut self, reliable: &ReliableRows, context: &Context, session: &mut Session) -> Learned {
        let started = Instant::now();
        let rows = &context.data.train;
        let [one, other] = self.taught.rewards(reliable, rows.labels);
        let states = States {
            ids: rows.ids,
            fields: rows.fields,
            cardinality: context.config.cardinality(),
            labels: rows.labels,
            rewards: [&one, &other],
            inside: &reliable.train,
        };
        let mut policy = Policy::new(rows.fields);
        let searched = policy.search(&states, context.seed);
        let logits = policy.logits(&states);
        session.report_row(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            kept: Some(searched.kept),
            reward_mean: Some(searched.reward_mean),
            reward_std: Some(searched.reward_std),
            ..empty_row(context, Place::denoised(Phase::Search, 1), 1)
        });
        Learned {
            taught: std::mem::take(&mut self.taught),
            table: std::mem::take(&mut self.table),
            policy: policy.weights,
            logits,
        }
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let taught = self.taught.save(prefix, file)?;
        self.table.save(prefix, file);
        Ok(serde_json::to_value(Saved { taught, width: self.table.width })?)
    }

    pub fn load(context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let taught = Taught::load(context.data.train.len(), prefix, file, saved.taught)?;
        Ok(Self { taught, table: Embeddings::load(context.config.cardinality(), saved.width, prefix, file)? })
    }
}
