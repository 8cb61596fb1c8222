//! The third stage: findings are tried one after the other, the strongest first, each beside those already taken. Models are
//! trained with and without its remedy, from the same initial weights and in the same order, and judged on validation rows
//! outside of all findings.

use super::audited::Audited;
use super::cure::Cure;
use crate::audit::{Finding, Remedy};
use crate::backbone::{FitOptions, RowsApart, TensorFile, Track, WeightsError};
use crate::metrics::{MetricsError, RowDifferences, auc, mean, placements, sample_sd};
use crate::selection::{
    Context, CorruptPlace, Entrant, Keep, Place, Race, Role, SelectError, Selected, Session, Treatment,
};
use crate::types::method::RobustOptions;
use crate::types::{Corruption, CorruptionFound, ExampleValue, Findings, Phase, RemedyKind, TuningGrid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Validation rows of either label that are needed to judge by.
const FEWEST_OF_LABEL: usize = 50;
/// A gain that could be chance: so many standard errors.
const LEAST_ERRORS: f64 = 1.645;
/// Values of a finding that the report lists.
const EXAMPLES: usize = 10;

pub(super) struct Trial {
    audited: Audited,
    /// Validation rows that are judged on.
    judged: RowsApart,
    progress: Progress,
    /// The training under way.
    race: Option<Race>,
    /// `[models][judged rows]`: logits of models with all that was taken so far.
    best: Vec<Vec<f32>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// The students' weight decay, once it is chosen.
    weight_decay: Option<f64>,
    /// Trainings done: of all rows, then of each finding.
    done: usize,
    /// Mean AUC of models trained on all rows.
    auc: Option<f64>,
    /// What came of each finding tried so far.
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Outcome {
    gain: f64,
    error: f64,
    taken: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    progress: Progress,
    race: Option<Value>,
    best: Vec<usize>,
}

impl Trial {
    pub fn new(audited: Audited, context: &Context) -> Self {
        let judged = RowsApart::new(&context.data.valid, &audited.judged);
        Self { audited, judged, progress: Progress::default(), race: None, best: Vec::new() }
    }

    /// What the next step is of.
    pub fn position(&self) -> (Phase, u32) {
        match self.progress.weight_decay {
            None => (Phase::Tune, 1),
            Some(_) => (Phase::Validate, self.progress.done as u32 + 1),
        }
    }

    /// Trains a pass of all models under way; the choice, once every finding was tried.
    pub fn step(
        &mut self,
        options: &RobustOptions,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Selected>, SelectError> {
        if self.audited.findings.is_empty() || !self.suffices() {
            return Ok(Some(self.make_choice(context)));
        }
        let position = self.position();
        let labels = context.data.train.labels;
        let cure = self.cure(labels);
        let entrants = self.list_entrants(options, context, cure.treatment());
        let valid = self.judged.rows();
        let track =
            Track { valid: &valid, ..Track::new(context.engine, &context.config, context.data, context.threads) };
        let mut race = self.race.take().unwrap_or_else(|| match self.progress.weight_decay {
            None => Race::new(&track, &entrants, Keep::Nothing),
            Some(_) => Race::new(&track, &entrants, Keep::Logits),
        });
        let runners = race.runners() as u64;
        let is_over = session
            .with_ticks(|tick| race.step(&track, &entrants, tick))
            .map_err(|source| SelectError::Fit { phase: position.0, epoch: position.1, source })?;
        session.spent.passes += runners - 1;
        if let (Phase::Validate, Some(metrics)) = (position.0, race.best_pass()) {
            let (place, share) =
                (Place::denoised(position.0, position.1), cure.treatment().pass().share_of(labels.len()));
            session.report_pass(context, place, race.passes(), share, metrics);
        }
        if !is_over {
            self.race = Some(race);
            return Ok(None);
        }
        match self.progress.weight_decay {
            None => self.progress.weight_decay = Some(TuningGrid::default().weight_decay[race.leader()]),
            Some(_) => self.judge(race.logits(0)).map_err(|error| SelectError::Fit {
                phase: position.0,
                epoch: position.1,
                source: error.into(),
            })?,
        }
        let is_over = self.progress.done > self.audited.findings.len();
        Ok(is_over.then(|| self.make_choice(context)))
    }

    /// Whether there are enough rows to judge by.
    fn suffices(&self) -> bool {
        let labels = self.judged.rows().labels;
        let ones = labels.iter().filter(|label| **label == 1).count();
        ones.min(labels.len() - ones) >= FEWEST_OF_LABEL
    }

    /// What the models under way are trained on: all that was taken so far, and the finding that is tried.
    fn cure(&self, labels: &[u8]) -> Cure {
        let tried = self.progress.done.checked_sub(1);
        let is_on = |number: usize| tried == Some(number) || self.is_taken(number);
        let on = self.audited.findings.iter().enumerate().filter(|(number, _)| is_on(*number));
        Cure::of(on.map(|(_, finding)| finding), labels)
    }

    fn is_taken(&self, number: usize) -> bool {
        self.progress.outcomes.get(number).is_some_and(|outcome| outcome.taken)
    }

    /// First the weight decays, each with one model; then the models of one treatment.
    fn list_entrants<'e>(
        &self,
        options: &RobustOptions,
        context: &Context,
        treatment: Treatment<'e>,
    ) -> Vec<Entrant<'e>> {
        let grid = TuningGrid::default();
        let student = FitOptions::retrain(context.options());
        match self.progress.weight_decay {
            None => Entrant::of_grid(&grid, student, context.key(Role::Retrain, 0), treatment),
            Some(weight_decay) => {
                let keys = (1..=options.judges).map(|number| context.key(Role::Retrain, number)).collect();
                vec![Entrant { options: student.tuned(weight_decay, grid.patience), keys, treatment }]
            }
        }
    }

    /// Compares models of the treatment just tried with those of what was taken before.
    fn judge(&mut self, logits: &[Vec<f32>]) -> Result<(), MetricsError> {
        let judged = self.judged.rows();
        let labels = judged.labels;
        let aucs = |logits: &[Vec<f32>]| -> Result<Vec<f64>, MetricsError> {
            logits.iter().map(|logits| Ok(auc(labels, logits)?.unwrap_or(0.5))).collect()
        };
        let ours = aucs(logits)?;
        match self.progress.done.checked_sub(1) {
            None => {
                self.progress.auc = Some(mean(&ours));
                self.best = logits.to_vec();
            }
            Some(number) => {
                let theirs = aucs(&self.best)?;
                let gains: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs).collect();
                let mut differences = RowDifferences::default();
                for (ours, theirs) in logits.iter().zip(&self.best) {
                    if let (Some(ours), Some(theirs)) = (placements(labels, ours)?, placements(labels, theirs)?) {
                        differences.add(&ours, &theirs);
                    }
                }
                let of_rows = differences.error(labels).map_or(0.0, |error| error.standard_error);
                let of_models = sample_sd(&gains).unwrap_or(0.0) / (gains.len() as f64).sqrt();
                let (gain, error) = (mean(&gains), f64::hypot(of_rows, of_models));
                let taken = is_worth_it(&self.audited.findings[number], gain, error);
                self.progress.outcomes.push(Outcome { gain, error, taken });
                if taken {
                    self.best = logits.to_vec();
                }
            }
        }
        self.progress.done += 1;
        Ok(())
    }

    fn make_choice(&self, context: &Context) -> Selected {
        let labels = context.data.train.labels;
        let taken: Vec<bool> = (0..self.audited.findings.len()).map(|number| self.is_taken(number)).collect();
        let of_taken = self.audited.findings.iter().zip(&taken).filter(|(_, taken)| **taken);
        let Cure { kept, targets, weights } = Cure::of(of_taken.map(|(finding, _)| finding), labels);
        let values = self.audited.beliefs(labels, &taken);
        let mut selected = Selected::scored(kept, "keep_prob", values);
        selected.note.findings = Some(self.list_findings(labels.len()));
        selected.note.places = self.audited.findings.iter().filter_map(place_of).collect();
        // Rows of a place that was found corrupt say of no model whether it is right.
        let taken =
            || self.audited.findings.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(finding, _)| finding);
        let valid = taken().any(|finding| !finding.valid.is_empty()).then(|| self.audited.judged.clone());
        let is_dropped = |finding: &&Finding| remedy_of(finding) == RemedyKind::Drop;
        let mut left_out: Vec<u32> = taken().filter(is_dropped).flat_map(|finding| &finding.valid).copied().collect();
        left_out.sort_unstable();
        left_out.dedup();
        Selected { targets, weights, valid, left_out, ..selected }
    }

    fn list_findings(&self, rows: usize) -> Findings {
        let found = |(number, finding): (usize, &Finding)| {
            let outcome = self.progress.outcomes.get(number);
            let example = |value: &crate::audit::FoundValue| ExampleValue {
                ids: value.ids.clone(),
                names: Vec::new(),
                rows: value.rows,
            };
            CorruptionFound {
                kind: finding.kind,
                fields: finding.fields.clone(),
                values: finding.values.len() as u64,
                examples: finding.values.iter().take(EXAMPLES).map(example).collect(),
                rows: finding.rows() as u64,
                share: finding.rows() as f64 / rows as f64,
                evidence: finding.evidence,
                strength: finding.strength,
                window: finding.window,
                remedy: remedy_of(finding),
                gain: outcome.map(|outcome| outcome.gain),
                gain_error: outcome.map(|outcome| outcome.error),
                taken: outcome.is_some_and(|outcome| outcome.taken),
            }
        };
        Findings {
            noise_rate: self.audited.noise_rate,
            judged_rows: self.audited.judged.len() as u64,
            weight_decay: self.progress.weight_decay,
            auc: self.progress.auc,
            corruptions: self.audited.findings.iter().enumerate().map(found).collect(),
        }
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        for (number, logits) in self.best.iter().enumerate() {
            file.put_values(format!("{prefix}best/{number}"), &[logits.len()], logits);
        }
        file.put_values(format!("{prefix}taste"), &[self.audited.taste.len()], &self.audited.taste);
        let race = self.race.as_ref().map(|race| race.save(&format!("{prefix}race/"), file)).transpose()?;
        let best = self.best.iter().map(Vec::len).collect();
        Ok(serde_json::to_value(Saved { progress: self.progress.clone(), race, best })?)
    }

    /// Takes up what `save` left. `given` is the job's own context; the audit is made anew, because it takes less than a
    /// training and comes to the same.
    pub fn load(
        options: &RobustOptions,
        given: &Context,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let taste = file.values(&format!("{prefix}taste"), &[given.data.train.len()])?;
        let mut trial = Self::new(Audited::of_recalibrated(taste, given, &mut || ()), context);
        trial.progress = saved.progress;
        let best = saved.best.into_iter().enumerate();
        trial.best = best
            .map(|(number, rows)| file.values(&format!("{prefix}best/{number}"), &[rows]))
            .collect::<Result<_, _>>()?;
        if let Some(state) = saved.race {
            let cure = trial.cure(context.data.train.labels);
            let entrants = trial.list_entrants(options, context, cure.treatment());
            let valid = trial.judged.rows();
            let track =
                Track { valid: &valid, ..Track::new(context.engine, &context.config, context.data, context.threads) };
            let race = Race::load(&track, &entrants, &format!("{prefix}race/"), file, state);
            trial.race = Some(race.map_err(super::machine::as_damaged)?);
        }
        Ok(trial)
    }
}

