//! One step of an engine held to the exact one.

use crate::reference::{Batch, Bounds, EPS, Exact, Objective, Reference, cross_entropy, shaken};
use crate::state::{Numbers, State, states};
use autodenoise::backbone::{
    BatchLoss, Model, ModelKey, OptimizerConfig, Recorded, Rows, Seen, TrainPass, TrainingLoss,
};
use autodenoise::types::Optimizer;

/// States beside the given one that are tried where a step is not within its bounds.
const NEIGHBOURS: u32 = 32;
/// One step in so many may be found only beside its state.
const RARE: u32 = 50;

/// A pass of which only the last batch trains: the rows of the others have weight 0.
pub struct Plan {
    /// Positions of the rows.
    pub order: Vec<u32>,
    pub batch_size: usize,
    /// `[R, N]`.
    pub weights: Option<Vec<f32>>,
    pub loss: TrainingLoss,
    /// Number of the pass.
    pub number: u32,
    pub active: Vec<bool>,
    pub record: Option<Recorded>,
}

/// What a replica's step left behind.
pub struct Found {
    pub after: State,
    /// `[B]` of the last batch, where they are shown.
    pub logits: Option<Vec<f32>>,
    pub losses: Option<Vec<f32>>,
}

impl Plan {
    /// Number of the batch that trains.
    fn last(&self) -> usize {
        self.order.len().div_ceil(self.batch_size) - 1
    }

    /// Runs the pass; what it left of each replica.
    pub fn run(&self, model: &mut dyn Model, rows: &Rows, keys: &[ModelKey]) -> Vec<Found> {
        let seen = self.train(model, rows, keys);
        let first = self.last() * self.batch_size;
        let own = |all: &[f32], r: usize| all[r * self.order.len()..][..self.order.len()][first..].to_vec();
        let states = states(model, keys.len()).into_iter().enumerate();
        let found = |(r, after)| Found {
            after,
            logits: Some(own(&seen.logits, r)),
            losses: seen.losses.as_ref().map(|losses| own(losses, r)),
        };
        states.map(found).collect()
    }

    /// Runs the pass.
    pub fn train(&self, model: &mut dyn Model, rows: &Rows, keys: &[ModelKey]) -> Seen {
        let pass = TrainPass {
            rows,
            order: Some(&self.order),
            weights: self.weights.as_deref(),
            targets: None,
            batch_size: self.batch_size,
            loss: self.loss,
            first_batch: u64::from(self.number),
            keys,
            number: self.number,
            active: &self.active,
            record: self.record,
        };
        model.train(&pass, &mut || ())
    }

    /// The batch that trains, as replica `r` sees it.
    pub fn batch(&self, rows: &Rows, keys: &[ModelKey], r: usize) -> Batch {
        let last = self.last();
        let order = &self.order[last * self.batch_size..];
        let weights = self.weights.as_ref().map(|weights| &weights[r * rows.len()..][..rows.len()]);
        Batch {
            ids: order
                .iter()
                .flat_map(|row| &rows.ids[*row as usize * rows.fields..][..rows.fields])
                .copied()
                .collect(),
            labels: order.iter().map(|row| rows.labels[*row as usize]).collect(),
            weights: weights.map(|weights| order.iter().map(|row| weights[*row as usize]).collect()),
            objective: Objective::CrossEntropy(self.loss.at(u64::from(self.number) + last as u64)),
            dropout: Some(keys[r].dropout(self.number, last as u32)),
            running: false,
        }
    }
}

/// Steps of one model's trajectory, and how they went.
pub struct Checker {
    pub reference: Reference,
    pub optimizer: OptimizerConfig,
    compared: u32,
    beside: u32,
}

/// The step that is expected of a state.
pub struct Expected {
    before: State,
    batch: Batch,
    pub exact: Exact,
    pub bounds: Bounds,
    /// Whether the optimiser takes a step.
    updates: bool,
}

impl Checker {
    pub fn new(reference: Reference, optimizer: OptimizerConfig) -> Self {
        Self { reference, optimizer, compared: 0, beside: 0 }
    }

    pub fn expect(&self, before: State, batch: Batch) -> Expected {
        let exact = self.reference.step(&before.weights, &batch);
        let bounds = self.reference.bounds(&before.weights, &batch, &exact);
        Expected { before, batch, exact, bounds, updates: true }
    }

    /// A training pass without an update: only BatchNorm's running statistics move.
    pub fn expect_no_update(&self, before: State, batch: Batch) -> Expected {
        let mut expected = self.expect(before, batch);
        expected.updates = false;
        expected.exact.gradients.clear();
        expected
    }

