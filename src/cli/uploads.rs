//! Large files to a server, in parts: a connection that breaks costs the part it carried, and parts become smaller while
//! connections break.

use super::{client::Client, error::CliError};
use crate::{
    api::{DatasetView, tus},
    types::UploadId,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
};

/// Files from this size on are sent in parts.
pub const FROM_BYTES: u64 = 8 << 20;
/// The first part's size, and the bounds of the others'.
const PART: u64 = 4 << 20;
const LEAST_PART: u64 = 256 << 10;
const MOST_PART: u64 = 16 << 20;
/// A part that takes longer is tried again, smaller.
const PART_TIMEOUT: Duration = Duration::from_secs(60);
/// Without any progress for this long the upload has failed.
const PATIENCE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Sends a file; gives the upload's id and the file's sha256. `sent` is told how many bytes have arrived.
pub async fn send_file(
    client: &Client,
    path: &Path,
    bytes: u64,
    sent: &dyn Fn(u64),
) -> Result<(UploadId, String), CliError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let request = tus_request(client, Method::POST, "/v1/uploads")
        .header(tus::UPLOAD_LENGTH, bytes)
        .header(tus::UPLOAD_METADATA, format!("filename {}", BASE64_STANDARD.encode(name)));
    // Until it has answered once, a server that cannot be reached is taken for a wrong address.
    let id = read_location(&client.send(request).await?)?;
    let address = format!("/v1/uploads/{id}");
    let io = |error: std::io::Error| CliError::failed_because(format!("cannot read {}: {error}", path.display()));
    let mut file = File::open(path).await.map_err(io)?;
    let mut hasher = Sha256::new();
    let (mut offset, mut size) = (0, PART);
    let mut patience = Patience::default();
    while offset < bytes {
        sent(offset);
        let part = read_part(&mut file, offset, size.min(bytes - offset)).await.map_err(io)?;
        match send_part(client, &address, offset, part.clone()).await {
            Ok(()) => {
                hasher.update(&part);
                offset += part.len() as u64;
                size = (size * 2).min(MOST_PART);
                patience = Patience::default();
                continue;
            }
            Err(failure) => patience.wait(failure).await?,
        }
        size = (size / 2).max(LEAST_PART);
        // A part may have arrived and its answer not.
        match ask_offset(client, &address).await {
            Ok(reached) if (offset..=bytes.min(offset + MOST_PART)).contains(&reached) => {
                let arrived = read_part(&mut file, offset, reached - offset).await.map_err(io)?;
                hasher.update(&arrived);
                offset = reached;
                if !arrived.is_empty() {
                    patience = Patience::default();
                }
            }
            Ok(reached) => {
                let message = format!("the server has {reached} bytes of {id}, and {offset} were acknowledged");
                return Err(CliError::failed_because(message));
            }
            Err(failure) => patience.wait(failure).await?,
        }
    }
    sent(bytes);
    Ok((id, hex::encode(hasher.finalize())))
}

/// Deletes uploads that no dataset will be made of. Those that cannot be deleted now expire.
pub async fn drop_uploads(client: &Client, uploads: &[UploadId]) {
    for id in uploads {
        let _ = client.send(tus_request(client, Method::DELETE, &format!("/v1/uploads/{id}"))).await;
    }
}

/// Makes a dataset of complete uploads; asked again while the server is away.
pub async fn create_dataset(client: &Client, body: &serde_json::Value) -> Result<DatasetView, CliError> {
    let mut patience = Patience::default();
    loop {
        match try_request(client, client.post("/v1/datasets").json(body)).await {
            Ok(response) => return response.json().await.map_err(CliError::failed),
            Err(failure) => patience.wait(failure).await?,
        }
    }
}

async fn read_part(file: &mut File, offset: u64, bytes: u64) -> std::io::Result<Bytes> {
    let mut part = vec![0; bytes as usize];
    file.seek(SeekFrom::Start(offset)).await?;
    file.read_exact(&mut part).await?;
    Ok(part.into())
}

fn tus_request(client: &Client, method: Method, path: &str) -> RequestBuilder {
    client.request(method, path).header(tus::TUS_RESUMABLE, tus::VERSION)
}

fn read_location(created: &Response) -> Result<UploadId, CliError> {
    let location = created.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let id = location.and_then(|address| address.rsplit('/').next()).and_then(|id| id.parse().ok());
    id.ok_or_else(|| CliError::failed_because("the server began an upload and did not say where"))
}

async fn send_part(client: &Client, address: &str, offset: u64, part: Bytes) -> Result<(), Failure> {
    let checksum = format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(&part)));
    let request = tus_request(client, Method::PATCH, address)
        .header(tus::UPLOAD_OFFSET, offset)
        .header(tus::UPLOAD_CHECKSUM, checksum)
        .header(header::CONTENT_TYPE, tus::PART)
        .timeout(PART_TIMEOUT)
        .body(part);
    try_request(client, request).await.map(drop)
}

async fn ask_offset(client: &Client, address: &str) -> Result<u64, Failure> {
    let answer = try_request(client, tus_request(client, Method::HEAD, address).timeout(PART_TIMEOUT)).await?;
    let offset = answer.headers().get(tus::UPLOAD_OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
    offset
        .ok_or_else(|| Failure::Final(CliError::failed_because("the server does not say how far the upload has come")))
}

/// Why a request did not do what was asked.
enum Failure {
    /// Another try may.
    Passing(CliError),
    Final(CliError),
}

async fn try_request(client: &Client, request: RequestBuilder) -> Result<Response, Failure> {
    let response = client.try_send(request).await.map_err(Failure::Passing)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // 423: the server has not noticed yet that the last connection broke. 409 with an offset: it kept more than was known.
    let passing = status.is_server_error()
        || matches!(status.as_u16(), 408 | 423 | 429 | 460)
        || (status == StatusCode::CONFLICT && response.headers().contains_key(tus::UPLOAD_OFFSET));
    let error = client.refusal(response).await;
    Err(if passing { Failure::Passing(error) } else { Failure::Final(error) })
}

/// Pauses between tries, longer each time, until there was no progress for too long.
struct Patience {
    since: Instant,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), pause: Duration::from_millis(100) }
    }
}

impl Patience {
    async fn wait(&mut self, failure: Failure) -> Result<(), CliError> {
        match failure {
            Failure::Passing(_) if self.since.elapsed() < PATIENCE => {}
            Failure::Passing(error) | Failure::Final(error) => return Err(error),
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
