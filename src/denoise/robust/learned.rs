//! All that is learned before subsets are tried, and the subsets that are made from it.

use super::balance::{Draw, wanted};
use super::embed::Embeddings;
use super::posterior::LEAST;
use super::reliable::ReliableRows;
use super::taught::Taught;
use crate::backbone::{TensorFile, WeightsError};
use crate::metrics::sigmoid;
use crate::selection::Context;
use crate::types::method::RobustOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// True log-odds are followed up to this.
const CAP: f32 = 2.5;

/// A subset that models are trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Subset {
    AllRows,
    ReliableRows,
    /// Reliable rows, drawn to tell a model what the policy believes.
    Sharpness(f32),
}

impl Subset {
    /// In the order in which they are tried.
    pub fn list(reliable: &ReliableRows) -> Vec<Self> {
        let without_values = reliable.leave_rows_out().then_some(Self::ReliableRows);
        let drawn = RobustOptions::SHARPNESS.map(Self::Sharpness);
        [Self::AllRows].into_iter().chain(without_values).chain(drawn).collect()
    }

    /// As it is called in reports.
    pub fn name(self) -> String {
        match self {
            Self::AllRows => "all rows".to_owned(),
            Self::ReliableRows => "reliable values".to_owned(),
            Self::Sharpness(sharpness) => format!("sharpness {sharpness}"),
        }
    }
}

pub(super) struct Learned {
    pub taught: Taught,
    pub table: Embeddings,
    /// The policy's weights.
    pub policy: Vec<f32>,
    /// `[N]`: the policy's logit of keeping each row.
    pub logits: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    taught: Value,
    width: usize,
    weights: usize,
}

impl Learned {
    /// Positions of the rows of a subset, ascending. `number` is that of the subset among those tried.
    pub fn draw_rows(&self, subset: Subset, number: u32, reliable: &ReliableRows, context: &Context) -> Vec<u32> {
        let rows = &context.data.train;
        let sharpness = match subset {
            Subset::AllRows => return (0..rows.len() as u32).collect(),
            Subset::ReliableRows => return reliable.positions(),
            Subset::Sharpness(sharpness) => sharpness,
        };
        let rho = self.taught.noise_rate;
        // The policy's odds that a label is true, without those of any label being true, are the odds of the label
        // itself.
        let noise = ((1.0 - rho) / rho).ln() as f32;
        let target_and_keep = |(logit, label): (&f32, &u8)| {
            let own = sigmoid(logit - noise).clamp(LEAST, 1.0 - LEAST);
            let q = if *label == 1 { own } else { 1.0 - own };
            let p = (rho + (1.0 - 2.0 * rho) * f64::from(q)) as f32;
            wanted(p, q, *label, sharpness, CAP)
        };
        let (target, keep): (Vec<f32>, Vec<f32>) = self.logits.iter().zip(rows.labels).map(target_and_keep).unzip();
        let draw = Draw {
            ids: rows.ids,
            fields: rows.fields,
            labels: rows.labels,
            inside: &reliable.train,
            target: &target,
            keep: &keep,
            table: &self.table.values,
            width: self.table.width,
        };
        draw.draw_rows(context.seed, number)
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let taught = self.taught.save(prefix, file)?;
        self.table.save(prefix, file);
        for (name, values) in [("policy", &self.policy), ("logits", &self.logits)] {
            file.put_values(format!("{prefix}{name}"), &[values.len()], values);
        }
        Ok(serde_json::to_value(Saved { taught, width: self.table.width, weights: self.policy.len() })?)
    }

    pub fn load(context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, WeightsError> {
        let Saved { taught, width, weights } = serde_json::from_value(state)?;
        let rows = context.data.train.len();
        let values = |name: &str, count: usize| file.values(&format!("{prefix}{name}"), &[count]);
        Ok(Self {
            taught: Taught::load(rows, prefix, file, taught)?,
            table: Embeddings::load(context.config.cardinality(), width, prefix, file)?,
            policy: values("policy", weights)?,
            logits: values("logits", rows)?,
        })
    }
}
