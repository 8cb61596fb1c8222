//! The method `robust`: AutoDenoise with a loss history that is worth learning from.
//!
//! 1. **Values.** Values of fields (users, items) whose labels do not follow what models that have not seen them say are
//!    found, and their rows left out ([`values`]).
//! 2. **Warm-up.** The loss history is cross-fitted: every row is judged by models that have not seen it, twice over, in
//!    rounds; from the second on rows weigh what the round before believes of their labels ([`posterior`]).
//! 3. **Search.** The policy learns the keep probability of every row by REINFORCE from that history ([`policy`]).
//! 4. **Validate.** Subsets that tell a model what the policy believes, more or less sharply ([`balance`]), and all rows, are
//!    each trained on; the best on the validation rows of reliable values is the choice.
//!
//! `docs/robust.md` has what each part is worth, and what was tried and failed.

mod balance;
mod policy;
mod posterior;
mod values;

use crate::backbone::{BackboneConfig, Fit, FitOptions, OptimizerConfig, PassOptions, TensorFile, WeightsError};
use crate::metrics::{auc, sigmoid};
use crate::random::{Purpose, Stream};
use crate::selection::{
    Context, CrossFit, CrossFitted, Place, Role, Scores, SelectError, Selected, Selector, Session, row,
};
use crate::types::method::RobustOptions;
use crate::types::{Arm, BackboneKind, Candidate, EpochRow, FieldKind, Findings, Options, Phase, Preset};
use balance::{Draw, wanted};
use policy::{Policy, States};
use posterior::{Platt, belief, noise_rate, truth};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;

/// Fields whose values are examined have at least so many, of so many rows each.
const FEWEST_VALUES: u32 = 200;
const FEWEST_ROWS: u64 = 20;
/// Values are left out where they hold more than the first share of the rows, which honest ones would by mistake, and at
/// most the second, beyond which there is no telling who is honest.
const FLAGGED: std::ops::RangeInclusive<f64> = 0.02..=0.5;
/// Weight decay of the factorisation machines that judge values and give the directions of a draw.
const MACHINE_WEIGHT_DECAY: f64 = 3e-5;
/// Log-odds beyond which a subset does not follow what the policy believes.
const CAP: f32 = 2.5;
/// A subset must do better than all rows by this on validation AUC; where values were left out it may do worse by the
/// second, for the validation rows that are left say little of what leaving them out is worth. A sharper subset must do
/// better than the one before by the third, for sharpness costs calibration.
const MARGIN: f64 = 0.0005;
const MARGIN_FLAGGED: f64 = -0.001;
const MARGIN_SHARPER: f64 = 0.001;
/// Its log-loss, corrected for noise, may be above that of all rows by this: on MovieLens-1M the correction said more against a
/// subset than the test rows did, in every run.
const LOGLOSS_MARGIN: f64 = 0.005;
/// Rewards are within this.
const MOST_REWARD: f32 = 6.0;

pub struct Robust {
    own: RobustOptions,
    at: At,
    /// Columns whose values are examined.
    columns: Vec<usize>,
    /// `[N]`: training rows of reliable values; and of the validation rows.
    inside: Vec<bool>,
    inside_valid: Vec<bool>,
    cross: CrossFit,
    /// Finished halves of the round under way, `[N]` each.
    halves: Vec<Vec<f32>>,
    /// `[N]`: what the round before believes of each label.
    beliefs: Vec<f32>,
    /// The rate at which labels are wrong.
    rho: f64,
    fit: Option<Fit>,
    /// `[D, E]`: the directions of a draw.
    table: Vec<f32>,
    policy: Policy,
    /// `[N]`: the policy's.
    logits: Vec<f32>,
    /// The candidate under way: its rows, and what the models trained on them came to so far.
    trained: Option<Vec<u32>>,
    judged: Vec<Tried>,
    tried: Vec<Tried>,
    /// The candidate chosen so far, and its rows.
    chosen: usize,
    best: Vec<u32>,
}

/// What the next step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    /// Models judge the values of a field that they have not seen.
    Values {
        field: usize,
    },
    Teach {
        round: u32,
        half: u8,
    },
    /// A factorisation machine whose embeddings are the directions of a draw.
    Directions,
    Search,
    /// All rows, then one subset after the other, each with as many models as there are judges.
    Validate {
        candidate: usize,
        judge: u32,
    },
}

