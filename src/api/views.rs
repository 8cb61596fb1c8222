//! What the API answers with: the shapes of resources, shared with the command line's client.

use crate::types::{
    AuditEntryId, AuditOutcome, BackboneKind, Certification, Compression, DatasetId, DatasetSpec, DatasetStatus,
    EpochRow, ErrorKind, FeatureMap, FileFormat, JobId, JobState, KeyId, MessageId, MethodName, PartWork, Phase,
    ProblemItem, Profile, Progress, Quota, ResolvedSpec, SelfCheckResult, Split, TestRead, UploadedPart, Verdict,
    WebhookId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type, schema::AnyOfBuilder},
};

/// Bytes as they are, for the OpenAPI document.
pub struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Binary {}

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
    /// The name of the uploaded file, where the client gave it one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
    /// Bytes of the upload, or of all parts.
    pub bytes: u64,
    /// sha256 of the upload, hexadecimal; of a table in parts, that of the text `<sha256>  <name>`, a line for each part, as in a certificate.
    pub sha256: String,
    /// The files of a table in parts, in the order of its rows. `profile.parts` says which rows each has.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parts: Vec<DatasetPart>,
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

/// One of the files of a dataset's table.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatasetPart {
    /// What messages and results call it.
    pub name: String,
    pub bytes: u64,
    /// sha256, hexadecimal.
    pub sha256: String,
    /// The split of all its rows, where the parts say the split.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split: Option<Split>,
}

impl From<UploadedPart> for DatasetPart {
    fn from(part: UploadedPart) -> Self {
        Self { name: part.name, bytes: part.bytes, sha256: part.sha256, split: part.split }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    pub id: JobId,
    pub dataset_id: DatasetId,
    /// The dataset's name, else that of the uploaded file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dataset_name: Option<String>,
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
    /// Number of its last event: what follows in the stream comes after it.
    #[serde(default)]
    pub last_event_seq: i64,
    /// Jobs of a higher priority are run first.
    #[serde(default)]
    pub priority: i32,
    /// What a queued job waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_kind: Option<ErrorKind>,
    /// What the test rows say of the result, once there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// Which verdict on its table's test rows it is, and what it may err by, once a worker has claimed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test_read: Option<TestRead>,
    /// The job this one runs again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reproduces: Option<JobId>,
    /// While it runs: its trainings that do not wait for each other, which any worker may do.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parts: Vec<PartView>,
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

impl JobView {
    /// How far its parts are, and on how many workers; none where it has none.
    pub fn describe_parts(&self) -> Option<String> {
        let count = |state| self.parts.iter().filter(|part| part.state == state).count();
        let running = self.parts.iter().filter(|part| part.state == PartState::Running);
        let workers: BTreeSet<_> = running.filter_map(|part| part.worker.as_ref()).collect();
        let on = match workers.len() {
            0 => String::new(),
            1 => " on one worker".to_owned(),
            many => format!(" on {many} workers"),
        };
        let (done, at_work) = (count(PartState::Done), count(PartState::Running));
        let told = || format!("{done} of {} parts done, {at_work} at work{on}", self.parts.len());
        (!self.parts.is_empty()).then(told)
    }
}

/// A part of a running job: a training, or the race for its setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    pub state: PartState,
    #[serde(flatten)]
    pub work: PartWork,
    /// Who does it, or has done it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worker: Option<String>,
}

/// Where a part of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    Waiting,
    Running,
    Done,
}

