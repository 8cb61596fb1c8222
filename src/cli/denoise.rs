//! `autodenoise denoise`: one table in, one table out. Reads the table here, runs the same trainer process a worker runs,
//! and needs neither a server nor a database.

use super::{
    Command,
    error::CliError,
    evidence::{EvidenceArgs, check_verdict, describe_plan},
    foresee::{PlanArgs, plan_job},
    held_source::HeldSource,
    inputs::InputArgs,
    judge::{JudgeArgs, ProofAsked, judge_report},
    options::{MethodArgs, TableArgs},
    output::{IfRefused, Output, place},
    reading,
    report::{Telling, ToldReport, describe_label_columns, describe_report},
    run_folder::{Resumable, RunFolder, read_record},
    run_record::{Ended, RunRecord, describe_asked},
    runtime,
    screen::Screen,
    spec_file::SpecFile,
    take_up,
    view::JobView,
    watch::ShownArgs,
};
use crate::{
    certificate::{self, SigningKey, SourceDigest},
    config::{self, WorkerConfig},
    evaluate::{OutsideProof, is_drawn, read_rows_to_show},
    ingest::{Dataset, RowChanges, column_reader, folder_of, write_denoised_as},
    judge::{JudgedTable, REPORT},
    remote,
    report::{Heading, PAGE, report_page},
    trainer::{TrainerCommand, Trainers},
    types::{
        Ability, ArtifactFile, Certificate, Certify, DatasetFacts, DatasetId, DatasetSpec, Device, Envelope, EpochRow,
        JobId, MethodName, Origin, OutputForm, Report, ResolvedSpec, Split, TableSource, TrainerEvent, TrainerJob,
        TrainerWork,
    },
};
use clap::Args;
use std::{
    fs::File,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, atomic::AtomicBool},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// The result that goes to --out.
const DENOISED: &str = "denoised";

#[derive(Args)]
pub struct DenoiseArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Where the denoised table goes: the input without the dropped rows, in the input's format, compressed as the
    /// name says (.gz, .zst, .bz2, .xz, .zip or none; as the input where it says no format); - is standard output, and an address
    /// (s3://, gs://, az://, https://) is written to. Of several files a folder (FOLDER/) gets each under its own name, a file gets
    /// the rows of all, or with --train the training rows alone. Where the method relabels or weighs rows, two more columns say
    /// what to train on
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["plan", "resume"])]
    out: Option<PathBuf>,
    /// Say how long the job would take and how small a gain it could detect, and run nothing
    #[arg(long)]
    plan: bool,
    /// What to write if the verdict is not `certified`
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = IfRefused::Nothing)]
    if_refused: IfRefused,
    /// Folder for every result: indices, mask, scores, policy, model, report
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Page with the result: the verdict, what to do, charts, what was found, the rows that were dropped or changed. One
    /// HTML file that needs no network; --results has it too, as report.html
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// JSON file with `dataset`, a dataset's spec, and any part of a job's: `method`, `compare`, `transfer`, `sweep`, `seed`,
    /// `seeds`, `certify`, `self_check`, `device`, `engine`, `labels`; flags win over it. What only a server
    /// uses (`deadline_seconds`, `priority`, `requires`, `webhook_ids`) is recorded and otherwise ignored
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Threads to compute with [default: all cores]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for intermediate files, about the size of the table, and as much again for a table from an address or a pipe. It
    /// is emptied at the end; if the run ends early, it is kept, and the program says how to go on
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    /// Folder to keep the run in, instead of one in --work-dir. The same command may then be given again and again: a run
    /// that was interrupted goes on from its last checkpoint to the same bytes, and a finished one says so. Without a table
    /// it goes on with the command that began there
    #[arg(long, value_name = "FOLDER", conflicts_with = "plan")]
    resume: Option<PathBuf>,
    /// Least time between two checkpoints, from which an interrupted run goes on
    #[arg(long, env = "AUTODENOISE_CHECKPOINT_SECONDS", default_value_t = 10.0, value_name = "SECONDS", value_parser = config::seconds)]
    checkpoint_seconds: f64,
    #[command(flatten)]
    method: MethodArgs,
    /// Key to sign the certificate in --results with; made if the file is missing [default: a fresh key, which shows that
    /// nothing was changed, but not who made it]
    #[arg(long, env = "AUTODENOISE_SIGNING_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Skip the verdict and the trainings that it takes
    #[arg(long, conflicts_with_all = ["certify_seeds", "alpha", "min_delta_auc", "max_delta_logloss", "reselect"])]
    no_certify: bool,
    /// Number of verdicts already given on this table's test rows. Those who ask often enough would be certified by luck,
    /// so each verdict is stricter than the one before. A server counts them by itself; this command cannot, and assumes none
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "no_certify")]
    earlier_reads: u32,
    #[command(flatten)]
    evidence: EvidenceArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

