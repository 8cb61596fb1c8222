//! Tables at addresses: objects of a store (`s3://`, `gs://`, `az://`), and files of the web (`https://`).
//!
//! Who asks is said by the environment, as the stores' own programs have it: `AWS_*`, `GOOGLE_*`, `AZURE_*`.

use super::error::CliError;
use crate::{
    ingest::{find_pattern, is_part},
    remote::{Location, open_location},
    types::RemoteFile,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart, path::Path as ObjectPath,
};
use reqwest::{
    StatusCode, Url,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, ETAG, IF_RANGE, RANGE},
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

/// An object comes in pieces of this size, so many at once: bounds memory.
const PIECE: u64 = 8 << 20;
const PIECES: usize = 4;
/// How often a file of the web is asked for again where its connection breaks.
const TRIES: u32 = 5;

/// Where a table is, or goes, that is no path.
pub struct Address {
    text: String,
    place: Location,
}

/// A file at an address.
pub struct FoundFile {
    /// Its key below what was asked for.
    pub name: String,
    /// Its whole address.
    pub address: String,
    /// Whether it was asked for itself.
    pub alone: bool,
    /// None where a server does not say.
    pub bytes: Option<u64>,
    place: RemotePlace,
}

enum RemotePlace {
    Object(Arc<dyn ObjectStore>, ObjectMeta),
    Web(Url),
}

impl Address {
    /// None where the text is a path.
    pub fn parse(text: &str) -> Result<Option<Self>, CliError> {
        let place = open_location(text).map_err(|error| CliError::usage(format!("{text}: {error}")))?;
        Ok(place.map(|place| Self { text: text.to_owned(), place }))
    }

    /// Whether it says that it is a folder.
    pub fn is_folder(&self) -> bool {
        self.text.ends_with('/')
    }

    /// The files that are meant: the object itself, those below it, or those that match a pattern; by name.
    pub async fn list(&self) -> Result<Vec<FoundFile>, CliError> {
        let failed =
            |error: object_store::Error| CliError::failed_because(format!("cannot read {}: {error}", self.text));
        let (store, key) = match &self.place {
            Location::Web(url) => return Ok(vec![web_file(url)]),
            Location::Object(store, key) => (store, key),
        };
        let root = &self.text[..self.text.len() - key.len()];
        let file = |meta: ObjectMeta, base: usize, alone: bool| FoundFile {
            name: meta.location.as_ref()[base..].to_owned(),
            address: format!("{root}{}", meta.location),
            alone,
            bytes: Some(meta.size),
            place: RemotePlace::Object(store.clone(), meta),
        };
        let parse = |text: &str| ObjectPath::parse(text).map_err(|error| failed(error.into()));
        if find_pattern(key).is_none() && !self.is_folder() && !key.is_empty() {
            match store.head(&parse(key)?).await {
                Ok(meta) => {
                    let base = meta.location.as_ref().rfind('/').map_or(0, |slash| slash + 1);
                    return Ok(vec![file(meta, base, true)]);
                }
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let (folder, pattern) = match find_pattern(key) {
            Some(at) => (key[..at].trim_end_matches('/'), Some(key.as_str())),
            None => (key.trim_end_matches('/'), None),
        };
        let pattern = pattern.map(glob::Pattern::new).transpose();
        let pattern = pattern.map_err(|error| CliError::usage(format!("{} is no pattern: {error}", self.text)))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let prefix = parse(folder)?;
        let base = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut found: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.map_err(failed)?;
        found.retain(|meta| {
            let key = meta.location.as_ref();
            let wanted = pattern.as_ref().is_none_or(|pattern| pattern.matches_with(key, options));
            wanted && key.get(base..).is_some_and(|name| !name.is_empty() && is_part(name))
        });
        found.sort_by(|a, b| a.location.cmp(&b.location));
        if found.is_empty() {
            return Err(CliError::failed_because(format!("there is nothing at {}", self.text)));
        }
        Ok(found.into_iter().map(|meta| file(meta, base, false)).collect())
    }

    /// Puts a file here, or below here under a name.
    pub async fn put(&self, from: &Path, name: Option<&str>) -> Result<(), CliError> {
        let failed =
            |error: &dyn std::error::Error| CliError::failed_because(format!("cannot write {}: {error}", self.text));
        let mut file = tokio::fs::File::open(from).await.map_err(|error| failed(&error))?;
        match &self.place {
            Location::Object(store, key) => {
                let key = format!("{key}{}", name.unwrap_or_default());
                let path = ObjectPath::parse(&key).map_err(|error| failed(&error))?;
                let upload = store.put_multipart(&path).await.map_err(|error| failed(&error))?;
                let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE as usize);
                let mut buffer = vec![0; 1 << 20];
                loop {
                    let read = file.read(&mut buffer).await.map_err(|error| failed(&error))?;
                    if read == 0 {
                        break;
                    }
                    upload.wait_for_capacity(PIECES).await.map_err(|error| failed(&error))?;
                    upload.write(&buffer[..read]);
                }
                // The object appears here, whole.
                upload.finish().await.map(drop).map_err(|error| failed(&error))
            }
            Location::Web(url) => {
                let url = match name {
                    Some(name) => url.join(name).map_err(|error| failed(&error))?,
                    None => url.clone(),
                };
                let bytes = file.metadata().await.map_err(|error| failed(&error))?.len();
                let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, 1 << 18));
                let request = reqwest::Client::new().put(url).header(CONTENT_LENGTH, bytes).body(body);
                let answer = request.send().await.and_then(reqwest::Response::error_for_status);
                answer.map(drop).map_err(|error| failed(&error.without_url()))
            }
        }
    }
}

