//! Search epochs of one batch on both engines, from the same policy, held to the exact policy and model.
//!
//! An action is drawn by comparing a probability with a uniform number. Batches in which rounding may turn an action are
//! left out, and only those.

use crate::engines::engine;
use crate::reference::{Batch, EPS, Objective, Reference, cross_entropy};
use crate::state::{State, states, states_of};
use crate::step::{Checker, Expected, Found};
use crate::table::{Table, config, keys, shuffled};
use autodenoise::backbone::{BatchLoss, ModelKey, OptimizerConfig, Policy, PolicyConfig, Rows};
use autodenoise::denoise::{History, SearchEpoch, SearchSummary, compute_rewards, draw_uniforms, search_epoch};
use autodenoise::types::{
    Action, BackboneKind, DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, Options,
    PolicyReduction, Preset, Reward, RewardForward, RewardNorm, UpdateAction,
};
use autodenoise_torch::TorchPolicy;
use tch::Device;

const ENGINES: [&str; 3] = ["libtorch", "fused", "libtorch as on a GPU"];
/// Batches of each trajectory.
const STEPS: u32 = 24;
/// One batch in so many may have an action that rounding decides.
const RARE: u32 = 20;
const SEED: u64 = 6;

fn quick() -> Options {
    Options {
        batch_size: 32,
        lr: 0.01,
        embed_dim: 4,
        policy_mlp_dims: vec![8],
        weight_decay: 1e-4,
        ..Options::preset(Preset::Paper, BackboneKind::DeepFm)
    }
}

fn few(on_few_selected: OnFewSelected) -> Options {
    Options { on_few_selected, min_selected: 20, ..quick() }
}

fn policy_config(options: &Options) -> PolicyConfig {
    let ids = config(BackboneKind::DeepFm, 0.0).ranges;
    let end = ids.iter().map(|range| range.end).max().unwrap();
    let label = options.policy_label_field.then_some(end);
    PolicyConfig {
        ranges: ids.into_iter().chain(label.map(|start| start..start + 2)).collect(),
        label_field: label,
        embed_dim: options.embed_dim as usize,
        mlp_dims: options.policy_mlp_dims.iter().map(|dim| *dim as usize).collect(),
        dropout: options.policy_dropout,
        batch_norm: options.policy_bn,
        reduction: options.policy_reduction,
        optimizer: OptimizerConfig {
            kind: options.optimizer,
            lr: options.lr * options.policy_lr_mult,
            weight_decay: options.weight_decay * options.policy_wd_mult,
        },
    }
}

/// One epoch's batch.
struct Epoch<'a> {
    options: &'a Options,
    number: u32,
    rows: &'a Rows<'a>,
    policy: &'a Checker,
    policy_key: ModelKey,
    label_field: Option<u32>,
    model: &'a Checker,
    model_key: ModelKey,
    /// The fresh model's state, and its losses in evaluation mode.
    fresh: &'a State,
    evaluated: Vec<f64>,
    /// How far f32 losses may be off.
    off: f64,
}

/// What the policy is to learn from a batch.
struct Lesson {
    /// Its last step.
    last: Expected,
    /// How many rewards there were, their sum and the sum of their squares.
    totals: [f64; 3],
    /// How far a reward may be off.
    off: f64,
    /// Steps left out because no row had a reward.
    skipped: u64,
}

/// The rewards of one draw of actions.
struct Given {
    objective: Objective,
    /// Of the rewards before they are centred.
    totals: [f64; 3],
    /// How far one may be off, and before it is centred.
    off: f64,
    raw_off: f64,
}

/// Losses of a batch's rows.
struct Losses {
    each: Vec<f64>,
    /// How far f32 ones may be off.
    off: f64,
}

/// An action that rounding may turn.
struct Doubtful;

