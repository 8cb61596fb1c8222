//! The last result of a job: the certificate over all others.

use super::shared::Shared;
use crate::{
    certificate::{FILE, SOURCE, describe_job, file_text},
    files::{FilesError, Key, ParseKeyError},
    store::{artifacts::NewArtifact, queue::ClaimedJob},
    types::{ArtifactDigest, Report},
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
    let bytes = shared.files.size(&named(Key::upload(&claimed.object)).map_err(failed(&folder))?).await?;
    let source = ArtifactDigest { name: SOURCE.to_owned(), sha256: claimed.object.clone(), bytes };
    let certificate = describe_job(lease.job, &claimed.spec, report, source.into(), artifacts);
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