/// How models trained on a candidate did on the validation rows of reliable values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Tried {
    rows: u64,
    auc: f64,
    /// Corrected for labels that are wrong at the rate `rho`.
    logloss: f64,
}

impl Tried {
    /// Of one candidate by all its judges.
    fn mean(of: &[Self]) -> Self {
        let mean = |value: fn(&Self) -> f64| of.iter().map(value).sum::<f64>() / of.len() as f64;
        Self { auc: mean(|tried| tried.auc), logloss: mean(|tried| tried.logloss), ..of[0] }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    at: At,
    cross: Value,
    halves: usize,
    has_beliefs: bool,
    rho: f64,
    fit: Option<Value>,
    policy: Policy,
    has_logits: bool,
    table: Option<usize>,
    has_trained: bool,
    judged: Vec<Tried>,
    tried: Vec<Tried>,
    chosen: usize,
    has_best: bool,
}

impl Robust {
    pub fn new(own: &RobustOptions, context: &Context) -> Self {
        let (train, valid) = (context.data.train.len(), context.data.valid.len());
        let columns = examined(context);
        Self {
            own: own.clone(),
            at: if columns.is_empty() { At::Teach { round: 1, half: 0 } } else { At::Values { field: 0 } },
            columns,
            inside: vec![true; train],
            inside_valid: vec![true; valid],
            cross: CrossFit::new(train),
            halves: Vec::new(),
            beliefs: Vec::new(),
            rho: 0.0,
            fit: None,
            table: Vec::new(),
            policy: Policy::new(context.data.train.fields),
            logits: Vec::new(),
            trained: None,
            judged: Vec::new(),
            tried: Vec::new(),
            chosen: 0,
            best: Vec::new(),
        }
    }

    /// The part of each row for judging a field's values: rows of a value are in one part.
    fn value_parts(&self, field: usize, context: &Context) -> Vec<u8> {
        let column = self.columns[field];
        let own = &context.map.fields[column];
        let mut draws = vec![0.0; own.cardinality as usize];
        Stream::new(context.seed, Purpose::Folds, &[VALUES, column as u32]).fill_uniform(&mut draws);
        let part = |id: i32| (draws[(id as u32 - own.offset) as usize] * f32::from(RobustOptions::VALUE_PARTS)) as u8;
        context.data.train.ids.iter().skip(column).step_by(context.data.train.fields).map(|id| part(*id)).collect()
    }

    fn examine(&mut self, field: usize, context: &Context, session: &mut Session) -> Result<(), SelectError> {
        let number = field as u32 * u32::from(RobustOptions::VALUE_PARTS) + u32::from(self.cross.done());
        let parts = self.value_parts(field, context);
        let machine = Machine::new(BackboneKind::Fm, MACHINE_WEIGHT_DECAY, context)?;
        let options = FitOptions { max_passes: RobustOptions::VALUE_PASSES, patience: 1, ..machine.options };
        let how = CrossFitted {
            engine: context.engine,
            config: &machine.config,
            options,
            parts: &parts,
            count: RobustOptions::VALUE_PARTS,
            trained: None,
            weights: None,
        };
        let key = context.key(Role::Values, number);
        if self.cross.step(&how, key, place(Phase::Select, number), context, session)? {
            self.leave_out(field, context, session);
            self.cross = CrossFit::new(parts.len());
            self.at = match field + 1 {
                next if next < self.columns.len() => At::Values { field: next },
                _ => At::Teach { round: 1, half: 0 },
            };
        }
        Ok(())
    }