    /// The same where each row's reward may be off by `by`.
    pub fn expect_rewards_within(&self, before: State, mut batch: Batch, by: f64) -> Expected {
        let mut expected = self.expect(before, batch);
        batch = expected.batch;
        let Objective::Reinforce { rewards, .. } = &mut batch.objective else { panic!("a loss has no rewards") };
        let given = rewards.clone();
        rewards.fill(1.0);
        for (name, size) in self.reference.sizes(&expected.before.weights, &batch, &expected.exact) {
            *expected.bounds.gradients.get_mut(&name).unwrap() += by * size;
        }
        let Objective::Reinforce { rewards, .. } = &mut batch.objective else { unreachable!() };
        *rewards = given;
        expected.batch = batch;
        expected
    }

    /// The state after it, of plain SGD.
    pub fn after_sgd(&self, expected: Expected) -> State {
        let Expected { mut before, exact, updates, .. } = expected;
        for (name, gradient) in &exact.gradients {
            for (p, g) in before.weights.get_mut(name).unwrap().iter_mut().zip(gradient) {
                *p -= self.optimizer.lr * (g + self.optimizer.weight_decay * *p);
            }
        }
        before.weights.extend(exact.buffers);
        before.steps += u32::from(updates);
        before
    }

    /// A step on gradients that are all 0; of tables no row is read.
    pub fn expect_rest(&self, before: State) -> Expected {
        let zero = |name: &String, values: &Vec<f64>| (name.clone(), vec![0.0; values.len()]);
        let gradients: Numbers = before.m.iter().map(|(name, values)| zero(name, values)).collect();
        let buffers: Numbers = before
            .weights
            .iter()
            .filter(|(name, _)| !before.m.contains_key(*name))
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect();
        let none = |numbers: &Numbers| numbers.keys().map(|name| (name.clone(), 0.0)).collect();
        let bounds = Bounds { logits: 0.0, gradients: none(&gradients), buffers: none(&buffers) };
        let nothing = Objective::CrossEntropy(BatchLoss::Mean);
        let batch = Batch {
            ids: vec![0],
            labels: vec![0],
            weights: Some(vec![0.0]),
            objective: nothing,
            dropout: None,
            running: false,
        };
        Expected {
            before,
            batch,
            exact: Exact { logits: vec![], losses: vec![], gradients, buffers },
            bounds,
            updates: true,
        }
    }

    /// Says what differs by more than rounding. A ReLU whose input is within rounding of 0, or two losses between which
    /// T-CE draws its line, may fall to the other side: then the step is that of a state a few roundings away.
    pub fn compare(&mut self, expected: &Expected, found: &Found, record: Option<Recorded>) -> Result<(), String> {
        self.compared += 1;
        let Expected { before, batch, .. } = expected;
        if let Some(losses) = &found.losses {
            self.compare_losses(expected, losses, record)?;
        }
        let Err(difference) = self.compare_to(&expected.exact, expected, found) else { return Ok(()) };
        for probe in 1..=NEIGHBOURS {
            let mut beside = self.reference.step(&shaken(&before.weights, probe), batch);
            beside.gradients.retain(|name, _| expected.exact.gradients.contains_key(name));
            if self.compare_to(&beside, expected, found).is_ok() {
                self.beside += 1;
                return Ok(());
            }
        }
        Err(difference)
    }

    /// Fails where more steps than a rare one were found only beside their state.
    pub fn finish(&self, what: &str) {
        let Self { compared, beside, .. } = self;
        assert!(beside * RARE <= compared + RARE, "{what}: {beside} of {compared} steps are those of other states");
    }

    fn compare_losses(&self, expected: &Expected, found: &[f32], record: Option<Recorded>) -> Result<(), String> {
        let Expected { before, batch, exact, bounds, .. } = expected;
        let (losses, bound) = match record {
            Some(Recorded::Eval) => {
                let fields = batch.ids.len() / batch.labels.len();
                let (logits, bound) = self.reference.predict_within(&before.weights, &batch.ids, fields);
                (logits.iter().zip(&batch.labels).map(|(z, label)| cross_entropy(*z, *label)).collect(), bound)
            }
            _ => (exact.losses.clone(), bounds.logits),
        };
        each("recorded loss", found, &losses, |loss| bound + 4.0 * EPS * loss.abs())
    }

