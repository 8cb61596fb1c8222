//! `autodenoise denoise`: one file in, one file out. Reads the table here, runs the same trainer process a worker runs,
//! and needs neither a server nor a database.

use super::{
    error::CliError,
    evidence::{EvidenceArgs, check_verdict},
    held_source::HeldSource,
    options::{MethodArgs, TableArgs},
    output::{IfRefused, Output, place},
    reading,
    report::{describe_label_columns, describe_report},
    runtime,
    spec_file::SpecFile,
    view::JobView,
};
use crate::{
    certificate::{self, SigningKey},
    config::{self, WorkerConfig},
    trainer::{TrainerCommand, Trainers},
    types::{
        Ability, ArtifactDigest, ArtifactFile, DatasetFacts, DatasetId, DatasetSpec, Device, Envelope, JobId,
        MethodName, Report, ResolvedSpec, TrainerEvent, TrainerJob,
    },
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, atomic::AtomicBool},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[derive(Args)]
pub struct DenoiseArgs {
    /// The table: CSV, TSV, Parquet or JSON lines, also gzip or zstd
    file: PathBuf,
    /// Where the denoised table goes: the input without the dropped training rows, in the input's format, compressed as the
    /// name says (.gz, .zst or neither; as the input where it says no format); - is standard output. Where the method relabels or weighs rows, two more columns say
    /// what to train on
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// What is written where the verdict is not `certified`
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = IfRefused::Nothing)]
    if_refused: IfRefused,
    /// Folder for every result: indices, mask, scores, policy, model, report
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// JSON file with `dataset`, a dataset's spec, and any part of a job's: `method`, `compare`, `transfer`, `sweep`, `seed`,
    /// `seeds`, `certify`, `self_check`, `device`, `engine`, `labels`; flags win over it. What only a server does
    /// (`deadline_seconds`, `priority`, `requires`, `webhook_ids`) is written down and not done
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Threads to compute with [default: all cores]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for intermediate files, about the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    method: MethodArgs,
    /// Key that the certificate in --results is signed with; made where the file is missing [default: a fresh key, which
    /// shows that nothing was changed, but not by whom it was made]
    #[arg(long, env = "AUTODENOISE_SIGNING_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Do not train again and again for a verdict
    #[arg(long, conflicts_with_all = ["certify_seeds", "alpha", "min_delta_auc", "max_delta_logloss"])]
    no_certify: bool,
    #[command(flatten)]
    evidence: EvidenceArgs,
    #[command(flatten)]
    table: TableArgs,
}

pub fn denoise(args: DenoiseArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: DenoiseArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let mut job_spec = spec_file.job_spec(DatasetId::new());
    args.method.apply(&mut job_spec)?;
    if args.no_certify {
        job_spec.certify = None;
    }
    // Keeping every row is nothing to prove.
    let certify = !args.no_certify && job_spec.method.name != MethodName::None;
    args.evidence.apply(&mut job_spec, certify);
    let table_spec = args.table.dataset_spec(spec_file.dataset)?;
    // A wrong option is said before the table is read, and so is a trainer that is missing.
    let foreseen = job_spec.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    let trainer = find_trainer(&foreseen)?;

    let source = reading::existing_file(&args.file)?;
    let output = Output::new(&args.out, &source, &table_spec)?;
    make_results(&args)?;
    let held = HeldSource::take(&source)?;
    let work = reading::work_folder(&args.work_dir)?;
    let mut view = JobView::new();
    let dataset_dir = work.path().join("dataset");
    let ingested = reading::read_table(&view, &source, &table_spec, &dataset_dir, interrupted).await?;
    let spec = job_spec
        .resolve(&DatasetFacts::new(Some(&ingested.profile), Some(&ingested.feature_map)))
        .map_err(CliError::invalid_spec)?;
    let out_dir = work.path().join("out");
    std::fs::create_dir(&out_dir).map_err(CliError::failed)?;
    let job = trainer_job(spec, dataset_dir, source, ingested.spec, out_dir.clone(), args.threads);
    let trained = train(&mut view, trainer, &job).await;
    // Where the input changed, that is why the training failed, and of no use where it did not.
    let digest = held.release()?;
    let (report, artifacts) = trained?;

    let refused = check_verdict(&report).err();
    let mut wrote = String::new();
    for artifact in &artifacts {
        let from = out_dir.join(&artifact.file);
        if artifact.name == "denoised" {
            output.convert(&from)?;
            wrote = write_table(&args, &output, &from, &job.source, refused.is_some())?;
        } else if let Some(folder) = &args.results {
            place(&from, &folder.join(&artifact.download_name))?;
        }
    }
    if let Some(folder) = &args.results {
        let envelope = sign(&args, &job, &report, digest, &artifacts)?;
        let written = out_dir.join(certificate::FILE);
        std::fs::write(&written, certificate::file_text(&envelope)).map_err(CliError::failed)?;
        place(&written, &folder.join(certificate::FILE))?;
    }
    if refused.is_none() || args.if_refused == IfRefused::Kept {
        wrote += &describe_label_columns(&report);
    }
    eprintln!("{wrote}");
    match output.is_stdout() {
        true => eprintln!("{}", describe_report(&report)),
        false => println!("{}", describe_report(&report)),
    }
    refused.filter(|_| args.if_refused != IfRefused::All).map_or(Ok(()), Err)
}

