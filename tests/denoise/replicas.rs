use crate::world::{World, spec};
use autodenoise::backbone::{
    BackboneConfig, Engine, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, Recorded, Rows, TensorFile,
    TrainingData, TrainingLoss, evaluate,
};
use autodenoise::denoise::{History, PolicyConfig, SearchEpoch, SearchSummary, searcher};
use autodenoise::ingest::SplitData;
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{AucOn, BackboneKind, Metrics, Optimizer, Options, Preset, Structure};
use serde_json::json;
use tch::{Device, Tensor};

const REPLICAS: usize = 3;
const ENGINES: [Engine; 2] = [Engine::Torch(Device::Cpu), Engine::Fused];
/// T-CE whose ramp lasts several passes of 32 rows a batch.
const TRUNCATED: TrainingLoss =
    TrainingLoss::TruncatedCe { drop_rate: 0.2, ramp_batches: 60, exponent: 1.0, protect_negatives: false };
const REWEIGHTED: TrainingLoss = TrainingLoss::ReweightedCe { beta: 0.5 };

fn config(kind: BackboneKind, mlp_dims: &[u32], dropout: f64) -> BackboneConfig {
    let preset = BackboneConfig::preset(kind, vec![0..12, 12..21, 21..25]);
    let options = Options {
        embed_dim: 4,
        mlp_dims: mlp_dims.to_vec(),
        dropout,
        interaction_dropout: dropout,
        cross_layers: 2,
        cin_dims: vec![6, 4],
        attention_dim: 8,
        attention_layers: 2,
        lnn_dim: 10,
        mask_blocks: 2,
        mask_block_dim: 6,
        second_mlp_dims: vec![6, 4],
        gate_dims: vec![5],
        ..preset.options
    };
    BackboneConfig { options, ..preset }
}

fn of_structure(mut config: BackboneConfig, structure: Structure) -> BackboneConfig {
    config.options.structure = structure;
    config
}

/// Every backbone on every engine that has it.
fn models() -> impl Iterator<Item = (BackboneKind, Engine)> {
    let all = BackboneKind::ALL.iter().flat_map(|kind| ENGINES.map(|engine| (*kind, engine)));
    all.filter(|(kind, engine)| *engine != Engine::Fused || kind.is_fused())
}

fn options(patience: u32) -> FitOptions {
    FitOptions {
        batch_size: 32,
        max_passes: 12,
        patience,
        shuffle: true,
        restore_best: true,
        optimizer: OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
        loss: TrainingLoss::Bce,
        auc_on: AucOn::Prob,
        logloss_eps: 1e-15,
    }
}

/// Keys that differ in weights and dropout. Only the first key's shuffle is used, so a single run takes it from a key of
/// that order: the same `run`, another seed would change it.
fn key(r: usize) -> ModelKey {
    ModelKey { seed: 3, init: [3, r as u32], run: [3, 0] }
}

/// Weights `[N]` of a replica: about a third of the rows left out, others for each replica.
fn weights(r: usize, rows: usize) -> Vec<f32> {
    let mut u = vec![0.0; rows];
    Stream::new(8, Purpose::Select, &[r as u32]).fill_uniform(&mut u);
    u.into_iter().map(|u| if u > 0.33 { 1.0 } else { 0.0 }).collect()
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    a.allclose(b, 1e-3, 2e-4, false)
}

fn auc(metrics: &Option<Metrics>) -> Option<f64> {
    metrics.and_then(|metrics| metrics.auc)
}

/// Compares all tensors of a file by name.
fn compare(what: &str, one: &TensorFile, other: &TensorFile, of: impl Fn(&Tensor) -> Tensor) {
    for (name, tensor) in one.iter() {
        assert!(close(&of(tensor), other.get(name).unwrap()), "{what}: {name}");
    }
}

