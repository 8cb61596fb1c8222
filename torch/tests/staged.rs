//! Staged steps, which a GPU keeps as CUDA graphs, beside plain ones: on the processor, where both are run, to the last bit.

#[path = "numerics/table.rs"]
#[allow(dead_code, reason = "the tests of the arithmetic use more of it")]
mod table;

use autodenoise::backbone::{
    BackboneConfig, Engine, Measure, Member, Model, ModelKey, OptimizerConfig, Recorded, Rows, TrainPass, TrainingLoss,
};
use autodenoise::types::{AucOn, BackboneKind, Optimizer};
use autodenoise_torch::{TorchEngine, staged_steps};
use table::{Table, config, keys, shuffled, weights};

const PLAIN: TorchEngine = TorchEngine::LIKE_A_GPU;
const STAGED: TorchEngine = TorchEngine::LIKE_A_GPU.with_staged_steps();
const ENGINES: [TorchEngine; 2] = [PLAIN, STAGED];

/// Eleven whole batches and a smaller one.
const ROWS: usize = 353;
const BATCH: usize = 32;
const WHOLE: u64 = 11;

/// A pass as it may be.
#[derive(Clone, Copy)]
struct Kind {
    replicas: usize,
    weighed: bool,
    targeted: bool,
    shuffled: bool,
    loss: TrainingLoss,
    record: Option<Recorded>,
}

const SIMPLE: Kind =
    Kind { replicas: 1, weighed: false, targeted: false, shuffled: false, loss: TrainingLoss::Bce, record: None };

/// Everything that the passes of a fresh model came to, as bits, and how many steps were staged.
fn train(engine: TorchEngine, config: &BackboneConfig, optimizer: Optimizer, passes: &[Kind]) -> (Vec<u8>, u64) {
    let table = Table::new(ROWS as u32);
    let rows = table.rows();
    let keys = keys(passes[0].replicas);
    let optimizer = OptimizerConfig { kind: optimizer, lr: 0.01, weight_decay: 1e-4 };
    let mut model = engine.model(config, &keys, optimizer);
    let before = staged_steps();
    let mut all = Vec::new();
    for (number, kind) in passes.iter().enumerate() {
        let seen = run_pass(&mut *model, &rows, &keys, number as u32, *kind);
        all.extend(seen.into_iter().flat_map(f32::to_le_bytes));
    }
    all.extend(state(&*model));
    (all, staged_steps() - before)
}

/// Logits and losses.
fn run_pass(model: &mut dyn Model, rows: &Rows, keys: &[ModelKey], number: u32, kind: Kind) -> Vec<f32> {
    let each: Vec<f32> = (0..keys.len() as u32).flat_map(|r| weights(number + r, ROWS, true)).collect();
    let targets: Vec<f32> = (0..ROWS).map(|row| (row % 10) as f32 / 10.0).collect();
    let order = shuffled(ROWS, number, ROWS);
    let pass = TrainPass {
        rows,
        order: kind.shuffled.then_some(&order),
        weights: kind.weighed.then_some(&each),
        targets: kind.targeted.then_some(&targets),
        batch_size: BATCH,
        loss: kind.loss,
        first_batch: 0,
        keys,
        number,
        active: &vec![true; keys.len()],
        record: kind.record,
    };
    let seen = model.train(&pass, &mut || ());
    [seen.logits, seen.losses.unwrap_or_default()].concat()
}

/// Weights and what the optimiser remembers.
fn state(model: &dyn Model) -> Vec<u8> {
    [model.weights(), model.optimizer_state()].iter().flat_map(|file| file.to_bytes().unwrap()).collect()
}

#[track_caller]
fn assert_same(what: &str, config: &BackboneConfig, optimizer: Optimizer, passes: &[Kind], staged: u64) {
    let [plain, found] = ENGINES.map(|engine| train(engine, config, optimizer, passes));
    assert_eq!((plain.1, found.1), (0, staged), "{what}: steps that were staged");
    assert!(plain.0 == found.0, "{what}: other numbers");
}

