//! A dataset small enough to run the whole method on in a second, and a way to run it.

use crate::engines;
use autodenoise::evaluate::{DenoisedWriter, Planted, Run, RunError, RunInput, Step};
use autodenoise::ingest::{Dataset, IngestLimits, IngestProgress, RowChanges, RowMark, ingest};
use autodenoise::random::{Purpose, Stream};
use autodenoise::synth::{self, SynthSpec};
use autodenoise::types::{
    BackboneKind, DatasetFacts, DatasetId, DatasetSpec, EpochRow, FeatureMap, Field, FieldKind, JobSpec, LabelColumns,
    LabelRule, Noise, Origin, Preset, Profile, ResolvedSpec, SkippedRows, SplitCounts, TrainerEvent, Vocabulary,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const DIMS: [u32; 3] = [12, 9, 4];

/// Rows of train, valid and test: the last batch of 32 is a single row.
pub const ROWS: SplitCounts = SplitCounts { train: 353, valid: 120, test: 90 };

pub struct World {
    pub dir: TempDir,
    /// The encoded dataset.
    path: PathBuf,
}

impl World {
    pub fn new() -> Self {
        Self::with_labels(|_, label| label)
    }

    /// A learnable table: the label follows the first field's parity and the second's half, with noise. `change` may turn
    /// a row's label, given its place (train, then valid, then test).
    pub fn with_labels(change: impl Fn(u64, u8) -> u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let total = ROWS.total();
        let mut ids = Vec::new();
        let mut labels = Vec::new();
        for row in 0..total {
            let stream = Stream::new(5, Purpose::Select, &[row as u32]);
            let values: Vec<u32> =
                DIMS.iter().zip(0..).map(|(dim, at)| (stream.uniform_at(at) * *dim as f32) as u32).collect();
            let score = f32::from(values[0].is_multiple_of(2)) + f32::from(values[1] < 4);
            let label = u8::from(stream.uniform_at(10) < 0.1 + 0.4 * score);
            let mut offset = 0;
            for (value, dim) in values.iter().zip(DIMS) {
                ids.extend((value + offset).to_le_bytes());
                offset += dim;
            }
            labels.push(change(row, label));
        }
        // File positions: splits interleaved, so that a position is not a place.
        let mut positions: Vec<u32> = (0..total as u32).collect();
        Stream::new(6, Purpose::Shuffle, &[]).shuffle(&mut positions);
        for range in [0..ROWS.train, ROWS.train..ROWS.train + ROWS.valid, ROWS.train + ROWS.valid..total] {
            positions[range.start as usize..range.end as usize].sort_unstable();
        }
        let rows: Vec<u8> = positions.iter().flat_map(|row| row.to_le_bytes()).collect();
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        write("ids.i32", &ids);
        write("labels.u8", &labels);
        write("rows.u32", &rows);
        // The file the rows came from, as far as the copy without dropped rows needs it.
        write("upload", ("a,b,c,click\n".to_owned() + &"0,0,0,0\n".repeat(total as usize)).as_bytes());
        let label = LabelRule::try_from("click".to_owned()).unwrap();
        let offsets = [0, DIMS[0], DIMS[0] + DIMS[1]];
        let field = |at: usize| Field {
            name: format!("f{at}"),
            column: format!("f{at}"),
            kind: FieldKind::Category,
            cardinality: DIMS[at],
            offset: offsets[at],
            unknown: None,
            padding: None,
        };
        let map = FeatureMap {
            fields: (0..3).map(field).collect(),
            total_cardinality: DIMS.iter().sum(),
            rows: ROWS,
            label,
            vocabulary: Vocabulary::All,
            time: None,
        };
        let profile = Profile {
            rows: ROWS,
            positives: SplitCounts::default(),
            duplicate_rows: 0,
            contradicting_rows: 0,
            unknown_cells: BTreeMap::new(),
            columns: vec![],
            fields: vec![],
            skipped: SkippedRows::default(),
            notes: vec![],
            warnings: vec![],
            parts: vec![],
            bytes: 0,
            digest: "test".to_owned(),
        };
        write("feature_map.json", &serde_json::to_vec(&map).unwrap());
        write("vocabulary.jsonl", b"");
        write("profile.json", &serde_json::to_vec(&profile).unwrap());
        let path = dir.path().to_owned();
        Self { dir, path }
    }

    /// A generated table, read as any other.
    pub fn synth(spec: &SynthSpec) -> Self {
        Self::synth_of(spec, &synth::dataset_spec())
    }

    /// The same with these columns as fields, in this order.
    pub fn synth_with(spec: &SynthSpec, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|name| serde_json::from_value(json!(name)).unwrap()).collect();
        Self::synth_of(spec, &DatasetSpec { fields: Some(fields), exclude: Vec::new(), ..synth::dataset_spec() })
    }

    pub fn synth_of(spec: &SynthSpec, read_as: &DatasetSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("clicks.csv");
        synth::write(spec, &table, None).unwrap();
        let path = dir.path().join("dataset");
        let go_on = &mut |_: IngestProgress| ControlFlow::Continue(());
        ingest(&table, read_as, &path, &IngestLimits::default(), go_on).unwrap();
        Self { dir, path }
    }

    pub fn dataset(&self) -> Dataset {
        Dataset::open(&self.path).unwrap()
    }
}

