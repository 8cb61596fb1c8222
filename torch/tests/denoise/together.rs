//! Models that go through their passes together, as on a GPU: each comes to what it comes to alone, up to rounding.

use crate::engines::{BACKBONES, ENGINE, on};
use crate::replicas::{TRUNCATED, config, options};
use crate::world::{Outcome, ROWS, World, interrupted_at_every_step, job, run, sorted, untimed};
use autodenoise::backbone::{
    BackboneConfig, Engine, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, PassSummary, Rows, Runner, Track,
    TrainingData, TrainingLoss, run_passes,
};
use autodenoise::types::{BackboneKind, EpochRow, Optimizer, Phase, ResolvedSpec};
use autodenoise_torch::{TorchEngine, read_backs};
use serde_json::json;

/// Without room for a second model.
const ALONE: TorchEngine = TorchEngine::LIKE_A_GPU.with_memory(0).with_room_for_rows(u64::MAX);

/// How one of several models is trained.
struct Way {
    key: ModelKey,
    options: FitOptions,
    subset: Option<Vec<u32>>,
    weights: Option<Vec<f32>>,
    targets: Option<Vec<f32>>,
    judged: Option<Vec<u32>>,
}

impl Way {
    fn what(&self) -> PassOptions<'_> {
        PassOptions {
            subset: self.subset.as_deref(),
            weights: self.weights.as_deref(),
            targets: self.targets.as_deref(),
            record: None,
        }
    }

    fn fit(&self, kind: BackboneKind) -> Fit {
        Fit::new(ENGINE, &config(kind, &[8, 6], 0.2), &[self.key], self.options)
    }

    fn runner<'r>(&'r self, fit: &'r mut Fit) -> Runner<'r> {
        Runner { fit, what: self.what(), judged: self.judged.as_deref() }
    }
}

/// Ways that have nothing in common but the table: other orders, other rows and as many batches or fewer, other weights, labels
/// and decays, other rows to be judged by.
fn ways(optimizer: Optimizer, loss: TrainingLoss, labels: &[u8]) -> Vec<Way> {
    let rows = labels.len() as u32;
    let some = |skip: u32| Some((0..rows).filter(|row| row % skip != 1).collect());
    let way = |number: u32| {
        let decay = [1e-4, 1e-2, 0.0, 1e-4][number as usize];
        Way {
            key: ModelKey { seed: 3, init: [3, number], run: [3, number] },
            options: FitOptions {
                optimizer: OptimizerConfig { kind: optimizer, lr: 0.02, weight_decay: decay },
                loss,
                restore_best: false,
                ..options(6)
            },
            subset: None,
            weights: None,
            targets: None,
            judged: None,
        }
    };
    let soft = labels.iter().zip(0_u32..).map(|(label, row)| (f32::from(*label) - 0.1 * (row % 3) as f32).abs());
    vec![
        way(0),
        // 2 batches of rows less, the last of 28.
        Way { subset: if loss == TrainingLoss::Bce { some(6) } else { None }, ..way(1) },
        Way { weights: Some((0..rows).map(|row| [1.0, 0.5, 0.0][row as usize % 3]).collect()), ..way(2) },
        Way {
            targets: Some(soft.collect()),
            judged: Some((0..ROWS.valid as u32).filter(|row| row % 5 != 2).collect()),
            ..way(3)
        },
    ]
}

/// Trains each for two passes, all together or one after the other; what the last pass came to, and the logits of the validation
/// rows after it.
fn train(kind: BackboneKind, ways: &[Way], [rows, valid]: [&Rows; 2], together: bool) -> Vec<(PassSummary, Vec<f32>)> {
    let mut fits: Vec<Fit> = ways.iter().map(|way| way.fit(kind)).collect();
    let config = config(kind, &[8, 6], 0.2);
    let track = Track { engine: ENGINE, config: &config, train: rows, valid, threads: 1 };
    let mut ended = Vec::new();
    for _ in 0..2 {
        let runners: Vec<Runner> = ways.iter().zip(&mut fits).map(|(way, fit)| way.runner(fit)).collect();
        let run = |runners| run_passes(&track, runners, &mut || ());
        ended = match together {
            true => run(runners),
            false => runners.into_iter().flat_map(|runner| run(vec![runner])).collect(),
        };
    }
    let ended = ended.into_iter().map(Result::unwrap);
    ended.zip(&mut fits).map(|(summary, fit)| (summary, fit.model.predict(valid))).collect()
}

#[test]
fn models_trained_together_are_those_trained_alone() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let both = [&data.train, &data.valid];
    let all = BACKBONES.iter().map(|kind| (*kind, Optimizer::Sgd, TrainingLoss::Bce));
    let others = [
        (BackboneKind::DeepFm, Optimizer::Sgd, TRUNCATED),
        (BackboneKind::Ipnn, Optimizer::Sgd, TRUNCATED),
        // Adam makes a whole step of a gradient that is rounding, which a bias before BatchNorm has: a factorisation machine has none.
        (BackboneKind::Fm, Optimizer::Adam, TrainingLoss::Bce),
        (BackboneKind::Fm, Optimizer::LazyAdam, TrainingLoss::Bce),
    ];
    for (kind, optimizer, loss) in all.chain(others) {
        let ways = ways(optimizer, loss, data.train.labels);
        let (together, alone) = (train(kind, &ways, both, true), train(kind, &ways, both, false));
        let tolerance = if optimizer == Optimizer::Sgd { 1e-4 } else { 1e-3 };
        for (number, ((found, logits), (expected, own))) in together.iter().zip(&alone).enumerate() {
            let what = format!("{kind} {optimizer:?} {loss:?}, model {number}");
            let off = logits.iter().zip(own).fold(0.0, |off: f32, (z, own)| off.max((z - own).abs()));
            assert!(off < tolerance, "{what}: a logit is off by {off}");
            for (found, expected) in [(&found.train, &expected.train), (&found.valid, &expected.valid)] {
                let (found, expected) = (found[0].unwrap(), expected[0].unwrap());
                let off = (found.logloss - expected.logloss).abs();
                assert!(off < f64::from(tolerance), "{what}: {found:?} for {expected:?}");
                let off = (found.auc.unwrap() - expected.auc.unwrap()).abs();
                assert!(off < 0.01, "{what}: {found:?} for {expected:?}");
            }
        }
    }
}

