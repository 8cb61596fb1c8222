//! The exact step: a model's own network on libtorch in f64, and how far rounding may lead an f32 step away from it.

use crate::state::{Numbers, host};
use autodenoise::backbone::{BackboneConfig, BatchLoss, ModelKey, Rows};
use autodenoise::random::{Purpose, Stream};
use autodenoise_torch::backbone::{Backbone, Gradients, ParamKind, Pass};
use std::collections::{BTreeMap, HashSet};
use tch::{Device, Kind, Reduction, Tensor};

/// The distance of two neighbouring numbers at 1.
pub const EPS: f64 = f32::EPSILON as f64;

/// Roundings that a result may be off by, of each number it is made from. Most are off by less than 4, all by less than 9
/// (`docs/numerics.md`).
const ROUNDINGS: f64 = 32.0;

/// By how many roundings weights are shaken to see how much a result hangs on them.
const SHAKE: f64 = 8.0;

/// A batch as one replica trains on it.
pub struct Batch {
    /// `[B, F]` row-major.
    pub ids: Vec<i32>,
    pub labels: Vec<u8>,
    pub weights: Option<Vec<f32>>,
    pub objective: Objective,
    pub dropout: Option<Stream>,
    /// Normalises by the running statistics, where there is BatchNorm.
    pub running: bool,
}

/// What a step makes smaller.
pub enum Objective {
    /// A loss over the rows' cross-entropies; logits `[B]`.
    CrossEntropy(BatchLoss),
    /// -sum r log softmax(z)[a], times `scale`; logits `[B, 2]`.
    Reinforce { actions: Vec<bool>, rewards: Vec<f32>, scale: f64 },
}

impl Batch {
    /// All of some rows.
    pub fn of_rows(rows: &Rows) -> Self {
        let objective = Objective::CrossEntropy(BatchLoss::Mean);
        Self {
            ids: rows.ids.to_vec(),
            labels: rows.labels.to_vec(),
            weights: None,
            objective,
            dropout: None,
            running: false,
        }
    }

    /// Rows of a weight above 0.
    pub fn counted(&self) -> usize {
        self.counts().filter(|counts| *counts).count()
    }

    /// The ids of these rows.
    pub fn touched(&self) -> HashSet<usize> {
        let fields = self.ids.len() / self.labels.len();
        let rows = self.ids.chunks(fields).zip(self.counts()).filter(|(_, counts)| *counts);
        rows.flat_map(|(ids, _)| ids.iter().map(|id| *id as usize)).collect()
    }

    /// The batch without its rows of weight 0.
    pub fn without_absent(mut self) -> Self {
        let keep: Vec<bool> = self.counts().collect();
        let fields = self.ids.len() / keep.len();
        let mut rows = keep.iter();
        self.labels.retain(|_| *rows.next().unwrap());
        let mut cells = keep.iter().flat_map(|keep| std::iter::repeat_n(*keep, fields));
        self.ids.retain(|_| cells.next().unwrap());
        if let Some(weights) = &mut self.weights {
            weights.retain(|weight| *weight > 0.0);
        }
        self
    }

    fn counts(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.labels.len()).map(|row| self.weights.as_ref().is_none_or(|weights| weights[row] > 0.0))
    }

    /// What each row's loss is multiplied by in the batch's loss, and what their sum is divided by.
    fn shares(&self, loss: BatchLoss, losses: &[f64]) -> (Vec<f64>, f64) {
        let all = vec![1.0; losses.len()];
        let weights = self.weights.as_ref().unwrap_or(&all);
        let widened = |shares: &[f32]| shares.iter().map(|share| f64::from(*share)).collect::<Vec<_>>();
        let kept = match loss {
            BatchLoss::Truncated { .. } => {
                let rounded: Vec<f32> = losses.iter().map(|loss| *loss as f32).collect();
                widened(&loss.shares(&rounded, &self.labels, Some(weights)).0)
            }
            _ => widened(weights),
        };
        let total = kept.iter().sum();
        match loss {
            BatchLoss::Reweighted { beta } => {
                (kept.iter().zip(losses).map(|(weight, loss)| weight * (-beta * loss).exp()).collect(), total)
            }
            _ => (kept, total),
        }
    }
}

/// What a step computes before its update.
#[derive(Clone)]
pub struct Exact {
    pub logits: Vec<f64>,
    pub losses: Vec<f64>,
    /// Of all that is trained and that the loss depends on, without the penalty of weight decay.
    pub gradients: Numbers,
    /// BatchNorm's running statistics afterwards.
    pub buffers: Numbers,
}

/// How far an f32 step may be off.
pub struct Bounds {
    pub logits: f64,
    /// By tensor.
    pub gradients: BTreeMap<String, f64>,
    pub buffers: BTreeMap<String, f64>,
}