impl Epoch<'_> {
    fn policy_ids(&self) -> Vec<i32> {
        let rows = self.rows.ids.chunks(self.rows.fields).zip(self.rows.labels);
        let label = |label: u8| self.label_field.map(|start| (start + u32::from(label)) as i32);
        rows.flat_map(|(ids, y)| ids.iter().copied().chain(label(*y)).collect::<Vec<_>>()).collect()
    }

    fn policy_batch(&self, objective: Objective, pass: u32) -> Batch {
        let labels = self.rows.labels.to_vec();
        let dropout = Some(self.policy_key.dropout(pass, 0));
        Batch { ids: self.policy_ids(), labels, weights: None, objective, dropout, running: false }
    }

    /// Some rows, as the model trains on them.
    fn model_batch(&self, selected: &[usize], draw: u32) -> Batch {
        let fields = self.rows.fields;
        Batch {
            ids: selected.iter().flat_map(|row| &self.rows.ids[row * fields..][..fields]).copied().collect(),
            labels: selected.iter().map(|row| self.rows.labels[*row]).collect(),
            weights: None,
            objective: Objective::CrossEntropy(BatchLoss::Mean),
            dropout: Some(self.model_key.dropout(draw, 0)),
            running: false,
        }
    }

    /// Actions from logits `[B, 2]` that f32 may have `off` by so much.
    fn act(
        &self,
        greedy: bool,
        epsilon: Option<f64>,
        logits: &[f64],
        off: f64,
        draw: u32,
    ) -> Result<Vec<bool>, Doubtful> {
        let u = draw_uniforms(SEED, self.number, 0, draw, self.rows.len());
        let each = logits.chunks(2).zip(u).map(|(z, u)| {
            let (difference, u) = (z[1] - z[0], f64::from(u));
            if greedy {
                let flip = epsilon.is_some_and(|epsilon| u <= epsilon);
                return if difference.abs() <= 2.0 * off { Err(Doubtful) } else { Ok((difference > 0.0) != flip) };
            }
            let [low, high] = [-2.0, 2.0].map(|by| 1.0 / (1.0 + (-difference - by * off).exp()));
            if u <= low - EPS {
                Ok(true)
            } else if u >= high + EPS {
                Ok(false)
            } else {
                Err(Doubtful)
            }
        });
        each.collect()
    }

    fn teach(&self, mut state: State) -> Result<Lesson, Doubtful> {
        let (options, n) = (self.options, self.rows.len());
        let (mut last, mut totals, mut off, mut skipped) = (None, [0.0; 3], 0.0_f64, 0);
        for repeat in 0..options.policy_repeats {
            if let Some(last) = last.take() {
                state = self.policy.after_sgd(last);
            }
            let pass = self.number * options.policy_repeats + repeat;
            let nothing = Objective::Reinforce { actions: vec![false; n], rewards: vec![0.0; n], scale: 1.0 };
            let look = self.policy_batch(nothing, pass);
            let (logits, logits_off) = self.policy.reference.logits_within(&state.weights, &look);
            let greedy = options.action == Action::EpsGreedy;
            let actions = self.act(greedy, Some(options.epsilon), &logits, logits_off, 1 + repeat)?;
            let given = self.first_losses(&actions, 1 + repeat).map(|losses| self.rewards(&losses, actions));
            let Some(given) = given.filter(|given| given.totals[0] > 0.0) else {
                skipped += 1;
                last = Some(self.policy.expect_no_update(state.clone(), look));
                continue;
            };
            off = off.max(given.raw_off);
            totals.iter_mut().zip(given.totals).for_each(|(total, own)| *total += own);
            let batch = self.policy_batch(given.objective, pass);
            last = Some(self.policy.expect_rewards_within(state.clone(), batch, given.off));
        }
        Ok(Lesson { last: last.expect("at least one repeat"), totals, off, skipped })
    }

    /// The losses that rewards come from, if there are any.
    fn first_losses(&self, actions: &[bool], draw: u32) -> Option<Losses> {
        match self.options.reward_forward {
            RewardForward::Eval => Some(Losses { each: self.evaluated.clone(), off: self.off }),
            RewardForward::TrainNograd => self.train_mode_losses(actions, draw),
        }
    }

    fn rewards(&self, losses: &Losses, actions: Vec<bool>) -> Given {
        let options = self.options;
        let off = losses.off;
        let losses: Vec<f32> = losses.each.iter().map(|loss| *loss as f32).collect();
        let look_back = self.history().look_back();
        let raw = Options { reward_norm: RewardNorm::None, ..options.clone() };
        let raw = compute_rewards(&raw, &look_back, &losses, &actions);
        let values = compute_rewards(options, &look_back, &losses, &actions).values;
        let mean = |sum: f64| sum / (raw.count as f64).max(1.0);
        let spread = (mean(raw.sum_of_squares) - mean(raw.sum).powi(2)).sqrt();
        let magnified = if options.reward_norm == RewardNorm::Standardize { 1.0 / spread } else { 1.0 };
        let many = if options.reward == Reward::BatchSum { losses.len() as f64 } else { 1.0 };
        let scale = match options.policy_reduction {
            PolicyReduction::Mean => 1.0 / losses.len() as f64,
            PolicyReduction::Sum => 1.0,
        };
        Given {
            objective: Objective::Reinforce { actions, rewards: values, scale },
            totals: [raw.count as f64, raw.sum, raw.sum_of_squares],
            // Centring moves every reward by as much again, and scaling does once more.
            off: 4.0 * many * off * magnified,
            raw_off: 2.0 * many * off,
        }
    }

    fn train_mode_losses(&self, actions: &[bool], draw: u32) -> Option<Losses> {
        let all: Vec<usize> = (0..actions.len()).collect();
        let selected: Vec<usize> = all.iter().copied().filter(|row| actions[*row]).collect();
        let losses = |rows: &[usize]| {
            let batch = self.model_batch(rows, draw);
            let (logits, off) = self.model.reference.logits_within(&self.fresh.weights, &batch);
            let each = logits.iter().zip(&batch.labels).map(|(z, label)| cross_entropy(*z, *label));
            Losses { each: each.collect(), off: off + self.off }
        };
        let negate = self.options.deselected_reward == DeselectedReward::Negate;
        let mut whole = if negate { losses(&all) } else { Losses { each: vec![0.0; all.len()], off: 0.0 } };
        if selected.len() < 2 {
            return negate.then_some(whole);
        }
        let own = losses(&selected);
        whole.off = whole.off.max(own.off);
        selected.iter().zip(own.each).for_each(|(row, loss)| whole.each[*row] = loss);
        Some(whole)
    }

    /// The history as an epoch begins.
    fn history(&self) -> History {
        let mut history = History::new(2, self.rows.len(), self.options.lmat_deselected);
        for c in 0..2 {
            history.set(c, draw_uniforms(SEED + 1, self.number, 0, c, self.rows.len()));
        }
        history
    }

    /// Holds what an engine did to what it is to do. `policy` is as it left it, `model` too.
    fn check(
        &self,
        lesson: &Lesson,
        (policy, model): (&State, State),
        (summary, history): (&SearchSummary, &History),
        checkers: [&mut Checker; 2],
    ) -> Result<(), Option<String>> {
        let (options, n) = (self.options, self.rows.len());
        let [policy_checker, model_checker] = checkers;
        let found = |after: State| Found { after, logits: None, losses: None };
        let learned = policy_checker.compare(&lesson.last, &found(policy.clone()), None);
        learned.map_err(|difference| Some(format!("policy {difference}")))?;
        let (logits, off) = self.policy.reference.predict_within(
            &policy.weights,
            &self.policy_ids(),
            self.rows.fields + usize::from(self.label_field.is_some()),
        );
        let greedy = options.update_action == UpdateAction::Greedy;
        let actions = self.act(greedy, None, &logits, off, 0).map_err(|Doubtful| None)?;
        let mut selected: Vec<usize> = (0..n).filter(|row| actions[*row]).collect();
        let same = |what: &str, found: f64, expected: f64, bound: f64| {
            let fits = (found - expected).abs() <= bound;
            fits.then_some(())
                .ok_or_else(|| Some(format!("{what} {found} where {expected} is expected, within {bound:e}")))
        };
        same("kept", summary.kept, selected.len() as f64 / n as f64, 0.0)?;
        let skips = selected.len() < options.min_selected as usize;
        let rest = skips && options.on_few_selected != OnFewSelected::SelectAll;
        if skips && !rest {
            selected = (0..n).collect();
        }
        same("skipped updates", summary.skipped_updates as f64, f64::from(u8::from(rest)), 0.0)?;
        same("skipped policy updates", summary.skipped_policy_updates as f64, lesson.skipped as f64, 0.0)?;
        self.check_rewards(lesson, summary).map_err(Some)?;

        let look_back = self.history().look_back();
        let mut entries: Vec<f64> =
            self.history().start(self.number, &look_back).iter().map(|x| f64::from(*x)).collect();
        if options.lmat_deselected == LmatDeselected::EvaluateAll {
            entries.clone_from(&self.evaluated);
        }
        if rest && options.on_few_selected == OnFewSelected::Skip {
            (model == *self.fresh).then_some(()).ok_or(Some("the model moved".to_owned()))?;
        } else if rest {
            let step = model_checker.expect_rest(self.fresh.clone());
            model_checker.compare(&step, &found(model), None).map_err(|e| Some(format!("model at rest {e}")))?;
        } else {
            let step = model_checker.expect(self.fresh.clone(), self.model_batch(&selected, 0));
            model_checker.compare(&step, &found(model), None).map_err(|e| Some(format!("model {e}")))?;
            let mean = step.exact.losses.iter().sum::<f64>() / selected.len() as f64;
            same("log-loss", summary.train.unwrap().logloss, mean, step.bounds.logits)?;
            if options.lmat_loss == LmatLoss::Train {
                selected.iter().zip(&step.exact.losses).for_each(|(row, loss)| entries[*row] = *loss);
            }
        }
        let row = &history.rows()[(self.number as usize - 1) % 2];
        for (found, expected) in row.iter().zip(&entries) {
            same("history", f64::from(*found), *expected, self.off)?;
        }
        Ok(())
    }

    fn check_rewards(&self, lesson: &Lesson, summary: &SearchSummary) -> Result<(), String> {
        let [count, sum, squares] = lesson.totals;
        let (Some(mean), Some(std)) = (summary.reward_mean, summary.reward_std) else {
            return if count == 0.0 { Ok(()) } else { Err("no reward".to_owned()) };
        };
        let exact = [sum / count, (squares / count - (sum / count).powi(2)).max(0.0).sqrt()];
        // The deviation of rewards that are all alike is the root of what f64 leaves of two equal squares.
        let bounds = [lesson.off, 2.0 * lesson.off + 1e-7 * exact[0].abs()];
        for ((found, exact), bound) in [mean, std].into_iter().zip(exact).zip(bounds) {
            if (found - exact).abs() > bound {
                return Err(format!(
                    "rewards' mean and deviation {mean} {std} where {exact} is expected, within {bound:e}"
                ));
            }
        }
        Ok(())
    }
}