fn web_file(url: &Url) -> FoundFile {
    let name = url.path_segments().and_then(Iterator::last).filter(|name| !name.is_empty()).unwrap_or("table");
    // What is asked for behind the `?` may be a secret.
    let mut shown = url.clone();
    shown.set_query(None);
    FoundFile {
        name: name.to_owned(),
        address: shown.to_string(),
        alone: true,
        bytes: None,
        place: RemotePlace::Web(url.clone()),
    }
}

impl FoundFile {
    /// The version of the file that is there now, to be read where it is; None where the server does not say enough for that: its size,
    /// a name for this version, and that it gives ranges.
    pub async fn version(&self) -> Option<RemoteFile> {
        let shown = self.address.clone().into();
        match &self.place {
            RemotePlace::Object(_, meta) => Some(RemoteFile {
                address: self.address.clone(),
                shown,
                bytes: meta.size,
                etag: meta.e_tag.clone()?,
                changed: Some(meta.last_modified),
            }),
            RemotePlace::Web(url) => {
                let answer = reqwest::Client::new().head(url.clone()).send().await.ok()?.error_for_status().ok()?;
                let said = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
                let etag = said(ETAG).filter(|etag| !etag.starts_with("W/"))?.to_owned();
                let bytes = said(CONTENT_LENGTH)?.parse().ok()?;
                let ranges = said(ACCEPT_RANGES).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
                ranges.then(|| RemoteFile { address: url.to_string(), shown, bytes, etag, changed: None })
            }
        }
    }

    /// Copies the file to `to`; it is one version of it, whoever writes to it meanwhile. More than `most` bytes are an error.
    pub async fn copy(&self, to: &Path, most: u64) -> Result<(), CliError> {
        let failed =
            |error: &dyn std::fmt::Display| CliError::failed_because(format!("cannot read {}: {error}", self.address));
        let mut out = tokio::fs::File::create(to).await.map_err(|error| failed(&error))?;
        match &self.place {
            RemotePlace::Object(store, meta) => {
                let piece = |start: u64| async move {
                    let options = GetOptions {
                        range: Some(GetRange::Bounded(start..meta.size.min(start + PIECE))),
                        if_match: meta.e_tag.clone(),
                        ..GetOptions::default()
                    };
                    store.get_opts(&meta.location, options).await?.bytes().await
                };
                let starts = (0..meta.size).step_by(PIECE as usize);
                let mut pieces = stream::iter(starts).map(piece).buffered(PIECES);
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(|error| match error {
                        object_store::Error::Precondition { .. } => failed(&"it was replaced while it was read"),
                        error => failed(&error),
                    })?;
                    out.write_all(&piece).await.map_err(|error| failed(&error))?;
                }
            }
            RemotePlace::Web(url) => download(url, &mut out, most).await.map_err(|error| failed(&error))?,
        }
        out.flush().await.map_err(|error| failed(&error))
    }
}

/// Copies what the web has at an address. Where the connection breaks it goes on from there, if the server says that it is the
/// same file.
async fn download(url: &Url, out: &mut tokio::fs::File, most: u64) -> Result<(), String> {
    let client = reqwest::Client::new();
    let (mut done, mut tag, mut tries) = (0, None, 0);
    loop {
        let mut request = client.get(url.clone());
        if let (true, Some(tag)) = (done > 0, &tag) {
            request = request.header(RANGE, format!("bytes={done}-")).header(IF_RANGE, tag);
        }
        let broken = match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(answer) if done > 0 && answer.status() != StatusCode::PARTIAL_CONTENT => {
                return Err("the connection broke, and the server does not go on from there".to_owned());
            }
            Ok(answer) => {
                tag = tag.or_else(|| answer.headers().get(ETAG).cloned());
                let mut body = answer.bytes_stream();
                loop {
                    match body.next().await {
                        None => return Ok(()),
                        Some(Ok(piece)) => {
                            done += piece.len() as u64;
                            if done > most {
                                return Err(format!(
                                    "it is larger than the {most} bytes that --work-dir has free; --stream reads it over the network"
                                ));
                            }
                            out.write_all(&piece).await.map_err(|error| error.to_string())?;
                        }
                        Some(Err(error)) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        tries += 1;
        if tries == TRIES || broken.is_status() || done > 0 && tag.is_none() {
            return Err(broken.without_url().to_string());
        }
        tokio::time::sleep(Duration::from_secs(1 << tries)).await;
    }
}
