//! `autodenoise webhooks`: addresses that are told what became of jobs.

use super::{
    client::{Client, ServerArgs},
    error::CliError,
    json::{JsonArgs, print_json},
    screen::note,
    tables,
};
use crate::{
    api::{CreatedWebhook, DeliveryView, Page, QueuedMessage, SecretSpec, WebhookSpec, WebhookView},
    types::{MessageId, WebhookEvent, WebhookId, WebhookSecret},
};
use clap::{Args, Subcommand};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a test may take: longer than a receiver has to answer.
const TEST: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub enum WebhooksCommand {
    /// Make a webhook; prints its id and, this once, its secret
    Add(AddArgs),
    /// List webhooks, newest first
    List(ListArgs),
    /// Delete a webhook, with the messages that wait for it
    Remove(OneArgs),
    /// Send a test message and say whether it arrived
    Test(OneArgs),
    /// Give a webhook a new secret and print it, this once; the old one stays valid for another day
    Rotate(RotateArgs),
    /// Enable a webhook again that was disabled because its receiver answered 410 Gone
    Enable(OneArgs),
    /// Send a message about a job once more
    Resend(ResendArgs),
    /// List attempts to deliver to a webhook, newest first
    Deliveries(DeliveriesArgs),
}

#[derive(Args)]
pub struct AddArgs {
    /// An https address on the public internet
    url: String,
    /// What to notify it about, separated by commas: job.succeeded, job.failed, job.cancelled, verdict.issued [default: a job's end]
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Option<Vec<WebhookEvent>>,
    /// File with the secret to sign with: `whsec_` and base64 [default: a new one]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct ListArgs {
    /// Most webhooks to list
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct OneArgs {
    /// The webhook's id
    id: WebhookId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct RotateArgs {
    /// The webhook's id
    id: WebhookId,
    /// File with the secret to sign with: `whsec_` and base64 [default: a new one]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct ResendArgs {
    /// The webhook's id
    id: WebhookId,
    /// The message's id, as `deliveries` shows it
    message: MessageId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct DeliveriesArgs {
    /// The webhook's id
    id: WebhookId,
    #[command(flatten)]
    list: ListArgs,
}

pub async fn run(command: WebhooksCommand) -> Result<(), CliError> {
    match command {
        WebhooksCommand::Add(args) => add(args).await,
        WebhooksCommand::List(args) => list(args).await,
        WebhooksCommand::Remove(args) => {
            let client = Client::new(&args.server);
            client.send(client.delete(&format!("/v1/webhooks/{}", args.id))).await?;
            note(&format!("removed {}", args.id));
            Ok(())
        }
        WebhooksCommand::Test(args) => test(args).await,
        WebhooksCommand::Rotate(args) => rotate(args).await,
        WebhooksCommand::Enable(args) => {
            let client = Client::new(&args.server);
            client.send(client.post(&format!("/v1/webhooks/{}/enable", args.id))).await?;
            note(&format!("enabled {}", args.id));
            Ok(())
        }
        WebhooksCommand::Resend(args) => {
            let client = Client::new(&args.server);
            let path = format!("/v1/webhooks/{}/deliveries/{}/resend", args.id, args.message);
            client.send(client.post(&path)).await?;
            note(&format!("{} is sent again", args.message));
            Ok(())
        }
        WebhooksCommand::Deliveries(args) => deliveries(args).await,
    }
}

async fn add(args: AddArgs) -> Result<(), CliError> {
    let secret = args.secret_file.as_deref().map(read_secret).transpose()?;
    let spec = WebhookSpec { url: args.url, events: args.events, secret };
    let client = Client::new(&args.server);
    let created: CreatedWebhook = client.json(client.post("/v1/webhooks").json(&spec)).await?;
    println!("{}\n{}", created.webhook.id, created.secret);
    note("the second line is the secret its messages are signed with; it is not shown again");
    Ok(())
}

async fn rotate(args: RotateArgs) -> Result<(), CliError> {
    let spec = SecretSpec { secret: args.secret_file.as_deref().map(read_secret).transpose()? };
    let client = Client::new(&args.server);
    let path = format!("/v1/webhooks/{}/rotate", args.id);
    let rotated: CreatedWebhook = client.json(client.post(&path).json(&spec)).await?;
    println!("{}", rotated.secret);
    note("for a day messages are also signed with the old secret; the new one is not shown again");
    Ok(())
}

fn read_secret(file: &Path) -> Result<WebhookSecret, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::failed_because(format!("cannot read {}: {error}", file.display())))?;
    let wrong = |error| CliError::usage(format!("--secret-file {}: {error}", file.display()));
    text.trim().parse::<WebhookSecret>().map_err(wrong)
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let page: Page<WebhookView> = client.json(client.get(&format!("/v1/webhooks?limit={}", args.limit))).await?;
    if args.json.json {
        print_json(&page);
        return Ok(());
    }
    let lines = page.data.iter().map(|webhook| {
        vec![
            webhook.id.to_string(),
            if webhook.disabled_at.is_some() { "disabled" } else { "enabled" }.to_owned(),
            webhook.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            webhook.events.join(","),
            webhook.url.clone(),
        ]
    });
    println!(
        "{}",
        tables::table_that_fits(
            &["webhook", "status", "created (UTC)", "events", "address"],
            lines,
            5,
            &["created (UTC)", "events"],
        )
    );
    Ok(())
}

async fn test(args: OneArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let path = format!("/v1/webhooks/{}", args.id);
    let queued: QueuedMessage = client.json(client.post(&format!("{path}/test"))).await?;
    let until = Instant::now() + TEST;
    while Instant::now() < until {
        let page: Page<DeliveryView> = client.json(client.get(&format!("{path}/deliveries?limit=100"))).await?;
        if let Some(delivery) = page.data.into_iter().find(|delivery| delivery.message_id == queued.message_id) {
            return match delivery.error {
                None => {
                    note(&format!("delivered in {} ms", delivery.duration_ms));
                    Ok(())
                }
                Some(error) => Err(CliError::failed_because(format!("not delivered: {error}"))),
            };
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(CliError::failed_because(format!("{} was not sent within {} seconds", queued.message_id, TEST.as_secs())))
}

async fn deliveries(args: DeliveriesArgs) -> Result<(), CliError> {
    let client = Client::new(&args.list.server);
    let path = format!("/v1/webhooks/{}/deliveries?limit={}", args.id, args.list.limit);
    let page: Page<DeliveryView> = client.json(client.get(&path)).await?;
    if args.list.json.json {
        print_json(&page);
        return Ok(());
    }
    let lines = page.data.iter().map(|delivery| {
        vec![
            delivery.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            delivery.message_id.to_string(),
            delivery.kind.clone(),
            delivery.job_id.map(|id| id.to_string()).unwrap_or_default(),
            delivery.outcome.clone(),
            delivery.error.clone().unwrap_or_default(),
            delivery.attempt.to_string(),
            delivery.duration_ms.to_string(),
        ]
    });
    let header = ["at (UTC)", "message", "event", "job", "outcome", "error", "attempt", "ms"];
    println!("{}", tables::table_that_fits(&header, lines, 6, &["message", "ms", "attempt", "at (UTC)"]));
    Ok(())
}
