//! The trainer process: one resolved job, or a part of one, in on stdin, events out on stdout one JSON line each, logs on
//! stderr.
//!
//! It is disposable: it has no database, keeps all it knows in checkpoints, dies with its parent, and may be killed at any
//! moment. libtorch's thread pool and CUDA context live and end with it.

mod board;
pub(crate) mod lifeline;
mod output;
mod programs;

pub(crate) use programs::environment as pass_environment;
pub use programs::{Probe, TrainerCommand, Trainers};

use crate::backbone::{BackboneConfig, EngineError, OpenEngines};
use crate::evaluate::{
    CheckpointError, DenoisedWriter, ExportError, PartInput, Planted, Run, RunError, RunInput, Step, describe_engines,
    run_part,
};
use crate::ingest::{self, Dataset, DatasetError, RowChanges};
use crate::plant;
use crate::selection::SelectError;
use crate::telemetry::{self, LogConfig};
use crate::types::{
    Compression, DatasetSpec, ErrorKind, FileFormat, Noise, OutputForm, ResolvedSpec, SelfCheck, TrainerEvent,
    TrainerJob, TrainerPart, TrainerWork,
};
use board::WorkersBoard;
use lifeline::Orders;
use output::Output;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Exit statuses, for the parent's logs; the events say more.
const EXIT_FAILED: u8 = 1;
const EXIT_BAD_JOB: u8 = 2;
const EXIT_PANIC: u8 = 3;
pub(crate) const EXIT_PARENT_GONE: u8 = 4;
const EXIT_RETRY: u8 = 75;

/// Memory that a job may take beyond its plan, which is rough where the job is small.
const LEAST_SPARE: u64 = 2 << 30;
/// Stacks and arenas, of this program's threads and libtorch's.
const SPARE_OF_THREAD: u64 = 32 << 20;

#[derive(Debug, thiserror::Error)]
enum TrainerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("cannot make the folder `{folder}`: {source}")]
    Folder { folder: String, source: io::Error },
    #[error("noise cannot be planted: {0}")]
    Noise(String),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl TrainerError {
    /// Only where the machine, not the job, was at fault could another attempt end otherwise.
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Dataset(DatasetError::Io { .. }) => ErrorKind::Dataset,
            Self::Folder { .. } => ErrorKind::Storage,
            Self::Engine(EngineError::Threads { .. }) => ErrorKind::TrainerDied,
            // Another program may have taken what is missing.
            Self::Engine(EngineError::NoRoom { needed, memory, .. }) if *needed <= memory.total => {
                ErrorKind::OutOfMemory
            }
            Self::Engine(_) | Self::Dataset(DatasetError::Damaged { .. }) | Self::Noise(_) => ErrorKind::Invalid,
            Self::Run(error) => match error {
                RunError::Export(ExportError::Dataset(DatasetError::Io { .. })) => ErrorKind::Dataset,
                RunError::Export(ExportError::Write { .. } | ExportError::Denoised(_)) => ErrorKind::Storage,
                RunError::Checkpoint(CheckpointError::Remove { .. }) => ErrorKind::Storage,
                RunError::Select(SelectError::Weights(error))
                | RunError::Export(ExportError::Weights(error))
                | RunError::Checkpoint(CheckpointError::Weights(error))
                    if is_io(error) =>
                {
                    ErrorKind::Storage
                }
                _ => ErrorKind::Invalid,
            },
        }
    }
}

fn is_io(error: &crate::backbone::WeightsError) -> bool {
    matches!(error, crate::backbone::WeightsError::Io { .. })
}