#[test]
fn a_pass_of_many_reads_back_once() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let ways = ways(Optimizer::Adam, TrainingLoss::Bce, data.train.labels);
    let mut fits: Vec<Fit> = ways.iter().map(|way| way.fit(BackboneKind::DeepFm)).collect();
    let runners = ways.iter().zip(&mut fits).map(|(way, fit)| way.runner(fit)).collect();
    let config = config(BackboneKind::DeepFm, &[8, 6], 0.2);
    let (before, mut batches) = (read_backs(), 0);
    let track = Track::new(ENGINE, &config, &data, 1);
    let ended = run_passes(&track, runners, &mut || batches += 1);
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!((read_backs() - before, batches), (1, 12));
}

/// Jobs of whose parts many share passes: a proof with races for its settings, folds of a cross-fitting, and judges.
fn jobs() -> [ResolvedSpec; 3] {
    let grid = json!({"weight_decay": [0.0, 0.001, 0.1]});
    [
        json!({"method": {"name": "loss_drop"}, "transfer": ["fm"], "tuning": grid, "certify": {"seeds": 2}}),
        json!({"method": {"name": "confident_learning"}, "seed": 2}),
        json!({"method": {"name": "random_drop"}, "certify": {"seeds": 3, "reselect": true}, "seed": 5}),
    ]
    .map(|spec| ResolvedSpec { engine: autodenoise::types::Engine::Tch, ..job(spec) })
}

#[test]
fn a_job_comes_to_the_same_whether_its_parts_share_passes_or_not() {
    let world = World::new();
    for spec in jobs() {
        let together = run(&world, &spec).unwrap();
        let alone = on(ALONE, || run(&world, &spec).unwrap());
        let (found, expected) = (sorted(&together.events), sorted(&alone.events));
        let names = |rows: &[EpochRow]| -> Vec<_> {
            rows.iter().map(|row| (row.contender, row.phase, row.epoch, row.arm, row.seed, row.pass)).collect()
        };
        assert_eq!(names(&found), names(&expected), "{}", spec.method.label);
        for (found, expected) in found.iter().zip(&expected) {
            let off = (found.valid.unwrap().logloss - expected.valid.unwrap().logloss).abs();
            assert!(off < 0.02, "{}: {found:?} for {expected:?}", spec.method.label);
            // A row at the line between those kept and those left out may fall to either side.
            let off = (found.kept.unwrap_or(1.0) - expected.kept.unwrap_or(1.0)).abs();
            assert!(off < 0.01, "{}: {found:?} for {expected:?}", spec.method.label);
        }
        let [found, expected] = [&together, &alone].map(Outcome::report);
        assert_eq!(found.test_reads, expected.test_reads);
    }
}

#[test]
fn a_job_whose_parts_share_passes_goes_on_from_any_checkpoint() {
    let world = World::new();
    // With room for five, parts wait for room too.
    let config =
        BackboneConfig { options: jobs()[0].method.options.clone(), ..config(BackboneKind::DeepFm, &[8], 0.2) };
    let mut memories = (1..).map(|number| TorchEngine::LIKE_A_GPU.with_memory(10_000 * number));
    let few = memories.find(|engine| engine.most_together(&config, ROWS.train as usize) == 5).unwrap();
    for engine in [TorchEngine::LIKE_A_GPU, few] {
        on(engine, || {
            for spec in jobs() {
                let whole = run(&world, &spec).unwrap();
                let (events, out, interruptions) = interrupted_at_every_step(&world, &spec);
                assert!(interruptions > 4, "{interruptions}");
                assert_eq!(untimed(&events), untimed(&whole.events), "{}", spec.method.label);
                for name in ["indices.parquet", "model.safetensors"] {
                    assert!(std::fs::read(out.path().join(name)).unwrap() == whole.file(name), "{name} differs");
                }
            }
        });
    }
}

#[test]
fn all_trainings_of_a_proof_share_its_passes_where_there_is_room() {
    let world = World::new();
    let [spec, ..] = jobs();
    // Passes of the proof, by the moment: rows of one pass of all come one behind the other.
    let of_proof = |outcome: &Outcome| -> Vec<_> {
        let rows = outcome.epochs().filter(|row| row.phase == Phase::Certify && row.epoch == 1);
        rows.map(|row| (row.arm, row.seed, row.pass)).collect()
    };
    let first_passes = |rows: &[(_, _, u32)]| rows.iter().take_while(|(.., pass)| *pass == 1).count();
    let together = of_proof(&run(&world, &spec).unwrap());
    let alone = on(ALONE, || of_proof(&run(&world, &spec).unwrap()));
    assert_eq!(first_passes(&alone), 1);
    assert!(first_passes(&together) > 1, "{together:?}");
}
