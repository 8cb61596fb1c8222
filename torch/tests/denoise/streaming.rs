//! Tables whose ids have no room on the device come in pieces, and models learn the same from them, bit for bit.

use crate::engines::on;
use crate::replicas::{config, key, options, weights};
use crate::world::{World, job, run, untimed};
use autodenoise::backbone::{Engine, Fit, FitOptions, ModelKey, PassOptions, Runner, Track, TrainingData, run_passes};
use autodenoise::types::{BackboneKind, EpochRow, Metrics, ResolvedSpec};
use autodenoise_torch::{TorchEngine, read_backs};
use serde_json::json;

const RESIDENT: TorchEngine = TorchEngine::LIKE_A_GPU;
/// Without room for the ids of any split.
const STREAMED: TorchEngine = TorchEngine::LIKE_A_GPU.with_room_for_rows(100);

/// Models after two passes in batches of 8, of which 32 make a piece: alone or together.
fn train(engine: TorchEngine, shuffle: bool, weighed: bool, together: bool) -> Vec<(Vec<u8>, Vec<f32>)> {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let options = FitOptions { batch_size: 8, shuffle, ..options(9) };
    let other = ModelKey { run: [3, 7], ..key(1) };
    let mut fits = [key(0), other].map(|key| Fit::new(&engine, &config, &[key], options));
    let weights = [0, 1].map(|r| weights(r, data.train.len()));
    for _ in 0..2 {
        let pairs = fits.iter_mut().zip(&weights);
        let runners = pairs.map(|(fit, weights)| {
            let what = PassOptions { weights: weighed.then_some(weights), ..PassOptions::default() };
            Runner { fit, what, judged: None }
        });
        let track = Track::new(&engine, &config, &data, 1);
        let run = |runners| run_passes(&track, runners, &mut || ());
        let ended: Vec<_> = match together {
            true => run(runners.collect()),
            false => runners.flat_map(|runner| run(vec![runner])).collect(),
        };
        assert!(ended.iter().all(Result::is_ok));
    }
    fits.map(|fit| {
        let mut model = fit.model;
        (model.weights().to_bytes().unwrap(), model.predict(&data.valid))
    })
    .into()
}

#[test]
fn models_learn_the_same_from_pieces() {
    for (shuffle, weighed, together) in
        [(true, false, false), (false, false, false), (false, true, false), (true, true, true), (false, false, true)]
    {
        let [streamed, resident] = [STREAMED, RESIDENT].map(|engine| train(engine, shuffle, weighed, together));
        assert!(streamed == resident, "shuffled {shuffle}, weighed {weighed}, together {together}");
    }
}

fn close(found: Option<Metrics>, expected: Option<Metrics>) {
    let (found, expected) = (found.unwrap(), expected.unwrap());
    assert!((found.logloss - expected.logloss).abs() < 1e-6, "{found:?} for {expected:?}");
    assert!((found.auc.unwrap() - expected.auc.unwrap()).abs() < 1e-3, "{found:?} for {expected:?}");
}

#[test]
fn a_job_comes_to_the_same_whether_its_table_streams_or_not() {
    let world = World::new();
    let small = json!({"batch_size": 8, "auc_on": "logit", "policy_label_field": true, "epochs": 1});
    for spec in [
        json!({"method": {"preset": "paper", "options": small}, "seed": 4}),
        json!({"method": {"name": "loss_drop"}, "certify": {"seeds": 2}}),
    ] {
        let spec = ResolvedSpec { engine: autodenoise::types::Engine::Tch, ..job(spec) };
        let [streamed, resident] = [STREAMED, RESIDENT].map(|engine| on(engine, || run(&world, &spec).unwrap()));
        let [found, expected]: [Vec<EpochRow>; 2] = [&streamed, &resident].map(|outcome| untimed(&outcome.events));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            close(found.train, expected.train);
            close(found.valid, expected.valid);
        }
        for name in ["indices.parquet", "model.safetensors"] {
            assert!(streamed.file(name) == resident.file(name), "{}: {name} differs", spec.method.label);
        }
    }
}

#[test]
fn predictions_of_a_table_that_streams_are_read_back_once() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let options = FitOptions { restore_best: false, ..options(9) };
    let mut fits = [0, 1].map(|r| Fit::new(&STREAMED, &config, &[key(r)], options));
    assert!(STREAMED.most_together(&config, data.train.len()) > 1);
    let runner = |fit| Runner { fit, what: PassOptions::default(), judged: None };
    let before = read_backs();
    let track = Track::new(&STREAMED, &config, &data, 1);
    let ended = run_passes(&track, fits.iter_mut().map(runner).collect(), &mut || ());
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(read_backs() - before, 1);
}
