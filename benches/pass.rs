//! Seconds of one training pass per backbone, and of the method's other inner loops, over uniform random ids with
//! MovieLens-1M's field sizes; one JSON object a line. `cargo bench --bench pass -- [ROWS] [THREADS] [NAME]`.
//!
//! The work is that of a plain PyTorch program with the same models, so that the two can be put side by side.

use autodenoise::backbone::{
    Adam, Backbone, BackboneConfig, Fit, FitOptions, ModelKey, PassOptions, Recorded, Rows, evaluate,
};
use autodenoise::denoise::{History, Policy, PolicyConfig, Search, select};
use autodenoise::ingest::SplitData;
use autodenoise::metrics::of_logits;
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{
    BackboneKind, FeatureMap, Field, FieldKind, LabelRule, Options, Preset, SplitCounts, Vocabulary,
};
use std::time::Instant;
use tch::Device;

const DIMS: [u32; 8] = [3706, 301, 81, 6040, 21, 7, 2, 3402];
const KEY: ModelKey = ModelKey { seed: 1, init: [1, 1], run: [1, 1] };
/// Each is run this often, and the last one counts.
const REPEAT: usize = 2;

fn main() {
    // cargo hands `--bench` over.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, default| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (rows, threads) = (number(0, 800_167), number(1, 0));
    let only = arguments.get(2).map_or("", String::as_str);
    if threads > 0 {
        tch::set_num_threads(threads as i32);
    }
    let (train, none) = (table(rows), table(2));
    let map = feature_map();
    let report = |name: &str, rows: usize, work: &mut dyn FnMut()| {
        if !name.starts_with(only) {
            return;
        }
        let mut seconds = 0.0;
        for _ in 0..REPEAT {
            let started = Instant::now();
            work();
            seconds = started.elapsed().as_secs_f64();
        }
        let rate = (rows as f64 / seconds).round();
        println!("{}", serde_json::json!({"work": name, "rows": rows, "seconds": seconds, "rows_per_s": rate}));
    };
    let fit = |kind| {
        let options = Options::preset(Preset::Paper, kind);
        let config = BackboneConfig::new(kind, &map, &options);
        let fit_options = FitOptions { max_passes: u32::MAX, ..FitOptions::warmup(&options) };
        Fit::new(&config, &[KEY], fit_options, Device::Cpu)
    };
    for kind in BackboneKind::ALL {
        let mut fit = fit(*kind);
        report(&format!("pass/{kind}"), rows, &mut || {
            fit.run_pass(&train, &none, &PassOptions::default(), &mut || true).expect("a pass");
        });
    }
    let options = Options::preset(Preset::Paper, BackboneKind::DeepFm);
    let mut history = History::new(4, rows, options.lmat_deselected, Device::Cpu);
    report("warmup4/deepfm", 4 * rows, &mut || {
        for c in 0..4 {
            let what = PassOptions { record: Some(Recorded::Train), ..PassOptions::default() };
            let pass = fit(BackboneKind::DeepFm).run_pass(&train, &none, &what, &mut || true).expect("a pass");
            history.set(c, &pass.losses.expect("asked for"));
        }
    });
    let mut policy = Policy::new(&PolicyConfig::new(&map, &options), KEY, Device::Cpu);
    report("search/deepfm", rows, &mut || {
        let model = Backbone::new(&BackboneConfig::new(BackboneKind::DeepFm, &map, &options), &[KEY], Device::Cpu);
        let mut optimizer = Adam::new(FitOptions::retrain(&options).optimizer, &model.params);
        let search = Search { options: &options, rows: &train, policy_ids: &train.ids, seed: 1, epoch: 1, key: KEY };
        search.run(&mut policy, &mut history, &model, &mut optimizer, &mut || true).expect("a search epoch");
    });
    report("select/deepfm", rows, &mut || {
        let scores = Vec::<f32>::try_from(policy.keep_prob(&train.ids)).expect("scores");
        select(&options, &scores, 1, 1);
    });
    // Spread like a trained model's logits.
    let mut logits = vec![0.0; rows];
    Stream::new(1, Purpose::Select, &[]).fill_uniform(&mut logits);
    logits.iter_mut().for_each(|u| *u = (*u / (1.0 - *u).max(1e-6)).max(1e-6).ln());
    report("metrics", rows, &mut || {
        of_logits(&train.label_bytes, &logits, options.auc_on, options.logloss_eps).expect("metrics");
    });
    let model = fit(BackboneKind::DeepFm).model;
    let held_out = table(rows.min(100_000));
    report("eval/deepfm", held_out.len(), &mut || {
        evaluate(&model, &held_out, options.auc_on, options.logloss_eps).expect("metrics");
    });
}

/// Random ids and labels.
fn table(rows: usize) -> Rows {
    let stream = Stream::new(1, Purpose::Select, &[rows as u32]);
    let mut u = vec![0.0; rows * (DIMS.len() + 1)];
    stream.fill_uniform(&mut u);
    let (mut ids, mut labels) = (Vec::with_capacity(rows * DIMS.len()), Vec::with_capacity(rows));
    for u in u.chunks(DIMS.len() + 1) {
        let mut offset = 0;
        for (dim, u) in DIMS.iter().zip(u) {
            ids.push((offset + (*u * *dim as f32) as u32) as i32);
            offset += dim;
        }
        // Both labels in any table, however small.
        labels.push(if rows == 2 { labels.len() as u8 } else { u8::from(u[DIMS.len()] < 0.5) });
    }
    let positions: Vec<u32> = (0..rows as u32).collect();
    Rows::new(SplitData { ids: &ids, labels: &labels, rows: &positions }, DIMS.len(), Device::Cpu)
}

fn feature_map() -> FeatureMap {
    let field = |at: usize| Field {
        name: format!("f{at}"),
        column: format!("f{at}"),
        kind: FieldKind::Category,
        cardinality: DIMS[at],
        offset: DIMS[..at].iter().sum(),
        unknown: None,
        padding: None,
    };
    FeatureMap {
        fields: (0..DIMS.len()).map(field).collect(),
        total_cardinality: DIMS.iter().sum(),
        rows: SplitCounts::default(),
        label: LabelRule { column: "click".to_owned(), rule: None },
        vocabulary: Vocabulary::All,
    }
}