    /// Leaves out the rows of a field's unreliable values.
    fn leave_out(&mut self, field: usize, context: &Context, session: &mut Session) {
        let column = self.columns[field];
        let own = &context.map.fields[column];
        let fields = context.data.train.fields;
        let ids = |ids: &'_ [i32]| ids.iter().skip(column).step_by(fields).map(|id| *id as u32).collect::<Vec<u32>>();
        let (train, valid) = (ids(context.data.train.ids), ids(context.data.valid.ids));
        let rows = train.iter().zip(self.cross.logits()).zip(context.data.train.labels);
        let rows = rows.map(|((id, z), label)| (*id, *z, *label));
        let unreliable = values::unreliable(own.offset..own.offset + own.cardinality, rows);
        let out = |id: &u32| unreliable[(id - own.offset) as usize] > 0.5;
        let share = train.iter().filter(|id| out(id)).count() as f64 / train.len() as f64;
        if !FLAGGED.contains(&share) {
            return;
        }
        self.inside.iter_mut().zip(&train).for_each(|(inside, id)| *inside &= !out(id));
        self.inside_valid.iter_mut().zip(&valid).for_each(|(inside, id)| *inside &= !out(id));
        let count = unreliable.iter().filter(|p| **p > 0.5).count();
        session.warn_once(context, &format!("unreliable_{}", own.name), || {
            format!(
                "the labels of {count} values of {} ({:.1} % of the training rows) do not follow what is known of their rows \
                 otherwise: they are at random, or turned round; the method leaves those rows out",
                own.name,
                100.0 * share
            )
        });
    }

    fn teach(&mut self, round: u32, half: u8, context: &Context, session: &mut Session) -> Result<(), SelectError> {
        let teacher = Machine::new(self.own.teacher, self.own.teacher_weight_decay, context)?;
        let (rows, folds) = (context.data.train.len(), self.own.folds as u8);
        let run = (round - 1) * u32::from(RobustOptions::HALVES) + u32::from(half);
        let parts = parts(rows, folds, context.seed, run);
        let number = run * self.own.folds + u32::from(self.cross.done());
        let how = CrossFitted {
            engine: context.engine,
            config: &teacher.config,
            options: teacher.options,
            parts: &parts,
            count: folds,
            trained: Some(&self.inside),
            weights: (!self.beliefs.is_empty()).then_some(&self.beliefs[..]),
        };
        let key = context.key(Role::CrossFit, number);
        if !self.cross.step(&how, key, place(Phase::Warmup, number), context, session)? {
            return Ok(());
        }
        self.halves.push(self.cross.logits().to_vec());
        self.cross = CrossFit::new(rows);
        self.at = At::Teach { round, half: half + 1 };
        if half + 1 == RobustOptions::HALVES {
            let logits = self.mean_logits();
            // Anew in each round: the surer the teacher is of its surest rows, the less of their noise is its own.
            self.rho = noise_rate(&self.of_inside(&logits), &self.of_inside(context.data.train.labels)).max(1e-3);
            let (q, _) = self.judged(&logits, context);
            self.beliefs =
                q.iter().zip(context.data.train.labels).map(|(q, label)| belief(*q, *label, self.rho)).collect();
            self.at = At::Directions;
            if round < self.own.rounds {
                self.halves.clear();
                self.at = At::Teach { round: round + 1, half: 0 };
            }
        }
        Ok(())
    }

    fn of_inside<T: Copy>(&self, values: &[T]) -> Vec<T> {
        values.iter().zip(&self.inside).filter(|(_, inside)| **inside).map(|(value, _)| *value).collect()
    }

    /// `[N]`: the mean of both halves.
    fn mean_logits(&self) -> Vec<f32> {
        let [one, other] = &self.halves[..] else { unreachable!("both halves are there") };
        one.iter().zip(other).map(|(one, other)| 0.5 * (one + other)).collect()
    }

    /// From logits `[N]`: the probability that the true label is 1, and that the given one is.
    fn judged(&self, logits: &[f32], context: &Context) -> (Vec<f32>, Vec<f32>) {
        let labels = context.data.train.labels;
        let rows = (0..labels.len()).filter(|row| self.inside[*row]);
        let given = |q: f32| (self.rho + (1.0 - 2.0 * self.rho) * f64::from(q)) as f32;
        if self.beliefs.is_empty() {
            // Models of the first round were told the given labels.
            let platt = Platt::fit(rows.map(|row| (logits[row], labels[row], 1.0)));
            return logits
                .iter()
                .map(|z| {
                    let q = truth(platt.probability(*z), self.rho);
                    (q, given(q))
                })
                .unzip();
        }
        let platt = Platt::fit(rows.map(|row| (logits[row], labels[row], self.beliefs[row])));
        logits
            .iter()
            .map(|z| {
                let q = platt.probability(*z).clamp(0.005, 0.995);
                (q, given(q))
            })
            .unzip()
    }