/// A resolved spec with quick options; `changes` win over them.
pub fn spec(preset: Preset, backbone: BackboneKind, seed: u64, changes: Value) -> ResolvedSpec {
    let method = json!({"preset": preset, "backbone": backbone, "options": changes});
    job(json!({"method": method, "seed": seed}))
}

/// A resolved job on the CPU; where it does not say otherwise its own method has quick options, and nothing is tuned but the
/// arms of a proof.
pub fn job(spec: Value) -> ResolvedSpec {
    let mut spec: JobSpec = {
        let mut spec = spec;
        spec["dataset_id"] = json!(DatasetId(uuid::Uuid::nil()));
        spec["device"] = json!("cpu");
        spec.as_object_mut().unwrap().entry("tuning").or_insert(json!("off"));
        serde_json::from_value(spec).unwrap()
    };
    let quick = json!({
        "warmup_epochs": 2, "epochs": 2, "batch_size": 32, "embed_dim": 4, "mlp_dims": [8], "policy_mlp_dims": [8],
        "lr": 0.01, "retrain_max_epoch": 4, "select_ratio": 0.8,
    });
    let (method, _) = spec.method.name.spelled(spec.method.preset);
    for (name, value) in quick.as_object().unwrap() {
        if method.uses(name) {
            spec.method.options.entry(name).or_insert_with(|| value.clone());
        }
    }
    spec.resolve(&DatasetFacts { digest: "test".to_owned(), ..DatasetFacts::default() }).unwrap()
}

/// What a run left behind.
pub struct Outcome {
    pub events: Vec<TrainerEvent>,
    pub out: TempDir,
}

impl Outcome {
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.out.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn report(&self) -> autodenoise::types::Report {
        serde_json::from_slice(&self.file("report.json")).unwrap()
    }

    pub fn epochs(&self) -> impl Iterator<Item = &autodenoise::types::EpochRow> {
        self.events.iter().filter_map(|event| match event {
            TrainerEvent::Epoch(row) => Some(row),
            _ => None,
        })
    }
}

/// A line a row that is kept: its position, then what it is trained on where the run says so.
fn write_kept(
    rows: u32,
    changes: RowChanges,
    out: &Path,
) -> Result<Option<LabelColumns>, Box<dyn std::error::Error + Send + Sync>> {
    let line = |row| match changes.marks.map(|mark| mark(row)) {
        Some(RowMark { target, weight }) => format!("{row},{target},{weight}"),
        None => row.to_string(),
    };
    let lines: Vec<String> = (0..rows).filter(|row| !(changes.dropped)(*row)).map(line).collect();
    std::fs::write(out, lines.join("\n"))?;
    Ok(changes.marks.map(|_| LabelColumns { target: "target".to_owned(), weight: "weight".to_owned() }))
}

/// Calls `body` with a run in the folder.
pub fn with_run<T>(dataset: &Dataset, spec: &ResolvedSpec, out: &Path, body: impl FnOnce(Run) -> T) -> T {
    with_run_of(1, None, dataset, spec, out, body)
}

/// The same for a run that reckons with this many threads, its labels corrupted first where noise is given.
pub fn with_run_of<T>(
    threads: usize,
    planted: Option<&Noise>,
    dataset: &Dataset,
    spec: &ResolvedSpec,
    out: &Path,
    body: impl FnOnce(Run) -> T,
) -> T {
    try_run_of(threads, planted, dataset, spec, out, |run| body(run.unwrap()))
}