/// A network in f64.
pub struct Reference {
    net: Backbone,
}

impl Reference {
    pub fn new(config: &BackboneConfig) -> Self {
        Self::of(Backbone::new(config, &[KEY], Device::Cpu))
    }

    /// The network of an f32 model.
    pub fn of(net: Backbone) -> Self {
        for (_, _, tensor) in net.params.iter() {
            let double = tensor.detach().to_kind(Kind::Double);
            tensor.shallow_clone().set_data(&double);
        }
        Self { net }
    }

    /// Width of the tables that are read by rows, by name.
    pub fn table_width(&self, name: &str) -> Option<usize> {
        let (_, kind, tensor) = self.net.params.iter().find(|(other, _, _)| *other == name)?;
        (kind == ParamKind::Table).then(|| *tensor.size().last().unwrap() as usize)
    }

    fn load(&self, weights: &Numbers) {
        for (name, _, tensor) in self.net.params.iter() {
            let values = Tensor::from_slice(&weights[name]).view(&tensor.size()[..]);
            tch::no_grad(|| tensor.shallow_clone().copy_(&values));
        }
    }

    /// Logits in evaluation mode.
    pub fn predict(&self, weights: &Numbers, ids: &[i32], fields: usize) -> Vec<f64> {
        self.load(weights);
        let ids = Tensor::from_slice(ids).view([-1, fields as i64]);
        tch::no_grad(|| host(&self.net.forward(&ids, &mut Pass::eval())))
    }

    /// The same, and how far f32 may be off.
    pub fn predict_within(&self, weights: &Numbers, ids: &[i32], fields: usize) -> (Vec<f64>, f64) {
        let exact = self.predict(weights, ids, fields);
        let beside = self.predict(&shaken(weights, 0), ids, fields);
        let bound = ROUNDINGS * farthest(&exact, &beside) / SHAKE + EPS;
        (exact, bound)
    }

    /// The batch's step from these weights.
    pub fn step(&self, weights: &Numbers, batch: &Batch) -> Exact {
        self.run(weights, batch, false)
    }

    /// The bounds of the step. `exact` is the step itself.
    ///
    /// Two things are added up. How much the largest change of any gradient is when each weight is moved by one rounding:
    /// what a layer-wise stable computation amounts to. And the size of the terms that a gradient is the sum of: where
    /// they cancel (all of them, for a bias before BatchNorm) their rounding does not. The terms are seen where BatchNorm
    /// is given the batch's statistics as constants, and all rows pull the same way.
    pub fn bounds(&self, weights: &Numbers, batch: &Batch, exact: &Exact) -> Bounds {
        let beside = self.step(&shaken(weights, 0), batch);
        let rounding = |moved: f64| ROUNDINGS * moved / SHAKE;
        let moved = |a: &Numbers, b: &Numbers, name: &String| farthest(&a[name], &b[name]);
        let names = exact.gradients.keys();
        let largest = names.map(|name| moved(&exact.gradients, &beside.gradients, name)).fold(0.0, f64::max);
        let gradient = |(name, size)| (name, rounding(largest) + ROUNDINGS * EPS * size);
        let buffer = |name: &String| (name.clone(), rounding(moved(&exact.buffers, &beside.buffers, name)));
        Bounds {
            logits: rounding(farthest(&exact.logits, &beside.logits)) + EPS,
            gradients: self.sizes(weights, batch, exact).into_iter().map(gradient).collect(),
            buffers: exact.buffers.keys().map(buffer).collect(),
        }
    }

    /// The largest sum of the terms of any gradient of each tensor, all of one sign.
    pub fn sizes(&self, weights: &Numbers, batch: &Batch, exact: &Exact) -> BTreeMap<String, f64> {
        let terms = self.run(&self.frozen(weights, batch, exact), batch, true);
        let size = |terms: &Vec<f64>| terms.iter().fold(0.0_f64, |size, term| size.max(term.abs()));
        terms.gradients.iter().map(|(name, terms)| (name.clone(), size(terms))).collect()
    }

    /// Logits of a training pass, and how far f32 may be off.
    pub fn logits_within(&self, weights: &Numbers, batch: &Batch) -> (Vec<f64>, f64) {
        let [exact, beside] = [weights, &shaken(weights, 0)].map(|weights| self.step(weights, batch).logits);
        let bound = ROUNDINGS * farthest(&exact, &beside) / SHAKE + EPS;
        (exact, bound)
    }