    fn directions(&mut self, context: &Context, session: &mut Session) -> Result<(), SelectError> {
        let machine = Machine::new(BackboneKind::Fm, MACHINE_WEIGHT_DECAY, context)?;
        // After the models that judge values.
        let number = RobustOptions::MOST_FIELDS as u32 * u32::from(RobustOptions::VALUE_PARTS);
        let mut fit = self.fit.take().unwrap_or_else(|| {
            let key = context.key(Role::Embed, 0);
            Fit::new(context.engine, &machine.config, &[key], machine.options)
        });
        let inside: Vec<u32> = (0..).zip(&self.inside).filter(|(_, inside)| **inside).map(|(row, _)| row).collect();
        let what = PassOptions { subset: Some(&inside), ..PassOptions::default() };
        session.pass(context, place(Phase::Select, number), &mut fit, &context.data.train, &what)?;
        if !fit.is_done() {
            self.fit = Some(fit);
            return Ok(());
        }
        fit.finish();
        let (ids, width) = (machine.config.cardinality(), machine.config.options.embed_dim as usize);
        self.table = fit.model.weights().values(TABLE, &[ids, width])?;
        self.at = At::Search;
        Ok(())
    }

    fn search(&mut self, context: &Context, session: &mut Session) {
        let started = Instant::now();
        let rewards = [0, 1].map(|half| self.rewards(&self.halves[half], context));
        let states = self.states(&rewards, context);
        let mut policy = self.policy.clone();
        let searched = policy.search(&states, context.seed);
        self.logits = policy.logits(&states);
        self.policy = policy;
        session.row(EpochRow {
            seconds: started.elapsed().as_secs_f64(),
            kept: Some(searched.kept),
            reward_mean: Some(searched.reward_mean),
            reward_std: Some(searched.reward_std),
            ..row(context, place(Phase::Search, 0), 1)
        });
        self.at = At::Validate { candidate: 0, judge: 0 };
    }

    /// `[N]`: log-odds that each label is true, by one half of the history.
    fn rewards(&self, half: &[f32], context: &Context) -> Vec<f32> {
        let (q, _) = self.judged(half, context);
        let odds = |(q, label): (&f32, &u8)| {
            let belief = belief(*q, *label, self.rho).clamp(1e-4, 1.0 - 1e-4);
            (belief / (1.0 - belief)).ln().clamp(-MOST_REWARD, MOST_REWARD)
        };
        q.iter().zip(context.data.train.labels).map(odds).collect()
    }

