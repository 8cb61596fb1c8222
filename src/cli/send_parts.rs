//! A table of several files to a server: each is an upload, and one dataset is made of all.

use super::{client::Client, error::CliError, uploads, view::JobView};
use crate::{
    api::{Capabilities, DatasetView},
    ingest::name_with_partitions,
    report::number,
    types::{DatasetSpec, SourcePart, TableSource},
};
use serde_json::{Value, json};

/// A part, and how many bytes it has.
type SizedPart<'a> = (&'a SourcePart, u64);

/// Uploads the parts of a table and makes a dataset of them. What the server would refuse is refused before anything is sent.
pub async fn send_parts(
    client: &Client,
    source: &TableSource,
    name: Option<&str>,
    spec: &DatasetSpec,
    view: &JobView,
) -> Result<DatasetView, CliError> {
    let parts = find_parts_with_rows(source)?;
    let bytes = parts.iter().map(|(_, bytes)| bytes).sum();
    let server: Capabilities = client.json(client.get("/v1/capabilities")).await?;
    check_size(&server, parts.len(), bytes)?;
    view.show_waiting(format!("uploading {} ({} bytes)", describe_count(parts.len()), number(bytes)));
    let (mut sent, mut uploaded, mut before) = (Vec::with_capacity(parts.len()), Vec::new(), 0);
    for (part, bytes_of_part) in parts {
        let show = |sent| view.show_sending(before + sent, bytes);
        match uploads::send_file(client, &part.path, bytes_of_part, &show).await {
            Ok((upload, sha256)) => {
                uploaded.push(upload);
                sent.push(json!({"upload_id": upload, "sha256": sha256, "name": name_with_partitions(part), "split": part.split}));
            }
            Err(error) => {
                uploads::drop_uploads(client, &uploaded).await;
                return Err(error);
            }
        }
        before += bytes_of_part;
    }
    let body: Value = json!({"uploads": sent, "name": name, "spec": spec});
    let made = uploads::create_dataset(client, &body).await;
    if made.is_err() {
        uploads::drop_uploads(client, &uploaded).await;
    }
    made
}

/// The parts that are uploaded: Spark leaves a file of no bytes where there were no rows to write.
fn find_parts_with_rows(source: &TableSource) -> Result<Vec<SizedPart<'_>>, CliError> {
    let mut parts = Vec::with_capacity(source.parts.len());
    for part in &source.parts {
        let unreadable = |error| CliError::failed_because(format!("cannot read {}: {error}", part.path.display()));
        let bytes = std::fs::metadata(&part.path).map_err(unreadable)?.len();
        if bytes > 0 {
            parts.push((part, bytes));
        }
    }
    if parts.is_empty() {
        return Err(CliError::failed_because("all parts are empty; a table has at least three rows"));
    }
    Ok(parts)
}

fn describe_count(parts: usize) -> String {
    if parts == 1 { "a part".to_owned() } else { format!("{parts} parts") }
}

fn check_size(server: &Capabilities, parts: usize, bytes: u64) -> Result<(), CliError> {
    let (most_parts, most_bytes) = (server.uploads.max_parts as usize, server.max_upload_bytes);
    let refuse = |what: String| Err(CliError::failed_because(what));
    match most_parts {
        0 => refuse(format!(
            "the server (version {}) takes a table as one file; join the parts, or update it",
            server.version
        )),
        _ if parts > most_parts => refuse(format!(
            "the table has {parts} parts with rows, and this server takes at most {most_parts}; join some of them"
        )),
        _ if bytes > most_bytes => {
            refuse(format!("the parts have {bytes} bytes together, and this server takes at most {most_bytes}"))
        }
        _ => Ok(()),
    }
}
