//! Parts of a job: trainings that do not wait for each other, which may be done by other workers than the job's own.

use super::{Arm, BackboneKind, JobId, Phase, ResolvedSpec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// What a part trains, in words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartWork {
    /// `tune` where settings are raced, else the phase that the training belongs to.
    pub phase: Phase,
    pub arm: Arm,
    pub seed: u64,
    pub backbone: BackboneKind,
}

/// A part as the trainer of its job hands it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfferedPart {
    /// Names the part in its job, in every attempt alike.
    pub number: u32,
    pub work: PartWork,
    /// What is to be done: read by trainers of the same version alone.
    pub order: serde_json::Value,
    /// File below `out_dir` that says which rows were chosen; absent where all are trained on.
    pub rows: Option<String>,
}

/// All that a trainer needs which does one part of another trainer's job. It says [`super::TrainerEvent::PartDone`] in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerPart {
    pub job_id: JobId,
    pub number: u32,
    pub spec: ResolvedSpec,
    /// Folder of the encoded dataset (see `ingest::Dataset`).
    pub dataset_dir: PathBuf,
    pub order: serde_json::Value,
    /// The file that says which rows were chosen.
    pub rows: Option<PathBuf>,
    /// Folder for the result; the trainer's own.
    pub out_dir: PathBuf,
    /// Threads of the numeric engine.
    pub threads: usize,
    /// Most bytes of memory, where the operator has said so.
    pub memory_cap: Option<u64>,
}