fn compare(what: &str, options: &Options) {
    let table = Table::new(353);
    let (config, policy_config) = (config(BackboneKind::DeepFm, 0.2), policy_config(options));
    let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay };
    let policy_key = keys(2)[1];
    let checkers = || {
        let policy = Reference::of(TorchPolicy::new(&policy_config, policy_key, Device::Cpu).model);
        [Checker::new(policy, policy_config.optimizer), Checker::new(Reference::new(&config), optimizer)]
    };
    let ([policy, model], [mut policy_checker, mut model_checker]) = (checkers(), checkers());
    let mut policies: Vec<Box<dyn Policy>> =
        ENGINES.iter().map(|name| engine(name).policy(&policy_config, policy_key)).collect();
    let mut doubtful = 0;
    for t in 0..STEPS {
        let leader = t as usize % policies.len();
        let (weights, state) = (policies[leader].weights(), policies[leader].optimizer_state());
        let before = states_of(&weights, &state, 1).swap_remove(0);
        let picked = table.pick(&shuffled(353, t, options.batch_size as usize));
        let rows = picked.rows();
        let model_key = ModelKey { seed: 3, init: [4, t], run: [4, t] };
        let fresh = states(&*engine("fused").model(&config, &[model_key], optimizer), 1).swap_remove(0);
        let (logits, off) = model.reference.predict_within(&fresh.weights, rows.ids, rows.fields);
        let everything = Batch { dropout: Some(model_key.dropout(0, 0)), ..Batch::of_rows(&rows) };
        let off = off.max(model.reference.logits_within(&fresh.weights, &everything).1) + 1e-6;
        let epoch = Epoch {
            options,
            number: t + 1,
            rows: &rows,
            policy: &policy,
            policy_key,
            label_field: policy_config.label_field,
            model: &model,
            model_key,
            fresh: &fresh,
            evaluated: logits.iter().zip(rows.labels).map(|(z, label)| cross_entropy(*z, *label)).collect(),
            off,
        };
        let lesson = epoch.teach(before);
        for (name, policy) in ENGINES.iter().zip(&mut policies) {
            policy.load_weights(&weights).unwrap();
            policy.load_optimizer_state(&state).unwrap();
            let search =
                SearchEpoch { options, config: &config, rows: &rows, seed: SEED, epoch: t + 1, key: model_key };
            let mut history = epoch.history();
            let searched = search_epoch(engine(name), &mut **policy, &search, &mut history, &mut || ());
            let (summary, trained) = searched.unwrap();
            let after = states_of(&policy.weights(), &policy.optimizer_state(), 1).swap_remove(0);
            let verdict = match &lesson {
                Err(Doubtful) => Err(None),
                Ok(lesson) => epoch.check(
                    lesson,
                    (&after, states(&*trained, 1).swap_remove(0)),
                    (&summary, &history),
                    [&mut policy_checker, &mut model_checker],
                ),
            };
            match verdict {
                Ok(()) => {}
                Err(None) => doubtful += 1,
                Err(Some(difference)) => panic!("{what}, {name}, batch {t}: {difference}"),
            }
        }
    }
    policy_checker.finish("policy");
    model_checker.finish("model");
    assert!(
        doubtful * RARE <= 2 * STEPS,
        "{what}: {doubtful} of {} batches have an action that rounding decides",
        2 * STEPS
    );
}

