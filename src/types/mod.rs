//! The vocabulary every room shares: ids, states, the dataset and job specs, events and results.
//!
//! Plain data with serde, sqlx and OpenAPI derives; no I/O, no web framework, no libtorch.

mod dataset;
mod event;
mod ids;
mod job;
mod problem;
mod report;
#[macro_use]
mod spec;
// Below the macro that makes its words.
mod baseline;

pub use baseline::{BdisInit, Distance, EnemyTies, Knn};
pub use dataset::{
    Comparison, Compression, DatasetSpec, DatasetStatus, FeatureMap, Field, FieldKind, FieldSpec, FileFormat,
    LabelRule, MultiMode, MultiSpec, NumericSpec, Profile, Split, SplitCounts, SplitSpec, Vocabulary,
};
pub use event::{ArtifactFile, EpochRow, EventType, Metrics, TrainerEvent, TrainerJob};
pub use ids::{DatasetId, JobId, ParseIdError};
pub use job::{Arm, JobState, Phase, Progress};
pub use problem::{FieldError, RowError};
pub use report::{ArmResult, KeptShare, Report, Warning};
pub use spec::{
    Action, AucOn, BackboneKind, DeselectedReward, Device, Engine, JobSpec, LmatDeselected, LmatLoss, MethodName,
    MethodSpec, OnFewSelected, Optimizer, Options, PolicyReduction, Preset, Reinit, ResolvedMethod, ResolvedSpec,
    Reward, RewardForward, RewardNorm, Select, SelectBy, UpdateAction,
};
