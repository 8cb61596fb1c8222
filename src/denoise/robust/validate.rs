//! The last stage: models are trained on one subset after the other, and the subset they do best on is the choice. Models
//! are judged by the validation rows of reliable values.

use super::learned::{Learned, Subset};
use super::reliable::ReliableRows;
use crate::backbone::{Fit, FitOptions, PassOptions, TensorFile, WeightsError};
use crate::metrics::{auc, sigmoid};
use crate::selection::{Context, Place, Role, Scores, SelectError, Selected, Session};
use crate::types::method::RobustOptions;
use crate::types::{Candidate, Findings, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A subset must have a higher validation AUC than all rows, by this.
const MARGIN: f64 = 0.0005;
/// Where values were left out it may be lower by this: the validation rows that are left say little of what leaving the
/// others out is worth.
const MARGIN_WITHOUT_VALUES: f64 = -0.001;
/// A subset must have a higher AUC than a gentler one that is chosen so far, by this: sharpness costs calibration.
const MARGIN_SHARPER: f64 = 0.001;
/// The log-loss of a subset, corrected for noise, may be above that of all rows by this: on MovieLens-1M the correction said
/// more against a subset than the test rows did, in every run.
const LOGLOSS_MARGIN: f64 = 0.005;

pub(super) struct Validate {
    learned: Learned,
    /// In the order in which they are tried; all rows come first.
    subsets: Vec<Subset>,
    current: SubsetTraining,
    /// Scores of the subsets tried.
    scores: Vec<Score>,
    /// Number of the subset chosen so far, and its rows.
    chosen: usize,
    kept: Vec<u32>,
}

/// The subset under way.
struct SubsetTraining {
    number: usize,
    rows: Vec<u32>,
    /// One for each model that is trained.
    scores: Vec<Score>,
    /// Absent before the first pass of a model.
    fit: Option<Fit>,
}

/// How models trained on a subset did on the validation rows of reliable values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Score {
    /// Rows of the subset.
    rows: u64,
    auc: f64,
    /// Corrected for labels that are wrong at the noise rate.
    logloss: f64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    learned: Value,
    number: usize,
    current_scores: Vec<Score>,
    fit: Option<Value>,
    scores: Vec<Score>,
    chosen: usize,
}

impl Validate {
    pub fn new(learned: Learned, reliable: &ReliableRows, context: &Context) -> Self {
        let subsets = Subset::list(reliable);
        let rows = learned.draw_rows(subsets[0], 0, reliable, context);
        let current = SubsetTraining { number: 0, rows: rows.clone(), scores: Vec::new(), fit: None };
        Self { learned, subsets, current, scores: Vec::new(), chosen: 0, kept: rows }
    }

    /// Number of the model under way, from 0.
    pub fn model_number(&self) -> u32 {
        self.current.number as u32 * RobustOptions::JUDGES + self.current.scores.len() as u32
    }

    /// Trains a pass on the subset under way; the choice, after the last of all.
    pub fn step(
        &mut self,
        reliable: &ReliableRows,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Selected>, SelectError> {
        let place = Place::denoised(Phase::Validate, self.model_number() + 1);
        let current = &mut self.current;
        let mut fit = current.fit.take().unwrap_or_else(|| {
            // Models of the same number start alike on all subsets and go through their rows alike: they are paired.
            let key = context.key(Role::Retrain, current.scores.len() as u32);
            Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(context.options()))
        });
        let what = PassOptions { subset: Some(&current.rows), ..PassOptions::default() };
        session.train_pass(context, place, &mut fit, &context.data.train, &what)?;
        if !fit.is_done() {
            current.fit = Some(fit);
            return Ok(None);
        }
        fit.finish();
        let logits = fit.model.predict(&context.data.valid);
        let noise_rate = self.learned.taught.noise_rate;
        current.scores.push(Score::new(current.rows.len(), &logits, noise_rate, reliable, context.data.valid.labels));
        if current.scores.len() as u32 == RobustOptions::JUDGES {
            return Ok(self.end_subset(reliable, context));
        }
        Ok(None)
    }

    /// Scores the subset under way, and begins the next; the choice, after the last.
    fn end_subset(&mut self, reliable: &ReliableRows, context: &Context) -> Option<Selected> {
        let number = self.current.number;
        self.scores.push(Score::mean(&self.current.scores));
        if number > 0 && self.is_better(number, reliable) {
            self.chosen = number;
            self.kept = std::mem::take(&mut self.current.rows);
        }
        let Some(subset) = self.subsets.get(number + 1) else {
            return Some(self.make_choice(reliable, context));
        };
        let rows = self.learned.draw_rows(*subset, number as u32 + 1, reliable, context);
        self.current = SubsetTraining { number: number + 1, rows, scores: Vec::new(), fit: None };
        None
    }

