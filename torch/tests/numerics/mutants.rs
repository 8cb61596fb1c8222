//! The comparison itself: a step that is wrong in one thing is found out, by its size and not by luck.

use crate::engines::{REWEIGHTED, engine, optimizer, plan};
use crate::reference::{Batch, Objective, Reference};
use crate::state::{State, states};
use crate::step::{Checker, Found};
use crate::table::{Table, config, keys};
use autodenoise::backbone::{BatchLoss, TrainingLoss};
use autodenoise::types::{BackboneKind, Optimizer};

/// A right step, and what would make it wrong.
struct Step {
    before: State,
    batch: Batch,
    found: Found,
}

/// Step 1 of several, or 40 of them later.
fn step(of: Optimizer, t: u32) -> Step {
    let table = Table::new(353);
    let (rows, keys) = (table.rows(), keys(1));
    let mut model = engine("fused").model(&config(BackboneKind::DeepFm, 0.2), &keys, optimizer(of));
    for t in 1000..1000 + t {
        plan(t, &rows, 32, TrainingLoss::Bce).train(&mut *model, &rows, &keys);
    }
    let plan = plan(3, &rows, 32, TrainingLoss::Bce);
    let before = states(&*model, 1).swap_remove(0);
    let batch = plan.batch(&rows, &keys, 0);
    Step { before, batch, found: plan.run(&mut *model, &rows, &keys).swap_remove(0) }
}

/// What the comparison says of a step after a change.
fn verdict(of: Optimizer, t: u32, change: impl FnOnce(&mut Step, &mut Checker)) -> Result<(), String> {
    let reference = Reference::new(&config(BackboneKind::DeepFm, 0.2));
    let (mut step, mut checker) = (step(of, t), Checker::new(reference, optimizer(of)));
    change(&mut step, &mut checker);
    let Step { before, batch, found } = step;
    let expected = checker.expect(before, batch);
    let verdict = checker.compare(&expected, &found, None);
    println!("{of:?} {t}: {verdict:?}");
    verdict
}

const ADAM: Optimizer = Optimizer::Adam;
const NORM: &str = "mlp.mlp.1";

#[test]
fn a_right_step_is_right() {
    for of in [ADAM, Optimizer::LazyAdam, Optimizer::Sgd] {
        for t in [0, 40] {
            verdict(of, t, |_, _| {}).unwrap();
        }
    }
}

#[test]
fn a_step_without_weight_decay_is_wrong() {
    for of in [ADAM, Optimizer::LazyAdam, Optimizer::Sgd] {
        // The engine decays, the exact step does not.
        verdict(of, 40, |_, checker| checker.optimizer.weight_decay = 0.0).unwrap_err();
    }
}

#[test]
fn dropout_of_another_batch_is_wrong() {
    verdict(ADAM, 40, |step, _| step.batch.dropout = Some(keys(1)[0].dropout(3, 1))).unwrap_err();
}

#[test]
fn a_gradient_of_the_wrong_sign_is_wrong() {
    let flip = |step: &mut Step, _: &mut Checker| {
        let (before, after) = (&step.before.m["linear.bias"], step.found.after.m.get_mut("linear.bias").unwrap());
        // m' = 0.9 m + 0.1 g becomes 0.9 m - 0.1 g.
        after[0] = 2.0 * 0.9 * before[0] - after[0];
    };
    verdict(ADAM, 40, flip).unwrap_err();
}

#[test]
fn a_stale_mean_of_batch_norm_is_wrong() {
    let stale = |step: &mut Step, _: &mut Checker| {
        let name = format!("{NORM}.running_mean");
        let mean = step.before.weights[&name].clone();
        step.found.after.weights.insert(name, mean);
    };
    verdict(ADAM, 40, stale).unwrap_err();
}

#[test]
fn a_bias_correction_of_another_step_is_wrong() {
    let later = |step: &mut Step, _: &mut Checker| {
        step.before.steps += 1;
        step.found.after.steps += 1;
    };
    // Early the corrections are large; after 500 steps that of the mean is 1 within rounding, that of the squares not.
    for t in [0, 40, 500] {
        verdict(ADAM, t, later).unwrap_err();
    }
}

#[test]
fn another_loss_is_wrong() {
    verdict(ADAM, 40, |step, _| step.batch.objective = Objective::CrossEntropy(REWEIGHTED.at(0))).unwrap_err();
    let one_row = BatchLoss::Truncated { drop_rate: 0.1, protect_negatives: false };
    verdict(ADAM, 40, |step, _| step.batch.objective = Objective::CrossEntropy(one_row)).unwrap_err();
}

#[test]
fn a_row_that_counts_no_more_is_wrong() {
    let drop = |step: &mut Step, _: &mut Checker| {
        let weights = step.batch.weights.as_mut().unwrap();
        let row = weights.iter().position(|weight| *weight > 0.0).unwrap();
        weights[row] = 0.0;
    };
    verdict(ADAM, 40, drop).unwrap_err();
}