#[test]
fn replicas_train_as_single_models_do() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    for (kind, engine) in models() {
        let config = config(kind, &[8, 6], 0.2);
        // Losses are outside of the model: the paper's five stand for the others.
        let losses = [TrainingLoss::Bce, TRUNCATED, REWEIGHTED].map(|loss| [(false, loss), (true, loss)]);
        let cases = if kind.is_fused() { &losses[..] } else { &losses[..1] };
        for &(weighted, loss) in cases.iter().flatten() {
            // The gradient of a bias before BatchNorm is rounding noise, and Adam makes a full step of any noise: with
            // BatchNorm only SGD repeats to a tolerance.
            let optimizer = match kind {
                BackboneKind::Fm => OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
                // LayerNorm magnifies a row of nearly equal activations 300-fold, its rounding too: with large or many
                // steps models part that agreed to 1e-6 before.
                BackboneKind::MaskNet => OptimizerConfig { kind: Optimizer::Sgd, lr: 0.05, weight_decay: 1e-4 },
                _ => OptimizerConfig { kind: Optimizer::Sgd, lr: 0.3, weight_decay: 1e-4 },
            };
            let max_passes = if kind.is_fused() { 12 } else { 4 };
            let options = FitOptions { optimizer, loss, max_passes, ..options(2) };
            let keys: Vec<ModelKey> = (0..REPLICAS).map(key).collect();
            let mut stacked = Fit::new(engine, &config, &keys, options);
            let mut singles: Vec<Fit> = keys.iter().map(|key| Fit::new(engine, &config, &[*key], options)).collect();
            let each: Vec<Vec<f32>> = (0..REPLICAS).map(|r| weights(r, data.train.len())).collect();
            let all = each.concat();
            while !stacked.is_done() {
                let what = PassOptions { weights: weighted.then_some(&all[..]), ..PassOptions::default() };
                let together = stacked.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap();
                for (r, single) in singles.iter_mut().enumerate() {
                    if single.is_done() {
                        assert!(together.train[r].is_none() && together.valid[r].is_none());
                        continue;
                    }
                    let what = PassOptions { weights: weighted.then_some(&each[r][..]), ..PassOptions::default() };
                    let alone = single.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap();
                    for (together, alone) in
                        [(&together.train[r], &alone.train[0]), (&together.valid[r], &alone.valid[0])]
                    {
                        let difference = auc(together).unwrap() - auc(alone).unwrap();
                        assert!(difference.abs() < 2e-3, "{kind} replica {r}: AUC differs by {difference}");
                    }
                }
            }
            let chosen = stacked.finish();
            let together = stacked.model.weights();
            for (r, single) in singles.iter_mut().enumerate() {
                assert!(single.is_done(), "{kind} replica {r} stopped with its single run");
                assert_eq!(single.finish()[0].pass, chosen[r].pass, "{kind} replica {r}");
                let what = format!("{engine:?} {kind} {loss:?} weighted {weighted} replica {r}");
                compare(&what, &together, &single.model.weights(), |tensor| tensor.get(r as i64));
            }
        }
    }
}

#[test]
fn every_model_learns() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let usual = models().map(|(kind, engine)| (config(kind, &[8, 6], 0.0), engine));
    let structures = [
        (BackboneKind::DcnV2, Structure::Stacked),
        (BackboneKind::DcnV2, Structure::StackedParallel),
        (BackboneKind::DcnV2, Structure::CrossnetOnly),
        (BackboneKind::Gdcn, Structure::Stacked),
        (BackboneKind::MaskNet, Structure::Parallel),
    ];
    let others = structures
        .map(|(kind, structure)| (of_structure(config(kind, &[8, 6], 0.0), structure), Engine::Torch(Device::Cpu)));
    for (config, engine) in usual.chain(others) {
        let options = options(100);
        let mut fit = Fit::new(engine, &config, &[key(0)], options);
        let loss = |fit: &mut Fit| evaluate(&mut *fit.model, &data.train, AucOn::Prob, 1e-15).unwrap()[0].logloss;
        let before = loss(&mut fit);
        for _ in 0..8 {
            fit.run_pass(&data.train, &data.valid, &PassOptions::default(), &mut || ()).unwrap();
        }
        let after = loss(&mut fit);
        let what = format!("{} {} {engine:?}", config.kind, config.options.structure);
        // The best that is not learned is the share of clicks, whose log-loss is about ln 2.
        assert!(after < before - 0.05 && after < 0.65, "{what}: log-loss {before} to {after}");
    }
}

