//! The results of a job that a verdict is about: its report and its certificate, held against each other and the table.

use crate::certificate::{self, CertificateError, SourceDigest};
use crate::evaluate::{KEEP_MASK, LABELS};
use crate::report::PAGE;
use crate::types::{ArtifactDigest, Certificate, Certification, Certify, Envelope, Report, TableSource};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The report's name, as a file and as an artifact.
pub const REPORT: &str = "report.json";

#[derive(Debug, thiserror::Error)]
pub enum JobResultsError {
    #[error("cannot read {}: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{} is not what its name says: {source}", file.display())]
    Json { file: PathBuf, source: serde_json::Error },
    #[error("{}: {source}", file.display())]
    Certificate { file: PathBuf, source: CertificateError },
    #[error("{} is not the {name} that the certificate of the results names", file.display())]
    Differs { file: PathBuf, name: String },
    #[error(
        "the table is read otherwise than the job read it; give the flags that say how (--label, --split-column, ..) as they were then"
    )]
    OtherReading,
}

impl JobResultsError {
    /// Whether a file is not what it is said to be; else it cannot be read.
    pub fn is_mismatch(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }
}

/// What a job came to.
pub struct JobResults {
    pub report: Report,
    pub certificate: Certificate,
}

impl JobResults {
    /// The results in a folder, as `denoise --results` or `download` leave them there; each file that a verdict rests on is
    /// the one that the certificate names.
    pub fn open(folder: &Path) -> Result<Self, JobResultsError> {
        let file = folder.join(certificate::FILE);
        let envelope: Envelope = read_json(&file)?;
        let (certificate, _) =
            certificate::verify(&envelope, None).map_err(|source| JobResultsError::Certificate { file, source })?;
        for (name, file) in [(REPORT, REPORT), ("keep_mask", KEEP_MASK), ("labels", LABELS)] {
            // A job that relabels nothing has no labels.
            if let Some(known) = certificate.artifacts.iter().find(|one| one.name == name) {
                check_file(&folder.join(file), known)?;
            }
        }
        Ok(Self { report: read_json(&folder.join(REPORT))?, certificate })
    }

    /// An error unless this is the table that the job read.
    pub fn check_source(&self, table: &TableSource) -> Result<(), JobResultsError> {
        let file: &Path = &table.parts[0].path;
        let found = SourceDigest::of(table);
        let found = found.map_err(|source| JobResultsError::Read { file: file.to_owned(), source })?;
        if found.whole == self.certificate.source {
            return Ok(());
        }
        Err(JobResultsError::Differs { file: file.to_owned(), name: "table".to_owned() })
    }

    /// The table that the job read.
    pub fn source_digest(&self) -> SourceDigest {
        let Certificate { source, source_parts, .. } = &self.certificate;
        SourceDigest { whole: source.clone(), parts: source_parts.clone() }
    }

    /// An error unless the table, read, is the job's dataset. `digest` is its profile's.
    pub fn check_dataset(&self, digest: &str) -> Result<(), JobResultsError> {
        if digest == self.certificate.dataset_digest { Ok(()) } else { Err(JobResultsError::OtherReading) }
    }

    /// Digests of the job's results where the report and its page are others, those in a folder.
    pub fn digests_with_report(&self, folder: &Path) -> Result<Vec<ArtifactDigest>, JobResultsError> {
        let own = [REPORT, PAGE];
        let others = self.certificate.artifacts.iter().filter(|one| !own.contains(&&one.name[..])).cloned().map(Ok);
        others.chain(own.map(|name| digest(name, &folder.join(name)))).collect()
    }
}

/// Puts a verdict that was `asked` for into a job's report, in place of the one it has. `reads`: how often the test labels
/// were read for it.
pub fn put_verdict(report: &mut Report, asked: Certify, certification: Certification, reads: u64) {
    let seconds = certification.arms.iter().flat_map(|arm| &arm.runs).filter_map(|run| run.seconds).sum::<f64>();
    report.spec.certify = Some(asked);
    report.verdict = certification.verdict;
    report.certification = Some(certification);
    // Those are of the program's own students.
    report.transfers.clear();
    report.test_reads += reads;
    report.seconds += seconds;
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, JobResultsError> {
    let bytes = std::fs::read(file).map_err(|source| JobResultsError::Read { file: file.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| JobResultsError::Json { file: file.to_owned(), source })
}

fn check_file(file: &Path, known: &ArtifactDigest) -> Result<(), JobResultsError> {
    if digest(&known.name, file)? == *known {
        return Ok(());
    }
    Err(JobResultsError::Differs { file: file.to_owned(), name: known.name.clone() })
}

fn digest(name: &str, file: &Path) -> Result<ArtifactDigest, JobResultsError> {
    let digest = File::open(file).and_then(|open| certificate::digest(name, open));
    digest.map_err(|source| JobResultsError::Read { file: file.to_owned(), source })
}
