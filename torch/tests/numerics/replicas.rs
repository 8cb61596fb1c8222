//! Replicas stacked in one model of libtorch: each takes the exact step of its own state, as a single model does that is
//! given that state. (Replicas of the fused engine are models of their own, equal to single ones bit for bit:
//! `tests/denoise/fused.rs`.)

use crate::engines::{REWEIGHTED, TRUNCATED};
use crate::reference::Reference;
use crate::state::{copy_replica, states};
use crate::step::{Checker, Plan};
use crate::table::{Table, config, keys, shuffled, weights};
use autodenoise::backbone::{Rows, TrainingLoss};
use autodenoise::types::{BackboneKind, Optimizer};

const REPLICAS: usize = 3;
/// Steps of each trajectory. With the three replicas, two optimisers and all backbones they are 1764.
const STEPS: u32 = 16;

/// Step `t`: every loss, with weights and without, and now and then a replica that has stopped or that is left a single
/// row.
fn plan(t: u32, rows: &Rows) -> Plan {
    let batch_size = if t % 5 == 4 { 300 } else { 32 };
    let order = shuffled(rows.len(), t, batch_size);
    let mut all: Option<Vec<Vec<f32>>> =
        (t % 2 == 1).then(|| (0..REPLICAS as u32).map(|r| weights(10 * t + r, rows.len(), true)).collect());
    if let (Some(all), 3) = (&mut all, t % 8) {
        order[1..].iter().for_each(|row| all[1][*row as usize] = 0.0);
    }
    let loss = [TrainingLoss::Bce, TRUNCATED, REWEIGHTED][t as usize % 3];
    let active = (0..REPLICAS).map(|r| t % 7 != 6 || r == 1).collect();
    Plan { order, batch_size, weights: all.map(|all| all.concat()), loss, number: t, active, record: None }
}

fn compare(engine: &str, kind: BackboneKind, optimizer: Optimizer) {
    let table = Table::new(353);
    let (rows, keys) = (table.rows(), keys(REPLICAS));
    let (config, optimizer) = (config(kind, 0.2), crate::engines::optimizer(optimizer));
    let torch = crate::engines::engine(engine);
    let mut stacked = torch.model(&config, &keys, optimizer);
    let mut single = torch.model(&config, &keys[..1], optimizer);
    let mut checker = Checker::new(Reference::new(&config), optimizer);
    let what = format!("{engine}, {kind} {:?}", optimizer.kind);
    for t in 0..STEPS {
        let plan = plan(t, &rows);
        let before = states(&*stacked, REPLICAS);
        // One of the replicas is compared with a single model too, another each time.
        let chosen = t as usize % REPLICAS;
        copy_replica(&*stacked, chosen, &mut *single);
        let all = plan.run(&mut *stacked, &rows, &keys).into_iter().zip(before);
        for (r, (found, before)) in all.enumerate() {
            let batch = plan.batch(&rows, &keys, r);
            if !plan.active[r] || batch.counted() < 2 {
                assert!(found.after == before, "{what}, step {t}: replica {r} was not to move");
                continue;
            }
            let expected = checker.expect(before, batch);
            let same = checker.compare(&expected, &found, None);
            same.unwrap_or_else(|difference| panic!("{what}, step {t}, replica {r}: {difference}"));
            if r == chosen {
                let own = |weights: &Vec<f32>| weights[r * rows.len()..][..rows.len()].to_vec();
                let weights = plan.weights.as_ref().map(own);
                let alone = Plan { order: plan.order.clone(), weights, active: vec![true], ..plan };
                let found = alone.run(&mut *single, &rows, &keys[r..=r]).swap_remove(0);
                let same = checker.compare(&expected, &found, None);
                same.unwrap_or_else(|difference| panic!("{what}, step {t}, single model of {r}: {difference}"));
            }
        }
        if t % 8 == 7 {
            let logits = stacked.predict(&rows);
            for (r, (state, logits)) in states(&*stacked, REPLICAS).iter().zip(logits.chunks(rows.len())).enumerate() {
                let (exact, bound) = checker.reference.predict_within(&state.weights, rows.ids, rows.fields);
                let off =
                    exact.iter().zip(logits).fold(0.0_f64, |off, (z, found)| off.max((f64::from(*found) - z).abs()));
                assert!(
                    off <= bound,
                    "{what}, step {t}, replica {r}: a logit is off by {off:e}, {bound:e} is rounding"
                );
            }
        }
    }
    checker.finish(&what);
}

#[test]
fn stacked_replicas_take_the_exact_steps_with_adam() {
    BackboneKind::ALL.iter().for_each(|kind| compare("libtorch", *kind, Optimizer::Adam));
}

#[test]
fn stacked_replicas_take_the_exact_steps_with_sgd() {
    BackboneKind::ALL.iter().for_each(|kind| compare("libtorch", *kind, Optimizer::Sgd));
}

#[test]
fn stacked_replicas_take_the_exact_steps_as_on_a_gpu() {
    for kind in BackboneKind::FUSED {
        for optimizer in [Optimizer::Adam, Optimizer::Sgd, Optimizer::LazyAdam] {
            compare("libtorch as on a GPU", *kind, optimizer);
        }
    }
}