/// The process's whole life. `open` gives it the engines that its program has.
pub fn main(log: &LogConfig, open: OpenEngines) -> ExitCode {
    lifeline::die_with_parent();
    lifeline::give_way();
    lifeline::offer_to_die();
    let output = Output::new();
    let work: TrainerWork = match lifeline::read_job() {
        Ok(work) => work,
        Err(error) => {
            let message = format!("the trainer's job: {error}");
            output.emit(&failed(message, ErrorKind::Protocol));
            return EXIT_BAD_JOB.into();
        }
    };
    let orders = lifeline::watch_parent();
    let _telemetry = match telemetry::init(log) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            output.emit(&failed(error.to_string(), ErrorKind::Invalid));
            return EXIT_BAD_JOB.into();
        }
    };
    // On the log, with the job's id, instead of bare on stderr.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let span = match &work {
        TrainerWork::Job(job) => tracing::info_span!("trainer", job_id = %job.job_id, attempt = job.attempt),
        TrainerWork::Part(part) => tracing::info_span!("trainer", job_id = %part.job_id, part = part.number),
    };
    let _entered = span.enter();
    let outcome = catch_unwind(AssertUnwindSafe(|| match &work {
        TrainerWork::Job(job) => run(job, open, &output, &orders),
        TrainerWork::Part(part) => do_part(part, open, &output),
    }));
    let (message, kind, code) = match outcome {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let kind = error.kind();
            (with_causes(&error), kind, if kind.is_transient() { EXIT_RETRY } else { EXIT_FAILED })
        }
        Err(panic) => {
            let text = panic_text(&*panic);
            (format!("the trainer panicked: {text}"), kind_of_panic(text), EXIT_PANIC)
        }
    };
    tracing::error!(kind = kind.as_str(), "training failed: {message}");
    output.emit(&failed(message, kind));
    code.into()
}

fn failed(message: String, kind: ErrorKind) -> TrainerEvent {
    TrainerEvent::Failed { message, retryable: kind.is_transient(), kind: Some(kind) }
}

/// Does one part of a job that another trainer runs.
fn do_part(part: &TrainerPart, open: OpenEngines, output: &Output) -> Result<(), TrainerError> {
    let threads = part.threads.max(1);
    let engines = open(part.spec.engine, part.spec.device, threads)?;
    let dataset = Dataset::open(&part.dataset_dir)?;
    lifeline::bound_memory(part.memory_cap.unwrap_or_else(|| memory_limit(&part.spec, threads, &dataset)));
    let input = PartInput {
        spec: &part.spec,
        dataset: &dataset,
        engines: &engines,
        threads,
        order: &part.order,
        rows: part.rows.as_deref(),
    };
    let file = "part.safetensors";
    run_part(&input, &part.out_dir.join(file)).map_err(RunError::from)?;
    output.emit(&TrainerEvent::PartDone { number: part.number, file: file.to_owned() });
    Ok(())
}