/// The same where the run may be refused.
fn try_run_of<T>(
    threads: usize,
    planted: Option<&Noise>,
    dataset: &Dataset,
    spec: &ResolvedSpec,
    out: &Path,
    body: impl FnOnce(Result<Run, RunError>) -> T,
) -> T {
    let write = |changes: RowChanges, out: &Path| write_kept(dataset.feature_map.rows.total() as u32, changes, out);
    let denoised =
        DenoisedWriter { file_name: "denoised.csv".to_owned(), media_type: "text/csv".to_owned(), write: &write };
    let plant = |noise: Noise| Planted::new(dataset, &noise, spec.seed).unwrap();
    let check = spec.self_check.map(|check| plant(Noise::Flips { rate: check.planted_rate }));
    let planted = planted.cloned().map(plant);
    let engines = engines::open(spec.engine, spec.device);
    let origin = Origin::default();
    let run = Run::new(RunInput {
        spec,
        origin: &origin,
        dataset,
        engines: &engines,
        threads,
        planted: planted.as_ref(),
        check: check.as_ref(),
        earlier_reads: 0,
        out_dir: out,
        read_column: &|column, _| unreachable!("no rule of these tests reads {column}"),
        denoised: &denoised,
    });
    body(run)
}

/// Runs the spec to its end.
pub fn run(world: &World, spec: &ResolvedSpec) -> Result<Outcome, RunError> {
    run_with_noise(world, spec, None)
}

/// The same, on labels corrupted first where noise is given.
pub fn run_with_noise(world: &World, spec: &ResolvedSpec, noise: Option<&Noise>) -> Result<Outcome, RunError> {
    let (dataset, out) = (world.dataset(), tempfile::tempdir().unwrap());
    let mut events = Vec::new();
    try_run_of(1, noise, &dataset, spec, out.path(), |run| {
        let mut run = run?;
        while run.step(&mut |event| events.push(event))? == Step::More {}
        Ok::<_, RunError>(())
    })?;
    Ok(Outcome { events, out })
}

/// The rows of metrics without what differs from run to run.
pub fn untimed(events: &[TrainerEvent]) -> Vec<EpochRow> {
    let row = |event: &TrainerEvent| match event {
        TrainerEvent::Epoch(row) => Some(EpochRow { seconds: 0.0, ..row.clone() }),
        _ => None,
    };
    events.iter().filter_map(row).collect()
}

/// The same in an order that does not depend on what was trained beside what, each once.
pub fn sorted(events: &[TrainerEvent]) -> Vec<EpochRow> {
    let mut rows = untimed(events);
    rows.sort_by_key(|row| (row.contender, row.phase, row.epoch, row.arm, row.seed, row.pass));
    rows.dedup();
    rows
}

/// Everything of a report but what differs from run to run.
fn timeless(mut report: Value) -> Value {
    match &mut report {
        Value::Object(fields) => {
            let of_machine = ["peak_memory_bytes", "threads"];
            fields.retain(|name, _| !name.ends_with("seconds") && !of_machine.contains(&&name[..]));
            fields.values_mut().for_each(|value| *value = timeless(value.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = timeless(value.take())),
        _ => {}
    }
    report
}

/// The report in a folder, without what differs from run to run.
pub fn read_report(folder: &Path) -> Value {
    timeless(serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap())
}

/// Runs to the end, but after every step saves, forgets everything, and goes on from the file. Returns the number of steps
/// after which it was interrupted.
pub fn interrupted_at_every_step(world: &World, spec: &ResolvedSpec) -> (Vec<TrainerEvent>, tempfile::TempDir, usize) {
    let (dataset, out) = (world.dataset(), tempfile::tempdir().unwrap());
    let (mut events, mut saved, mut interruptions) = (Vec::new(), None::<String>, 0);
    loop {
        let ended = with_run(&dataset, spec, out.path(), |mut run| {
            if let Some(saved) = &saved {
                run.resume(&out.path().join(saved)).unwrap();
            }
            if run.step(&mut |event| events.push(event)).unwrap() == Step::Done {
                return true;
            }
            saved = Some(run.save_checkpoint().unwrap());
            false
        });
        if ended {
            return (events, out, interruptions);
        }
        interruptions += 1;
    }
}

/// Runs `steps` steps, saves, forgets everything, and goes on from the file to the end.
pub fn interrupted(world: &World, spec: &ResolvedSpec, steps: usize) -> (Vec<TrainerEvent>, tempfile::TempDir, bool) {
    let (dataset, out) = (world.dataset(), tempfile::tempdir().unwrap());
    let mut events = Vec::new();
    let saved = with_run(&dataset, spec, out.path(), |mut run| {
        for _ in 0..steps {
            if run.step(&mut |event| events.push(event)).unwrap() == Step::Done {
                return None;
            }
        }
        Some(run.save_checkpoint().unwrap())
    });
    let Some(saved) = saved else { return (events, out, true) };
    with_run(&dataset, spec, out.path(), |mut run| {
        run.resume(&out.path().join(saved)).unwrap();
        while run.step(&mut |event| events.push(event)).unwrap() == Step::More {}
    });
    (events, out, false)
}
