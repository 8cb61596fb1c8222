//! A verdict by models that are trained elsewhere: where it stands, and what there is to train and to predict.

use super::Arm;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a judgement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "judgement_state", rename_all = "snake_case")]
pub enum JudgementState {
    /// What is to be trained on is being written.
    Preparing,
    /// Predictions are awaited.
    Open,
    /// The verdict was asked for. Predictions can be changed no more.
    Judging,
    Judged,
    Failed,
}

impl JudgementState {
    pub const ALL: [Self; 5] = [Self::Preparing, Self::Open, Self::Judging, Self::Judged, Self::Failed];

    /// The word on the wire and in Postgres.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Open => "open",
            Self::Judging => "judging",
            Self::Judged => "judged",
            Self::Failed => "failed",
        }
    }
}

/// What is to be trained, and which rows each model predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgementManifest {
    /// In the order that they are judged in. None where the method changed nothing.
    pub trainings: Vec<Training>,
    /// How many there are to predict.
    pub test_rows: u64,
    pub valid_rows: u64,
}

/// A model to train. Its rows, targets and weights are arrays (NPY) among the judgement's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Training {
    /// The last part of the address of its predictions.
    pub name: String,
    pub arm: Arm,
    /// Models of one seed are compared with each other, so let it seed all that is random.
    pub seed: u64,
    /// The file of the rows to train on: positions in the uploaded table, from 0, ascending.
    pub rows: String,
    /// The file of what each of them counts as, from 0 to 1. Absent: as its label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub targets: Option<String>,
    /// The file of how much each of them counts. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weights: Option<String>,
}