#[test]
fn rows_of_weight_0_are_as_good_as_absent() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.0);
    // In one batch the rows left out cannot change where a batch ends.
    let options = FitOptions { batch_size: 512, shuffle: false, ..options(100) };
    let weights = weights(0, data.train.len());
    let kept: Vec<u32> = (0..).zip(&weights).filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row).collect();
    let optimizers = [Optimizer::Adam, Optimizer::LazyAdam].map(|kind| OptimizerConfig { kind, ..options.optimizer });
    for (engine, optimizer) in ENGINES.into_iter().flat_map(|engine| optimizers.map(|optimizer| (engine, optimizer))) {
        let options = FitOptions { optimizer, ..options };
        let mut weighted = Fit::new(engine, &config, &[key(0)], options);
        let mut fed = Fit::new(engine, &config, &[key(0)], options);
        for _ in 0..4 {
            let what = PassOptions { weights: Some(&weights), ..PassOptions::default() };
            let one = weighted.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap();
            let what = PassOptions { subset: Some(&kept), ..PassOptions::default() };
            let other = fed.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap();
            let loss = |metrics: &Option<Metrics>| metrics.unwrap().logloss;
            assert!((loss(&one.train[0]) - loss(&other.train[0])).abs() < 1e-5);
        }
        compare(
            &format!("{engine:?} {optimizer:?}"),
            &weighted.model.weights(),
            &fed.model.weights(),
            Tensor::shallow_clone,
        );
    }
}

#[test]
fn recorded_losses_are_those_before_each_update() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::Fm, &[8], 0.2);
    let options = FitOptions { shuffle: false, ..options(100) };
    // A factorisation machine has neither dropout nor BatchNorm: both kinds of loss are the same numbers.
    for engine in ENGINES {
        let losses = |record| {
            let mut fit = Fit::new(engine, &config, &[key(0)], options);
            let first = fit.model.predict(&data.train);
            let what = PassOptions { record: Some(record), ..PassOptions::default() };
            let recorded = fit.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap().losses.unwrap();
            for ((z, label), recorded) in first.iter().zip(data.train.labels).zip(&recorded).take(32) {
                let own = if *label == 1 { (-z).exp().ln_1p() } else { z.exp().ln_1p() };
                assert!((own - recorded).abs() < 1e-5, "the first batch is seen by the initial weights");
            }
            recorded
        };
        let (train, eval) = (losses(Recorded::Train), losses(Recorded::Eval));
        assert!(close(&Tensor::from_slice(&train), &Tensor::from_slice(&eval)));
    }
}

/// Hundreds of steps of the same model on both engines, from the same weights, with the same dropout and order. Adam
/// magnifies the rounding of gradients near 0 into steps of any sign, so what is compared is what models are for: their
/// predictions, and the losses seen on the way.
#[test]
fn the_engines_train_alike_over_hundreds_of_steps() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    // Batches of one chunk, and of three that are not full.
    let cases = [
        (Optimizer::Adam, 32, TrainingLoss::Bce),
        (Optimizer::LazyAdam, 32, TrainingLoss::Bce),
        (Optimizer::Sgd, 32, TrainingLoss::Bce),
        (Optimizer::Adam, 300, TrainingLoss::Bce),
        (Optimizer::Sgd, 32, TRUNCATED),
        (Optimizer::Adam, 300, TRUNCATED),
        (Optimizer::Sgd, 32, REWEIGHTED),
    ];
    for (kind, (optimizer, batch_size, loss)) in
        BackboneKind::FUSED.iter().flat_map(|kind| cases.map(|case| (*kind, case)))
    {
        let lr = if optimizer == Optimizer::Sgd { 0.2 } else { 0.01 };
        let optimizer = OptimizerConfig { kind: optimizer, lr, weight_decay: 1e-4 };
        let options = FitOptions { optimizer, batch_size, loss, max_passes: 25, restore_best: false, ..options(100) };
        let config = config(kind, &[8, 6], 0.2);
        let mut fits = ENGINES.map(|engine| Fit::new(engine, &config, &[key(0)], options));
        let mut worst: f32 = 0.0;
        for pass in 0..25 {
            let what = PassOptions::default();
            let seen = fits.each_mut().map(|fit| fit.run_pass(&data.train, &data.valid, &what, &mut || ()).unwrap());
            let [a, b] = seen.map(|seen| seen.train[0].unwrap().logloss);
            assert!((a - b).abs() < 2e-4, "{kind} {optimizer:?} {loss:?} pass {pass}: {a} {b}");
            let [torch, fused] = fits.each_mut().map(|fit| fit.model.predict(&data.valid));
            worst = torch.iter().zip(&fused).fold(worst, |worst, (a, b)| worst.max((a - b).abs()));
        }
        // 25 passes of 12 batches are 300 steps; logits are of the order of 1.
        assert!(worst < 5e-3, "{kind} {optimizer:?} {loss:?}: logits differ by {worst}");
    }
}

