use crate::world::World;
use autodenoise::backbone::{
    BackboneConfig, DeviceData, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, Recorded,
};
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{AucOn, BackboneKind, Metrics, Optimizer};
use tch::{Device, Kind, Tensor};

const REPLICAS: usize = 3;

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
fn weights(r: usize, rows: usize) -> Tensor {
    let mut u = vec![0.0; rows];
    Stream::new(8, Purpose::Select, &[r as u32]).fill_uniform(&mut u);
    Tensor::from_slice(&u).gt(0.33).to_kind(Kind::Float)
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    a.allclose(b, 1e-3, 2e-4, false)
}

fn auc(metrics: &Option<Metrics>) -> Option<f64> {
    metrics.and_then(|metrics| metrics.auc)
}

#[test]
fn replicas_train_as_single_models_do() {
    let dataset = World::new().dataset();
    let data = DeviceData::new(&dataset, Device::Cpu);
    for kind in BackboneKind::ALL {
        let config = BackboneConfig {
            kind: *kind,
            fields: 3,
            cardinality: 25,
            embed_dim: 4,
            mlp_dims: vec![8, 6],
            dropout: 0.2,
            cross_layers: 2,
        };
        for weighted in [false, true] {
            // The gradient of a bias before BatchNorm is rounding noise, and Adam makes a full step of any noise: with
            // BatchNorm only SGD repeats to a tolerance.
            let optimizer = match kind {
                BackboneKind::Fm => OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
                _ => OptimizerConfig { kind: Optimizer::Sgd, lr: 0.3, weight_decay: 1e-4 },
            };
            let options = FitOptions { optimizer, ..options(2) };
            let keys: Vec<ModelKey> = (0..REPLICAS).map(key).collect();
            let mut stacked = Fit::new(&config, &keys, options, Device::Cpu);
            let mut singles: Vec<Fit> =
                keys.iter().map(|key| Fit::new(&config, &[*key], options, Device::Cpu)).collect();
            let each: Vec<Tensor> = (0..REPLICAS).map(|r| weights(r, data.train.len())).collect();
            let all = Tensor::stack(&each, 0);
            while !stacked.is_done() {
                let what = PassOptions { weights: weighted.then_some(&all), ..PassOptions::default() };
                let together = stacked.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
                for (r, single) in singles.iter_mut().enumerate() {
                    if single.is_done() {
                        assert!(together.train[r].is_none() && together.valid[r].is_none());
                        continue;
                    }
                    let what = PassOptions { weights: weighted.then_some(&each[r]), ..PassOptions::default() };
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
            for (r, single) in singles.iter_mut().enumerate() {
                assert!(single.is_done(), "{kind} replica {r} stopped with its single run");
                assert_eq!(single.finish()[0].pass, chosen[r].pass, "{kind} replica {r}");
                for ((name, _, together), (_, _, alone)) in stacked.model.params.iter().zip(single.model.params.iter())
                {
                    assert!(close(&together.get(r as i64), alone), "{kind} weighted {weighted} replica {r}: {name}");
                }
            }
        }
    }
}

#[test]
fn rows_of_weight_0_are_as_good_as_absent() {
    let dataset = World::new().dataset();
    let data = DeviceData::new(&dataset, Device::Cpu);
    let config = BackboneConfig {
        kind: BackboneKind::DeepFm,
        fields: 3,
        cardinality: 25,
        embed_dim: 4,
        mlp_dims: vec![8],
        dropout: 0.0,
        cross_layers: 0,
    };
    // In one batch the rows left out cannot change where a batch ends.
    let options = FitOptions { batch_size: 512, shuffle: false, ..options(100) };
    let weights = weights(0, data.train.len());
    let kept: Vec<i64> = Vec::try_from(weights.nonzero().squeeze_dim(1)).unwrap();
    let kept: Vec<u32> = kept.iter().map(|row| *row as u32).collect();
    let mut weighted = Fit::new(&config, &[key(0)], options, Device::Cpu);
    let mut fed = Fit::new(&config, &[key(0)], options, Device::Cpu);
    for _ in 0..4 {
        let what = PassOptions { weights: Some(&weights), ..PassOptions::default() };
        let one = weighted.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
        let what = PassOptions { subset: Some(&kept), ..PassOptions::default() };
        let other = fed.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap();
        let loss = |metrics: &Option<Metrics>| metrics.unwrap().logloss;
        assert!((loss(&one.train[0]) - loss(&other.train[0])).abs() < 1e-5);
    }
    for ((name, _, one), (_, _, other)) in weighted.model.params.iter().zip(fed.model.params.iter()) {
        assert!(close(one, other), "{name}");
    }
}

#[test]
fn recorded_losses_are_those_before_each_update() {
    let dataset = World::new().dataset();
    let data = DeviceData::new(&dataset, Device::Cpu);
    let config = BackboneConfig {
        kind: BackboneKind::Fm,
        fields: 3,
        cardinality: 25,
        embed_dim: 4,
        mlp_dims: vec![8],
        dropout: 0.2,
        cross_layers: 0,
    };
    let options = FitOptions { shuffle: false, ..options(100) };
    // A factorisation machine has neither dropout nor BatchNorm: both kinds of loss are the same numbers.
    let losses = |record| {
        let mut fit = Fit::new(&config, &[key(0)], options, Device::Cpu);
        let first = autodenoise::backbone::predict(&fit.model, &data.train.ids.narrow(0, 0, 32));
        let first = autodenoise::backbone::bce(&first, &data.train.labels.narrow(0, 0, 32));
        let what = PassOptions { record: Some(record), ..PassOptions::default() };
        let recorded = fit.run_pass(&data.train, &data.valid, &what, &mut || true).unwrap().losses.unwrap();
        assert!(close(&recorded.narrow(0, 0, 32), &first), "the first batch is seen by the initial weights");
        recorded
    };
    assert!(close(&losses(Recorded::Train), &losses(Recorded::Eval)));
}
