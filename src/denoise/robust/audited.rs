//! The second stage: what is corrupt, and what is to be tried.

use super::posterior::{NoiseRate, belief, truth};
use crate::audit::{self, Columns, Corruption, Finding, Remedy, Table};
use crate::metrics::sigmoid;
use crate::selection::Context;

/// Findings that are tried, the strongest ones.
const MOST_TRIED: usize = 6;

/// Labels that are wrong here and there are worth soft labels from this rate on, if so many nats speak for it.
const LEAST_NOISE: f64 = 0.03;
const LEAST_EVIDENCE: f64 = 20.0;

/// Everything that is known once the rows are judged.
pub(super) struct Audited {
    /// `[N]`: logits of models that have not seen the row, recalibrated.
    pub taste: Vec<f32>,
    pub findings: Vec<Finding>,
    /// The rate at which labels outside of all findings are wrong.
    pub noise_rate: f64,
    /// Places of the validation rows outside of all findings, ascending: their labels tell whether a remedy helps.
    pub judged: Vec<u32>,
}

impl Audited {
    /// Of rows with logits `[N]` of models that have not seen them. `given` is the job's own context, whose ids are known
    /// outside.
    pub fn new(mut taste: Vec<f32>, given: &Context, tick: &mut (dyn FnMut() + Send)) -> Self {
        audit::recalibrate(&mut taste, given.data.train.labels);
        Self::of_recalibrated(taste, given, tick)
    }

    /// The same of logits that are recalibrated already.
    pub fn of_recalibrated(taste: Vec<f32>, given: &Context, tick: &mut (dyn FnMut() + Send)) -> Self {
        let (train, valid) = (&given.data.train, &given.data.valid);
        let columns = Columns::new(given.map, train.ids, valid.ids);
        let table = Table { columns: &columns, labels: train.labels, taste: &taste, times: given.data.times };
        let mut findings = audit::examine(&table, tick);
        findings.truncate(MOST_TRIED);
        let mut is_judged = vec![true; valid.len()];
        for row in findings.iter().flat_map(|finding| &finding.valid) {
            is_judged[*row as usize] = false;
        }
        let mut is_left = vec![true; train.len()];
        for (row, _) in findings.iter().flat_map(|finding| &finding.remedies) {
            is_left[*row as usize] = false;
        }
        let left = || (0..train.len()).filter(|row| is_left[*row]);
        let logits: Vec<f32> = left().map(|row| taste[row]).collect();
        let labels: Vec<u8> = left().map(|row| train.labels[row]).collect();
        let noise = NoiseRate::fit(&logits, &labels);
        let noise_rate = noise.rate.max(1e-3);
        if noise_rate >= LEAST_NOISE && noise.evidence >= LEAST_EVIDENCE {
            findings.push(soften(&taste, train.labels, &is_left, noise));
        }
        let judged = (0..).zip(is_judged).filter(|(_, judged)| *judged).map(|(row, _)| row).collect();
        Self { taste, findings, noise_rate, judged }
    }

    /// `[N]`: the probability that each row's label is right, by the findings that were taken and, in all other rows, by
    /// Bayes at the noise rate.
    pub fn beliefs(&self, labels: &[u8], taken: &[bool]) -> Vec<f32> {
        let by_row = |(z, label): (&f32, &u8)| belief(truth(sigmoid(*z), self.noise_rate), *label, self.noise_rate);
        let mut beliefs: Vec<f32> = self.taste.iter().zip(labels).map(by_row).collect();
        for (finding, _) in self.findings.iter().zip(taken).filter(|(_, taken)| **taken) {
            for (row, remedy) in &finding.remedies {
                beliefs[*row as usize] = match remedy {
                    Remedy::Drop => 0.0,
                    Remedy::Weight(weight) => *weight,
                    Remedy::Target(target) if labels[*row as usize] == 1 => *target,
                    Remedy::Target(target) => 1.0 - target,
                };
            }
        }
        beliefs
    }
}

/// Labels that are wrong at a rate, in no place that could be named: each row's target is the probability that its true label
/// is 1.
fn soften(taste: &[f32], labels: &[u8], is_left: &[bool], noise: NoiseRate) -> Finding {
    let NoiseRate { rate, evidence } = noise;
    let target = |row: usize| {
        let right = belief(truth(sigmoid(taste[row]), rate), labels[row], rate);
        Remedy::Target(if labels[row] == 1 { right } else { 1.0 - right })
    };
    let rows = (0..labels.len()).filter(|row| is_left[*row]);
    Finding {
        kind: Corruption::RowNoise,
        fields: Vec::new(),
        values: Vec::new(),
        evidence,
        strength: rate,
        window: None,
        remedies: rows.map(|row| (row as u32, target(row))).collect(),
        valid: Vec::new(),
    }
}
