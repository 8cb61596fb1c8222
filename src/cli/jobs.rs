//! `submit`, `status`, `pause`, `resume`, `cancel`: jobs from a terminal or a pipeline.

use super::{
    client::{Client, ServerArgs},
    datasets,
    error::CliError,
    evidence::{EvidenceArgs, describe_plan},
    inputs::{UploadedFiles, may_be_files},
    json::{JsonArgs, print_json},
    options::{MethodArgs, TableArgs},
    report::{Telling, describe_report},
    screen::{Screen, Tone, note},
    spec_file::SpecFile,
    tables,
    view::{JobView as ProgressView, human_seconds},
    watch::{ShownArgs, follow_job},
};
use crate::{
    api::{JobSummary, JobView, MetricsView, Page},
    types::{DatasetFacts, DatasetId, DenoisedForm, EpochRow, JobId, JobState, Progress, Report, Verdict, WebhookId},
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct SubmitArgs {
    /// A dataset's id, or a table to upload first: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip). Several files are one
    /// table, in this order. A file, a folder of parts, a pattern in quotes ('day=*/*.parquet'), an address (s3://, gs://, az://,
    /// https://), or - for standard input; folders named COLUMN=VALUE add the column
    #[arg(value_name = "DATASET|FILE", required_unless_present = "train", conflicts_with_all = ["train", "valid", "test"])]
    input: Vec<PathBuf>,
    /// JSON file with `dataset`, a dataset's spec, and any part of a job's: `method`, `compare`, `transfer`, `sweep`, `seed`,
    /// `seeds`, `certify`, `self_check`, `denoised`, `device`, `engine`, `deadline_seconds`, `priority`, `requires`, `labels`,
    /// `webhook_ids`; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Tag to find the job by: NAME=VALUE (repeatable), for example commit=3fe1; the API calls tags `labels`
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// Webhook to notify about the job (repeatable)
    #[arg(long = "webhook", value_name = "ID")]
    webhooks: Vec<WebhookId>,
    /// Stop and fail the job when it has run this long
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// Priority, from -100 to 100; jobs of a higher priority run first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// What becomes of a table of several files: one file, or a zip archive with each of them again, without the rows dropped
    #[arg(long, value_enum, value_name = "FORM")]
    denoised: Option<DenoisedForm>,
    /// Run the job only on workers with this label: NAME=VALUE (repeatable)
    #[arg(long = "require", value_name = "NAME=VALUE")]
    requires: Vec<String>,
    /// Follow the job until it ends, as `watch` does
    #[arg(long)]
    wait: bool,
    /// Say how long the job would take and how small a gain it could detect, and run nothing
    #[arg(long, conflicts_with = "wait")]
    plan: bool,
    /// Ask for a verdict: the denoised table is handed out once that is `certified`
    #[arg(long)]
    certify: bool,
    #[command(flatten)]
    method: MethodArgs,
    #[command(flatten)]
    evidence: EvidenceArgs,
    #[command(flatten)]
    files: UploadedFiles,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct StatusArgs {
    /// The job's id [default: list the newest jobs]
    id: Option<JobId>,
    /// Also show every pass of the job
    #[arg(long, requires = "id")]
    passes: bool,
    /// Also show everything that the verdict rests on
    #[arg(long, short, requires = "id")]
    verbose: bool,
    #[command(flatten)]
    json: JsonArgs,
    /// Most jobs to list
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct ChangeArgs {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn submit(args: SubmitArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let file = SpecFile::read(args.spec.as_ref())?;
    let dataset = match &args.input[..] {
        [only] => only.to_str().and_then(|word| word.parse::<DatasetId>().ok()),
        _ => None,
    };
    // A wrong flag is named before a file is uploaded; the dataset's id is put in once there is one.
    let mut spec = file.job_spec(dataset.unwrap_or_else(DatasetId::new));
    if let Some(meant) = args.method.apply(&mut spec, file.method.is_some())? {
        note(&format!("warning: {meant}"));
    }
    args.evidence.apply(&mut spec, args.certify);
    spec.deadline_seconds = args.deadline.or(spec.deadline_seconds);
    spec.webhook_ids.extend(&args.webhooks);
    spec.priority = args.priority.unwrap_or(spec.priority);
    spec.denoised = args.denoised.unwrap_or(spec.denoised);
    for (flag, words, into) in
        [("--tag", &args.tags, &mut spec.labels), ("--require", &args.requires, &mut spec.requires)]
    {
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| CliError::usage(format!("{flag} {word}: write NAME=VALUE")))?;
            into.insert(name.to_owned(), value.to_owned());
        }
    }
    spec.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    spec.dataset_id = match dataset {
        Some(id) => id,
        None => {
            if let [only] = &args.input[..]
                && !may_be_files(only)
            {
                let detail = format!("`{}` is neither a dataset's id (ds_…) nor a file", only.display());
                return Err(CliError::usage(detail));
            }
            let dataset_spec = args.table.dataset_spec(file.dataset)?;
            let view = ProgressView::new(args.shown.verbosity);
            datasets::upload_table(&client, &args.input, &args.files, None, dataset_spec, &view).await?.id
        }
    };
    if args.plan {
        let plan = client.json(client.post("/v1/jobs/plan").json(&spec)).await?;
        args.shown.json.print(&plan, || Screen::stdout().wrap(&describe_plan(&plan), 2));
        return Ok(());
    }
    let job: JobView = client.json(client.post("/v1/jobs").json(&spec)).await?;
    if args.wait {
        if !args.shown.json.json {
            println!("{}", job.id);
        }
        return follow_job(&client, job.id, args.shown).await;
    }
    args.shown.json.print(&job, || job.id.to_string());
    Ok(())
}

pub async fn status(args: StatusArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let Some(id) = args.id else { return list(&client, &args).await };
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{id}"))).await?;
    let epochs = if args.passes { list_passes(&client, id).await? } else { Vec::new() };
    if args.json.json {
        match args.passes {
            true => print_json(&serde_json::json!({"job": job, "passes": epochs})),
            false => print_json(&job),
        }
        return Ok(());
    }
    let screen = Screen::stdout();
    let tone = match job.status {
        JobState::Succeeded => Tone::Good,
        JobState::Failed => Tone::Bad,
        _ => Tone::Strong,
    };
    println!("{}  {}", job.id, screen.paint(tone, job.status.as_str()));
    for line in describe_job(&job) {
        println!("{}", screen.wrap(&line, 2));
    }
    if !epochs.is_empty() {
        println!("\n{}", tables::epoch_table(&epochs, &job.spec.contenders()));
    }
    if job.status == JobState::Succeeded {
        let report: Report = client.json(client.get(&format!("/v1/jobs/{id}/report"))).await?;
        println!("\n{}", describe_report(&report, Telling::on_stdout(args.verbose)));
    }
    Ok(())
}

/// What a job is, and what it is at.
fn describe_job(job: &JobView) -> Vec<String> {
    let (method, seed) = (&job.spec.method, job.spec.seed);
    let mut lines = vec![describe_table(job), format!("{} with {}, seed {seed}", method.label, method.backbone)];
    if let (Some(phase), Some(progress)) = (job.phase, job.progress)
        && !job.is_terminal
    {
        let left = progress.eta_seconds.map(|s| format!(", about {} left", human_seconds(s))).unwrap_or_default();
        lines.push(format!("{}: {} done{left}", phase.as_waited_for().words(), describe_share(progress)));
    }
    lines.extend(job.describe_parts());
    lines.extend(job.waiting_for.as_ref().map(|what| format!("waiting for {what}")));
    lines.extend(job.test_read.as_ref().map(|read| read.describe()));
    lines.extend(job.error.as_ref().map(ToString::to_string));
    lines
}

/// The table, by its name where it has one, and the tags.
fn describe_table(job: &JobView) -> String {
    let name = job.dataset_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let tags: String = job.spec.labels.iter().map(|(name, value)| format!(", {name}={value}")).collect();
    format!("dataset {}{name}{tags}", job.dataset_id)
}

/// How much of a job is done, in percent.
fn describe_share(progress: Progress) -> String {
    format!("{} %", progress.percent())
}

/// Letters of a cell that has others beside it: so many that the job, its state, its verdict and its table fit 80 columns.
fn most_letters() -> usize {
    if Screen::columns_of_stdout().is_some_and(|columns| columns < 120) { 15 } else { 32 }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Every pass of a job so far.
async fn list_passes(client: &Client, id: JobId) -> Result<Vec<EpochRow>, CliError> {
    let (mut passes, mut next) = (Vec::new(), Some(0));
    while let Some(after) = next {
        let page: MetricsView = client.json(client.get(&format!("/v1/jobs/{id}/metrics?after={after}"))).await?;
        passes.extend(page.data);
        next = page.next;
    }
    Ok(passes)
}

async fn list(client: &Client, args: &StatusArgs) -> Result<(), CliError> {
    let page: Page<JobSummary> = client.json(client.get(&format!("/v1/jobs?limit={}", args.limit))).await?;
    if args.json.json {
        print_json(&page);
        return Ok(());
    }
    let most = most_letters();
    let lines = page.data.iter().map(|job| {
        vec![
            job.id.to_string(),
            job.status.as_str().to_owned(),
            // Without one there is nothing to say: `not_evaluated` is a state of the report.
            job.verdict.filter(|verdict| *verdict != Verdict::NotEvaluated).map_or("", Verdict::as_str).to_owned(),
            shorten(job.dataset_name.as_deref().unwrap_or_default(), most),
            shorten(
                &job.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
                most,
            ),
            job.method.to_string(),
            job.backbone.to_string(),
            job.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            job.attempt.to_string(),
            job.progress.filter(|_| !job.is_terminal).map_or(String::new(), describe_share),
        ]
    });
    let header =
        ["job", "status", "verdict", "table", "tags", "method", "backbone", "created (UTC)", "attempt", "done"];
    let spare = ["attempt", "backbone", "method", "created (UTC)", "done", "tags", "table"];
    println!("{}", tables::table_that_fits(&header, lines, 8, &spare));
    Ok(())
}

/// `pause`, `resume` or `cancel`.
pub async fn change_state(args: ChangeArgs, how: &str) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let job: JobView = client.json(client.post(&format!("/v1/jobs/{}/{how}", args.id))).await?;
    match args.json.json {
        true => print_json(&job),
        false => note(&format!("{} is {}", job.id, job.status.as_str())),
    }
    Ok(())
}
