//! `autodenoise bench`: seconds of the method's inner loops on this machine, in the form of `benches/pytorch_expert.py`,
//! the same work written in PyTorch.

use super::error::CliError;
use crate::backbone::{
    BackboneConfig, Engine, Engines, ModelKey, OpenEngines, OptimizerConfig, PolicyConfig, Recorded, Rows, TrainPass,
    TrainingLoss, evaluate,
};
use crate::denoise::{History, SearchEpoch, SearchError, search_epoch, select};
use crate::ingest::SplitData;
use crate::random::{Purpose, Stream};
use crate::types::{
    self, BackboneKind, FeatureMap, Field, FieldKind, LabelRule, Options, Preset, SplitCounts, Vocabulary,
};
use clap::Args;
use std::{process::ExitCode, time::Instant};

/// MovieLens-1M's field sizes.
const SIZES: [u32; 8] = [3706, 301, 81, 6040, 21, 7, 2, 3402];
const KEY: ModelKey = ModelKey { seed: 1, init: [1, 1], run: [1, 1] };
/// Rows of the evaluation.
const EVALUATED: usize = 100_000;

/// Times the method's inner loops on random rows with MovieLens-1M's field sizes; prints one JSON object a line:
/// {"work": "pass/deepfm", "rows": ..., "seconds": ..., "rows_per_s": ...}, and where models are trained the mean "loss" that
/// their updates saw
///
/// pass/MODEL is one training pass (of the paper's five models; of the others where --only begins with pass/), warmup4 the four rows of the warm-up (with the losses that the updates themselves see;
/// lmat_loss = eval costs one more forward pass), search one search epoch, select the scores of all rows and the choice,
/// eval predictions of 100,000 rows and their AUC and log-loss.
#[derive(Args)]
pub struct BenchArgs {
    /// Training rows
    #[arg(long, default_value_t = 800_167, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    rows: u32,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What computes: auto, tch or fused
    #[arg(long, default_value_t, value_name = "NAME")]
    engine: types::Engine,
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, default_value_t, value_name = "DEVICE")]
    device: types::Device,
    /// Only the works whose names start so, for example pass/
    #[arg(long, default_value = "", value_name = "PREFIX", hide_default_value = true)]
    only: String,
    /// How often each is run; the last one is reported
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

/// The whole of a program that times the engines it has.
pub fn run_bench(args: BenchArgs, open: OpenEngines) -> ExitCode {
    match bench(args, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

pub(super) fn bench(args: BenchArgs, open: OpenEngines) -> Result<(), CliError> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let engines = open(args.engine, args.device, threads).map_err(CliError::failed)?;
    let (ids, labels) = table(args.rows as usize);
    let bench = Bench { engines, threads, only: &args.only, map: feature_map(), rows: rows(&ids, &labels) };
    let report = |name: &str, rows: usize, work: &mut Work| {
        if !name.starts_with(&args.only) {
            return Ok(());
        }
        let (mut seconds, mut loss) = (0.0, None);
        for _ in 0..args.repeat {
            let started = Instant::now();
            loss = work()?;
            seconds = started.elapsed().as_secs_f64();
        }
        let rate = (rows as f64 / seconds).round() as u64;
        let seconds = (seconds * 1e4).round() / 1e4;
        let mut line = serde_json::json!({"work": name, "rows": rows, "seconds": seconds, "rows_per_s": rate});
        if let Some(loss) = loss {
            line["loss"] = loss.into();
        }
        println!("{line}");
        Ok(())
    };
    bench.run(&report)
}

/// What is timed; where models are trained it returns the mean loss that their updates saw.
type Work<'a> = dyn FnMut() -> Result<Option<f64>, CliError> + 'a;
type Report<'a> = dyn Fn(&str, usize, &mut Work) -> Result<(), CliError> + 'a;

struct Bench<'a> {
    engines: Engines,
    threads: usize,
    only: &'a str,
    map: FeatureMap,
    rows: Rows<'a>,
}

