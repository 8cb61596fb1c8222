//! `autodenoise datasets`: upload a table, and what there is.

use super::{
    client::{Client, ServerArgs},
    error::CliError,
    inputs::{InputArgs, UploadedFiles},
    json::{JsonArgs, print_json},
    options::TableArgs,
    profile::describe_table,
    reading, runtime,
    screen::{self, Screen, note},
    send_parts::send_parts,
    spec_file::SpecFile,
    tables, uploads,
    view::JobView,
    watch::ShownArgs,
};
use crate::{
    api::{DatasetView, Page},
    ingest::{self, SNIFF_BYTES},
    report::number,
    types::{DatasetId, DatasetSpec, DatasetStatus},
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

#[derive(Subcommand)]
pub enum DatasetsCommand {
    /// Upload a table and wait until it is read; prints the dataset's id
    Upload(UploadArgs),
    /// Read a table here, without a server, and say what is wrong with it or how each column is read
    Check(CheckArgs),
    /// List datasets, newest first
    List(ListArgs),
    /// Show one dataset
    Show(ShowArgs),
    /// Delete a dataset that no unfinished job uses
    Delete(DeleteArgs),
}

#[derive(Args)]
pub struct UploadArgs {
    /// The table: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip). Several files are one table, in this order. A file, a folder
    /// of parts, a pattern in quotes ('day=*/*.parquet'), an address (s3://, gs://, az://, https://), or - for standard input;
    /// folders named COLUMN=VALUE add the column
    #[arg(value_name = "FILE", required_unless_present = "train", conflicts_with_all = ["train", "valid", "test"])]
    pub files: Vec<PathBuf>,
    /// A name to find it by
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// JSON file with the dataset's spec under `dataset`; flags win over it
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    #[command(flatten)]
    input: UploadedFiles,
    #[command(flatten)]
    pub table: TableArgs,
    #[command(flatten)]
    pub shown: ShownArgs,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    input: InputArgs,
    /// JSON file with the dataset's spec under `dataset`; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for intermediate files, about the size of the table, and as much again for a table from an address or a pipe;
    /// emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

#[derive(Args)]
pub struct ListArgs {
    /// Most datasets to list
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct ShowArgs {
    /// The dataset's id
    id: DatasetId,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub struct DeleteArgs {
    /// The dataset's id
    id: DatasetId,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn upload(args: UploadArgs) -> Result<(), CliError> {
    let spec = SpecFile::read(args.spec.as_ref())?;
    let client = Client::new(&args.server);
    let dataset_spec = args.table.dataset_spec(spec.dataset)?;
    let view = JobView::new(args.shown.verbosity);
    let dataset = upload_table(&client, &args.files, &args.input, args.name.as_deref(), dataset_spec, &view).await?;
    args.shown.json.print(&dataset, || dataset.id.to_string());
    Ok(())
}

/// Reads a table here and prints what it looks like: for people on a terminal, else as JSON.
pub fn check(args: CheckArgs) -> Result<(), CliError> {
    runtime::run_interruptible(async |interrupted| {
        let spec = SpecFile::read(args.spec.as_ref())?;
        let table_spec = args.table.dataset_spec(spec.dataset)?;
        let work = reading::work_folder(&args.work_dir)?;
        let view = JobView::new(args.shown.verbosity);
        let source = args.input.open(&view, work.path()).await?;
        let dataset_dir = work.path().join("dataset");
        let ingested = reading::read_table(&view, &source, &table_spec, &dataset_dir, interrupted).await?;
        view.finish();
        // Programs read the result as JSON; --json is for who wants that on a terminal.
        match args.shown.json.json || !Screen::stdout().is_terminal() {
            true => print_json(&ingested.profile),
            false => println!("{}", describe_table(&ingested.profile)),
        }
        Ok(())
    })
}

/// Uploads a table and waits until it has been read; an invalid one becomes an error that lists what is wrong.
pub async fn upload_table(
    client: &Client,
    files: &[PathBuf],
    input: &UploadedFiles,
    name: Option<&str>,
    spec: DatasetSpec,
    view: &JobView,
) -> Result<DatasetView, CliError> {
    let work = reading::work_folder(&input.work_dir)?;
    let source = input.open(view, files, work.path()).await?;
    let mut dataset = match source.one_file() {
        Some(file) => send_table(client, file, name, spec, view).await?,
        None => send_parts(client, &source, name, &spec, view).await?,
    };
    if dataset.status == DatasetStatus::Processing {
        view.show_waiting("reading the table");
    }
    while dataset.status == DatasetStatus::Processing {
        tokio::time::sleep(Duration::from_millis(250)).await;
        dataset = client.json(client.get(&format!("/v1/datasets/{}", dataset.id))).await?;
    }
    view.finish();
    match dataset.status {
        DatasetStatus::Invalid => Err(CliError::invalid_table(&dataset.errors, dataset.error_total)),
        _ => {
            if let Some(profile) = &dataset.profile {
                view.print_line(&reading::describe_profile(profile));
                reading::describe_remarks(profile).iter().for_each(|line| view.print_remark(line));
            }
            Ok(dataset)
        }
    }
}

/// Uploads a table that is one file.
async fn send_table(
    client: &Client,
    file: &Path,
    name: Option<&str>,
    mut spec: DatasetSpec,
    view: &JobView,
) -> Result<DatasetView, CliError> {
    let io = |error: std::io::Error| CliError::failed_because(format!("cannot read {}: {error}", file.display()));
    let bytes = tokio::fs::metadata(file).await.map_err(io)?.len();
    let mut opened = tokio::fs::File::open(file).await.map_err(io)?;
    let mut first = Vec::new();
    (&mut opened).take(SNIFF_BYTES as u64).read_to_end(&mut first).await.map_err(io)?;
    opened.rewind().await.map_err(io)?;
    // The server does not see the file's name, which may be what tells the format.
    ingest::resolve_format(&mut spec, file.file_name().and_then(|name| name.to_str()), None, &first);
    view.show_waiting(format!("uploading {} ({} bytes)", file.display(), number(bytes)));
    if bytes >= uploads::FROM_BYTES {
        let sent = |sent| view.show_sending(sent, bytes);
        let (upload, sha256) = uploads::send_file(client, file, bytes, &sent).await?;
        let body = json!({"upload_id": upload, "sha256": sha256, "name": name, "spec": spec});
        return uploads::create_dataset(client, &body).await;
    }
    let mut query = vec![("spec", serde_json::to_string(&spec).expect("a spec is plain data"))];
    query.extend(name.map(|name| ("name", name.to_owned())));
    let request = client
        .post("/v1/datasets")
        .query(&query)
        .header("content-type", "application/octet-stream")
        .header("content-length", bytes)
        .body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(opened, 1 << 18)));
    client.json(request).await
}

pub async fn list(args: ListArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let page: Page<DatasetView> = client.json(client.get(&format!("/v1/datasets?limit={}", args.limit))).await?;
    if args.json.json {
        print_json(&page);
        return Ok(());
    }
    let lines = page.data.iter().map(|dataset| {
        let status = serde_json::to_value(dataset.status).expect("a word");
        vec![
            dataset.id.to_string(),
            status.as_str().unwrap_or_default().to_owned(),
            dataset.name.clone().unwrap_or_default(),
            dataset.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            dataset.profile.as_ref().map_or(String::new(), |profile| number(profile.rows.total())),
            number(dataset.bytes),
        ]
    });
    let header = ["dataset", "status", "name", "created (UTC)", "rows", "bytes"];
    println!("{}", tables::table_that_fits(&header, lines, 4, &["bytes", "created (UTC)"]));
    Ok(())
}

pub async fn show(args: ShowArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let dataset: DatasetView = client.json(client.get(&format!("/v1/datasets/{}", args.id))).await?;
    match &dataset.profile {
        Some(profile) if !args.json.json && Screen::stdout().is_terminal() => {
            let name = dataset.name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
            screen::print(&format!("{}{name}, {} bytes", dataset.id, number(dataset.bytes)));
            screen::print(&reading::describe_profile(profile));
            println!("{}", describe_table(profile));
        }
        _ => print_json(&dataset),
    }
    Ok(())
}

pub async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    client.send(client.delete(&format!("/v1/datasets/{}", args.id))).await?;
    note(&format!("deleted {}", args.id));
    Ok(())
}
