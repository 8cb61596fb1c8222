//! One batch of a search: the policy's steps, then the model's.

use super::TorchPolicy;
use super::given::{Draws, Given};
use super::rewards::{Rewards, act, act_again, rewards};
use crate::backbone::{BatchMasks, Gradients, Pass, TorchModel, batch_loss, bce};
use crate::staged::Written;
use autodenoise::backbone::BatchLoss;
use autodenoise::types::{DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Options, RewardForward};
use tch::{Device, Kind, Tensor};

/// Numbers that are kept of a batch: the fields of `SearchedBatch`, in order.
pub const KEPT: usize = 8;

/// What a batch comes to.
pub struct Outcome {
    /// `[B]`: the history's row.
    pub entries: Tensor,
    /// `[B]`: logits before the update, and which rows it was on.
    pub logits: Tensor,
    pub trained: Tensor,
    /// `[KEPT]`, f64.
    pub kept: Tensor,
}

impl Written for Outcome {
    fn again(&self) -> Self {
        Self {
            entries: self.entries.shallow_clone(),
            logits: self.logits.shallow_clone(),
            trained: self.trained.shallow_clone(),
            kept: self.kept.shallow_clone(),
        }
    }
}

/// What came of the policy's steps on a batch; scalars in f64.
struct Taught {
    rewarded: Tensor,
    reward_sum: Tensor,
    reward_squares: Tensor,
    skipped: Tensor,
}

/// What came of the model's step.
struct Updated {
    entries: Tensor,
    logits: Tensor,
    trained: Tensor,
    /// Scalars.
    selected: Tensor,
    few: Tensor,
    is_finite: Tensor,
}

/// Those who learn from a batch.
pub struct Learners<'a> {
    pub options: &'a Options,
    pub policy: &'a mut TorchPolicy,
    pub model: &'a mut TorchModel,
}

