//! The last result of a job: the certificate over all others.

use super::shared::Shared;
use crate::{
    certificate::{FILE, SOURCE, SourceDigest, describe_job, file_text},
    files::{FilesError, Key, ParseKeyError},
    store::{artifacts::NewArtifact, queue::ClaimedJob},
    types::{ArtifactDigest, Report, UploadedTable},
};
use std::{io, path::Path};

const NAME: &str = "certificate";

/// Signs what the job came to and stores it.
pub(super) async fn issue_certificate(
    shared: &Shared,
    claimed: &ClaimedJob,
    report: &Report,
    artifacts: Vec<ArtifactDigest>,
) -> Result<NewArtifact, FilesError> {
    let lease = claimed.lease;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| FilesError::Io { doing: "write", path, source }
    };
    let named = |name: Result<Key, ParseKeyError>| name.map_err(|error| io::Error::other(error.to_string()));
    let folder = shared.files.work_dir(lease.job, lease.attempt).await?;
    let upload = named(Key::upload(&claimed.table.sha256)).map_err(failed(&folder))?;
    let source = describe_source(&claimed.table, shared.files.size(&upload).await?);
    let certificate = describe_job(lease.job, &claimed.spec, report, source, artifacts);
    let path = folder.join(FILE);
    let text = file_text(&shared.signing_key.sign(&certificate));
    tokio::fs::write(&path, text).await.map_err(failed(&path))?;
    let key = named(Key::result(lease.job, lease.attempt, NAME)).map_err(failed(&path))?;
    let stored = shared.files.put_file(&key, &path).await?;
    Ok(NewArtifact {
        name: NAME.to_owned(),
        object: key.to_string(),
        bytes: stored.bytes as i64,
        sha256: stored.sha256,
        media_type: "application/json".to_owned(),
        download_name: FILE.to_owned(),
    })
}

/// The digests of a table whose own object has so many bytes.
fn describe_source(table: &UploadedTable, bytes: u64) -> SourceDigest {
    let parts: Vec<_> = table
        .parts
        .iter()
        .map(|part| ArtifactDigest { name: part.name.clone(), sha256: part.sha256.clone(), bytes: part.bytes })
        .collect();
    let bytes = if parts.is_empty() { bytes } else { parts.iter().map(|part| part.bytes).sum() };
    SourceDigest { whole: ArtifactDigest { name: SOURCE.to_owned(), sha256: table.sha256.clone(), bytes }, parts }
}
