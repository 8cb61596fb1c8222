//! What the API answers with: the shapes of resources, shared with the command line's client.

use super::error::ProblemItem;
use crate::types::{
    DatasetId, DatasetSpec, DatasetStatus, EpochRow, FeatureMap, JobId, JobState, Phase, Profile, Progress,
    ResolvedSpec,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub has_more: bool,
    /// Give it as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatasetView {
    pub id: DatasetId,
    pub status: DatasetStatus,
    /// The client's name for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Bytes of the upload.
    pub bytes: u64,
    /// sha256 of the upload, hexadecimal.
    pub sha256: String,
    pub spec: DatasetSpec,
    /// Present once `ready`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<Profile>,
    /// Present once `ready`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feature_map: Option<FeatureMap>,
    /// Why it is `invalid`: up to a cap; `error_total` counts all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<ProblemItem>,
    pub error_total: u64,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    pub id: JobId,
    pub dataset_id: DatasetId,
    pub status: JobState,
    /// Whether `status` will never change again.
    pub is_terminal: bool,
    /// What a running job is doing, and in which outer epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<u32>,
    /// How many times a worker has started it.
    pub attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The spec with nothing left to a default.
    pub spec: ResolvedSpec,
    /// sha256 of the resolved spec, hexadecimal.
    pub spec_sha256: String,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Counts from 1 without gaps in its job.
    pub seq: i64,
    /// One of EventType's words; ignore those you do not know.
    #[serde(rename = "type")]
    pub kind: String,
    pub at: DateTime<Utc>,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// Events after a sequence number, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    pub data: Vec<EventView>,
    pub has_more: bool,
    /// Whether the job's last event is in this or an earlier page.
    pub is_terminal: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetricsView {
    pub data: Vec<EpochRow>,
    pub has_more: bool,
    /// Give it as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactView {
    /// The last part of its address.
    pub name: String,
    pub bytes: u64,
    /// sha256, hexadecimal; also its strong ETag.
    pub sha256: String,
    pub media_type: String,
    /// Name to save it under.
    pub download_name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactList {
    pub data: Vec<ArtifactView>,
}

/// What this server can do and how much of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    pub version: String,
    pub max_upload_bytes: u64,
    pub max_rows: u64,
    pub methods: Vec<String>,
    pub presets: Vec<String>,
    pub backbones: Vec<String>,
    pub formats: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    pub status: String,
    /// What is not well, where something is not.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<String>,
}
