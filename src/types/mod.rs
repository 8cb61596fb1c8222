//! The vocabulary every room shares: ids, states, the dataset and job specs, events and results.
//!
//! Plain data with serde, sqlx and OpenAPI derives; no I/O, no web framework, no libtorch.

mod ability;
mod access;
mod audit;
mod backbone;
mod bad_rows;
mod column_pattern;
mod dataset;
mod device;
mod digest;
mod event;
mod evidence;
mod facts;
mod failure;
mod faults;
mod field_reading;
mod findings_words;
mod ids;
mod job;
mod judgement;
mod label_rule;
mod memory;
pub mod method;
mod metrics;
mod option_value;
mod options;
mod origin;
mod overrides;
mod part;
mod plan;
mod problem;
mod quote;
mod report;
mod resolve;
mod resolved;
mod row_rule;
mod separator;
mod signed;
mod source_file;
mod spec;
mod spec_bounds;
mod table_parts;
mod table_source;
mod tenant;
mod test_read;
mod text_encoding;
mod tuning;
mod uploaded_table;
mod webhook;
mod words;

pub use ability::{Ability, TORCH_TRAINER};
pub use access::{Quota, Scope};
pub use audit::AuditOutcome;
pub use backbone::{BackboneKind, Structure};
pub use bad_rows::{OnBadRow, SkippedRows};
pub use dataset::{
    Compression, DatasetSpec, DatasetStatus, FeatureMap, Field, FieldKind, FieldSpec, FileFormat, LongCell, MAX_PLACES,
    MultiMode, MultiSpec, NumericSpec, PartRows, Profile, Split, SplitCounts, SplitSpec, TimeColumn, TimeUnit,
    Vocabulary,
};
pub use device::{Device, Engine};
pub use digest::json_sha256;
pub use event::{ArtifactFile, EpochRow, EventType, TrainerEvent, TrainerJob, TrainerOrder, TrainerWork};
pub use evidence::{
    ArtifactDigest, Calibration, Certificate, Certification, CertifiedArm, CertifiedRun, Certify, Clusters, Corruption,
    CorruptionFound, Envelope, EnvelopeSignature, ExampleValue, Findings, Found, Gain, GainReading, Guard, JudgedRows,
    LoglossRise, Noise, RarestValue, ReadGain, RemedyKind, SelfCheck, SelfCheckResult, Slice, Stability, TestRows,
    TestedPart, Verdict,
};
pub use facts::DatasetFacts;
pub use failure::{ErrorKind, Failure, JobFailure};
pub use field_reading::{FieldReading, FieldWarning, ReadAs, Suspicion};
pub use ids::{AuditEntryId, DatasetId, JobId, JudgementId, KeyId, MessageId, ParseIdError, UploadId, WebhookId};
pub use job::{Arm, JobState, Phase, Progress};
pub use judgement::{JudgementManifest, JudgementState, Training};
pub use label_rule::{Comparison, LabelRule, LabelTest};
pub use memory::{SIDE_BY_SIDE_BYTES, TRAINED_COPIES, split_bytes};
pub use method::{BdisInit, CeData, ClFilter, Cost, Distance, EnemyTies, Knn, Method, MethodName, TrainingPasses};
pub use metrics::{KeptShare, Metrics};
pub use option_value::OptionValue;
pub use options::{
    Action, AucOn, DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, Options, PolicyReduction,
    Preset, Reinit, Reward, RewardForward, RewardNorm, Select, SelectBy, UpdateAction,
};
pub use origin::Origin;
pub use part::{OfferedPart, PartWork, TrainerPart};
pub use plan::{Estimate, Plan};
pub use problem::{FieldError, ProblemItem, RowError};
pub use quote::Quote;
pub use report::{ArmResult, LabelColumns, Report, RunResult, TableLine, Tested, Warning};
pub use resolved::{ResolvedMethod, Trainee};
pub use row_rule::RowRule;
pub use signed::signed;
pub use source_file::{RemoteFile, SourceFile};
pub use spec::{CompareSpec, JobSpec, MethodSpec, ResolvedSpec, Sweep};
pub use table_parts::{TableParts, WrongParts};
pub use table_source::{DenoisedForm, OutputForm, SourcePart, TableSource};
pub use tenant::{ParseTenantError, TenantId};
pub use test_read::{TestRead, two_digits};
pub use text_encoding::TextEncoding;
pub use tuning::{FIRST_CUT, LAST_RUNNERS, TunedCandidate, TunedStudent, Tuning, TuningGrid};
pub use uploaded_table::{UploadedPart, UploadedTable, list_parts};
pub use webhook::{ParseSecretError, WebhookData, WebhookEvent, WebhookPayload, WebhookSecret};
pub use words::{enumerated, nearest, shorten};