/// The drop rate goes on where it was when a fit was saved in the ramp.
#[test]
fn a_fit_resumed_in_the_ramp_is_the_uninterrupted_one() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let pass =
        |fit: &mut Fit| drop(fit.run_pass(&data.train, &data.valid, &PassOptions::default(), &mut || ()).unwrap());
    let bytes = |fit: &Fit| fit.model.weights().to_bytes().unwrap();
    for engine in ENGINES {
        let options = FitOptions { loss: TRUNCATED, ..options(100) };
        let mut whole = Fit::new(engine, &config, &[key(0), key(1)], options);
        (0..4).for_each(|_| pass(&mut whole));
        for saved_after in 1..4 {
            let mut first = Fit::new(engine, &config, &[key(0), key(1)], options);
            (0..saved_after).for_each(|_| pass(&mut first));
            let mut file = TensorFile::new();
            let state = first.save("", &mut file).unwrap();
            let mut second = Fit::load(engine, &config, options, "", &file, state).unwrap();
            (saved_after..4).for_each(|_| pass(&mut second));
            assert!(bytes(&second) == bytes(&whole), "{engine:?} saved after {saved_after}");
        }
        // The ramp is over after 5 passes of 12 batches: the rate of later passes matters.
        let drop_rate_0 =
            TrainingLoss::TruncatedCe { drop_rate: 0.0, ramp_batches: 0, exponent: 1.0, protect_negatives: false };
        let mut plain = Fit::new(engine, &config, &[key(0), key(1)], FitOptions { loss: drop_rate_0, ..options });
        (0..4).for_each(|_| pass(&mut plain));
        assert!(bytes(&plain) != bytes(&whole), "{engine:?}");
    }
}

