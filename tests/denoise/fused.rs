//! The fused engine alone, whose results are the same bit for bit however the work is shared out.

use crate::replicas::{TRUNCATED, config, key, options, weights};
use crate::world::World;
use autodenoise::backbone::{
    Array, Engine, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, Rows, TensorFile, TrainingData,
    TrainingLoss, fused::Fused,
};
use autodenoise::ingest::SplitData;
use autodenoise::types::{BackboneKind, Optimizer};
use std::collections::BTreeSet;

const REPLICAS: usize = 3;
const REWEIGHTED: TrainingLoss = TrainingLoss::ReweightedCe { beta: 0.5 };

/// The numbers of replica `r` of all tensors.
fn replica(file: &TensorFile, r: usize, replicas: usize) -> Vec<(String, Vec<f32>)> {
    let of = |(name, _): (&str, &Array)| {
        let all = file.floats(name).unwrap();
        (name.to_owned(), all[r * all.len() / replicas..][..all.len() / replicas].to_vec())
    };
    file.iter().map(of).collect()
}

/// Whole fits with early stopping: what a replica comes to, when it stops and which pass it chooses, is what a model of
/// its own comes to.
#[test]
fn replicas_train_as_single_models_do() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let losses = [TrainingLoss::Bce, TRUNCATED, REWEIGHTED];
    let cases = losses.into_iter().flat_map(|loss| [(false, loss), (true, loss)]);
    let cases: Vec<_> = BackboneKind::FUSED.iter().flat_map(|kind| cases.clone().map(|case| (*kind, case))).collect();
    let mut ends = BTreeSet::new();
    for (kind, (weighted, loss)) in cases {
        let config = config(kind, &[8, 6], 0.2);
        let optimizer = match kind {
            BackboneKind::Fm => OptimizerConfig { kind: Optimizer::Adam, lr: 0.02, weight_decay: 1e-4 },
            _ => OptimizerConfig { kind: Optimizer::Sgd, lr: 0.3, weight_decay: 1e-4 },
        };
        let options = FitOptions { optimizer, loss, ..options(2) };
        let keys: Vec<ModelKey> = (0..REPLICAS).map(key).collect();
        let mut stacked = Fit::new(&Fused, &config, &keys, options);
        let mut singles: Vec<Fit> = keys.iter().map(|key| Fit::new(&Fused, &config, &[*key], options)).collect();
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
                assert_eq!(together.train[r], alone.train[0], "{kind} replica {r}");
                assert_eq!(together.valid[r], alone.valid[0], "{kind} replica {r}");
            }
        }
        let chosen = stacked.finish();
        let together = stacked.model.weights();
        for (r, single) in singles.iter_mut().enumerate() {
            assert!(single.is_done(), "{kind} replica {r} stopped with its single run");
            ends.insert(single.passes());
            assert_eq!(single.finish()[0], chosen[r], "{kind} replica {r}");
            let same = replica(&together, r, REPLICAS) == replica(&single.model.weights(), 0, 1);
            assert!(same, "{kind} {loss:?} weighted {weighted} replica {r}");
        }
    }
    assert!(ends.len() > 2, "replicas stop at different times: after {ends:?} passes");
}

/// Many rows are predicted by tasks with rooms of their own, a batch in the model's.
#[test]
fn predictions_do_not_depend_on_how_many_rows_are_asked_for() {
    let (ids, labels): (Vec<i32>, Vec<u8>) =
        ((0..5001).flat_map(|row| [row % 12, 12 + row % 9, 21 + row % 4]).collect(), vec![1; 5001]);
    let optimizer = options(2).optimizer;
    for kind in BackboneKind::FUSED {
        let mut model = Fused.model(&config(*kind, &[8, 6], 0.2), &[key(0)], optimizer);
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
                let mut fit = Fit::new(&Fused, &config, &[key(0), key(1)], options);
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