    fn compare_to(&self, exact: &Exact, expected: &Expected, found: &Found) -> Result<(), String> {
        let Expected { before, batch, bounds, updates, .. } = expected;
        let after = &found.after;
        if let Some(logits) = &found.logits {
            each("logit", logits, &exact.logits, |_| bounds.logits)?;
        }
        for (name, moved) in &exact.buffers {
            let bound = bounds.buffers[name];
            each(name, &after.weights[name], moved, |value| bound + 2.0 * EPS * value.abs())?;
        }
        if after.steps != before.steps + u32::from(*updates) {
            return Err(format!("{} steps after {}", after.steps, before.steps));
        }
        let touched = batch.touched();
        let update = Update::new(&self.optimizer, after.steps);
        for (name, start) in before.weights.iter().filter(|(name, _)| !exact.buffers.contains_key(*name)) {
            let width = self.reference.table_width(name);
            let lazy = self.optimizer.kind == Optimizer::LazyAdam;
            let [before, after] = [before, after].map(|state| [&state.weights[name], &state.m[name], &state.v[name]]);
            let gradient = exact.gradients.get(name).map(|gradient| (gradient, bounds.gradients[name]));
            for at in 0..start.len() {
                let [before, after] = [before, after].map(|[p, m, v]| Number { p: p[at], m: m[at], v: v[at] });
                let read = width.is_none_or(|width| touched.contains(&(at / width)));
                let result = match gradient {
                    Some((gradient, bound)) if read || !lazy => update.compare(gradient[at], bound, before, after),
                    _ if before == after => Ok(()),
                    _ => Err(format!("{before:?} is not to move, and became {after:?}")),
                };
                result.map_err(|difference| format!("{name}[{at}]: {difference}"))?;
            }
        }
        Ok(())
    }
}

/// One trained number with what Adam keeps of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Number {
    p: f64,
    m: f64,
    v: f64,
}

/// The optimiser in f64: g <- g + decay p; m, v <- running means of g, g^2; p <- p - lr m' / (sqrt(v') + 1e-8), where m'
/// and v' are corrected for their start at 0.
struct Update {
    sgd: bool,
    lr: f64,
    decay: f64,
    /// 1 - beta^t.
    corrections: [f64; 2],
}

impl Update {
    fn new(config: &OptimizerConfig, step: u32) -> Self {
        Self {
            sgd: config.kind == Optimizer::Sgd,
            lr: config.lr,
            decay: config.weight_decay,
            corrections: [0.9_f64, 0.999].map(|beta| 1.0 - beta.powi(step as i32)),
        }
    }

    /// `gradient` is exact, and the engine's may be off by `bound`. Adam's means show the gradient, linear and squared;
    /// the weight is held to the means that the engine itself reports, because a mean within rounding of 0 may have any
    /// sign, and Adam makes a full step of it.
    fn compare(&self, gradient: f64, bound: f64, before: Number, after: Number) -> Result<(), String> {
        let g = gradient + self.decay * before.p;
        if self.sgd {
            if (before.m, before.v) != (after.m, after.v) {
                return Err(format!("{before:?} has means that moved to {after:?}"));
            }
            let p = before.p - self.lr * g;
            return one("weight", after.p, p, self.lr * bound + 4.0 * EPS * (before.p.abs() + self.lr * g.abs()));
        }
        let m = before.m + 0.1 * (g - before.m);
        one("mean of gradients", after.m, m, 0.1 * bound + 2.0 * EPS * (before.m.abs() + g.abs()))?;
        let v = before.v + 0.001 * (g * g - before.v);
        one("mean of squares", after.v, v, 0.001 * (2.0 * g.abs() + bound) * bound + 4.0 * EPS * v)?;
        let [c1, c2] = self.corrections;
        let step = self.lr * after.m / c1 / ((after.v / c2).sqrt() + 1e-8);
        one("weight", after.p, before.p - step, EPS * before.p.abs() + 4.0 * EPS * step.abs())
    }
}

fn one(what: &str, found: f64, expected: f64, bound: f64) -> Result<(), String> {
    // Numbers too small for f32's usual form are not rounded relative to their size.
    let off = (found - expected).abs();
    if off <= bound + f64::from(f32::MIN_POSITIVE) {
        return Ok(());
    }
    Err(format!("{what} {found:e} where {expected:e} is expected: off by {off:.1e}, {bound:.1e} is rounding"))
}

fn each<T: Copy + Into<f64>>(
    what: &str,
    found: &[T],
    expected: &[f64],
    bound: impl Fn(f64) -> f64,
) -> Result<(), String> {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut pairs = found.iter().zip(expected).enumerate();
    pairs.try_for_each(|(at, (f, e))| one(&format!("{what}[{at}]"), (*f).into(), *e, bound(*e)))
}
