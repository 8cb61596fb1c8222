//! Both engines, the same steps from the same states.

use crate::reference::Reference;
use crate::state::{copy, states};
use crate::step::{Checker, Found, Plan};
use crate::table::{Table, config, keys, shuffled, weights};
use autodenoise::backbone::fused::Fused;
use autodenoise::backbone::{Engine, Model, OptimizerConfig, Recorded, Rows, TrainingLoss};
use autodenoise::types::{BackboneKind, Optimizer};
use autodenoise_torch::TorchEngine;

/// T-CE whose ramp lasts as long as half of a trajectory.
pub const TRUNCATED: TrainingLoss =
    TrainingLoss::TruncatedCe { drop_rate: 0.2, ramp_batches: 30, exponent: 1.0, protect_negatives: false };
pub const REWEIGHTED: TrainingLoss = TrainingLoss::ReweightedCe { beta: 0.5 };

const ALL: [Optimizer; 3] = [Optimizer::Adam, Optimizer::LazyAdam, Optimizer::Sgd];

/// Steps of each trajectory.
const STEPS: u32 = 24;
/// Batches trained between two steps that are compared.
const BETWEEN: u32 = 4;

pub fn engine(name: &str) -> &'static dyn Engine {
    match name {
        "fused" => &Fused,
        "libtorch" => &TorchEngine::CPU,
        "libtorch as on a GPU" => &TorchEngine::LIKE_A_GPU,
        _ => panic!("no engine {name}"),
    }
}

pub fn optimizer(kind: Optimizer) -> OptimizerConfig {
    let lr = if kind == Optimizer::Sgd { 0.2 } else { 0.01 };
    OptimizerConfig { kind, lr, weight_decay: 1e-4 }
}

/// Step `t` of a single model's trajectory: of one batch, or of the last batch of several.
pub fn plan(t: u32, rows: &Rows, batch_size: usize, loss: TrainingLoss) -> Plan {
    // Of small batches more than are gathered at once.
    let batches = if batch_size < 16 { 34 } else { rows.len() / batch_size };
    let before = t as usize % batches.min(35);
    let before = if batch_size < 16 { batches - 1 } else { before.min(2) };
    let order = shuffled(rows.len(), t, (before + 1) * batch_size);
    let mut all = (t % 2 == 1 || before > 0).then(|| weights(t, rows.len(), t % 2 == 1));
    if let Some(all) = &mut all {
        order[..before * batch_size].iter().for_each(|row| all[*row as usize] = 0.0);
    }
    let record = [None, Some(Recorded::Train), Some(Recorded::Eval)][t as usize % 3];
    Plan { order, batch_size, weights: all, loss, number: t, active: vec![true], record }
}

/// The same steps of models of the engines, all from the state of one of them, and all held to the exact step.
fn compare(kind: BackboneKind, engines: &[&str], optimizer: OptimizerConfig, batch_size: usize, loss: TrainingLoss) {
    let table = Table::new(353);
    let (rows, keys) = (table.rows(), keys(1));
    let config = config(kind, 0.2);
    let mut models: Vec<Box<dyn Model>> =
        engines.iter().map(|name| engine(name).model(&config, &keys, optimizer)).collect();
    let mut checker = Checker::new(Reference::new(&config), optimizer);
    let what = format!("{kind} {:?} batches of {batch_size} {loss:?}", optimizer.kind);
    for t in 0..STEPS {
        let leader = t as usize % models.len();
        for between in 0..BETWEEN {
            let plan = plan(1000 + t * BETWEEN + between, &rows, batch_size, loss);
            plan.train(&mut *models[leader], &rows, &keys);
        }
        for follower in (0..models.len()).filter(|follower| *follower != leader) {
            let [from, to] = models.get_disjoint_mut([leader, follower]).unwrap();
            copy(&**from, &mut **to);
        }
        let plan = plan(t, &rows, batch_size, loss);
        let before = states(&*models[leader], 1).swap_remove(0);
        let expected = checker.expect(before, plan.batch(&rows, &keys, 0));
        for (name, model) in engines.iter().zip(&mut models) {
            let found: Found = plan.run(&mut **model, &rows, &keys).swap_remove(0);
            let same = checker.compare(&expected, &found, plan.record);
            same.unwrap_or_else(|difference| panic!("{what}, {name}, step {t}: {difference}"));
            if t % 8 == 7 {
                let (logits, bound) = checker.reference.predict_within(&found.after.weights, rows.ids, rows.fields);
                for (row, (found, exact)) in model.predict(&rows).iter().zip(&logits).enumerate() {
                    let off = (f64::from(*found) - exact).abs();
                    assert!(
                        off <= bound,
                        "{what}, {name}, step {t}: logit of row {row} {found}, off by {off:e} of {bound:e}"
                    );
                }
            }
        }
    }
    checker.finish(&what);
}

