//! Judgements as clients see them.

use super::views::ArtifactView;
use crate::{
    store::judgements::{FileRow, JudgementRow, PredictionsRow},
    types::{Certification, Certify, JobId, JudgementId, JudgementState, TestRead, Training, Verdict},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a verdict by models that you train, wherever that is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgementSpec {
    /// Whose models they are, as the report and the certificate name them: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub model: String,
    /// What the verdict is to show. Absent: what the job was asked to show, with as many seeds as this verdict needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certify: Option<Certify>,
}

/// A verdict by models that somebody else trains.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JudgementView {
    pub id: JudgementId,
    pub job_id: JobId,
    pub status: JudgementState,
    pub model: String,
    pub certify: Certify,
    /// Which verdict on its table's test rows it is; counted once the verdict is asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test_read: Option<TestRead>,
    /// The fewest seeds with which the verdict could be `certified` if it were asked for now. Absent once it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seeds_needed: Option<u32>,
    /// Rows to predict: those of the file `test`, and if you like of `valid`, in their order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid_rows: Option<u64>,
    /// The models to train; none before `open`, and none where the method changed nothing.
    pub trainings: Vec<TrainingView>,
    /// What is handed out: arrays from `open` on, report.json, report.html and certificate once it is `judged`.
    pub files: Vec<ArtifactView>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// What the verdict rests on. Nothing of it is shown before it is `judged`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certification: Option<Certification>,
    /// Why it `failed`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When it is deleted, unless predictions come in before. Absent where none are awaited.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// A model to train, and whether its predictions are in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrainingView {
    #[serde(flatten)]
    pub training: Training,
    /// Of the test rows.
    pub predicted: bool,
    /// Of the validation rows.
    pub predicted_valid: bool,
}

/// A judgement in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JudgementSummary {
    pub id: JudgementId,
    pub job_id: JobId,
    pub status: JudgementState,
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Predictions that were taken in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PredictionsView {
    pub training: String,
    pub rows: u64,
    pub bytes: u64,
    /// sha256, hexadecimal.
    pub sha256: String,
}

impl JudgementView {
    /// `seeds_needed` of a verdict that were asked for now.
    pub fn new(row: JudgementRow, files: Vec<FileRow>, predictions: &[PredictionsRow], seeds_needed: u32) -> Self {
        let certify = row.certify.0;
        let manifest = row.manifest.map(|manifest| manifest.0);
        let is_in =
            |name: &str, of_valid: bool| predictions.iter().any(|row| row.training == name && row.of_valid == of_valid);
        let is_waiting = matches!(row.state, JudgementState::Preparing | JudgementState::Open);
        Self {
            id: row.id,
            job_id: row.job_id,
            status: row.state,
            model: row.model,
            test_read: row.test_read.map(|number| TestRead::new(number as u32, certify.alpha)),
            seeds_needed: is_waiting.then_some(seeds_needed),
            certify,
            test_rows: manifest.as_ref().map(|manifest| manifest.test_rows),
            valid_rows: manifest.as_ref().map(|manifest| manifest.valid_rows),
            trainings: manifest
                .into_iter()
                .flat_map(|manifest| manifest.trainings)
                .map(|training| TrainingView {
                    predicted: is_in(&training.name, false),
                    predicted_valid: is_in(&training.name, true),
                    training,
                })
                .collect(),
            files: files.into_iter().map(view_file).collect(),
            verdict: row.certification.as_ref().map(|certification| certification.verdict),
            certification: row.certification.map(|certification| certification.0),
            error: row.error,
            created_at: row.created_at,
            expires_at: (row.state == JudgementState::Open).then_some(row.expires_at),
            ended_at: row.ended_at,
        }
    }
}

impl From<JudgementRow> for JudgementSummary {
    fn from(row: JudgementRow) -> Self {
        Self {
            id: row.id,
            job_id: row.job_id,
            status: row.state,
            model: row.model,
            verdict: row.certification.map(|certification| certification.verdict),
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

fn view_file(row: FileRow) -> ArtifactView {
    ArtifactView {
        name: row.name,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        media_type: row.media_type,
        download_name: row.download_name,
    }
}
