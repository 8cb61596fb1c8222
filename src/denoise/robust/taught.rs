//! The loss history once it is complete: what models that have not seen a row say of it, and what follows for its label.

use super::posterior::{LEAST, Platt, belief, noise_rate, truth};
use super::reliable::ReliableRows;
use crate::backbone::{TensorFile, WeightsError};
use crate::types::method::RobustOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Halves of the history: a state of the policy comes from one, its reward from the other.
const HALVES: usize = RobustOptions::HALVES as usize;
/// Rewards lie between this and its negative.
const MOST_REWARD: f32 = 6.0;

#[derive(Default)]
pub(super) struct Taught {
    /// `[N]` each: logits of models that have not seen the row.
    halves: [Vec<f32>; HALVES],
    /// `[N]`: the probability that each given label is true.
    pub beliefs: Vec<f32>,
    /// The rate at which labels are wrong.
    pub noise_rate: f64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    noise_rate: f64,
}

impl Taught {
    /// From the halves of a round. `weights` `[N]`: what each row weighed in its trainings; absent in the first round.
    pub fn new(halves: [Vec<f32>; HALVES], weights: Option<&[f32]>, reliable: &ReliableRows, labels: &[u8]) -> Self {
        let [one, other] = &halves;
        let logits: Vec<f32> = one.iter().zip(other).map(|(one, other)| 0.5 * (one + other)).collect();
        // Estimated anew in each round: the better the teacher is, the fewer of its surest rows are its own mistakes.
        let noise_rate = noise_rate(&reliable.filter(&logits), &reliable.filter(labels)).max(1e-3);
        let q = match weights {
            Some(weights) => weighted_truths(&logits, weights, reliable, labels),
            None => {
                // Models of the first round were told the given labels.
                let platt = Platt::fit(reliable_rows(reliable).map(|row| (logits[row], labels[row], 1.0)));
                logits.iter().map(|z| truth(platt.probability(*z), noise_rate)).collect()
            }
        };
        let beliefs = q.iter().zip(labels).map(|(q, label)| belief(*q, *label, noise_rate)).collect();
        Self { halves, beliefs, noise_rate }
    }

    /// `[2][N]`: log-odds that each label is true, by each half: the rewards of keeping the row.
    pub fn rewards(&self, reliable: &ReliableRows, labels: &[u8]) -> [Vec<f32>; HALVES] {
        let log_odds = |(q, label): (&f32, &u8)| {
            let p = belief(*q, *label, self.noise_rate).clamp(1e-4, 1.0 - 1e-4);
            (p / (1.0 - p)).ln().clamp(-MOST_REWARD, MOST_REWARD)
        };
        self.truths(reliable, labels).map(|q| q.iter().zip(labels).map(log_odds).collect())
    }

    /// `[2][N]`: the loss of each row by each half.
    pub fn losses(&self, reliable: &ReliableRows, labels: &[u8]) -> [Vec<f32>; HALVES] {
        let loss = |(q, label): (&f32, &u8)| -(if *label == 1 { *q } else { 1.0 - q }).ln();
        self.truths(reliable, labels).map(|q| q.iter().zip(labels).map(loss).collect())
    }

    /// `[2][N]`: the probability that each true label is 1, by each half.
    fn truths(&self, reliable: &ReliableRows, labels: &[u8]) -> [Vec<f32>; HALVES] {
        self.halves.each_ref().map(|logits| weighted_truths(logits, &self.beliefs, reliable, labels))
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let [one, other] = &self.halves;
        for (name, values) in [("halves/0", one), ("halves/1", other), ("beliefs", &self.beliefs)] {
            file.put_values(format!("{prefix}{name}"), &[values.len()], values);
        }
        Ok(serde_json::to_value(Saved { noise_rate: self.noise_rate })?)
    }

    /// Of so many training rows.
    pub fn load(rows: usize, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, WeightsError> {
        let Saved { noise_rate } = serde_json::from_value(state)?;
        let values = |name: &str| file.values(&format!("{prefix}{name}"), &[rows]);
        Ok(Self { halves: [values("halves/0")?, values("halves/1")?], beliefs: values("beliefs")?, noise_rate })
    }
}

/// `[N]`: the probability that each true label is 1, by logits of models that were told how far labels are believed.
fn weighted_truths(logits: &[f32], beliefs: &[f32], reliable: &ReliableRows, labels: &[u8]) -> Vec<f32> {
    let platt = Platt::fit(reliable_rows(reliable).map(|row| (logits[row], labels[row], beliefs[row])));
    logits.iter().map(|z| platt.probability(*z).clamp(LEAST, 1.0 - LEAST)).collect()
}

fn reliable_rows(reliable: &ReliableRows) -> impl Iterator<Item = usize> + Clone {
    (0..reliable.train.len()).filter(|row| reliable.train[*row])
}