pub fn denoise(mut args: DenoiseArgs) -> Result<(), CliError> {
    if let Some(folder) = args.resume.as_ref().filter(|_| !args.input.names_table()) {
        let Command::Denoise(recalled) = take_up::recall(folder)? else { unreachable!("the run is of this command") };
        args = recalled;
    }
    if args.resume.is_some() && args.out.is_none() {
        return Err(CliError::usage("--out is needed: where the denoised table goes"));
    }
    let resumable = Resumable::default();
    let ended = runtime::run_interruptible(|interrupted| run(args, interrupted, resumable.clone()));
    ended.map_err(|error| match resumable.get().filter(|folder| is_unfinished(folder)) {
        Some(folder) => error.with_advice(take_up::describe_how(folder)),
        None => error,
    })
}

async fn run(args: DenoiseArgs, interrupted: Arc<AtomicBool>, resumable: Resumable) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let mut job_spec = spec_file.job_spec(DatasetId::new());
    let meant = args.method.apply(&mut job_spec, spec_file.method.is_some())?;
    if args.no_certify {
        job_spec.certify = None;
    }
    // Keeping every row is nothing to prove.
    let certify = !args.no_certify && job_spec.method.name != MethodName::None;
    args.evidence.apply(&mut job_spec, certify);
    let judge = args.judge.program()?;
    if judge.is_some() && job_spec.certify.is_none() {
        return Err(CliError::usage("--judge has nothing to judge: the method `none` keeps every row"));
    }
    let table_spec = args.table.dataset_spec(spec_file.dataset)?;
    // A wrong option is said before the table is read, and so is a trainer that is missing.
    let foreseen = job_spec.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    let trainer = find_trainer(&foreseen)?;

    let mut view = JobView::new(args.shown.verbosity);
    if let Some(meant) = meant {
        view.warn(&meant);
    }
    if args.plan {
        let work = reading::work_folder(&args.work_dir)?;
        let source = args.input.open(&view, work.path()).await?;
        let how = PlanArgs { work_dir: work.path(), threads: args.threads, earlier_reads: args.earlier_reads };
        let plan = plan_job(&view, &source, &table_spec, &job_spec, how, interrupted).await?;
        args.shown.json.print(&plan, || Screen::stdout().wrap(&describe_plan(&plan), 2));
        return Ok(());
    }
    let mut folder = RunFolder::open(args.resume.as_deref(), &args.work_dir)?;
    let begun = folder.record()?;
    let source = match &begun {
        // What came by a pipe or an address was copied then, and need not come again.
        Some(record) if folder.holds(&record.job.source) => record.job.source.clone(),
        _ => args.input.open(&view, folder.path()).await?,
    };
    let out = args.out.as_ref().expect("needed where there is no --plan");
    let output = Output::new(out, &source, &table_spec)?;
    if output.is_stdout() && args.shown.json.json {
        return Err(CliError::usage("--json prints the report where --out - prints the table; name a file"));
    }
    make_results(&args)?;
    let mut held = HeldSource::take(&source)?;
    let asked = describe_asked(&table_spec, &job_spec, judge.is_some(), args.earlier_reads);
    let record = match begun {
        Some(mut record) => {
            record.check(&asked, &held.check()?)?;
            if let Some(ended) = record.ended {
                return tell_finished(&view, folder.path(), &ended);
            }
            let _ = resumable.set(folder.path().to_owned());
            record.job = TrainerJob {
                source,
                dataset_dir: folder.dataset(),
                out_dir: folder.out(),
                resume_from: folder.checkpoint()?,
                ..record.job
            };
            record
        }
        None => {
            let ingested = reading::read_table(&view, &source, &table_spec, &folder.dataset(), interrupted).await?;
            let mut spec = job_spec
                .resolve(&DatasetFacts::new(Some(&ingested.profile), Some(&ingested.feature_map)))
                .map_err(CliError::invalid_spec)?;
            // The proof is then the judge's: the trainer only chooses rows.
            let judged = judge.as_ref().and_then(|_| spec.certify.take());
            let mut job = trainer_job(spec, folder.dataset(), source, ingested.spec, folder.out(), None);
            job.earlier_reads = args.earlier_reads;
            if let Some(asked) = &judged {
                check_proof(&job, asked)?;
            }
            std::fs::create_dir(folder.out()).map_err(CliError::failed)?;
            let record = RunRecord::new(asked, held.check()?, job, judged).map_err(CliError::failed)?;
            folder.begin(&record, &resumable)?;
            record
        }
    };
    let job = TrainerJob {
        output_form: output.form(),
        checkpoint_seconds: args.checkpoint_seconds,
        threads: args.threads.map_or_else(all_cores, usize::from),
        ..record.job.clone()
    };
    let out_dir = folder.out();
    let trained = train(&mut view, trainer, &job, Some(&folder)).await;
    // Where the input changed, that is why the training failed, and of no use where it did not.
    let digest = match held.check() {
        Ok(digest) => digest,
        Err(changed) => return folder.discard().and(Err(changed)),
    };
    let Trained { mut report, artifacts, epochs } = match trained {
        Err(failed) if failed.is_final() => return folder.discard().and(Err(failed)),
        trained => trained?,
    };
    if let Some((judge, asked)) = judge.zip(record.judged.clone()) {
        let asked = ProofAsked { certify: asked, earlier_reads: args.earlier_reads };
        // A choice may have taken hours: it is kept, whatever becomes of the judge.
        place_results(&args, &job, &report, &digest, &artifacts)?;
        let dataset = Dataset::open(&job.dataset_dir).map_err(CliError::failed)?;
        let table = JudgedTable { source: &job.source, spec: &job.source_spec, dataset: &dataset };
        judge_report(&view, &judge, table, &out_dir, asked, &args.work_dir, &mut report).await?;
        held.check()?;
        let text = serde_json::to_vec_pretty(&report).expect("a report is plain data");
        std::fs::write(out_dir.join(REPORT), text).map_err(CliError::failed)?;
        let shown = read_rows_to_show(&out_dir, &report).map_err(CliError::failed)?;
        let page = report_page(&report, Heading::new(&job.origin, &dataset.profile), &shown, &epochs);
        std::fs::write(out_dir.join(PAGE), page).map_err(CliError::failed)?;
    }

    place_results(&args, &job, &report, &digest, &artifacts)?;
    let refused = check_verdict(&report).err();
    let mut wrote = String::new();
    for artifact in artifacts.iter().filter(|artifact| artifact.name == DENOISED) {
        let from = out_dir.join(&artifact.file);
        output.convert(&from)?;
        wrote = write_table(&args, &output, &from, &job, refused.is_some()).await?;
    }
    if refused.is_none() || args.if_refused == IfRefused::Kept {
        wrote += &describe_label_columns(&report);
    }
    if let Some(page) = args.report.clone().or_else(|| Some(args.results.as_ref()?.join(PAGE))) {
        wrote += &format!("\nwrote the report to {}", page.display());
    }
    // On a terminal what came out stands together, at the end.
    let files = match !output.is_stdout() && !args.shown.json.json && Screen::stdout().is_terminal() {
        true => name_files(&args, &output, refused.is_some()),
        false => String::new(),
    };
    match refused.is_some() && args.if_refused == IfRefused::Nothing {
        // An earlier night's table may lie there, and would be taken for this one's.
        true => view.warn(&wrote),
        false if files.is_empty() => view.print_line(&wrote),
        false => {}
    }
    let exit_code = refused.as_ref().filter(|_| args.if_refused != IfRefused::All).map_or(0, CliError::code);
    match output.is_stdout() {
        // What went to standard output is nowhere now, so the same command must do it again.
        true => folder.discard()?,
        false => folder
            .finish(record, Ended { exit_code, said: format!("{wrote}\nverdict: {}", report.verdict.as_str()) })?,
    }
    let verbose = args.shown.verbosity.verbose;
    match output.is_stdout() {
        true => eprintln!("{}", describe_report(&report, Telling { screen: Screen::stderr(), verbose, files: "" })),
        false => {
            let how = Telling { files: &files, ..Telling::on_stdout(verbose) };
            args.shown.json.print(&ToldReport::new(&report), || describe_report(&report, how));
        }
    }
    refused.filter(|_| args.if_refused != IfRefused::All).map_or(Ok(()), Err)
}