/// A search epoch does the same on both engines, whatever the options: what it did, what it stored, what it learned.
#[test]
fn the_engines_search_alike() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    for options in [
        json!({}),
        json!({"batch_size": 300}),
        json!({"optimizer": "lazy_adam", "policy_label_field": true, "reward_norm": "standardize"}),
        json!({"action": "eps_greedy", "update_action": "greedy", "policy_repeats": 3, "reward": "batch_sum",
               "deselected_reward": "batch", "policy_reduction": "sum", "lmat_loss": "train", "lmat_deselected": "carry",
               "optimizer": "sgd", "policy_lr_mult": 0.01}),
        json!({"reward": "batch_mean", "deselected_reward": "zero", "reward_norm": "center"}),
        json!({"reward_forward": "train_nograd", "deselected_reward": "negate"}),
        json!({"reward_forward": "train_nograd", "lmat_loss": "train", "lmat_deselected": "keep_row"}),
        json!({"lmat_loss": "train", "lmat_deselected": "fill_mean", "policy_bn": false, "policy_mlp_dims": []}),
        json!({"on_few_selected": "adam_zero_grad", "min_selected": 20}),
        json!({"on_few_selected": "adam_zero_grad", "min_selected": 20, "optimizer": "lazy_adam"}),
        json!({"on_few_selected": "select_all", "min_selected": 20}),
        json!({"on_few_selected": "skip", "min_selected": 20}),
    ] {
        let spec = spec(Preset::Paper, BackboneKind::DeepFm, 6, options.clone());
        let method = &spec.method.options;
        let config = BackboneConfig::new(BackboneKind::DeepFm, &dataset.feature_map, method).unwrap();
        let search =
            SearchEpoch { options: method, config: &config, rows: &data.train, seed: 6, epoch: 1, key: key(0) };
        let [torch, fused] = ENGINES.map(|engine| {
            let mut policy = searcher(engine, &PolicyConfig::new(&dataset.feature_map, method), key(1));
            let mut history = History::new(2, data.train.len(), method.lmat_deselected);
            for c in 0..2 {
                let mut losses = vec![0.0; data.train.len()];
                Stream::new(8, Purpose::Select, &[10 + c]).fill_uniform(&mut losses);
                history.set(c, losses);
            }
            let (summary, mut model) = policy.epoch(&search, &mut history, &mut || ()).unwrap();
            let numbers = [history.rows().concat(), policy.keep_prob(&data.train), model.predict(&data.valid)];
            (summary, numbers)
        });
        let (a, b) = (torch.0, fused.0);
        let updates = |summary: &SearchSummary| (summary.skipped_updates, summary.skipped_policy_updates);
        assert_eq!(updates(&a), updates(&b), "{options}");
        // A probability that rounds to the other side of its draw selects another row: a row or two may differ.
        assert!((a.kept - b.kept).abs() < 0.01, "{options}: {} {}", a.kept, b.kept);
        let close = |a: f64, b: f64| (a - b).abs() < 0.01 * a.abs().max(1.0);
        assert!(close(a.reward_mean.unwrap(), b.reward_mean.unwrap()), "{options}: {a:?} {b:?}");
        assert!(close(a.reward_std.unwrap(), b.reward_std.unwrap()), "{options}: {a:?} {b:?}");
        assert!(close(a.train.unwrap().logloss, b.train.unwrap().logloss), "{options}: {a:?} {b:?}");
        for (what, (a, b)) in ["history", "keep probability", "logits"].iter().zip(torch.1.iter().zip(&fused.1)) {
            let mean = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32;
            // With libtorch and Adam, biases before BatchNorm follow the rounding of gradients that should be 0, and the
            // running means lag behind them.
            assert!(mean < 5e-3, "{options}: {what} differs by {mean} on average");
        }
    }
}

/// Many rows are predicted by tasks with rooms of their own, a batch in the model's.
#[test]
fn predictions_do_not_depend_on_how_many_rows_are_asked_for() {
    let (ids, labels): (Vec<i32>, Vec<u8>) =
        ((0..5001).flat_map(|row| [row % 12, 12 + row % 9, 21 + row % 4]).collect(), vec![1; 5001]);
    let optimizer = options(2).optimizer;
    for kind in BackboneKind::FUSED {
        let mut model = Engine::Fused.model(&config(*kind, &[8, 6], 0.2), &[key(0)], optimizer);
        let mut predict = |from: usize, to: usize| {
            let split = SplitData { ids: &ids[3 * from..3 * to], labels: &labels[from..to], rows: &[] };
            model.predict(&Rows::new(split, 3))
        };
        let parts: Vec<f32> = (0..5001).step_by(100).flat_map(|from| predict(from, 5001.min(from + 100))).collect();
        assert_eq!(predict(0, 5001), parts, "{kind}");
    }
}

#[test]
fn fused_results_do_not_depend_on_the_number_of_threads() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    for kind in BackboneKind::FUSED {
        let options = FitOptions { batch_size: 300, ..options(100) };
        let weights = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let config = config(*kind, &[8, 6], 0.2);
            // The data stays on this thread: what a pool's thread needs is made on it.
            pool.install(|| {
                let data = TrainingData::new(&dataset);
                let mut fit = Fit::new(Engine::Fused, &config, &[key(0), key(1)], options);
                for _ in 0..4 {
                    fit.run_pass(&data.train, &data.valid, &PassOptions::default(), &mut || ()).unwrap();
                }
                fit.model.weights().to_bytes().unwrap()
            })
        };
        let one = weights(1);
        assert!(one == weights(2) && one == weights(5), "{kind}");
    }
    assert!(data.train.len() > 2 * 128, "several chunks are worked on");
}