/// Whether a remedy earns its place. Where honest values could look the same, or no place of the table is named, it must gain
/// beyond chance; where the evidence is of a kind that honest tables do not give, it must do no harm elsewhere: what it
/// mends shows in rows that are not judged on.
fn is_worth_it(finding: &Finding, gain: f64, error: f64) -> bool {
    match finding.kind {
        Corruption::RowNoise => gain > LEAST_ERRORS * error,
        _ => gain > -LEAST_ERRORS * error,
    }
}

/// The place that a finding is about; none where rows are meant one by one.
fn place_of(finding: &Finding) -> Option<CorruptPlace> {
    let Finding { fields, window, .. } = finding;
    let values: Vec<_> = finding.values.iter().map(|value| value.ids.clone()).collect();
    let is_place = window.is_some() || !values.is_empty();
    is_place.then(|| CorruptPlace { fields: fields.clone(), values, window: *window })
}

fn remedy_of(finding: &Finding) -> RemedyKind {
    match finding.remedies.first() {
        Some((_, Remedy::Weight(_))) => RemedyKind::Weigh,
        Some((_, Remedy::Target(target))) if *target == 0.0 || *target == 1.0 => RemedyKind::Relabel,
        Some((_, Remedy::Target(_))) => RemedyKind::SoftLabels,
        _ => RemedyKind::Drop,
    }
}
