//! What is handed out to whoever trains elsewhere: a folder of the arms' tables, and a manifest that says what is to be
//! trained on what, and where its predictions are expected.

use crate::certificate;
use crate::evaluate::{OutsideRun, list_outside_runs};
use crate::types::{Arm, ArtifactDigest, Certify, DatasetSpec, JobId};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot read {}: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{} is no manifest of arms: {source}", file.display())]
    NotAManifest { file: PathBuf, source: serde_json::Error },
    #[error("the arms in {} are of job {found}, and the results of job {expected}", folder.display())]
    OtherJob { folder: PathBuf, found: JobId, expected: JobId },
    #[error("the runs in {} are not those of {seeds} seeds from {seed} on", folder.display())]
    OtherRuns { folder: PathBuf, seeds: u32, seed: u64 },
    #[error("{} was changed since it was handed out, so nobody knows what the models were trained on", file.display())]
    Changed { file: PathBuf },
}

impl ManifestError {
    /// Whether a file is not what it is said to be; else it cannot be read.
    pub fn is_mismatch(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }
}

/// The arms of a job's verdict. Files are named by their paths within the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program that wrote it, and its version.
    pub program: String,
    pub job_id: JobId,
    /// How the table is read.
    pub dataset: DatasetSpec,
    /// What the verdict is to show.
    pub certify: Certify,
    /// The validation rows, and the test rows without their labels.
    pub valid: String,
    pub test: String,
    /// The trainings, in the order that they are judged in.
    pub runs: Vec<ManifestRun>,
    /// Every table that is handed out.
    pub files: Vec<ArtifactDigest>,
}

/// A training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestRun {
    pub arm: Arm,
    pub seed: u64,
    /// The rows to train on.
    pub train: String,
    /// Where the predictions of the test rows are expected, and those of the validation rows, which may be left out.
    pub predictions: String,
    pub valid_predictions: String,
}

impl ManifestRun {
    /// A run, with tables whose names end in `extension`. The same rows are written once.
    fn new(OutsideRun { arm, seed }: OutsideRun, extension: &str) -> Self {
        let (name, run) = (arm.as_str(), format!("{}-{seed}", arm.as_str()));
        Self {
            arm,
            seed,
            train: if arm == Arm::Random { format!("{run}.{extension}") } else { format!("{name}.{extension}") },
            predictions: format!("predictions/{run}.csv"),
            valid_predictions: format!("predictions/{run}.valid.csv"),
        }
    }

    pub fn run(&self) -> OutsideRun {
        OutsideRun { arm: self.arm, seed: self.seed }
    }
}

impl Manifest {
    /// Its name in the folder.
    pub const FILE: &str = "manifest.json";

    /// Of a job on the table that `dataset` describes, whose first seed is `seed`. Its files are still to be written.
    pub fn new(job_id: JobId, dataset: &DatasetSpec, seed: u64, certify: Certify) -> Self {
        let extension = dataset.extension();
        let runs = list_outside_runs(seed, &certify).into_iter().map(|run| ManifestRun::new(run, &extension));
        Self {
            program: concat!("autodenoise ", env!("CARGO_PKG_VERSION")).to_owned(),
            job_id,
            dataset: dataset.clone(),
            valid: format!("valid.{extension}"),
            test: format!("test.{extension}"),
            runs: runs.collect(),
            certify,
            files: Vec::new(),
        }
    }

    /// The manifest of the arms in a folder. They must be of the job, whose first seed is `seed`.
    pub fn open(folder: &Path, job: JobId, seed: u64) -> Result<Self, ManifestError> {
        let file = folder.join(Self::FILE);
        let bytes = std::fs::read(&file).map_err(|source| ManifestError::Read { file: file.clone(), source })?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|source| ManifestError::NotAManifest { file, source })?;
        if manifest.job_id != job {
            return Err(ManifestError::OtherJob { folder: folder.to_owned(), found: manifest.job_id, expected: job });
        }
        let runs: Vec<OutsideRun> = manifest.runs.iter().map(ManifestRun::run).collect();
        if runs != list_outside_runs(seed, &manifest.certify) {
            let seeds = manifest.certify.seeds;
            return Err(ManifestError::OtherRuns { folder: folder.to_owned(), seeds, seed });
        }
        Ok(manifest)
    }

    /// An error where a table that is still in the folder is not the one handed out. Where models were trained on another
    /// machine the tables need not come back.
    pub fn check_files(&self, folder: &Path) -> Result<(), ManifestError> {
        for known in &self.files {
            let file = folder.join(&known.name);
            match File::open(&file).and_then(|open| certificate::digest(&known.name, open)) {
                Ok(found) if found == *known => {}
                Ok(_) => return Err(ManifestError::Changed { file }),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ManifestError::Read { file, source }),
            }
        }
        Ok(())
    }
}