/// Ends with the job, or after a checkpoint where a pause is wanted.
fn run(job: &TrainerJob, open: OpenEngines, output: &Output, orders: &Orders) -> Result<(), TrainerError> {
    let threads = job.threads.max(1);
    let engines = open(job.spec.engine, job.spec.device, threads)?;
    std::fs::create_dir_all(&job.out_dir)
        .map_err(|source| TrainerError::Folder { folder: job.out_dir.display().to_string(), source })?;
    let dataset = Dataset::open(&job.dataset_dir)?;
    if engines.device_name().starts_with("cuda") {
        // Its driver reserves address space as it likes, so there is no limit; but what does not fit fails in the middle.
        let map = &dataset.feature_map;
        let (ids, fields) = (map.total_cardinality.into(), map.fields.len() as u64);
        let needed = job.spec.device_bytes(map.rows, ids, fields, engines.bytes_for_rows());
        engines.check_room(needed)?;
        let method = &job.spec.method;
        let config = BackboneConfig::new(method.backbone, map, &method.options);
        if let (Ok(engine), Ok(config)) = (engines.for_model(method.backbone), config) {
            let most = engine.most_together(&config, map.rows.train as usize);
            tracing::info!("as many as {most} models of {} have room to share a pass", method.backbone);
        }
    } else {
        lifeline::bound_memory(job.memory_cap.unwrap_or_else(|| memory_limit(&job.spec, threads, &dataset)));
    }
    let write = |changes: RowChanges, out: &Path| {
        let exported = ingest::write_denoised_as(job.output_form, &job.source, &job.source_spec, changes, out)?;
        Ok(exported.label_columns)
    };
    let read_column = ingest::column_reader(&job.source, &job.source_spec);
    let (mut file_name, mut media_type) = denoised_name(&job.source_spec);
    match job.output_form {
        OutputForm::File | OutputForm::TrainFile => {}
        OutputForm::Folder => file_name = "denoised".to_owned(),
        OutputForm::Archive => (file_name, media_type) = ("denoised.zip".to_owned(), "application/zip".to_owned()),
    }
    let denoised = DenoisedWriter { file_name, media_type, write: &write };
    let seed = job.spec.seed;
    let open = |truth: &PathBuf| {
        let corrupted = plant::read_truth(truth).map_err(|error| TrainerError::Noise(error.to_string()))?;
        Planted::known(&dataset, &corrupted).map_err(TrainerError::Noise)
    };
    let planted = job.truth.as_ref().map(open).transpose()?;
    let flip = |check: SelfCheck| {
        Planted::new(&dataset, &Noise::Flips { rate: check.planted_rate }, seed).map_err(TrainerError::Noise)
    };
    let check = job.spec.self_check.map(flip).transpose()?;
    let mut run = Run::new(RunInput {
        spec: &job.spec,
        origin: &job.origin,
        dataset: &dataset,
        engines: &engines,
        threads,
        planted: planted.as_ref(),
        check: check.as_ref(),
        earlier_reads: job.earlier_reads,
        out_dir: &job.out_dir,
        read_column: &*read_column,
        denoised: &denoised,
    })?;
    if job.spread {
        run.share_parts(WorkersBoard { output, orders });
    }
    if let Some(checkpoint) = &job.resume_from {
        match run.resume(checkpoint) {
            // Of another version of the program: its work is lost, the job is not.
            Err(error @ CheckpointError::Format { .. }) => tracing::warn!("{error}"),
            resumed => {
                resumed.map_err(RunError::from)?;
                let (phase, epoch) = run.position();
                tracing::info!(epoch, "resumed in the {} phase from {}", phase.as_str(), checkpoint.display());
            }
        }
    }
    output.emit(&TrainerEvent::Started {
        device: engines.device_name(),
        engine: describe_engines(&engines, &job.spec),
        threads: job.threads,
        resumed: job.resume_from.is_some(),
    });
    let every = Duration::try_from_secs_f64(job.checkpoint_seconds).unwrap_or(Duration::MAX);
    let mut last = Instant::now();
    while run.step(&mut |event| output.emit(&event))? == Step::More {
        let paused = orders.is_pause_wanted();
        if paused || last.elapsed() >= every {
            let file = run.save_checkpoint().map_err(RunError::from)?;
            let (phase, epoch) = run.position();
            output.emit(&TrainerEvent::Checkpoint { file, phase, epoch });
            last = Instant::now();
        }
        if paused {
            output.emit(&TrainerEvent::Paused);
            break;
        }
    }
    Ok(())
}

/// Bytes of memory that a job may take where the operator says nothing: far more than it is planned to.
fn memory_limit(spec: &ResolvedSpec, threads: usize, dataset: &Dataset) -> u64 {
    let map = &dataset.feature_map;
    let planned = spec.memory_bytes(map.rows, map.total_cardinality.into(), map.fields.len() as u64, threads);
    let spare = LEAST_SPARE + SPARE_OF_THREAD * threads as u64;
    (4 * planned).max(planned + spare)
}

/// The denoised table's file name and media type: the source's format.
fn denoised_name(spec: &DatasetSpec) -> (String, String) {
    let of_format = match spec.format {
        Some(FileFormat::Parquet) => "application/vnd.apache.parquet",
        Some(FileFormat::Jsonl) => "application/jsonl",
        Some(FileFormat::Csv) | None if spec.has_tabs() => "text/tab-separated-values",
        Some(FileFormat::Csv) | None => "text/csv",
    };
    let media_type = spec.compression.and_then(Compression::media_type).unwrap_or(of_format);
    (format!("denoised.{}", spec.extension()), media_type.to_owned())
}

/// An error and what caused it, in one line; causes that the text names already are left out.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

/// Memory that libtorch could not get, here or on the GPU, comes as a panic.
fn kind_of_panic(text: &str) -> ErrorKind {
    let signs = ["out of memory", "not enough memory", "can't allocate memory"];
    let text = text.to_ascii_lowercase();
    if signs.iter().any(|sign| text.contains(sign)) { ErrorKind::OutOfMemory } else { ErrorKind::TrainerDied }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
