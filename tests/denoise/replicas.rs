//! Fits on the engine of the package.

use crate::engines::{BACKBONES, ENGINE};
use crate::world::World;
use autodenoise::backbone::{
    BackboneConfig, Fit, FitOptions, ModelKey, OptimizerConfig, PassOptions, Recorded, Rows, TensorFile, TrainingData,
    TrainingLoss, evaluate,
};
use autodenoise::ingest::SplitData;
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{AucOn, BackboneKind, Optimizer, Options, Split, Structure};

/// T-CE whose ramp lasts several passes of 32 rows a batch.
pub const TRUNCATED: TrainingLoss =
    TrainingLoss::TruncatedCe { drop_rate: 0.2, ramp_batches: 60, exponent: 1.0, protect_negatives: false };

pub fn config(kind: BackboneKind, mlp_dims: &[u32], dropout: f64) -> BackboneConfig {
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

pub fn options(patience: u32) -> FitOptions {
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
pub fn key(r: usize) -> ModelKey {
    ModelKey { seed: 3, init: [3, r as u32], run: [3, 0] }
}

/// Weights `[N]` of a replica: about a third of the rows left out, others for each replica.
pub fn weights(r: usize, rows: usize) -> Vec<f32> {
    let mut u = vec![0.0; rows];
    Stream::new(8, Purpose::Select, &[r as u32]).fill_uniform(&mut u);
    u.into_iter().map(|u| if u > 0.33 { 1.0 } else { 0.0 }).collect()
}

#[test]
fn every_model_learns() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let usual = BACKBONES.iter().map(|kind| config(*kind, &[8, 6], 0.0));
    let structures = [
        (BackboneKind::DcnV2, Structure::Stacked),
        (BackboneKind::DcnV2, Structure::StackedParallel),
        (BackboneKind::DcnV2, Structure::CrossnetOnly),
        (BackboneKind::Gdcn, Structure::Stacked),
        (BackboneKind::MaskNet, Structure::Parallel),
    ];
    let others = structures.into_iter().filter(|(kind, _)| BACKBONES.contains(kind)).map(|(kind, structure)| {
        let mut config = config(kind, &[8, 6], 0.0);
        config.options.structure = structure;
        config
    });
    for config in usual.chain(others) {
        let options = options(100);
        let mut fit = Fit::new(ENGINE, &config, &[key(0)], options);
        let loss = |fit: &mut Fit| evaluate(&mut *fit.model, &data.train, AucOn::Prob, 1e-15).unwrap()[0].logloss;
        let before = loss(&mut fit);
        for _ in 0..8 {
            fit.run_pass(&data.train, &data.valid, &PassOptions::default(), &mut || ()).unwrap();
        }
        let after = loss(&mut fit);
        let what = format!("{} {}", config.kind, config.options.structure);
        // The best that is not learned is the share of clicks, whose log-loss is about ln 2.
        assert!(after < before - 0.05 && after < 0.65, "{what}: log-loss {before} to {after}");
    }
}

/// Before its update, a batch with rows of weight 0 is seen as one without them.
#[test]
fn metrics_of_a_weighted_pass_are_those_of_the_rows_that_count() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.0);
    // In one batch the rows left out cannot change where a batch ends.
    let options = FitOptions { batch_size: 512, shuffle: false, ..options(100) };
    let weights = weights(0, data.train.len());
    let kept: Vec<u32> = (0..).zip(&weights).filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row).collect();
    let seen = |what: &PassOptions| {
        let mut fit = Fit::new(ENGINE, &config, &[key(0)], options);
        fit.run_pass(&data.train, &data.valid, what, &mut || ()).unwrap().train[0].unwrap().logloss
    };
    let weighted = seen(&PassOptions { weights: Some(&weights), ..PassOptions::default() });
    let fed = seen(&PassOptions { subset: Some(&kept), ..PassOptions::default() });
    assert!((weighted - fed).abs() < 1e-5, "{weighted} {fed}");
}