impl Learners<'_> {
    pub fn run(&mut self, given: &Given) -> Outcome {
        let options = self.options;
        let seen = self.policy.ids(&given.ids, &given.labels);
        let evaluated = options
            .search_evaluates()
            .then(|| tch::no_grad(|| bce(&self.model.backbone.forward(&given.ids, &mut Pass::eval()), &given.labels)));
        let mut taught = Taught::nothing(given.labels.device());
        // BatchNorm cannot learn from a single row: it is only evaluated.
        if given.len() >= 2 {
            for draws in &given.repeats {
                self.teach(given, draws, &seen, evaluated.as_ref(), &mut taught);
            }
        }
        let opinion = self.policy.logits(&seen);
        let selected = act_again(options, &opinion, &given.u);
        let before = match (options.lmat_deselected, &evaluated) {
            (LmatDeselected::EvaluateAll, Some(evaluated)) => evaluated,
            _ => &given.entries,
        };
        let updated = self.update(given, &selected, before);
        let kept = [
            taught.rewarded,
            taught.reward_sum,
            taught.reward_squares,
            taught.skipped,
            updated.selected,
            updated.few,
            opinion.isfinite().all(),
            updated.is_finite,
        ];
        let kept: [Tensor; KEPT] = kept.map(|number| number.to_kind(Kind::Double));
        let Updated { entries, logits, trained, .. } = updated;
        Outcome { entries, logits, trained, kept: Tensor::stack(&kept, 0) }
    }

    /// A first action, its rewards, and the policy's step.
    fn teach(&mut self, given: &Given, draws: &Draws, seen: &Tensor, evaluated: Option<&Tensor>, taught: &mut Taught) {
        let options = self.options;
        let mut pass = Pass::train_with(&draws.explored);
        let logits = self.policy.model.forward(seen, &mut pass);
        let actions = act(options, &logits.detach(), &draws.u);
        let (losses, known) = match (options.reward_forward, evaluated) {
            (RewardForward::Eval, Some(evaluated)) => (evaluated.shallow_clone(), yes(evaluated.device())),
            (RewardForward::Eval, None) => unreachable!("a reward from evaluation-mode losses asks for them"),
            (RewardForward::TrainNograd, _) => tch::no_grad(|| self.rehearse(given, &draws.rehearsed, &actions)),
        };
        let given = rewards(options, &given.look_back, &losses, &actions, &known);
        let Rewards { values, count, sum, sum_of_squares } = given;
        let taken = count.gt(0.0);
        let each = taken.to_kind(Kind::Float);
        self.policy.learn(&logits, &actions.to_kind(Kind::Int64), &values, pass, &each);
        taught.rewarded += count;
        taught.reward_sum += sum;
        taught.reward_squares += sum_of_squares;
        taught.skipped += taken.logical_not().to_kind(Kind::Double);
    }

    /// Losses `[B]` in train mode without touching the model: of the selected rows among themselves, the others 0; or, where
    /// deselected rows need a reward, theirs from a pass over the whole batch. And whether there are such losses: with fewer
    /// than two rows BatchNorm has no statistics.
    fn rehearse(&self, given: &Given, masks: &BatchMasks, actions: &Tensor) -> (Tensor, Tensor) {
        let losses = |pass: &mut Pass| {
            pass.update_stats = false;
            bce(&self.model.backbone.forward(&given.ids, pass), &given.labels)
        };
        let mut among = Pass::train_with(masks);
        keep_apart(&mut among, &actions.to_kind(Kind::Float));
        let own = losses(&mut among);
        let enough = actions.sum(Kind::Int64).ge(2);
        let from_own = actions.logical_and(&enough);
        if self.options.deselected_reward == DeselectedReward::Negate {
            let whole = losses(&mut Pass::train_with(masks));
            return (own.where_self(&from_own, &whole), yes(own.device()));
        }
        (own.where_scalarother(&from_own, 0.0), enough)
    }

    /// The model's step on the selected rows. Its rows of the history are losses if it records them, and else as before.
    fn update(&mut self, given: &Given, selected: &Tensor, before: &Tensor) -> Updated {
        let (options, len) = (self.options, given.len());
        let count = selected.sum(Kind::Int64);
        if len < 2 {
            return Updated {
                entries: before.shallow_clone(),
                logits: before.zeros_like(),
                trained: selected.zeros_like(),
                selected: count,
                few: yes(before.device()).logical_not(),
                is_finite: yes(before.device()),
            };
        }
        let few = count.lt(i64::from(options.min_selected).min(len));
        let enough = few.logical_not();
        let to_all = options.on_few_selected == OnFewSelected::SelectAll;
        let on = if to_all { selected.logical_or(&few) } else { selected.logical_and(&enough) };
        let weights = on.to_kind(Kind::Float);
        let mut pass = Pass::train_with(&given.updates);
        keep_apart(&mut pass, &weights);
        pass.moves = (!to_all).then(|| enough.to_kind(Kind::Float));
        let TorchModel { backbone, optimizer, .. } = &mut *self.model;
        let logits = backbone.forward(&given.ids, &mut pass);
        let losses = bce(&logits, &given.labels);
        let loss = batch_loss(BatchLoss::Mean, &losses, &given.labels, Some(&weights));
        let gradients = Gradients::of(&loss, &backbone.params, pass);
        // Gradients of no rows are 0, which is what a step at rest is taken on.
        let taken = match options.on_few_selected {
            OnFewSelected::Skip | OnFewSelected::Error => Some(enough.to_kind(Kind::Float)),
            OnFewSelected::AdamZeroGrad | OnFewSelected::SelectAll => None,
        };
        optimizer.step_where(&backbone.params, gradients, &[true], taken.as_ref());
        let (logits, losses) = (logits.detach(), losses.detach());
        let entries = match options.lmat_loss {
            LmatLoss::Train => losses.where_self(&on, before),
            LmatLoss::Eval => before.shallow_clone(),
        };
        let is_finite = logits.isfinite().logical_or(&on.logical_not()).all();
        Updated { entries, logits, trained: on, selected: count, few, is_finite }
    }
}

impl Taught {
    fn nothing(device: Device) -> Self {
        let zero = || Tensor::zeros([], (Kind::Double, device));
        Self { rewarded: zero(), reward_sum: zero(), reward_squares: zero(), skipped: zero() }
    }
}

/// True, on the device.
fn yes(device: Device) -> Tensor {
    Tensor::ones([], (Kind::Bool, device))
}

/// Rows of weight 0 count in nothing, and the others take the dropout masks of a batch of them alone. Weights `[B]` are 0 or 1.
fn keep_apart(pass: &mut Pass, weights: &Tensor) {
    pass.counted = Some(weights.unsqueeze(-1));
    pass.mask_rows = Some((weights.cumsum(0, Kind::Int64) - 1).clamp_min(0));
}