/// Where the results are, in a line.
fn name_files(args: &DenoiseArgs, output: &Output, refused: bool) -> String {
    let table = match (refused, args.if_refused) {
        (true, IfRefused::Nothing) => None,
        (true, IfRefused::All) => Some(format!("{} (every row of the input)", output.name())),
        _ => Some(output.name().to_string()),
    };
    let report = args.report.as_ref().map(|page| format!("{} (the report)", page.display()));
    let results = args.results.as_ref().map(|folder| format!("{}/ (all results)", folder.display()));
    let files: Vec<String> = [table, report, results].into_iter().flatten().collect();
    if files.is_empty() { String::new() } else { format!("Files: {}", files.join(", ")) }
}

/// Whether a run in the folder can be gone on with.
fn is_unfinished(folder: &Path) -> bool {
    matches!(read_record(folder), Ok(Some(RunRecord { ended: None, .. })))
}

/// Says that the run in a folder is finished, and ends as it did.
fn tell_finished(view: &JobView, folder: &Path, ended: &Ended) -> Result<(), CliError> {
    let again = format!("this run is finished; to run it again, remove {} or name another folder", folder.display());
    view.print_line(&format!("{again}\n{}", ended.said));
    if ended.exit_code == 0 { Ok(()) } else { Err(CliError::finished_before(ended.exit_code)) }
}

