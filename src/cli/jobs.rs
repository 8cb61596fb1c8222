//! `submit`, `status`, `watch`, `download`, `pause`, `resume`, `cancel`: the life of a job from a terminal or a pipeline.

use super::{
    client::{Client, ServerArgs},
    datasets,
    error::CliError,
    evidence::{self, EvidenceArgs, outcome},
    options::{MethodArgs, SpecFile, TableArgs},
    tables, view,
};
use crate::{
    api::{ArtifactList, EventPage, EventView, JobView, MetricsView, Page},
    types::{DatasetFacts, DatasetId, EventType, JobId, JobState, Phase, Report, Verdict, WebhookId},
};
use clap::Args;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::{io::IsTerminal, path::PathBuf, time::Duration};
use tokio::io::AsyncWriteExt;

#[derive(Args)]
pub struct SubmitArgs {
    /// A dataset's id, or a file to upload first
    #[arg(value_name = "DATASET|FILE")]
    input: String,
    /// JSON file with any of `dataset`, `method`, `compare`, `transfer`, `sweep`, `seed`, `seeds`, `certify`,
    /// `self_check`, `device`, `engine`;
    /// flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Your own words to find the job by: NAME=VALUE (repeatable), for example commit=3fe1
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// Webhook to tell what becomes of the job (repeatable)
    #[arg(long = "webhook", value_name = "ID")]
    webhooks: Vec<WebhookId>,
    /// Stop and fail the job when it has run this long
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// Jobs of a higher priority are run first: -100 to 100
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Have the job run only by workers with this label: NAME=VALUE (repeatable)
    #[arg(long = "require", value_name = "NAME=VALUE")]
    requires: Vec<String>,
    /// Follow the job until it ends, as `watch` does
    #[arg(long)]
    wait: bool,
    /// Say what the job would take and could show, and run nothing
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
    table: TableArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct StatusArgs {
    /// The job's id [default: list the newest jobs]
    id: Option<JobId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Most jobs to list
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct WatchArgs {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct DownloadArgs {
    /// The job's id
    id: JobId,
    /// What to download, separated by commas [default: everything]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    artifacts: Option<Vec<String>>,
    /// Folder to write to
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Download the denoised table also where it was not certified
    #[arg(long)]
    allow_uncertified: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct ChangeArgs {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn submit(args: SubmitArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let file = SpecFile::read(args.spec.as_ref())?;
    let dataset = args.input.parse::<DatasetId>().ok();
    // What is wrong with the flags is said before a file is uploaded; the id is put in once there is one.
    let mut spec = file.job_spec(dataset.unwrap_or_else(DatasetId::new));
    args.method.apply(&mut spec)?;
    args.evidence.apply(&mut spec, args.certify);
    spec.deadline_seconds = args.deadline;
    spec.webhook_ids.extend(&args.webhooks);
    spec.priority = args.priority.unwrap_or(spec.priority);
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
        None if PathBuf::from(&args.input).exists() => {
            let for_upload = SpecFile { dataset: file.dataset.clone(), ..SpecFile::default() };
            datasets::upload(&client, args.input.as_ref(), None, &args.table, for_upload).await?.id
        }
        None => {
            return Err(CliError::usage(format!("`{}` is neither a dataset's id (ds_…) nor a file", args.input)));
        }
    };
    if args.plan {
        let plan = client.json(client.post("/v1/jobs/plan").json(&spec)).await?;
        println!("{}", evidence::describe_plan(&plan));
        return Ok(());
    }
    let job: JobView = client.json(client.post("/v1/jobs").json(&spec)).await?;
    println!("{}", job.id);
    if args.wait { follow(&client, job.id).await } else { Ok(()) }
}

pub async fn watch(args: WatchArgs) -> Result<(), CliError> {
    follow(&Client::new(&args.server), args.id).await
}

/// Shows the events of a job from its first until its last. A server that goes away is waited for: the events are
/// read again from the last one seen.
async fn follow(client: &Client, id: JobId) -> Result<(), CliError> {
    let mut view = view::JobView::new();
    let mut after = 0;
    // Before the first answer a server that cannot be reached is a wrong address, not a restart.
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{id}"))).await?;
    view.methods(&job.spec);
    loop {
        let page: EventPage = patiently(client, &format!("/v1/jobs/{id}/events?after={after}&wait=2")).await?;
        for event in page.data {
            after = event.seq;
            if let Some(end) = show(client, id, &mut view, event).await? {
                return end;
            }
        }
        let job: JobView = patiently(client, &format!("/v1/jobs/{id}")).await?;
        if let Some(progress) = job.progress.filter(|_| job.status == JobState::Running) {
            view.progress(progress);
        }
    }
}

/// Gets, and tries for a minute where the server is away.
async fn patiently<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, CliError> {
    for _ in 0..60 {
        match client.json(client.get(path)).await {
            Err(error) if error.is_unreachable() => tokio::time::sleep(Duration::from_secs(1)).await,
            other => return other,
        }
    }
    client.json(client.get(path)).await
}

/// Shows one event; the outcome where it was the last.
async fn show(
    client: &Client,
    id: JobId,
    view: &mut view::JobView,
    event: EventView,
) -> Result<Option<Result<(), CliError>>, CliError> {
    let text = |key: &str| event.data.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let Some(kind) = EventType::parse(&event.kind) else { return Ok(None) };
    match kind {
        EventType::JobQueued => view.waiting("waiting for a worker"),
        EventType::JobStarted => view.waiting("started"),
        EventType::JobRequeued => view.line(&format!("requeued: {}", text("reason"))),
        EventType::JobPausing => view.line("pausing"),
        EventType::JobPaused => view.waiting(format!("paused; `autodenoise resume {id}` lets it go on")),
        EventType::JobResumed => view.waiting("resumed"),
        EventType::JobCancelling => view.line("cancelling"),
        EventType::PhaseStarted => {
            let number = |key: &str, otherwise| event.data[key].as_u64().unwrap_or(otherwise) as u32;
            if let Ok(phase) = serde_json::from_value::<Phase>(event.data["phase"].clone()) {
                view.phase(number("contender", 0), phase, number("epoch", 1));
            }
        }
        EventType::EpochCompleted => {
            if let Ok(row) = serde_json::from_value(event.data) {
                view.epoch(&row);
            }
        }
        EventType::Log => view.line(&format!("{}: {}", text("level"), text("message"))),
        EventType::CheckpointSaved
        | EventType::SeedCompleted
        | EventType::SelfcheckCompleted
        | EventType::VerdictIssued => {}
        EventType::JobSucceeded => {
            view.done();
            let report: Report = patiently(client, &format!("/v1/jobs/{id}/report")).await?;
            println!("{}", tables::report(&report));
            return Ok(Some(outcome(&report)));
        }
        EventType::JobFailed => {
            view.done();
            return Ok(Some(Err(CliError::job_failed(text("message")))));
        }
        EventType::JobCancelled => {
            view.done();
            return Ok(Some(Err(CliError::job_cancelled())));
        }
    }
    Ok(None)
}

pub async fn status(args: StatusArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let Some(id) = args.id else { return list(&client, &args).await };
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{id}"))).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&job).expect("plain data"));
        return Ok(());
    }
    let method = &job.spec.method;
    println!("{}  {}", job.id, job.status.as_str());
    println!(
        "dataset {}, {} ({}) with {}, seed {}",
        job.dataset_id,
        method.name(),
        method.preset,
        method.backbone,
        job.spec.seed
    );
    if let (Some(phase), Some(progress)) = (job.phase, job.progress)
        && !job.is_terminal
    {
        let left = progress.eta_seconds.map(|s| format!(", about {} left", view::human_seconds(s))).unwrap_or_default();
        println!("{} {}, pass {} of {}{left}", phase.as_str(), job.epoch.unwrap_or(1), progress.done, progress.total);
    }
    if let Some(what) = &job.waiting_for {
        println!("waiting for {what}");
    }
    if let Some(error) = &job.error {
        println!("{error}");
    }
    let mut epochs = Vec::new();
    let mut next = Some(0);
    while let Some(after) = next {
        let page: MetricsView = client.json(client.get(&format!("/v1/jobs/{id}/metrics?after={after}"))).await?;
        epochs.extend(page.data);
        next = page.next;
    }
    if !epochs.is_empty() {
        println!("\n{}", tables::epochs(&epochs, &job.spec.contenders()));
    }
    if job.status == JobState::Succeeded {
        let report: Report = client.json(client.get(&format!("/v1/jobs/{id}/report"))).await?;
        println!("\n{}", tables::report(&report));
    }
    Ok(())
}

async fn list(client: &Client, args: &StatusArgs) -> Result<(), CliError> {
    let page: Page<JobView> = client.json(client.get(&format!("/v1/jobs?limit={}", args.limit))).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&page).expect("plain data"));
        return Ok(());
    }
    let lines = page.data.iter().map(|job| {
        vec![
            job.id.to_string(),
            job.status.as_str().to_owned(),
            job.spec.method.name().to_string(),
            job.spec.method.backbone.to_string(),
            job.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            job.attempt.to_string(),
            job.progress.map_or(String::new(), |p| format!("{}/{}", p.done, p.total)),
        ]
    });
    println!(
        "{}",
        tables::table(&["job", "status", "method", "backbone", "created (UTC)", "attempt", "passes"], lines, 5)
    );
    Ok(())
}