    fn states<'s>(&'s self, rewards: &'s [Vec<f32>; 2], context: &'s Context) -> States<'s> {
        let rows = &context.data.train;
        States {
            ids: rows.ids,
            fields: rows.fields,
            cardinality: context.config.cardinality(),
            labels: rows.labels,
            rewards: [&rewards[0], &rewards[1]],
            inside: &self.inside,
        }
    }

    fn validate(
        &mut self,
        candidate: usize,
        judge: u32,
        context: &Context,
        session: &mut Session,
    ) -> Result<Option<Selected>, SelectError> {
        let rows = &context.data.train;
        let kept = match self.trained.take() {
            Some(kept) => kept,
            None => self.subset(candidate, context),
        };
        let mut fit = self.fit.take().unwrap_or_else(|| {
            // A judge's models of all candidates start alike and go through their rows alike: they are paired.
            let key = context.key(Role::Retrain, judge);
            Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(context.options()))
        });
        let what = PassOptions { subset: Some(&kept), ..PassOptions::default() };
        let place = place(Phase::Validate, candidate as u32 * RobustOptions::JUDGES + judge);
        session.pass(context, place, &mut fit, rows, &what)?;
        if !fit.is_done() {
            (self.fit, self.trained) = (Some(fit), Some(kept));
            return Ok(None);
        }
        fit.finish();
        self.judged.push(self.judge(kept.len() as u64, &fit.model.predict(&context.data.valid), context));
        if judge + 1 < RobustOptions::JUDGES {
            self.trained = Some(kept);
            self.at = At::Validate { candidate, judge: judge + 1 };
            return Ok(None);
        }
        self.tried.push(Tried::mean(&self.judged));
        self.judged.clear();
        if candidate == 0 || self.beats(candidate) {
            (self.chosen, self.best) = (candidate, kept);
        }
        if candidate < self.candidates() {
            self.at = At::Validate { candidate: candidate + 1, judge: 0 };
            return Ok(None);
        }
        Ok(Some(self.choice(context)))
    }

    /// Subsets beside all rows: with values left out, what is left; then each sharpness.
    fn candidates(&self) -> usize {
        usize::from(self.flagged()) + RobustOptions::SHARPNESS.len()
    }

    fn flagged(&self) -> bool {
        self.inside.contains(&false)
    }

    /// Whether the candidate tried last takes the place of the one chosen so far.
    fn beats(&self, candidate: usize) -> bool {
        let (all, chosen, tried) = (self.tried[0], self.tried[self.chosen], self.tried[candidate]);
        let first_sharp = 1 + usize::from(self.flagged());
        let margin = match self.chosen {
            0 if self.flagged() => MARGIN_FLAGGED,
            0 => MARGIN,
            chosen if chosen < first_sharp => 0.0,
            _ => MARGIN_SHARPER,
        };
        tried.auc > chosen.auc + margin && tried.logloss <= all.logloss + LOGLOSS_MARGIN
    }

    /// The rows of a candidate.
    fn subset(&self, candidate: usize, context: &Context) -> Vec<u32> {
        let rows = &context.data.train;
        if candidate == 0 {
            return (0..rows.len() as u32).collect();
        }
        let Some(number) = (candidate - 1).checked_sub(usize::from(self.flagged())) else {
            return (0..).zip(&self.inside).filter(|(_, inside)| **inside).map(|(row, _)| row).collect();
        };
        // The policy's odds without those of noise itself are the odds of the row's own label.
        let noise = ((1.0 - self.rho) / self.rho).ln() as f32;
        let (target, keep): (Vec<f32>, Vec<f32>) = self
            .logits
            .iter()
            .zip(rows.labels)
            .map(|(logit, label)| {
                let own = sigmoid(logit - noise).clamp(0.005, 0.995);
                let q = if *label == 1 { own } else { 1.0 - own };
                let p = (self.rho + (1.0 - 2.0 * self.rho) * f64::from(q)) as f32;
                wanted(p, q, *label, RobustOptions::SHARPNESS[number], CAP)
            })
            .unzip();
        let draw = Draw {
            ids: rows.ids,
            fields: rows.fields,
            labels: rows.labels,
            inside: &self.inside,
            target: &target,
            keep: &keep,
            table: &self.table,
            width: self.table.len() / context.config.cardinality(),
        };
        draw.rows(context.seed, candidate as u32)
    }

    /// Of logits of the validation rows.
    fn judge(&self, kept: u64, logits: &[f32], context: &Context) -> Tried {
        let rows = logits.iter().zip(context.data.valid.labels).zip(&self.inside_valid);
        let (labels, logits): (Vec<u8>, Vec<f32>) =
            rows.filter(|(_, inside)| **inside).map(|((z, label), _)| (*label, *z)).unzip();
        let loss = |z: f64| (-z).exp().ln_1p();
        let corrected = |(z, label): (&f32, &u8)| {
            let z = f64::from(if *label == 1 { *z } else { -*z });
            ((1.0 - self.rho) * loss(z) - self.rho * loss(-z)) / (1.0 - 2.0 * self.rho)
        };
        Tried {
            rows: kept,
            // Where the rows that are left have one label, no candidate is better than all rows.
            auc: auc(&labels, &logits).ok().flatten().unwrap_or(0.0),
            logloss: logits.iter().zip(&labels).map(corrected).sum::<f64>() / labels.len().max(1) as f64,
        }
    }

    fn choice(&mut self, context: &Context) -> Selected {
        let values = self.logits.iter().zip(&self.inside).map(|(z, inside)| if *inside { sigmoid(*z) } else { 0.0 });
        let loss = |half: &Vec<f32>| {
            let (q, _) = self.judged(half, context);
            let own = |(q, label): (&f32, &u8)| -(if *label == 1 { *q } else { 1.0 - q }).ln();
            q.iter().zip(context.data.train.labels).map(own).collect::<Vec<f32>>()
        };
        let losses = self.halves.iter().map(loss).collect();
        let scores = Scores { name: "keep_prob".to_owned(), values: values.collect() };
        let mut policy = TensorFile::new();
        policy.put_values("policy.weight", &[1, self.policy.weights.len()], &self.policy.weights);
        let findings = self.findings();
        let mut selected = Selected::rows(std::mem::take(&mut self.best));
        selected.note.findings = Some(findings);
        Selected { scores: Some(scores), losses, policy: Some(policy), ..selected }
    }

    fn findings(&self) -> Findings {
        let name = |candidate: usize| match candidate.checked_sub(1 + usize::from(self.flagged())) {
            Some(number) => format!("sharpness {}", RobustOptions::SHARPNESS[number]),
            None if candidate == 0 => "all rows".to_owned(),
            None => "reliable values".to_owned(),
        };
        let candidate = |(number, tried): (usize, &Tried)| {
            let Tried { rows, auc, logloss } = *tried;
            Candidate { name: name(number), rows, auc, logloss }
        };
        Findings {
            noise_rate: self.rho,
            candidates: self.tried.iter().enumerate().map(candidate).collect(),
            chosen: self.chosen as u32,
        }
    }

    /// How the cross-fitting under way trains its models, for taking it up again.
    fn load_cross(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<(), SelectError> {
        let own = &self.own;
        let (kind, weight_decay, count) = match self.at {
            At::Values { .. } => (BackboneKind::Fm, MACHINE_WEIGHT_DECAY, RobustOptions::VALUE_PARTS),
            _ => (own.teacher, own.teacher_weight_decay, own.folds as u8),
        };
        let machine = Machine::new(kind, weight_decay, context)?;
        let options = match self.at {
            At::Values { .. } => FitOptions { max_passes: RobustOptions::VALUE_PASSES, patience: 1, ..machine.options },
            _ => machine.options,
        };
        let how = CrossFitted {
            engine: context.engine,
            config: &machine.config,
            options,
            parts: &[],
            count,
            trained: None,
            weights: None,
        };
        Ok(self.cross.load(&how, prefix, file, state)?)
    }
}