/// Writes the denoised table, or what is wanted in its place where the verdict is `refused`; says what was done.
async fn write_table(
    args: &DenoiseArgs,
    output: &Output,
    denoised: &Path,
    job: &TrainerJob,
    refused: bool,
) -> Result<String, CliError> {
    let name = output.name();
    match (refused, args.if_refused) {
        (false, _) | (true, IfRefused::Kept) => {
            output.write(denoised, &job.source).await.map(|()| format!("wrote {name}"))
        }
        (true, IfRefused::Nothing) => {
            Ok(format!("nothing was written to {name}; --if-refused all or kept writes it anyway"))
        }
        (true, IfRefused::All) => {
            let all = denoised.with_extension("all");
            write_all(job, &all)?;
            output.convert(&all)?;
            output.write(&all, &job.source).await.map(|()| format!("wrote {name} with every row of the input"))
        }
    }
}

/// Writes every row of the input, in the form of the output. Of several files bad rows are left out: lines of one file may not be lines of
/// the whole table.
fn write_all(job: &TrainerJob, all: &Path) -> Result<(), CliError> {
    if let Some(file) = job.source.one_file() {
        let copy = || io::copy(&mut remote::open(file)?, &mut File::create(all)?);
        return copy().map(drop).map_err(|error| cannot_write(all, &error));
    }
    let dataset = Dataset::open(&job.dataset_dir).map_err(CliError::failed)?;
    let mut is_bad = vec![true; dataset.profile.rows_of_file() as usize];
    for split in Split::ALL {
        dataset.split(split).rows.iter().for_each(|row| is_bad[*row as usize] = false);
    }
    let changes = RowChanges { dropped: &|row| is_bad[row as usize], marks: None };
    let written = write_denoised_as(job.output_form, &job.source, &job.source_spec, changes, all);
    written.map(drop).map_err(CliError::failed)
}

