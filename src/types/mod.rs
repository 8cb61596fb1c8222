//! The vocabulary every room shares: ids, states, the dataset and job specs, events and results.
//!
//! Plain data with serde, sqlx and OpenAPI derives; no I/O, no web framework, no libtorch.

mod ability;
mod access;
mod backbone;
mod baseline;
mod dataset;
mod digest;
mod event;
mod evidence;
mod failure;
mod ids;
mod job;
mod method;
mod options;
mod plan;
mod problem;
mod report;
mod resolve;
mod spec;
mod table_parts;
mod tenant;
mod webhook;

pub use ability::{Ability, TORCH_TRAINER};
pub use access::{Quota, Scope};
pub use backbone::{BackboneKind, Structure};
pub use baseline::{BdisInit, Distance, EnemyTies, Knn};
pub use dataset::{
    Comparison, Compression, DatasetSpec, DatasetStatus, FeatureMap, Field, FieldKind, FieldSpec, FileFormat,
    LabelRule, MultiMode, MultiSpec, NumericSpec, Profile, Split, SplitCounts, SplitSpec, Vocabulary,
};
pub use digest::json_sha256;
pub use event::{ArtifactFile, EpochRow, EventType, Metrics, TrainerEvent, TrainerJob, TrainerOrder};
pub use evidence::{
    ArtifactDigest, Calibration, Candidate, Certificate, Certification, CertifiedArm, CertifiedRun, Certify, Envelope,
    EnvelopeSignature, Findings, Found, Gain, Guard, Noise, RarestValue, SelfCheck, SelfCheckResult, Slice, Stability,
    Verdict,
};
pub use failure::{ErrorKind, Failure, JobFailure};
pub use ids::{DatasetId, JobId, KeyId, MessageId, ParseIdError, UploadId, WebhookId};
pub use job::{Arm, JobState, Phase, Progress};
pub use method::{BaselineOptions, CeData, ClFilter, MethodName};
pub use options::{
    Action, AucOn, DeselectedReward, Device, Engine, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, Options,
    PolicyReduction, Preset, Reinit, Reward, RewardForward, RewardNorm, Select, SelectBy, UpdateAction,
};
pub use plan::{Estimate, Plan};
pub use problem::{FieldError, ProblemItem, RowError};
pub use report::{ArmResult, KeptShare, Report, RunResult, TableLine, Tested, Warning};
pub use spec::{CompareSpec, DatasetFacts, JobSpec, MethodSpec, ResolvedMethod, ResolvedSpec, Sweep, Trainee};
pub use table_parts::{TableParts, WrongParts};
pub use tenant::{ParseTenantError, TenantId};
pub use webhook::{ParseSecretError, WebhookData, WebhookEvent, WebhookPayload, WebhookSecret};