#[test]
fn search_takes_the_exact_steps_with_every_kind_of_reward() {
    for (what, options) in [
        ("the paper's", quick()),
        ("large batches", Options { batch_size: 300, ..quick() }),
        (
            "lazy, standardised, with the label",
            Options {
                optimizer: Optimizer::LazyAdam,
                policy_label_field: true,
                reward_norm: RewardNorm::Standardize,
                ..quick()
            },
        ),
        (
            "batch means, centred",
            Options {
                reward: Reward::BatchMean,
                deselected_reward: DeselectedReward::Zero,
                reward_norm: RewardNorm::Center,
                ..quick()
            },
        ),
        (
            "training losses, negated",
            Options {
                reward_forward: RewardForward::TrainNograd,
                deselected_reward: DeselectedReward::Negate,
                ..quick()
            },
        ),
        (
            "three repeats, batch sums",
            Options {
                action: Action::EpsGreedy,
                update_action: UpdateAction::Greedy,
                policy_repeats: 3,
                reward: Reward::BatchSum,
                deselected_reward: DeselectedReward::Batch,
                policy_reduction: PolicyReduction::Sum,
                lmat_loss: LmatLoss::Train,
                lmat_deselected: LmatDeselected::Carry,
                optimizer: Optimizer::Sgd,
                policy_lr_mult: 0.01,
                ..quick()
            },
        ),
    ] {
        compare(what, &options);
    }
}

#[test]
fn search_takes_the_exact_steps_whatever_the_history_keeps_and_few_selected_rows_lead_to() {
    let trained = Options { lmat_loss: LmatLoss::Train, ..quick() };
    for (what, options) in [
        (
            "kept rows",
            Options {
                reward_forward: RewardForward::TrainNograd,
                lmat_deselected: LmatDeselected::KeepRow,
                ..trained.clone()
            },
        ),
        (
            "means, no tower",
            Options { lmat_deselected: LmatDeselected::FillMean, policy_bn: false, policy_mlp_dims: vec![], ..trained },
        ),
        ("few: a step at rest", few(OnFewSelected::AdamZeroGrad)),
        ("few: a lazy step at rest", Options { optimizer: Optimizer::LazyAdam, ..few(OnFewSelected::AdamZeroGrad) }),
        ("few: all", few(OnFewSelected::SelectAll)),
        ("few: none", few(OnFewSelected::Skip)),
    ] {
        compare(what, &options);
    }
}
