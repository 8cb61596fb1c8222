//! How fast this machine trains a job's model on the job's table, found out in less than a second.

use super::denoise::all_cores;
use crate::{
    backbone::{
        BackboneConfig, Engines, Model, ModelKey, OptimizerConfig, Recorded, Rows, TrainPass, TrainingLoss, evaluate,
    },
    ingest::{Dataset, SplitData},
    metrics::of_logits,
    plan::Pace,
    report::number,
    types::{ResolvedSpec, Split},
};
use rayon::prelude::*;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const KEY: ModelKey = ModelKey { seed: 1, init: [1, 1], run: [1, 1] };
/// Training goes on until so much processor time went into it: over more and more rows, and then over as many again and again.
/// Less measures what is done once.
const ENOUGH: Duration = Duration::from_millis(300);
/// Or until this long has passed, where other programs want the processors too.
const PATIENCE: Duration = Duration::from_millis(800);
/// Each part has so many times the rows of the one before.
const MORE: usize = 4;
/// Most rows of a part. Of several passes over as many rows the fastest counts, which other programs disturbed least.
const MOST: usize = 1 << 17;
/// How much longer work takes than its processor time divided by the threads, at most, on a machine that does nothing else:
/// threads wait for each other within a batch, and hardly where each has a model of its own.
const UNEVEN: f64 = 1.5;
const UNEVEN_SIDE_BY_SIDE: f64 = 1.1;
/// A training for a proof needs the logits of the test rows, writes results and the like: beside its passes.
const BESIDE: f64 = 1.1;

/// The seconds of a pass with the job's own backbone on the engine of the CPU, on a machine that does nothing else; none where
/// only libtorch has that backbone. Most trainings of a job go side by side, and so are they timed; but a search goes pass by pass.
pub fn calibrate(dataset: &Dataset, spec: &ResolvedSpec, threads: usize) -> Option<Pace> {
    let engines = Engines::open_fused(spec.engine, spec.device, threads).ok()?;
    let (backbone, options) = (spec.method.backbone, &spec.method.options);
    let engine = engines.for_model(backbone).ok()?;
    let config = BackboneConfig::new(backbone, &dataset.feature_map, options).ok()?;
    let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay };
    let at_once = if spec.method.name().searches() { 1 } else { engine.side_by_side(&config, threads) };
    let mut models: Vec<_> = (0..at_once).map(|_| engine.model(&config, &[KEY], optimizer)).collect();
    let batch = options.batch_size as usize;
    let (all, tried) = (dataset.len(Split::Train), dataset.len(Split::Valid));
    let (mut rows, began, mut spent) = (all.min(MORE * batch), Instant::now(), Duration::ZERO);
    let mut fastest: Option<Duration> = None;
    let training = loop {
        let train = |model: &mut Box<dyn Model>| {
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
            // A job measures every pass on its training rows too.
            let seen = model.train(&pass, &mut || ());
            black_box(of_logits(part.labels, &seen.logits, options.auc_on, options.logloss_eps).ok());
        };
        let took = Took::by(|| models.par_iter_mut().for_each(train));
        spent += took.processor;
        let uneven = if at_once > 1 { UNEVEN_SIDE_BY_SIDE } else { UNEVEN };
        let alone = took.alone(threads, uneven).div_f64(at_once as f64).min(fastest.unwrap_or(Duration::MAX));
        if spent >= ENOUGH || began.elapsed() >= PATIENCE {
            break alone;
        }
        let more = all.min(MORE * rows).min(rows.max(MOST));
        fastest = (more == rows).then_some(alone);
        rows = more;
    };
    let valid = first_rows(dataset, Split::Valid, rows);
    let mut evaluated = None;
    let evaluating =
        Took::by(|| evaluated = evaluate(&mut *models[0], &valid, options.auc_on, options.logloss_eps).ok());
    evaluated?;
    let of_row = |took: Duration, rows: usize| took.as_secs_f64() / rows.max(1) as f64;
    let evaluating = of_row(evaluating.alone(threads, UNEVEN), valid.len()) * tried as f64;
    let seconds = BESIDE * (of_row(training, rows) * all as f64 + evaluating);
    let basis = format!(
        "a pass over {} rows: {} on this machine, if nothing else runs",
        number(rows as u64),
        describe_duration(training)
    );
    Some(Pace { seconds, passes: None, basis })
}

/// How long something took.
struct Took {
    wall: Duration,
    /// Processor time of all threads.
    processor: Duration,
}

impl Took {
    fn by(work: impl FnOnce()) -> Self {
        let (began, processor) = (Instant::now(), processor_time());
        work();
        Self { wall: began.elapsed(), processor: processor_time().saturating_sub(processor) }
    }

    /// How long it would have taken if no other program had wanted the processors.
    fn alone(&self, threads: usize, uneven: f64) -> Duration {
        let threads = threads.min(all_cores()) as f64;
        self.wall.min(self.processor.mul_f64(uneven / threads))
    }
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value, and the clock is there on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_are_reckoned_out() {
        let took =
            |wall, processor| Took { wall: Duration::from_millis(wall), processor: Duration::from_millis(processor) };
        assert_eq!(took(100, 90).alone(1, UNEVEN), Duration::from_millis(100), "nothing else ran");
        assert_eq!(took(1360, 30).alone(1, UNEVEN), Duration::from_millis(45));
        assert_eq!([1, 90, 1250].map(|ms| describe_duration(Duration::from_millis(ms))), ["1 ms", "90 ms", "1.25 s"]);
    }
}
