use crate::world::World;
use autodenoise::backbone::{
    BackboneConfig, Engine, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, Recorded, TensorFile, TrainingData,
};
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{AucOn, BackboneKind, Metrics, Optimizer};
use tch::{Device, Tensor};

const REPLICAS: usize = 3;
const ENGINES: [Engine; 2] = [Engine::Torch(Device::Cpu), Engine::Fused];

fn config(kind: BackboneKind, mlp_dims: &[usize], dropout: f64) -> BackboneConfig {
    let (ranges, mlp_dims) = (vec![0..12, 12..21, 21..25], mlp_dims.to_vec());
    BackboneConfig { kind, ranges, embed_dim: 4, mlp_dims, dropout, cross_layers: 2 }
}

fn options(patience: u32) -> FitOptions {
    FitOptions {
        batch_size: 32,
        max_passes: 12,
        patience,
        shuffle: true,
        restore_best: true,
        optimizer: OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
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
    for (kind, engine) in BackboneKind::ALL.iter().flat_map(|kind| ENGINES.map(|engine| (*kind, engine))) {
        let config = config(kind, &[8, 6], 0.2);
        for weighted in [false, true] {
            // The gradient of a bias before BatchNorm is rounding noise, and Adam makes a full step of any noise: with
            // BatchNorm only SGD repeats to a tolerance.
            let optimizer = match kind {
                BackboneKind::Fm => OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
                _ => OptimizerConfig { kind: Optimizer::Sgd, lr: 0.3, weight_decay: 1e-4 },
            };
            let options = FitOptions { optimizer, ..options(2) };
            let keys: Vec<ModelKey> = (0..REPLICAS).map(key).collect();
            let mut stacked = Fit::new(engine, &config, &keys, options);
            let mut singles: Vec<Fit> = keys.iter().map(|key| Fit::new(engine, &config, &[*key], options)).collect();
            let each: Vec<Vec<f32>> = (0..REPLICAS).map(|r| weights(r, data.train.len())).collect();
            let all = each.concat();
            while !stacked.is_done() {
                let what = PassOptions { weights: weighted.then_some(&all[..]), ..PassOptions::default() };
                let together = stacked.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
                for (r, single) in singles.iter_mut().enumerate() {
                    if single.is_done() {
                        assert!(together.train[r].is_none() && together.valid[r].is_none());
                        continue;
                    }
                    let what = PassOptions { weights: weighted.then_some(&each[r][..]), ..PassOptions::default() };
                    let alone = single.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
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
                let what = format!("{engine:?} {kind} weighted {weighted} replica {r}");
                compare(&what, &together, &single.model.weights(), |tensor| tensor.get(r as i64));
            }
        }
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
    for engine in ENGINES {
        let mut weighted = Fit::new(engine, &config, &[key(0)], options);
        let mut fed = Fit::new(engine, &config, &[key(0)], options);
        for _ in 0..4 {
            let what = PassOptions { weights: Some(&weights), ..PassOptions::default() };
            let one = weighted.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
            let what = PassOptions { subset: Some(&kept), ..PassOptions::default() };
            let other = fed.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
            let loss = |metrics: &Option<Metrics>| metrics.unwrap().logloss;
            assert!((loss(&one.train[0]) - loss(&other.train[0])).abs() < 1e-5);
        }
        compare(&format!("{engine:?}"), &weighted.model.weights(), &fed.model.weights(), Tensor::shallow_clone);
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
            let recorded = fit.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap().losses.unwrap();
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
    let kinds = [Optimizer::Adam, Optimizer::LazyAdam, Optimizer::Sgd];
    for (kind, optimizer) in BackboneKind::ALL.iter().flat_map(|kind| kinds.map(|optimizer| (*kind, optimizer))) {
        let lr = if optimizer == Optimizer::Sgd { 0.2 } else { 0.01 };
        let optimizer = OptimizerConfig { kind: optimizer, lr, weight_decay: 1e-4 };
        let options = FitOptions { optimizer, max_passes: 25, restore_best: false, ..options(100) };
        let config = config(kind, &[8, 6], 0.2);
        let mut fits = ENGINES.map(|engine| Fit::new(engine, &config, &[key(0)], options));
        let mut worst: f32 = 0.0;
        for pass in 0..25 {
            let what = PassOptions::default();
            let seen = fits.each_mut().map(|fit| fit.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap());
            let loss = |at: usize| seen[at].train[0].unwrap().logloss;
            assert!((loss(0) - loss(1)).abs() < 2e-4, "{kind} {optimizer:?} pass {pass}: {} {}", loss(0), loss(1));
            let [torch, fused] = fits.each_mut().map(|fit| fit.model.predict(&data.valid));
            worst = torch.iter().zip(&fused).fold(worst, |worst, (a, b)| worst.max((a - b).abs()));
        }
        // 25 passes of 12 batches are 300 steps; logits are of the order of 1.
        assert!(worst < 5e-3, "{kind} {optimizer:?}: logits differ by {worst}");
    }
}

#[test]
fn fused_results_do_not_depend_on_the_number_of_threads() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    for kind in BackboneKind::ALL {
        let options = FitOptions { batch_size: 300, ..options(100) };
        let weights = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let config = config(*kind, &[8, 6], 0.2);
            // The data stays on this thread: what a pool's thread needs is made on it.
            pool.install(|| {
                let data = TrainingData::new(&dataset);
                let mut fit = Fit::new(Engine::Fused, &config, &[key(0), key(1)], options);
                for _ in 0..4 {
                    fit.run_pass(&data.train, &data.valid, &PassOptions::default(), &mut || true).unwrap();
                }
                fit.model.weights().to_bytes().unwrap()
            })
        };
        let one = weights(1);
        assert!(one == weights(2) && one == weights(5), "{kind}");
    }
    assert!(data.train.len() > 2 * 128, "several chunks are worked on");
}