    /// Whether a subset takes the place of the one chosen so far.
    fn is_better(&self, number: usize, reliable: &ReliableRows) -> bool {
        let (all, chosen, tried) = (self.scores[0], self.scores[self.chosen], self.scores[number]);
        let margin = match self.subsets[self.chosen] {
            Subset::AllRows if reliable.leave_rows_out() => MARGIN_WITHOUT_VALUES,
            Subset::AllRows => MARGIN,
            Subset::ReliableRows => 0.0,
            Subset::Sharpness(_) => MARGIN_SHARPER,
        };
        tried.auc > chosen.auc + margin && tried.logloss <= all.logloss + LOGLOSS_MARGIN
    }

    fn make_choice(&mut self, reliable: &ReliableRows, context: &Context) -> Selected {
        let Learned { taught, policy: weights, logits, .. } = &self.learned;
        let keep_prob = |(z, reliable): (&f32, &bool)| if *reliable { sigmoid(*z) } else { 0.0 };
        let values = logits.iter().zip(&reliable.train).map(keep_prob).collect();
        let losses = taught.losses(reliable, context.data.train.labels);
        let mut policy = TensorFile::new();
        policy.put_values("policy.weight", &[1, weights.len()], weights);
        let findings = self.list_findings();
        let mut selected = Selected::rows(std::mem::take(&mut self.kept));
        selected.note.findings = Some(findings);
        let scores = Scores { name: "keep_prob".to_owned(), values };
        Selected { scores: Some(scores), losses: losses.into(), policy: Some(policy), ..selected }
    }

    fn list_findings(&self) -> Findings {
        let candidate = |(subset, score): (&Subset, &Score)| {
            let Score { rows, auc, logloss } = *score;
            Candidate { name: subset.name(), rows, auc, logloss }
        };
        Findings {
            noise_rate: self.learned.taught.noise_rate,
            candidates: self.subsets.iter().zip(&self.scores).map(candidate).collect(),
            chosen: self.chosen as u32,
        }
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        file.put_positions(format!("{prefix}current"), &self.current.rows);
        file.put_positions(format!("{prefix}kept"), &self.kept);
        let fit = self.current.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?;
        Ok(serde_json::to_value(Saved {
            learned: self.learned.save(prefix, file)?,
            number: self.current.number,
            current_scores: self.current.scores.clone(),
            fit,
            scores: self.scores.clone(),
            chosen: self.chosen,
        })?)
    }

    pub fn load(
        reliable: &ReliableRows,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let load_fit = |state| {
            let options = FitOptions::retrain(context.options());
            Fit::load(context.engine, &context.config, options, &format!("{prefix}fit/"), file, state)
        };
        let current = SubsetTraining {
            number: saved.number,
            rows: file.positions(&format!("{prefix}current"))?,
            scores: saved.current_scores,
            fit: saved.fit.map(load_fit).transpose()?,
        };
        Ok(Self {
            learned: Learned::load(context, prefix, file, saved.learned)?,
            subsets: Subset::list(reliable),
            current,
            scores: saved.scores,
            chosen: saved.chosen,
            kept: file.positions(&format!("{prefix}kept"))?,
        })
    }
}

impl Score {
    /// Of a model trained on so many rows, by its logits of the validation rows.
    fn new(rows: usize, logits: &[f32], noise_rate: f64, reliable: &ReliableRows, labels: &[u8]) -> Self {
        let judged = logits.iter().zip(labels).zip(&reliable.valid).filter(|(_, reliable)| **reliable);
        let (labels, logits): (Vec<u8>, Vec<f32>) = judged.map(|((z, label), _)| (*label, *z)).unzip();
        let loss = |z: f64| (-z).exp().ln_1p();
        let corrected = |(z, label): (&f32, &u8)| {
            let z = f64::from(if *label == 1 { *z } else { -*z });
            ((1.0 - noise_rate) * loss(z) - noise_rate * loss(-z)) / (1.0 - 2.0 * noise_rate)
        };
        Self {
            rows: rows as u64,
            // Where the rows that are left have one label, no subset is better than all rows.
            auc: auc(&labels, &logits).ok().flatten().unwrap_or(0.0),
            logloss: logits.iter().zip(&labels).map(corrected).sum::<f64>() / labels.len().max(1) as f64,
        }
    }

    /// Of all models of a subset.
    fn mean(scores: &[Self]) -> Self {
        let mean = |value: fn(&Self) -> f64| scores.iter().map(value).sum::<f64>() / scores.len() as f64;
        Self { auc: mean(|score| score.auc), logloss: mean(|score| score.logloss), ..scores[0] }
    }
}