fn compare_all(kind: BackboneKind) {
    for (of, batch_size, loss) in [
        (Optimizer::Adam, 32, TrainingLoss::Bce),
        (Optimizer::LazyAdam, 32, TrainingLoss::Bce),
        (Optimizer::Sgd, 32, TrainingLoss::Bce),
        // Batches of three chunks that are not full, and more batches in a pass than are gathered at once.
        (Optimizer::Adam, 300, TrainingLoss::Bce),
        (Optimizer::Sgd, 8, TrainingLoss::Bce),
        (Optimizer::Sgd, 32, TRUNCATED),
        (Optimizer::Adam, 300, TRUNCATED),
        (Optimizer::Sgd, 32, REWEIGHTED),
    ] {
        compare(kind, &["libtorch", "fused", "libtorch as on a GPU"], optimizer(of), batch_size, loss);
    }
}

#[test]
fn fm_takes_the_exact_steps_on_both_engines() {
    compare_all(BackboneKind::Fm);
}

#[test]
fn wide_deep_takes_the_exact_steps_on_both_engines() {
    compare_all(BackboneKind::WideDeep);
}

#[test]
fn dcn_takes_the_exact_steps_on_both_engines() {
    compare_all(BackboneKind::Dcn);
}

#[test]
fn ipnn_takes_the_exact_steps_on_both_engines() {
    compare_all(BackboneKind::Ipnn);
}

#[test]
fn deepfm_takes_the_exact_steps_on_both_engines() {
    compare_all(BackboneKind::DeepFm);
}

#[test]
fn rows_of_weight_0_are_as_good_as_absent() {
    let table = Table::new(353);
    let (rows, keys) = (table.rows(), keys(1));
    let config = config(BackboneKind::DeepFm, 0.0);
    for (name, of) in
        ["libtorch", "fused", "libtorch as on a GPU"].into_iter().flat_map(|name| ALL.map(|of| (name, of)))
    {
        let mut model = engine(name).model(&config, &keys, optimizer(of));
        let mut checker = Checker::new(Reference::new(&config), optimizer(of));
        for t in 0..STEPS {
            let plan = plan(2 * t + 1, &rows, 300, TrainingLoss::Bce);
            let before = states(&*model, 1).swap_remove(0);
            let fed = plan.batch(&rows, &keys, 0).without_absent();
            assert!(fed.labels.len() < 250, "some rows are left out");
            let expected = checker.expect(before, fed);
            let found = Found { logits: None, losses: None, ..plan.run(&mut *model, &rows, &keys).swap_remove(0) };
            let same = checker.compare(&expected, &found, None);
            same.unwrap_or_else(|difference| panic!("{name} {of:?}, step {t}: {difference}"));
        }
        checker.finish(&format!("{name} {of:?}"));
    }
}

/// The five tests above are all of them.
#[test]
fn every_backbone_of_both_engines_is_compared() {
    let compared =
        [BackboneKind::Fm, BackboneKind::WideDeep, BackboneKind::Dcn, BackboneKind::Ipnn, BackboneKind::DeepFm];
    assert!(BackboneKind::FUSED.iter().all(|kind| compared.contains(kind)));
}

#[test]
fn the_others_take_the_exact_steps() {
    for kind in BackboneKind::ALL.iter().filter(|kind| !kind.is_fused()) {
        compare(*kind, &["libtorch", "libtorch as on a GPU"], optimizer(Optimizer::Adam), 32, TrainingLoss::Bce);
        compare(*kind, &["libtorch", "libtorch as on a GPU"], optimizer(Optimizer::Sgd), 300, TrainingLoss::Bce);
    }
}