    /// The weights with the batch's own statistics as the running ones: these moved a tenth of the way to them.
    fn frozen(&self, weights: &Numbers, batch: &Batch, exact: &Exact) -> Numbers {
        if batch.running {
            return weights.clone();
        }
        let n = batch.counted() as f64;
        let mut frozen = weights.clone();
        for (name, after) in &exact.buffers {
            let biased = if name.ends_with("running_var") { (n - 1.0) / n } else { 1.0 };
            for (value, after) in frozen.get_mut(name).unwrap().iter_mut().zip(after) {
                *value = (after - 0.9 * *value) / 0.1 * biased;
            }
        }
        frozen
    }

    /// The step; or, for the size of the `terms` that gradients are summed of, with BatchNorm's statistics as constants
    /// and all rows pulling the same way.
    fn run(&self, weights: &Numbers, batch: &Batch, terms: bool) -> Exact {
        self.load(weights);
        let fields = batch.ids.len() / batch.labels.len();
        let ids = Tensor::from_slice(&batch.ids).view([-1, fields as i64]);
        let mut pass = Pass::train(batch.dropout.into_iter().collect());
        let counts = batch.weights.as_ref().map(|weights| Tensor::from_slice(weights).gt(0.0).to_kind(Kind::Double));
        pass.counted = counts.map(|counts| counts.unsqueeze(-1));
        if terms || batch.running {
            pass.use_running_stats();
        }
        let logits = self.net.forward(&ids, &mut pass);
        let (objective, losses) = match &batch.objective {
            Objective::CrossEntropy(loss) => cross_entropies(batch, *loss, &logits, terms),
            Objective::Reinforce { actions, rewards, scale } => {
                (reinforce(actions, rewards, &logits, terms) * *scale, Vec::new())
            }
        };
        let gradients = Gradients::of(&objective, &self.net.params, pass).named(&self.net.params);
        let buffers = self.net.params.iter().filter(|(_, kind, _)| *kind == ParamKind::Buffer);
        Exact {
            logits: host(&logits),
            losses,
            gradients: gradients.into_iter().map(|(name, tensor)| (name, host(&tensor))).collect(),
            buffers: buffers.map(|(name, _, tensor)| (name.to_owned(), host(tensor))).collect(),
        }
    }
}

/// The batch's loss, and that of each row.
fn cross_entropies(batch: &Batch, loss: BatchLoss, logits: &Tensor, terms: bool) -> (Tensor, Vec<f64>) {
    let labels = Tensor::from_slice(&batch.labels).to_kind(Kind::Double);
    let losses = logits.binary_cross_entropy_with_logits::<Tensor>(&labels, None, None, Reduction::None);
    let own = host(&losses);
    let (shares, total) = batch.shares(loss, &own);
    let shares = Tensor::from_slice(&shares);
    // The derivative by a logit is p - y, whose terms are p and y.
    let each = if terms { logits * (logits.detach().sigmoid() + labels) } else { losses };
    ((each * shares).sum(Kind::Double) / total, own)
}

fn reinforce(actions: &[bool], rewards: &[f32], logits: &Tensor, terms: bool) -> Tensor {
    let taken: Vec<i64> = actions.iter().map(|action| i64::from(*action)).collect();
    let (taken, rewards) = (Tensor::from_slice(&taken), Tensor::from_slice(rewards).to_kind(Kind::Double));
    if terms {
        // The derivative by the second logit is r (p - a), by the first the same the other way round.
        let size = logits.detach().softmax(1, Kind::Double).select(1, 1) + &taken;
        let difference = logits.select(1, 1) - logits.select(1, 0);
        return (difference * size * rewards.abs()).sum(Kind::Double);
    }
    let each = logits.log_softmax(1, Kind::Double).gather(1, &taken.unsqueeze(1), false);
    -(each.squeeze_dim(1) * rewards).sum(Kind::Double)
}

const KEY: ModelKey = ModelKey { seed: 0, init: [0, 0], run: [0, 0] };

/// The weights with each number a few roundings higher or lower, by chance.
pub fn shaken(weights: &Numbers, probe: u32) -> Numbers {
    let shake = |(name, values): (&String, &Vec<f64>)| {
        let mut u = vec![0.0; values.len()];
        Stream::new(7, Purpose::Select, &[probe]).named(name).fill_uniform(&mut u);
        let moved = |(value, u): (&f64, f32)| value * (1.0 + SHAKE * EPS * if u < 0.5 { 1.0 } else { -1.0 });
        (name.clone(), values.iter().zip(u).map(moved).collect())
    };
    weights.iter().map(shake).collect()
}

/// The largest difference of two numbers in the same place.
fn farthest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |far, (a, b)| far.max((a - b).abs()))
}

/// Cross-entropy of a logit.
pub fn cross_entropy(z: f64, label: u8) -> f64 {
    z.max(0.0) - z * f64::from(label) + (-z.abs()).exp().ln_1p()
}