#[test]
fn every_backbone_learns_the_same() {
    for kind in BackboneKind::ALL {
        let config = config(*kind, 0.2);
        // The first step of the first pass is plain, and the smaller batch of each.
        assert_same(&format!("{kind}"), &config, Optimizer::Adam, &[SIMPLE; 3], 3 * WHOLE - 1);
        let replicas = Kind { replicas: 3, weighed: true, shuffled: true, record: Some(Recorded::Train), ..SIMPLE };
        assert_same(&format!("{kind}, replicas"), &config, Optimizer::Adam, &[replicas; 2], 2 * WHOLE - 1);
    }
}

#[test]
fn every_optimiser_and_kind_of_pass_learns_the_same() {
    let config = config(BackboneKind::DeepFm, 0.2);
    let passes = [
        Kind { weighed: true, ..SIMPLE },
        Kind { targeted: true, shuffled: true, record: Some(Recorded::Eval), ..SIMPLE },
        Kind { loss: TrainingLoss::ReweightedCe { beta: 0.5 }, ..SIMPLE },
    ];
    for optimizer in [Optimizer::Adam, Optimizer::LazyAdam, Optimizer::Sgd] {
        for pass in passes {
            let what = format!("{optimizer:?}, weighed {}, {:?}", pass.weighed, pass.loss);
            assert_same(&what, &config, optimizer, &[pass; 2], 2 * WHOLE - 1);
        }
        // A pass of another kind is staged anew.
        assert_same(&format!("{optimizer:?}, mixed"), &config, optimizer, &passes, 3 * (WHOLE - 1));
    }
}

#[test]
fn batches_whose_loss_changes_are_plain() {
    let loss = TrainingLoss::TruncatedCe { drop_rate: 0.2, ramp_batches: 5, exponent: 1.0, protect_negatives: false };
    let truncated = Kind { loss, ..SIMPLE };
    assert_same("T-CE", &config(BackboneKind::Fm, 0.2), Optimizer::Adam, &[truncated; 2], 0);
}

#[test]
fn models_that_share_a_pass_and_then_train_alone_learn_the_same() {
    let config = config(BackboneKind::Dcn, 0.2);
    let optimizer = OptimizerConfig { kind: Optimizer::Adam, lr: 0.01, weight_decay: 1e-4 };
    let table = Table::new(ROWS as u32);
    let rows = table.rows();
    let (measure, keys) = (Measure { auc_on: AucOn::Prob, logloss_eps: 1e-15 }, keys(2));
    let [plain, staged] = ENGINES.map(|engine| {
        let before = staged_steps();
        let mut models: Vec<_> = keys.iter().map(|key| engine.model(&config, &[*key], optimizer)).collect();
        let mut found = Vec::new();
        for number in 0..4 {
            if number % 2 == 1 {
                let alone = run_pass(&mut *models[0], &rows, &keys[..1], number, SIMPLE);
                found.extend(alone.into_iter().flat_map(f32::to_le_bytes));
                continue;
            }
            let orders = [0, 1].map(|r| shuffled(ROWS, number + r, ROWS - 40 * r as usize));
            let mut members: Vec<Member> = Vec::new();
            for ((model, key), order) in models.iter_mut().zip(&keys).zip(&orders) {
                let pass = TrainPass {
                    rows: &rows,
                    order: Some(order),
                    weights: None,
                    targets: None,
                    batch_size: BATCH,
                    loss: TrainingLoss::Bce,
                    first_batch: 0,
                    keys: std::slice::from_ref(key),
                    number,
                    active: &[true],
                    record: None,
                };
                members.push(Member { model: &mut **model, pass, judged: None, measure });
            }
            for joined in engine.train_together(&mut members, &rows, &mut || ()) {
                let [train, valid] = joined.unwrap();
                found.extend([train, valid].iter().flat_map(|metrics| metrics.logloss.to_le_bytes()));
            }
        }
        found.extend(models.iter().flat_map(|model| state(&**model)));
        (found, staged_steps() - before)
    });
    // Together nine batches are alike; alone eleven. What was staged for a model alone is staged anew once its numbers have moved into the
    // joined ones, so the first batch of each pass is plain.
    assert_eq!((plain.1, staged.1), (0, 2 * (8 + 10)));
    assert!(plain.0 == staged.0, "other numbers");
}