/// A job in a list. `GET /v1/jobs/{id}` has the rest of it, its spec too.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    pub id: JobId,
    pub dataset_id: DatasetId,
    /// The dataset's name, else that of the uploaded file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dataset_name: Option<String>,
    pub status: JobState,
    /// Whether `status` will never change again.
    pub is_terminal: bool,
    /// The job's own method.
    pub method: MethodName,
    pub backbone: BackboneKind,
    pub seed: u64,
    /// What a running job is doing, and in which outer epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<u32>,
    /// How many times a worker has started it.
    pub attempt: u32,
    /// Jobs of a higher priority are run first.
    pub priority: i32,
    /// What a queued job waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_kind: Option<ErrorKind>,
    /// What the test rows say of the result, once there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// The job this one runs again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reproduces: Option<JobId>,
    /// The client's own words for finding it again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// sha256 of the resolved spec, hexadecimal.
    pub spec_sha256: String,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<JobView> for JobSummary {
    fn from(job: JobView) -> Self {
        Self {
            id: job.id,
            dataset_id: job.dataset_id,
            dataset_name: job.dataset_name,
            status: job.status,
            is_terminal: job.is_terminal,
            method: job.spec.method.name(),
            backbone: job.spec.method.backbone,
            seed: job.spec.seed,
            phase: job.phase,
            epoch: job.epoch,
            attempt: job.attempt,
            priority: job.priority,
            waiting_for: job.waiting_for,
            progress: job.progress,
            error: job.error,
            error_kind: job.error_kind,
            verdict: job.verdict,
            reproduces: job.reproduces,
            labels: job.spec.labels,
            spec_sha256: job.spec_sha256,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// What a finished job proved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerdictView {
    pub verdict: Verdict,
    /// What the verdict rests on; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certification: Option<Certification>,
    /// The same for other backbones trained on the job's rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transfers: Vec<Certification>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub self_check: Option<SelfCheckResult>,
    /// Of a job that runs another again: whether it came to the same. Absent where results of either are gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reproduction: Option<Reproduction>,
}

/// Results of a job that runs another again beside that job's.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reproduction {
    pub of: JobId,
    /// Whether every result that both have, but the report, which has times in it, is the same to the byte.
    pub identical: bool,
    /// Results that differ.
    pub differing: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Counts from 1 without gaps in its job.
    pub seq: i64,
    /// One of EventType's words; ignore those you do not know.
    #[serde(rename = "type")]
    #[schema(schema_with = event_type)]
    pub kind: String,
    pub at: DateTime<Utc>,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// The words there are, and those that later versions add.
fn event_type() -> Schema {
    let known = Ref::from_schema_name("EventType");
    Schema::AnyOf(AnyOfBuilder::new().item(known).item(ObjectBuilder::new().schema_type(Type::String)).build())
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

/// How far two jobs on the same table drop the same rows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OverlapView {
    /// The other job.
    pub with: JobId,
    /// Rows that this job drops.
    pub dropped: u64,
    pub dropped_by_other: u64,
    pub dropped_by_both: u64,
    /// Of the rows that either drops, the share that both drop. Absent where neither drops any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jaccard: Option<f64>,
}

/// One start of a job by a worker.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub attempt: u32,
    pub worker: String,
    pub started_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// `succeeded`, `failed`, `cancelled`, `paused`, `died` (the trainer), `lost` (the worker) or `released` (handed back by
    /// a worker that stopped); absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<String>,
    /// Where it ended badly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_kind: Option<ErrorKind>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AttemptPage {
    pub data: Vec<AttemptView>,
    pub has_more: bool,
    /// Give it as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<i32>,
}

/// A state of a job that it could go on from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// `seq` of its `checkpoint.saved` event.
    pub seq: i64,
    pub attempt: u32,
    pub phase: Phase,
    pub epoch: u32,
    pub bytes: u64,
    /// sha256, hexadecimal.
    pub sha256: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckpointList {
    pub data: Vec<CheckpointView>,
}

/// A process that runs jobs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Host, process, and a word that differs after a restart.
    pub name: String,
    /// `ready`, `unfit` (it claims nothing, for its `reasons`) or `draining` (it is stopping).
    pub state: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// GPUs that jobs may ask for.
    pub gpus: Vec<String>,
    /// Whether it has libtorch: every backbone, not those of the engine `fused` alone.
    pub torch: bool,
    /// Jobs it runs at once, and what it runs now, reading of datasets included.
    pub slots: u32,
    pub busy: u32,
    pub version: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
}

