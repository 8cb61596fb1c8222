//! The last result of a job: the certificate over all others.

use super::shared::Shared;
use crate::{
    files::{FilesError, Key},
    store::{artifacts::NewArtifact, json_sha256, queue::ClaimedJob},
    types::{ArtifactDigest, Certificate, Report},
};
use chrono::Utc;
use std::io;

const NAME: &str = "certificate";
const FILE: &str = "certificate.json";

/// Signs what the job came to and stores it.
pub(super) async fn issue(
    shared: &Shared,
    claimed: &ClaimedJob,
    report: &Report,
    artifacts: Vec<ArtifactDigest>,
) -> Result<NewArtifact, FilesError> {
    let lease = claimed.lease;
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source: io::Error| FilesError::Io { doing: "write", path, source }
    };
    let named =
        |name: Result<Key, crate::files::ParseKeyError>| name.map_err(|error| io::Error::other(error.to_string()));
    let folder = shared.files.work_dir(lease.job, lease.attempt).await?;
    let bytes = shared.files.size(&named(Key::upload(&claimed.object)).map_err(failed(&folder))?).await?;
    let certificate = Certificate {
        job_id: lease.job,
        issued_at: Utc::now(),
        program: concat!("autodenoise ", env!("CARGO_PKG_VERSION")).to_owned(),
        dataset_digest: claimed.spec.dataset_digest.clone(),
        source: ArtifactDigest { name: "source".to_owned(), sha256: claimed.object.clone(), bytes },
        spec_sha256: json_sha256(&claimed.spec),
        verdict: report.verdict,
        kept: report.kept,
        artifacts,
    };
    let path = folder.join(FILE);
    let text = serde_json::to_vec_pretty(&shared.signing_key.sign(&certificate)).expect("an envelope is plain data");
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
