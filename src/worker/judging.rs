//! How a worker judges models that are trained elsewhere: by a function it is given, so that it knows nothing of proofs.

use crate::types::{Certificate, Certification, Certify, DatasetSpec, JudgementManifest, Origin, TableSource};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Carries a task out. Dropping the future stops it.
pub type Judge = dyn Fn(JudgeTask) -> BoxFuture<'static, Result<JudgeAnswer, JudgeFailure>> + Send + Sync;

/// What is to be done for a judgement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JudgeTask {
    /// Folder of the encoded dataset.
    pub dataset: PathBuf,
    /// The uploaded table, where a rule over its columns says which labels are trusted.
    pub source: Option<TableSource>,
    /// What its readers call the table and the job.
    pub origin: Origin,
    /// How it is read.
    pub spec: DatasetSpec,
    /// Folder of the job's results, under the names that they are downloaded by.
    pub results: PathBuf,
    /// What the verdict is to show.
    pub certify: Certify,
    /// Folder to write to, which is there.
    pub out: PathBuf,
    pub step: JudgeStep,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeStep {
    /// Writes what is to be trained on and predicted; the answer is `HandedOut`.
    HandOut,
    /// Writes the report, and says what the predictions came to; the answer is `Judged`.
    Judge {
        /// Whose models they are.
        model: String,
        /// Verdicts that there were on the same test rows before.
        earlier_reads: u32,
        predictions: Vec<PredictionFiles>,
    },
}

/// What the model of a training predicts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PredictionFiles {
    pub training: String,
    pub test: PathBuf,
    pub valid: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeAnswer {
    HandedOut {
        manifest: JudgementManifest,
        /// What was written, a file each.
        files: Vec<String>,
    },
    Judged {
        certification: Box<Certification>,
        /// To be signed.
        certificate: Box<Certificate>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeFailure {
    /// What was asked for cannot be shown: no other try can do better.
    Refused(String),
    /// This machine failed; another try may do better.
    Failed(String),
}