/// What the streams of parts are told apart by.
const VALUES: u32 = 1;
const PARTS: u32 = 2;
/// What every engine calls a factorisation machine's embeddings.
const TABLE: &str = "embedding.embedding.weight";

fn place(phase: Phase, number: u32) -> Place {
    Place { arm: Arm::Denoised, phase, epoch: number.saturating_add(1) }
}

/// The part of each row, below `count`; parts differ by at most one row.
fn parts(rows: usize, count: u8, seed: u64, run: u32) -> Vec<u8> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    Stream::new(seed, Purpose::Folds, &[PARTS, run]).shuffle(&mut order);
    let mut parts = vec![0; rows];
    for (at, row) in order.into_iter().enumerate() {
        parts[row as usize] = (at % usize::from(count)) as u8;
    }
    parts
}

/// Columns of fields with many values of many rows.
fn examined(context: &Context) -> Vec<usize> {
    let rows = context.data.train.len() as u64;
    let fields = &context.map.fields;
    let fit = |column: &usize| {
        let field = &fields[*column];
        let values = u64::from(field.cardinality);
        field.kind == FieldKind::Category && field.cardinality >= FEWEST_VALUES && rows >= FEWEST_ROWS * values
    };
    let mut columns: Vec<usize> = (0..fields.len()).filter(fit).collect();
    columns.sort_by_key(|column| std::cmp::Reverse(fields[*column].cardinality));
    columns.truncate(RobustOptions::MOST_FIELDS);
    columns
}

/// A model that serves the method, of options that do not depend on the job's backbone.
struct Machine {
    config: BackboneConfig,
    options: FitOptions,
}

impl Machine {
    fn new(kind: BackboneKind, weight_decay: f64, context: &Context) -> Result<Self, SelectError> {
        let own = context.options();
        let options = Options { batch_size: own.batch_size, ..Options::preset(Preset::Paper, kind) };
        let fit = FitOptions {
            optimizer: OptimizerConfig { kind: own.optimizer, lr: options.lr, weight_decay },
            max_passes: own.retrain_max_epoch,
            ..FitOptions::retrain(&options)
        };
        Ok(Self { config: BackboneConfig::new(kind, context.map, &options)?, options: fit })
    }
}