/// What a judge is to show must be possible, before the rows are chosen.
fn check_proof(job: &TrainerJob, asked: &Certify) -> Result<(), CliError> {
    let dataset = Dataset::open(&job.dataset_dir).map_err(CliError::failed)?;
    let read_column = column_reader(&job.source, &job.source_spec);
    OutsideProof::new(&dataset, &job.spec, asked, &*read_column).map(|_| ()).map_err(CliError::job_failed)
}

/// Puts all results but the denoised table, and their certificate, into the folder of --results, if there is one; and the page
/// where --report says.
fn place_results(
    args: &DenoiseArgs,
    job: &TrainerJob,
    report: &Report,
    source: &SourceDigest,
    artifacts: &[ArtifactFile],
) -> Result<(), CliError> {
    if let Some(page) = &args.report {
        place(&job.out_dir.join(PAGE), page)?;
    }
    let Some(folder) = &args.results else { return Ok(()) };
    for artifact in artifacts.iter().filter(|artifact| artifact.name != DENOISED) {
        place(&job.out_dir.join(&artifact.file), &folder.join(&artifact.download_name))?;
    }
    let envelope = sign(args.signing_key.as_deref(), &describe_results(job, report, source, artifacts)?)?;
    let written = job.out_dir.join(certificate::FILE);
    std::fs::write(&written, certificate::file_text(&envelope)).map_err(CliError::failed)?;
    place(&written, &folder.join(certificate::FILE))
}

/// What is certified of the results.
fn describe_results(
    job: &TrainerJob,
    report: &Report,
    source: &SourceDigest,
    files: &[ArtifactFile],
) -> Result<Certificate, CliError> {
    let digest = |name: &str, path: &Path| {
        let digest = std::fs::File::open(path).and_then(|file| certificate::digest(name, file));
        digest.map_err(CliError::failed)
    };
    let mut artifacts = Vec::new();
    for file in files {
        let path = job.out_dir.join(&file.file);
        if file.name == DENOISED && job.output_form == OutputForm::Folder {
            for part in &job.source.parts {
                artifacts.push(digest(&format!("{DENOISED}/{}", part.name), &path.join(&part.name))?);
            }
        } else {
            artifacts.push(digest(&file.name, &path)?);
        }
    }
    Ok(certificate::describe_job(job.job_id, &report.spec, report, source.clone(), artifacts))
}

/// A certificate with the signature of the key in a file, else of a fresh one.
pub(super) fn sign(key: Option<&Path>, certificate: &Certificate) -> Result<Envelope, CliError> {
    let key = key.map_or_else(SigningKey::ephemeral, SigningKey::open);
    Ok(key.map_err(CliError::failed)?.sign(certificate))
}

/// Makes the folder of the results, and sees that the page has a place, before the work and not after it.
fn make_results(args: &DenoiseArgs) -> Result<(), CliError> {
    if let Some(page) = &args.report {
        tempfile::tempfile_in(folder_of(page)).map_err(|error| cannot_write(page, &error))?;
    }
    let Some(folder) = &args.results else { return Ok(()) };
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    made.map(drop).map_err(|error| cannot_write(folder, &error))
}

pub(super) fn trainer_job(
    spec: ResolvedSpec,
    dataset_dir: PathBuf,
    source: impl Into<TableSource>,
    source_spec: DatasetSpec,
    out_dir: PathBuf,
    threads: Option<u16>,
) -> TrainerJob {
    let source = source.into();
    TrainerJob {
        job_id: JobId::new(),
        attempt: 1,
        spec,
        origin: Origin::of_files(&source),
        dataset_dir,
        source,
        source_spec,
        output_form: OutputForm::File,
        truth: None,
        earlier_reads: 0,
        out_dir,
        resume_from: None,
        checkpoint_seconds: f64::MAX,
        threads: threads.map_or_else(all_cores, usize::from),
        memory_cap: None,
        spread: false,
    }
}

