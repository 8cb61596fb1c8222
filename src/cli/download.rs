//! `autodenoise download`: a finished job's results, checked against their digests.

use super::{
    client::{Client, ServerArgs},
    error::CliError,
    json::{JsonArgs, print_json},
    part_file,
    screen::note,
};
use crate::{
    api::{ArtifactList, ArtifactView, JobView},
    types::{JobId, Verdict},
};
use clap::Args;
use sha2::{Digest, Sha256};
use std::{io::IsTerminal, path::PathBuf};
use tokio::io::AsyncWriteExt;

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
    json: JsonArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn download(args: DownloadArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server);
    let list: ArtifactList = client.json(client.get(&format!("/v1/jobs/{}/artifacts", args.id))).await?;
    let chosen = choose_artifacts(&args, &list.data)?;
    let job: JobView = client.json(client.get(&format!("/v1/jobs/{}", args.id))).await?;
    let verdict = job.verdict.filter(|verdict| job.spec.certify.is_some() && *verdict != Verdict::Certified);
    tokio::fs::create_dir_all(&args.out).await.map_err(|error| args.cannot_write(&error))?;
    let mut downloaded = Vec::new();
    for artifact in chosen {
        match verdict.filter(|_| artifact.name == "denoised" && !args.allow_uncertified) {
            None => {
                download_artifact(&client, &args, artifact).await?;
                downloaded.push(artifact);
            }
            Some(verdict) if args.artifacts.is_some() => return Err(CliError::not_certified(verdict)),
            Some(verdict) => note(&format!(
                "left out: {}, for the verdict is {verdict}; --allow-uncertified downloads it",
                artifact.download_name
            )),
        }
    }
    if args.json.json {
        print_json(&downloaded);
    }
    Ok(())
}

impl DownloadArgs {
    fn cannot_write(&self, error: &std::io::Error) -> CliError {
        CliError::failed_because(format!("cannot write to {}: {error}", self.out.display()))
    }
}

/// The artifacts asked for, each of which must be there; or all.
fn choose_artifacts<'a>(args: &DownloadArgs, all: &'a [ArtifactView]) -> Result<Vec<&'a ArtifactView>, CliError> {
    let Some(wanted) = &args.artifacts else { return Ok(all.iter().collect()) };
    let known: Vec<_> = all.iter().map(|artifact| artifact.name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(CliError::usage(format!("there is no artifact `{unknown}`; there are {}", known.join(", "))));
    }
    Ok(all.iter().filter(|artifact| wanted.contains(&artifact.name)).collect())
}

/// Downloads one artifact. The file gets its name once its digest is found right.
async fn download_artifact(client: &Client, args: &DownloadArgs, artifact: &ArtifactView) -> Result<(), CliError> {
    // A name with a path in it would let the server choose where the file is written.
    let name = &artifact.download_name;
    if name.is_empty() || name.contains(['/', '\\']) || name.contains(char::is_control) || name.starts_with('.') {
        return Err(CliError::failed_because(format!("the server named a file {name:?}, which is not a plain name")));
    }
    let path = args.out.join(name);
    let allow = if artifact.name == "denoised" && args.allow_uncertified { "?allow=uncertified" } else { "" };
    let address = format!("/v1/jobs/{}/artifacts/{}{allow}", args.id, artifact.name);
    let mut response = client.send(client.get(&address)).await?;
    let cannot_write = |error: std::io::Error| args.cannot_write(&error);
    let (file, partial) = part_file::begin(&path).map_err(cannot_write)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut hash = Sha256::new();
    while let Some(chunk) = response.chunk().await.map_err(CliError::failed)? {
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(cannot_write)?;
    }
    file.sync_all().await.map_err(cannot_write)?;
    let got = hex::encode(hash.finalize());
    if got != artifact.sha256 {
        return Err(CliError::failed_because(format!(
            "{} was damaged on the way: sha256 {got}, expected {}",
            artifact.name, artifact.sha256
        )));
    }
    tokio::fs::rename(&partial, &path).await.map_err(cannot_write)?;
    if !args.json.json && (std::io::stderr().is_terminal() || args.artifacts.is_none()) {
        note(&format!("{} ({} bytes)", path.display(), artifact.bytes));
    }
    Ok(())
}
