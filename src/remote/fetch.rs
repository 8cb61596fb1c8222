//! Ranges of one version of a file at an address.

use super::location::{Location, open_location};
use crate::types::RemoteFile;
use bytes::Bytes;
use object_store::{GetOptions, GetRange, path::Path as ObjectPath};
use reqwest::{
    StatusCode,
    header::{ETAG, IF_MATCH, RANGE},
};
use std::{io, ops::Range, sync::LazyLock, time::Duration};
use tokio::runtime::{Builder, Runtime};

/// How often a range of the web is asked for; stores' clients try again by themselves.
const TRIES: u32 = 5;
/// Seconds of the pauses between the tries: 2, then each time double.
const PAUSES: u32 = (1 << TRIES) - 2;

/// Runs what waits for the network, for readers that are no part of it.
static NETWORK: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("remote").enable_all().build().expect("a thread for the network")
});

/// Why a file at an address cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("{0} was replaced while it was read, so what was read of it is of no table that there is; run it again")]
    Replaced(String),
    #[error("cannot read {address}: {cause}")]
    Unreadable { address: String, cause: String },
}

/// Asks for ranges of a file.
#[derive(Clone)]
pub struct Fetcher {
    file: RemoteFile,
    location: Location,
    web: reqwest::Client,
}

impl Fetcher {
    pub fn new(file: &RemoteFile) -> Result<Self, RemoteError> {
        let location =
            open_location(&file.address).and_then(|location| location.ok_or_else(|| "it is no address".to_owned()));
        let location = location.map_err(|cause| unreadable(file, cause))?;
        Ok(Self { file: file.clone(), location, web: reqwest::Client::new() })
    }

    pub fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// Begins to fetch a range; it comes through the receiver.
    pub fn begin(&self, range: Range<u64>) -> std::sync::mpsc::Receiver<Result<Bytes, RemoteError>> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let own = self.clone();
        NETWORK.spawn(async move {
            // Whoever asked may have gone.
            let _ = send.send(own.fetch(range).await);
        });
        receive
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, RemoteError> {
        let wanted = range.end - range.start;
        let bytes = match &self.location {
            Location::Object(store, key) => {
                let path = ObjectPath::parse(key).map_err(|error| unreadable(&self.file, error))?;
                let options = GetOptions {
                    range: Some(GetRange::Bounded(range)),
                    if_match: Some(self.file.etag.clone()),
                    ..GetOptions::default()
                };
                let failed = |error| match error {
                    object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. } => self.replaced(),
                    error => unreadable(&self.file, error),
                };
                let got = store.get_opts(&path, options).await.map_err(failed)?;
                // Some servers answer whatever version was asked for.
                let same = got.meta.e_tag.as_ref().is_none_or(|etag| *etag == self.file.etag);
                if !same || got.meta.size != self.file.bytes {
                    return Err(self.replaced());
                }
                got.bytes().await.map_err(failed)?
            }
            Location::Web(url) => {
                let mut tries = 0;
                loop {
                    let request = self.web.get(url.clone()).header(IF_MATCH, &self.file.etag);
                    let request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
                    tries += 1;
                    match self.read_answer(request).await {
                        Ok(bytes) => break bytes,
                        Err(RemoteError::Unreadable { .. }) if tries < TRIES => {
                            tokio::time::sleep(Duration::from_secs(1 << tries)).await;
                        }
                        Err(RemoteError::Unreadable { address, cause }) => {
                            let cause =
                                format!("{cause} (asked {TRIES} times in {PAUSES} seconds); try again when it answers");
                            return Err(RemoteError::Unreadable { address, cause });
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(self.replaced()) }
    }

    async fn read_answer(&self, request: reqwest::RequestBuilder) -> Result<Bytes, RemoteError> {
        let failed = |error: reqwest::Error| unreadable(&self.file, error.without_url());
        let answer = request.send().await.map_err(failed)?;
        let same = answer.headers().get(ETAG).is_none_or(|etag| etag.as_bytes() == self.file.etag.as_bytes());
        match answer.status() {
            StatusCode::PARTIAL_CONTENT if same => answer.bytes().await.map_err(failed),
            StatusCode::PARTIAL_CONTENT | StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND => {
                Err(self.replaced())
            }
            status => Err(unreadable(&self.file, format!("the server answers {status}"))),
        }
    }

    fn replaced(&self) -> RemoteError {
        RemoteError::Replaced(self.file.shown.display().to_string())
    }
}

/// An error unless the address still has this version of the file.
pub fn check(file: &RemoteFile) -> Result<(), RemoteError> {
    // A range is only given of the version that is asked for.
    let first = Fetcher::new(file)?.begin(0..file.bytes.min(1));
    first.recv().unwrap_or_else(|_| Err(unreadable(file, "its reader ended"))).map(drop)
}

fn unreadable(file: &RemoteFile, cause: impl ToString) -> RemoteError {
    RemoteError::Unreadable { address: file.shown.display().to_string(), cause: cause.to_string() }
}

impl From<RemoteError> for io::Error {
    fn from(error: RemoteError) -> Self {
        Self::other(error)
    }
}