impl Bench<'_> {
    fn run(&self, report: &Report) -> Result<(), CliError> {
        let n = self.rows.len();
        for kind in BackboneKind::ALL.iter().filter(|kind| self.is_asked_for(**kind)) {
            let (config, optimizer) = self.config(*kind);
            let mut model = self.engine(*kind)?.model(&config, &[KEY], optimizer);
            report(&format!("pass/{kind}"), n, &mut || {
                let seen = model.train(&self.pass(&[KEY], None), &mut || ());
                Ok(Some(mean_loss(&seen.logits, self.rows.labels)))
            })?;
        }
        let options = Options::preset(Preset::Paper, BackboneKind::DeepFm);
        let (config, optimizer) = self.config(BackboneKind::DeepFm);
        let engine = self.engine(BackboneKind::DeepFm)?;
        let mut history = History::new(4, n, options.lmat_deselected);
        report("warmup4/deepfm", 4 * n, &mut || self.warmup(&config, optimizer, &mut history).map(Some))?;

        let mut policy = engine.policy(&PolicyConfig::new(&self.map, &options), KEY);
        report("search/deepfm", n, &mut || {
            let search =
                SearchEpoch { options: &options, config: &config, rows: &self.rows, seed: 1, epoch: 1, key: KEY };
            let searched: Result<_, SearchError> =
                search_epoch(engine, &mut *policy, &search, &mut history, &mut || ());
            let (summary, _) = searched.map_err(CliError::failed)?;
            Ok(summary.train.map(|train| train.logloss))
        })?;
        report("select/deepfm", n, &mut || {
            select(&options, &policy.keep_prob(&self.rows), 1, 1);
            Ok(None)
        })?;

        let mut model = engine.model(&config, &[KEY], optimizer);
        let (ids, labels) = table(n.min(EVALUATED));
        let held_out = rows(&ids, &labels);
        report("eval/deepfm", held_out.len(), &mut || {
            let metrics = evaluate(&mut *model, &held_out, options.auc_on, options.logloss_eps);
            metrics.map_err(CliError::failed).map(|_| None)
        })
    }

    /// The paper's backbones, and those named: some of the others take an hour.
    fn is_asked_for(&self, kind: BackboneKind) -> bool {
        kind.is_fused() || !self.only.is_empty() && format!("pass/{kind}").starts_with(self.only)
    }

    fn engine(&self, kind: BackboneKind) -> Result<&dyn Engine, CliError> {
        self.engines.for_model(kind).map_err(CliError::failed)
    }

    fn config(&self, kind: BackboneKind) -> (BackboneConfig, OptimizerConfig) {
        let options = Options::preset(Preset::Paper, kind);
        let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay };
        (BackboneConfig::preset(kind, self.map.id_ranges()), optimizer)
    }

    fn pass<'a>(&'a self, keys: &'a [ModelKey], record: Option<Recorded>) -> TrainPass<'a> {
        TrainPass {
            rows: &self.rows,
            order: None,
            weights: None,
            targets: None,
            batch_size: Options::preset(Preset::Paper, BackboneKind::DeepFm).batch_size as usize,
            loss: TrainingLoss::Bce,
            first_batch: 0,
            keys,
            number: 0,
            active: &[true; 4][..keys.len()],
            record,
        }
    }

    /// The four rows of the warm-up, each from a fresh model, as many side by side as a run would: the mean of their losses.
    fn warmup(
        &self,
        config: &BackboneConfig,
        optimizer: OptimizerConfig,
        history: &mut History,
    ) -> Result<f64, CliError> {
        let keys: Vec<ModelKey> = (0..4).map(|row| ModelKey { init: [2, row], run: [2, row], ..KEY }).collect();
        let (mut row, mut total) = (0, 0.0);
        let engine = self.engine(config.kind)?;
        for keys in keys.chunks(engine.side_by_side(config, self.threads).min(4)) {
            let mut model = engine.model(config, keys, optimizer);
            let seen = model.train(&self.pass(keys, Some(Recorded::Train)), &mut || ());
            let losses = seen.losses.expect("losses were asked for");
            for losses in losses.chunks(self.rows.len()) {
                total += losses.iter().copied().map(f64::from).sum::<f64>();
                history.set(row, losses.to_vec());
                row += 1;
            }
        }
        Ok(total / (f64::from(row) * self.rows.len() as f64))
    }
}

/// The mean cross-entropy of logits, not by way of f32 probabilities: two ways to the same pass are told apart by its last digits.
fn mean_loss(logits: &[f32], labels: &[u8]) -> f64 {
    let loss = |(z, y): (&f32, &u8)| {
        let (z, y) = (f64::from(*z), f64::from(*y));
        z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
    };
    logits.iter().zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}

fn rows<'a>(ids: &'a [i32], labels: &'a [u8]) -> Rows<'a> {
    Rows::new(SplitData { ids, labels, rows: &[] }, SIZES.len())
}

/// Random ids and labels.
fn table(rows: usize) -> (Vec<i32>, Vec<u8>) {
    let mut u = vec![0.0; rows * (SIZES.len() + 1)];
    Stream::new(1, Purpose::Select, &[rows as u32]).fill_uniform(&mut u);
    let (mut ids, mut labels) = (Vec::with_capacity(rows * SIZES.len()), Vec::with_capacity(rows));
    for u in u.chunks(SIZES.len() + 1) {
        let mut offset = 0;
        for (size, u) in SIZES.iter().zip(u) {
            ids.push((offset + (*u * *size as f32) as u32) as i32);
            offset += size;
        }
        labels.push(u8::from(u[SIZES.len()] < 0.5));
    }
    (ids, labels)
}

fn feature_map() -> FeatureMap {
    let field = |at: usize| Field {
        name: format!("f{at}"),
        column: format!("f{at}"),
        kind: FieldKind::Category,
        cardinality: SIZES[at],
        offset: SIZES[..at].iter().sum(),
        unknown: None,
        padding: None,
    };
    FeatureMap {
        fields: (0..SIZES.len()).map(field).collect(),
        total_cardinality: SIZES.iter().sum(),
        rows: SplitCounts::default(),
        label: LabelRule { column: "click".to_owned(), rule: None },
        vocabulary: Vocabulary::All,
        time: None,
    }
}