/// An address that is told what becomes of jobs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    pub id: WebhookId,
    pub url: String,
    /// WebhookEvent's words.
    pub events: Vec<String>,
    pub created_at: DateTime<Utc>,
    /// Since when nothing is sent to it, because its receiver answered 410 Gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disabled_at: Option<DateTime<Utc>>,
    /// Until when messages are signed with the secret before this one too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub former_secret_until: Option<DateTime<Utc>>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// The key its messages are signed with. It is shown this once.
    pub secret: String,
}

/// What somebody did, or tried to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEntryView {
    pub id: AuditEntryId,
    pub at: DateTime<Utc>,
    /// Absent where nobody was let in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant: Option<String>,
    /// Absent where no key was asked for, and for what the operator did on the machine itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<KeyId>,
    /// Who was connected: a proxy's address where one stands before the service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// `X-Forwarded-For` as it came. It says whom a proxy asked for, if a proxy of yours sets it; else anybody may claim it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forwarded_for: Option<String>,
    /// The method and the route, as `POST /v1/jobs/{id}/cancel`; or the operator's command, as `keys create`.
    pub action: String,
    /// The id of what it was done to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// Of the answer, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// What became of it.
    #[schema(value_type = AuditOutcome)]
    pub outcome: String,
    /// As in the log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueuedMessage {
    pub message_id: MessageId,
}

/// One attempt to deliver a message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The `webhook-id` it was sent with.
    pub message_id: MessageId,
    #[serde(rename = "type")]
    pub kind: String,
    /// Absent in a test.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_id: Option<JobId>,
    /// Counts from 1 for each message.
    pub attempt: u32,
    pub at: DateTime<Utc>,
    /// `delivered`, `retrying`, `failed` (that was the last attempt) or `gone` (the receiver wants no more).
    pub outcome: String,
    /// Status of the receiver's answer, where one came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    pub duration_ms: u64,
    /// Why it did not arrive. What the receiver says is never kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// When the message is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_at: Option<DateTime<Utc>>,
}

/// How the file of an upload reads, before a dataset is made of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadSample {
    /// The name that it was uploaded under.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    pub bytes: u64,
    /// sha256 of the whole file as it arrived, hexadecimal: what `POST /v1/datasets` asks for.
    pub sha256: String,
    pub format: FileFormat,
    pub compression: Compression,
    /// What stands between two values of a CSV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub separator: Option<String>,
    /// Names of the columns, in the file's order.
    pub columns: Vec<String>,
    /// The first rows as text, a cell a column.
    pub rows: Vec<Vec<String>>,
}

/// What this server can do and how much of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    pub version: String,
    pub max_upload_bytes: u64,
    pub uploads: UploadLimits,
    pub max_rows: u64,
    /// Public key that certificates of this server are signed with: `ed25519:` and hexadecimal.
    pub signing_key: String,
    /// What a tenant may have, unless the operator gave it other limits.
    pub tenant_limits: Quota,
    pub methods: Vec<String>,
    pub presets: Vec<String>,
    /// Engines that the workers have: `fused`, and `tch` where `autodenoise-torch` is installed. None where no worker runs.
    pub engines: Vec<String>,
    /// Devices that a job may name: `cpu`, and the GPUs of the workers.
    pub devices: Vec<String>,
    /// Backbones that the workers can train; all, where no worker runs.
    pub backbones: Vec<String>,
    pub formats: Vec<String>,
}

/// How tables are taken in parts; `max_upload_bytes` holds for them too.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadLimits {
    pub tus_version: String,
    pub tus_extensions: Vec<String>,
    pub checksum_algorithms: Vec<String>,
    /// An upload that nothing was sent to for this long is removed.
    pub expiry_seconds: f64,
    /// Unfinished uploads there may be at once.
    pub max_unfinished: u32,
    /// Uploads that one dataset may be made of.
    #[serde(default)]
    pub max_parts: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    pub status: String,
    /// What is not well, where something is not.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<String>,
}