impl Selector for Robust {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        match self.at {
            At::Values { field } => self.examine(field, context, session)?,
            At::Teach { round, half } => self.teach(round, half, context, session)?,
            At::Directions => self.directions(context, session)?,
            At::Search => self.search(context, session),
            At::Validate { candidate, judge } => return self.validate(candidate, judge, context, session),
        }
        Ok(None)
    }

    fn position(&self) -> (Phase, u32) {
        match self.at {
            At::Values { .. } | At::Directions => (Phase::Select, 1),
            At::Teach { round, .. } => (Phase::Warmup, round),
            At::Search => (Phase::Search, 1),
            At::Validate { candidate, judge } => {
                (Phase::Validate, candidate as u32 * RobustOptions::JUDGES + judge + 1)
            }
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let bits = |rows: &[bool]| rows.iter().map(|inside| f32::from(u8::from(*inside))).collect::<Vec<f32>>();
        let mut put = |name: &str, values: &[f32]| file.put_values(format!("{prefix}{name}"), &[values.len()], values);
        put("inside", &bits(&self.inside));
        put("inside_valid", &bits(&self.inside_valid));
        for (number, half) in self.halves.iter().enumerate() {
            put(&format!("halves/{number}"), half);
        }
        for (name, values) in [("beliefs", &self.beliefs), ("logits", &self.logits), ("table", &self.table)] {
            if !values.is_empty() {
                put(name, values);
            }
        }
        for (name, rows) in [("trained", self.trained.as_deref()), ("best", Some(&self.best[..]))] {
            if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
                file.put_positions(format!("{prefix}{name}"), rows);
            }
        }
        Ok(serde_json::to_value(Saved {
            at: self.at,
            cross: self.cross.save(&format!("{prefix}cross/"), file)?,
            halves: self.halves.len(),
            has_beliefs: !self.beliefs.is_empty(),
            rho: self.rho,
            fit: self.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?,
            policy: self.policy.clone(),
            has_logits: !self.logits.is_empty(),
            table: (!self.table.is_empty()).then_some(self.table.len()),
            has_trained: self.trained.is_some(),
            judged: self.judged.clone(),
            tried: self.tried.clone(),
            chosen: self.chosen,
            has_best: !self.best.is_empty(),
        })?)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let rows = self.inside.len();
        let values = |name: &str, count: usize| file.values(&format!("{prefix}{name}"), &[count]);
        let bits = |name: &str, count: usize| {
            Ok::<_, WeightsError>(values(name, count)?.iter().map(|bit| *bit > 0.5).collect())
        };
        self.inside = bits("inside", rows)?;
        self.inside_valid = bits("inside_valid", self.inside_valid.len())?;
        self.halves =
            (0..saved.halves).map(|number| values(&format!("halves/{number}"), rows)).collect::<Result<_, _>>()?;
        let of = |there: bool, name: &str| if there { values(name, rows) } else { Ok(Vec::new()) };
        self.beliefs = of(saved.has_beliefs, "beliefs")?;
        self.logits = of(saved.has_logits, "logits")?;
        self.table = saved.table.map_or(Ok(Vec::new()), |count| values("table", count))?;
        let positions = |there: bool, name: &str| there.then(|| file.positions(&format!("{prefix}{name}"))).transpose();
        self.trained = positions(saved.has_trained, "trained")?;
        self.best = positions(saved.has_best, "best")?.unwrap_or_default();
        (self.at, self.rho, self.policy) = (saved.at, saved.rho, saved.policy);
        (self.judged, self.tried, self.chosen) = (saved.judged, saved.tried, saved.chosen);
        self.load_cross(context, &format!("{prefix}cross/"), file, saved.cross).map_err(as_weights)?;
        if let Some(state) = saved.fit {
            let fit = format!("{prefix}fit/");
            let fit = if self.at == At::Directions {
                let machine = Machine::new(BackboneKind::Fm, MACHINE_WEIGHT_DECAY, context).map_err(as_weights)?;
                Fit::load(context.engine, &machine.config, machine.options, &fit, file, state)?
            } else {
                let options = FitOptions::retrain(context.options());
                Fit::load(context.engine, &context.config, options, &fit, file, state)?
            };
            self.fit = Some(fit);
        }
        Ok(())
    }
}

/// A checkpoint that fits no model of the method is a damaged one.
fn as_weights(error: SelectError) -> WeightsError {
    match error {
        SelectError::Weights(error) => error,
        error => WeightsError::Missing(error.to_string()),
    }
}