/// Writes the denoised table, or what is wanted in its place where the verdict is `refused`; says what was done.
fn write_table(
    args: &DenoiseArgs,
    output: &Output,
    denoised: &Path,
    source: &Path,
    refused: bool,
) -> Result<String, CliError> {
    let name = output.name();
    match (refused, args.if_refused) {
        (false, _) | (true, IfRefused::Kept) => output.write(denoised).map(|()| format!("wrote {name}")),
        (true, IfRefused::Nothing) => {
            Ok(format!("nothing was written to {name}; --if-refused all or kept writes it anyway"))
        }
        (true, IfRefused::All) => {
            let all = denoised.with_extension("all");
            std::fs::copy(source, &all).map_err(|error| cannot_write(&all, &error))?;
            output.convert(&all)?;
            output.write(&all).map(|()| format!("wrote {name} with every row of the input"))
        }
    }
}

/// The certificate of the results.
fn sign(
    args: &DenoiseArgs,
    job: &TrainerJob,
    report: &Report,
    source: ArtifactDigest,
    files: &[ArtifactFile],
) -> Result<Envelope, CliError> {
    let key = match &args.signing_key {
        Some(path) => SigningKey::open(path),
        None => SigningKey::ephemeral(),
    };
    let digest = |name: &str, path: &Path| {
        let digest = std::fs::File::open(path).and_then(|file| certificate::digest(name, file));
        digest.map_err(CliError::failed)
    };
    let artifacts = files.iter().map(|file| digest(&file.name, &job.out_dir.join(&file.file)));
    let artifacts = artifacts.collect::<Result<_, _>>()?;
    let certificate = certificate::describe_job(job.job_id, &job.spec, report, source, artifacts);
    Ok(key.map_err(CliError::failed)?.sign(&certificate))
}

/// Makes the folder of the results, before the work and not after it.
fn make_results(args: &DenoiseArgs) -> Result<(), CliError> {
    let Some(folder) = &args.results else { return Ok(()) };
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    made.map(drop).map_err(|error| cannot_write(folder, &error))
}

pub(super) fn trainer_job(
    spec: ResolvedSpec,
    dataset_dir: PathBuf,
    source: PathBuf,
    source_spec: DatasetSpec,
    out_dir: PathBuf,
    threads: Option<u16>,
) -> TrainerJob {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    TrainerJob {
        job_id: JobId::new(),
        attempt: 1,
        spec,
        dataset_dir,
        source,
        source_spec,
        truth: None,
        out_dir,
        resume_from: None,
        // Nothing would go on from a checkpoint of a one-shot run.
        checkpoint_seconds: f64::MAX,
        threads: threads.map_or_else(cores, usize::from),
    }
}

/// The program that runs the job on this machine. Where the job needs libtorch and there is none, the error says what to
/// install.
pub(super) fn find_trainer(spec: &ResolvedSpec) -> Result<TrainerCommand, CliError> {
    let gpus = (0..WorkerConfig::gpus_present()).map(Device::Cuda).collect();
    let ability = Ability { gpus, ..Ability::default() };
    // To look for the other program takes a second, and most jobs do not need it.
    let trainers = match spec.needs_torch() || !ability.gpus.is_empty() {
        true => Trainers::find(config::torch_trainer().as_deref()),
        false => Trainers::fused_only(),
    };
    let trainers = trainers.map_err(CliError::failed)?;
    let found = trainers.for_job(spec, &ability).cloned();
    found.ok_or_else(|| CliError::invalid_spec(spec.without_torch("beside autodenoise or on PATH")))
}

/// Runs the trainer and shows what it says.
pub(super) async fn train(
    view: &mut JobView,
    mut trainer: TrainerCommand,
    job: &TrainerJob,
) -> Result<(Report, Vec<ArtifactFile>), CliError> {
    // What it fails of is said by its last event.
    trainer.args.splice(0..0, ["--log".into(), "warn,autodenoise::trainer=off".into()]);
    let mut child = trainer
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(CliError::failed)?;
    let mut stdin = child.stdin.take().expect("piped");
    let mut line = serde_json::to_vec(job).expect("a job is plain data");
    line.push(b'\n');
    stdin.write_all(&line).await.map_err(CliError::failed)?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    view.name_methods(&job.spec);
    let mut artifacts = Vec::new();
    let mut report = None;
    while let Some(line) = lines.next_line().await.map_err(CliError::failed)? {
        let event = serde_json::from_str(&line).map_err(CliError::failed)?;
        match event {
            TrainerEvent::Started { device, engine, threads, .. } => {
                view.print_line(&format!("computing on {device} ({engine}), {threads} threads"))
            }
            TrainerEvent::Phase { contender, phase, epoch } => view.show_phase(contender, phase, epoch),
            TrainerEvent::Epoch(row) => view.show_epoch(&row),
            TrainerEvent::Progress(progress) => view.show_progress(progress),
            TrainerEvent::Checkpoint { .. } | TrainerEvent::Paused => {}
            TrainerEvent::Warning(warning) => view.print_line(&format!("warning: {}", warning.message)),
            TrainerEvent::Artifact(artifact) => artifacts.push(artifact),
            TrainerEvent::Finished(finished) => report = Some(*finished),
            TrainerEvent::Failed { message, .. } => {
                view.finish();
                return Err(CliError::job_failed(message));
            }
        }
    }
    view.finish();
    let status = child.wait().await.map_err(CliError::failed)?;
    // An open stdin is the trainer's sign that it is still wanted.
    drop(stdin);
    match report {
        Some(report) => Ok((report, artifacts)),
        None => Err(CliError::job_failed(format!("the trainer ended without a result ({status})"))),
    }
}

pub(super) fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    // The kind alone: the rest may name a temporary file.
    CliError::failed_because(format!("cannot write {}: {}", path.display(), error.kind()))
}
