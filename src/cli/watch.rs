//! `autodenoise watch`: a job's events, as they come, to its end.

use super::{
    client::{Client, ServerArgs},
    error::CliError,
    evidence::check_verdict,
    json::JsonArgs,
    report::{Telling, describe_report},
    verbosity::Verbosity,
    view,
};
use crate::{
    api::{EventPage, EventView, JobView},
    types::{EventType, JobId, JobState, Phase, Report},
};
use clap::Args;
use serde::de::DeserializeOwned;
use std::time::Duration;

#[derive(Args)]
pub struct WatchArgs {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is shown of a job that is followed.
#[derive(Debug, Clone, Copy, Args)]
pub struct ShownArgs {
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(flatten)]
    pub json: JsonArgs,
}

pub async fn watch(args: WatchArgs) -> Result<(), CliError> {
    follow_job(&Client::new(&args.server), args.id, args.shown).await
}

/// Shows the events of a job from its first until its last. A server that goes away is waited for: the events are
/// read again from the last one seen.
pub async fn follow_job(client: &Client, id: JobId, shown: ShownArgs) -> Result<(), CliError> {
    let mut view = view::JobView::new(shown.verbosity);
    let mut after = 0;
    // Until it has answered once, a server that cannot be reached is taken for a wrong address, not for a restart.
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{id}"))).await?;
    view.name_methods(&job.spec);
    loop {
        let page: EventPage = get_patiently(client, &format!("/v1/jobs/{id}/events?after={after}&wait=2")).await?;
        for event in page.data {
            after = event.seq;
            if let Some(end) = show_event(client, id, &mut view, shown, event).await? {
                return end;
            }
        }
        let job: JobView = get_patiently(client, &format!("/v1/jobs/{id}")).await?;
        if let Some(progress) = job.progress.filter(|_| job.status == JobState::Running) {
            view.show_progress(progress);
        }
    }
}

/// Gets; while the server is away, tries again for a minute.
async fn get_patiently<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, CliError> {
    for _ in 0..60 {
        match client.json(client.get(path)).await {
            Err(error) if error.is_unreachable() => tokio::time::sleep(Duration::from_secs(1)).await,
            other => return other,
        }
    }
    client.json(client.get(path)).await
}

/// Shows one event; the outcome where it was the last.
async fn show_event(
    client: &Client,
    id: JobId,
    view: &mut view::JobView,
    shown: ShownArgs,
    event: EventView,
) -> Result<Option<Result<(), CliError>>, CliError> {
    let text = |key: &str| event.data.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let Some(kind) = EventType::parse(&event.kind) else { return Ok(None) };
    match kind {
        EventType::JobQueued => view.show_waiting("waiting for a worker"),
        EventType::JobStarted => view.show_waiting("started"),
        EventType::JobRequeued => view.print_line(&format!("requeued: {}", text("reason"))),
        EventType::JobPausing => view.print_line("pausing"),
        EventType::JobPaused => view.show_waiting(format!("paused; `autodenoise resume {id}` lets it go on")),
        EventType::JobResumed => view.show_waiting("resumed"),
        EventType::JobCancelling => view.print_line("cancelling"),
        EventType::PhaseStarted => {
            let number = |key: &str, otherwise| event.data[key].as_u64().unwrap_or(otherwise) as u32;
            if let Ok(phase) = serde_json::from_value::<Phase>(event.data["phase"].clone()) {
                view.show_phase(number("contender", 0), phase, number("epoch", 1));
            }
        }
        EventType::EpochCompleted => {
            if let Ok(row) = serde_json::from_value(event.data) {
                view.show_epoch(&row);
            }
        }
        EventType::Log if text("level") == "warning" => view.warn(&text("message")),
        EventType::Log => view.print_line(&format!("{}: {}", text("level"), text("message"))),
        EventType::CheckpointSaved
        | EventType::SeedCompleted
        | EventType::SelfcheckCompleted
        | EventType::VerdictIssued => {}
        EventType::JobSucceeded => {
            view.finish();
            let report: Report = get_patiently(client, &format!("/v1/jobs/{id}/report")).await?;
            let files = format!("Files: autodenoise download {id} (the report is report.html)");
            let how = Telling { files: &files, ..Telling::on_stdout(shown.verbosity.verbose) };
            shown.json.print(&report, || describe_report(&report, how));
            return Ok(Some(check_verdict(&report)));
        }
        EventType::JobFailed => {
            view.finish();
            return Ok(Some(Err(CliError::job_failed(text("message")))));
        }
        EventType::JobCancelled => {
            view.finish();
            return Ok(Some(Err(CliError::job_cancelled())));
        }
    }
    Ok(None)
}