/// Threads to compute with where nobody says how many.
pub(super) fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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

/// What a trainer left.
pub(super) struct Trained {
    pub report: Report,
    pub artifacts: Vec<ArtifactFile>,
    /// The passes that a report draws.
    pub epochs: Vec<EpochRow>,
}

/// Runs the trainer and shows what it says. Where the run has a folder, it can be gone on with, and with it the passes that a
/// report draws.
pub(super) async fn train(
    view: &mut JobView,
    mut trainer: TrainerCommand,
    job: &TrainerJob,
    folder: Option<&RunFolder>,
) -> Result<Trained, CliError> {
    // What it fails of is said by its last event.
    trainer.args.splice(0..0, ["--log".into(), "warn,autodenoise::trainer=off".into()]);
    let mut command = trainer.command();
    if job.source.is_remote() {
        // It reads the table for the user whose command this is, who is known to stores by what the environment says.
        command.envs(std::env::vars_os());
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(CliError::failed)?;
    let mut stdin = child.stdin.take().expect("piped");
    let work = TrainerWork::Job(Box::new(job.clone()));
    let mut line = serde_json::to_vec(&work).expect("a job is plain data");
    line.push(b'\n');
    stdin.write_all(&line).await.map_err(CliError::failed)?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    view.name_methods(&job.spec);
    let (mut artifacts, mut epochs) = (Vec::new(), Vec::new());
    let mut report = None;
    while let Some(line) = lines.next_line().await.map_err(CliError::failed)? {
        let event = serde_json::from_str(&line).map_err(CliError::failed)?;
        match event {
            TrainerEvent::Started { device, engine, threads, resumed } => {
                if resumed {
                    view.print_line("going on from the last checkpoint");
                }
                let plural = if threads == 1 { "" } else { "s" };
                view.print_detail(&format!("computing on {device} ({engine}), {threads} thread{plural}"));
            }
            TrainerEvent::Phase { contender, phase, epoch } => view.show_phase(contender, phase, epoch),
            TrainerEvent::Epoch(row) => {
                view.show_epoch(&row);
                if is_drawn(&row, &job.spec) {
                    folder.map_or(Ok(()), |folder| folder.keep_epoch(&row))?;
                    epochs.push(row);
                }
            }
            TrainerEvent::Progress(progress) => view.show_progress(progress),
            TrainerEvent::Checkpoint { .. } | TrainerEvent::Paused => {}
            // Parts are handed round by workers alone.
            TrainerEvent::Parts { .. } | TrainerEvent::NextPart { .. } | TrainerEvent::PartDone { .. } => {}
            TrainerEvent::Warning(warning) => view.warn(&warning.message),
            TrainerEvent::Artifact(artifact) => artifacts.push(artifact),
            TrainerEvent::Finished(finished) => report = Some(*finished),
            TrainerEvent::Failed { message, retryable, .. } => {
                view.finish();
                return Err(if retryable { CliError::job_died(message) } else { CliError::job_failed(message) });
            }
        }
    }
    view.finish();
    let status = child.wait().await.map_err(CliError::failed)?;
    // An open stdin is the trainer's sign that it is still wanted.
    drop(stdin);
    let Some(report) = report else {
        // A terminal interrupts all processes of a command at once.
        return Err(match status.signal() {
            Some(libc::SIGINT) => CliError::interrupted(),
            _ => CliError::job_died(format!("the trainer ended without a result ({status})")),
        });
    };
    let epochs = folder.map_or(Ok(epochs), RunFolder::epochs)?;
    Ok(Trained { report, artifacts, epochs })
}

pub(super) fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    // The kind alone: the rest may name a temporary file.
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        kind => kind.to_string(),
    };
    CliError::failed_because(format!("cannot write {}: {why}", path.display()))
}