#[test]
fn recorded_losses_are_those_before_each_update() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::Fm, &[8], 0.2);
    let options = FitOptions { shuffle: false, ..options(100) };
    // A factorisation machine has neither dropout nor BatchNorm: both kinds of loss are the same numbers.
    let losses = |record| {
        let mut fit = Fit::new(ENGINE, &config, &[key(0)], options);
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
    for (train, eval) in train.iter().zip(&eval) {
        assert!((train - eval).abs() <= 2e-4 + 1e-3 * eval.abs(), "{train} {eval}");
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
    let options = FitOptions { loss: TRUNCATED, ..options(100) };
    let mut whole = Fit::new(ENGINE, &config, &[key(0), key(1)], options);
    (0..4).for_each(|_| pass(&mut whole));
    for saved_after in 1..4 {
        let mut first = Fit::new(ENGINE, &config, &[key(0), key(1)], options);
        (0..saved_after).for_each(|_| pass(&mut first));
        let mut file = TensorFile::new();
        let state = first.save("", &mut file).unwrap();
        let mut second = Fit::load(ENGINE, &config, options, "", &file, state).unwrap();
        (saved_after..4).for_each(|_| pass(&mut second));
        assert!(bytes(&second) == bytes(&whole), "saved after {saved_after}");
    }
    // The ramp is over after 5 passes of 12 batches: the rate of later passes matters.
    let drop_rate_0 =
        TrainingLoss::TruncatedCe { drop_rate: 0.0, ramp_batches: 0, exponent: 1.0, protect_negatives: false };
    let mut plain = Fit::new(ENGINE, &config, &[key(0), key(1)], FitOptions { loss: drop_rate_0, ..options });
    (0..4).for_each(|_| pass(&mut plain));
    assert!(bytes(&plain) != bytes(&whole));
}

/// Targets of 0 and 1 are labels, to the bit.
#[test]
fn targets_without_doubt_are_labels() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let flipped: Vec<u8> = (0..).zip(data.train.labels).map(|(row, label)| label ^ u8::from(row % 5 == 0)).collect();
    let targets: Vec<f32> = flipped.iter().map(|label| f32::from(*label)).collect();
    let subset: Vec<u32> = (0..data.train.len() as u32).filter(|row| row % 7 != 0).collect();
    let flipped = Rows::new(SplitData { labels: &flipped, ..dataset.split(Split::Train) }, dataset.fields());
    for (shuffle, subset) in [(false, None), (true, Some(&subset[..]))] {
        let train = |rows: &Rows, targets| {
            let config = config(BackboneKind::DeepFm, &[8], 0.2);
            let mut fit = Fit::new(ENGINE, &config, &[key(0)], FitOptions { shuffle, ..options(100) });
            let what = PassOptions { subset, targets, ..PassOptions::default() };
            (0..2).for_each(|_| drop(fit.run_pass(rows, &data.valid, &what, &mut || ()).unwrap()));
            fit.model.weights().to_bytes().unwrap()
        };
        assert!(train(&data.train, Some(&targets)) == train(&flipped, None));
    }
}

/// A row of target p takes the step of itself twice, as label 1 with weight p and as label 0 with weight 1 - p.
#[test]
fn a_soft_target_is_the_row_with_either_label() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let (train, fields) = (dataset.split(Split::Train), dataset.fields());
    let n = 40;
    let mut targets = vec![0.0; n];
    Stream::new(8, Purpose::Select, &[77]).fill_uniform(&mut targets);
    // Without BatchNorm, which would count a row twice, and in one batch.
    let config = config(BackboneKind::Fm, &[8], 0.0);
    let options = FitOptions { batch_size: 512, shuffle: false, ..options(100) };
    let step = |ids: &[i32], labels: &[u8], what: &PassOptions| {
        let mut fit = Fit::new(ENGINE, &config, &[key(0)], options);
        let rows = Rows::new(SplitData { ids, labels, rows: &[] }, fields);
        fit.run_pass(&rows, &data.valid, what, &mut || ()).unwrap();
        fit.model.predict(&data.valid)
    };
    let ids = &train.ids[..n * fields];
    let soft = step(ids, &train.labels[..n], &PassOptions { targets: Some(&targets), ..PassOptions::default() });
    let weights: Vec<f32> = targets.iter().copied().chain(targets.iter().map(|p| 1.0 - p)).collect();
    let labels = [vec![1; n], vec![0; n]].concat();
    let what = PassOptions { weights: Some(&weights), ..PassOptions::default() };
    let twice = step(&[ids, ids].concat(), &labels, &what);
    for (soft, twice) in soft.iter().zip(&twice) {
        assert!((soft - twice).abs() < 1e-5, "{soft} {twice}");
    }
}