/// `pause`, `resume` or `cancel`.
pub async fn change(args: ChangeArgs, how: &str) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let job: JobView = client.json(client.post(&format!("/v1/jobs/{}/{how}", args.id))).await?;
    eprintln!("{} is {}", job.id, job.status.as_str());
    Ok(())
}

pub async fn download(args: DownloadArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let list: ArtifactList = client.json(client.get(&format!("/v1/jobs/{}/artifacts", args.id))).await?;
    if let Some(wanted) = &args.artifacts {
        let known: Vec<_> = list.data.iter().map(|artifact| artifact.name.as_str()).collect();
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(CliError::usage(format!("there is no artifact `{unknown}`; there are {}", known.join(", "))));
        }
    }
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{}", args.id))).await?;
    let verdict = job.verdict.filter(|verdict| job.spec.certify.is_some() && *verdict != Verdict::Certified);
    let withheld = |name: &str| name == "denoised" && verdict.is_some() && !args.allow_uncertified;
    let io =
        |error: std::io::Error| CliError::failed_because(format!("cannot write to {}: {error}", args.out.display()));
    tokio::fs::create_dir_all(&args.out).await.map_err(io)?;
    let chosen = list.data.iter().filter(|a| args.artifacts.as_ref().is_none_or(|wanted| wanted.contains(&a.name)));
    for artifact in chosen {
        if withheld(&artifact.name) {
            let verdict = verdict.unwrap_or(Verdict::Inconclusive);
            if args.artifacts.is_some() {
                return Err(CliError::not_certified(verdict));
            }
            eprintln!(
                "left out: {}, for the verdict is {verdict}; --allow-uncertified downloads it",
                artifact.download_name
            );
            continue;
        }
        // A server must not choose the folder it is written to.
        if artifact.download_name.is_empty()
            || artifact.download_name.contains(['/', '\\'])
            || artifact.download_name.starts_with('.')
        {
            return Err(CliError::failed_because(format!(
                "the server named a file {:?}, which is not a plain name",
                artifact.download_name
            )));
        }
        let path = args.out.join(&artifact.download_name);
        let allow = if artifact.name == "denoised" && args.allow_uncertified { "?allow=uncertified" } else { "" };
        let partial = args.out.join(format!(".{}.part", artifact.download_name));
        let mut response =
            client.send(client.get(&format!("/v1/jobs/{}/artifacts/{}{allow}", args.id, artifact.name))).await?;
        let mut file = tokio::fs::File::create(&partial).await.map_err(io)?;
        let mut hash = Sha256::new();
        while let Some(chunk) = response.chunk().await.map_err(CliError::failed)? {
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(io)?;
        }
        file.sync_all().await.map_err(io)?;
        let got = hex::encode(hash.finalize());
        if got != artifact.sha256 {
            return Err(CliError::failed_because(format!(
                "{} was damaged on the way: sha256 {got}, expected {}",
                artifact.name, artifact.sha256
            )));
        }
        tokio::fs::rename(&partial, &path).await.map_err(io)?;
        if std::io::stderr().is_terminal() || args.artifacts.is_none() {
            eprintln!("{} ({} bytes)", path.display(), artifact.bytes);
        }
    }
    Ok(())
}
