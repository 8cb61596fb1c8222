//! How fast this machine trains a job's model on the job's table, found out in less than a second.

use crate::{
    backbone::{BackboneConfig, Engines, ModelKey, OptimizerConfig, Recorded, Rows, TrainPass, TrainingLoss, evaluate},
    ingest::{Dataset, SplitData},
    plan::Pace,
    trainer::lifeline,
    types::{ResolvedSpec, Split},
};
use std::time::{Duration, Instant};

const KEY: ModelKey = ModelKey { seed: 1, init: [1, 1], run: [1, 1] };
/// Training goes on until a part took this long, over more and more rows, and then over all of them again and again: shorter
/// ones measure what is done once.
const LONG_ENOUGH: Duration = Duration::from_millis(200);
/// Each part has so many times the rows of the one before.
const MORE: usize = 4;
/// A training for a proof needs the logits of the test rows, writes results and the like: beside its passes.
const BESIDE: f64 = 1.1;

/// The seconds of a pass with the job's own backbone on the engine of the CPU; none where only libtorch has that backbone.
pub fn calibrate(dataset: &Dataset, spec: &ResolvedSpec, threads: usize) -> Option<Pace> {
    // At the priority of a trainer, and on a thread of its own, for none gets its priority back.
    let measure = || {
        lifeline::give_way();
        measure(dataset, spec, threads)
    };
    std::thread::scope(|scope| scope.spawn(measure).join().ok().flatten())
}

fn measure(dataset: &Dataset, spec: &ResolvedSpec, threads: usize) -> Option<Pace> {
    let engines = Engines::open_fused(spec.engine, spec.device, threads).ok()?;
    let (backbone, options) = (spec.method.backbone, &spec.method.options);
    let engine = engines.for_model(backbone).ok()?;
    let config = BackboneConfig::new(backbone, &dataset.feature_map, options).ok()?;
    let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay };
    let mut model = engine.model(&config, &[KEY], optimizer);
    let batch = options.batch_size as usize;
    let (all, tried) = (dataset.len(Split::Train), dataset.len(Split::Valid));
    let mut rows = all.min(MORE * batch);
    // Of passes over all rows: how many there were, and how long they took.
    let (mut whole, mut took) = (0_u32, Duration::ZERO);
    loop {
        let part = first_rows(dataset, Split::Train, rows);
        let pass = TrainPass {
            rows: &part,
            order: None,
            weights: None,
            targets: None,
            batch_size: batch,
            loss: TrainingLoss::Bce,
            first_batch: 0,
            keys: &[KEY],
            number: 0,
            active: &[true],
            record: Some(Recorded::Train),
        };
        let started = Instant::now();
        model.train(&pass, &mut || ());
        let mut training = started.elapsed();
        if training < LONG_ENOUGH && rows < all {
            rows = all.min(MORE * rows);
            continue;
        }
        if rows == all && took + training < LONG_ENOUGH {
            whole += 1;
            took += training;
            continue;
        }
        training = (took + training) / (whole + 1);
        let valid = first_rows(dataset, Split::Valid, rows);
        let started = Instant::now();
        evaluate(&mut *model, &valid, options.auc_on, options.logloss_eps).ok()?;
        let of_row = |seconds: Duration, rows: usize| seconds.as_secs_f64() / rows.max(1) as f64;
        let evaluating = of_row(started.elapsed(), valid.len()) * tried as f64;
        let seconds = BESIDE * (of_row(training, rows) * all as f64 + evaluating);
        let basis = format!("a pass over {rows} rows that took {} on this machine", describe_duration(training));
        return Some(Pace { seconds, passes: None, basis });
    }
}

/// `9 ms`, `1.25 s`
fn describe_duration(duration: Duration) -> String {
    match duration.as_millis() {
        ..1000 => format!("{} ms", duration.as_millis().max(1)),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

fn first_rows(dataset: &Dataset, split: Split, rows: usize) -> Rows<'_> {
    let (of, fields) = (dataset.split(split), dataset.fields());
    let rows = rows.min(of.labels.len());
    Rows::new(SplitData { ids: &of.ids[..rows * fields], labels: &of.labels[..rows], rows: &of.rows[..rows] }, fields)
}
