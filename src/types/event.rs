//! What a worker tells its trainer process (one JSON document on stdin) and what it hears back (one JSON event a line
//! on stdout), and the names of the events clients see.

use super::{
    Arm, DatasetSpec, ErrorKind, JobId, Metrics, OfferedPart, Origin, OutputForm, Phase, Progress, Report,
    ResolvedSpec, TableSource, TrainerPart, Warning,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// What a trainer process is started for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum TrainerWork {
    Job(Box<TrainerJob>),
    /// A part of a job that another trainer runs.
    Part(Box<TrainerPart>),
}

/// All a trainer needs: it has no database and reads nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerJob {
    pub job_id: JobId,
    pub attempt: i32,
    pub spec: ResolvedSpec,
    /// What its readers call the table and the job.
    #[serde(default)]
    pub origin: Origin,
    /// Folder of the encoded dataset (see `ingest::Dataset`).
    pub dataset_dir: PathBuf,
    /// The table's file or files, as they came.
    pub source: TableSource,
    pub source_spec: DatasetSpec,
    /// How the denoised table is written.
    #[serde(default)]
    pub output_form: OutputForm,
    /// Where corruption was planted in the table: the file that says in which rows (`plant::read_truth`).
    #[serde(default)]
    pub truth: Option<PathBuf>,
    /// Verdicts on the table's test rows before the job's own.
    #[serde(default)]
    pub earlier_reads: u32,
    /// Folder for checkpoints and results; the trainer's own.
    pub out_dir: PathBuf,
    /// Checkpoint file to go on from.
    pub resume_from: Option<PathBuf>,
    /// A checkpoint is written at the first end of a pass that is at least this long after the last one.
    pub checkpoint_seconds: f64,
    /// Threads of the numeric engine.
    pub threads: usize,
    /// Most bytes of memory, where the operator has said so.
    #[serde(default)]
    pub memory_cap: Option<u64>,
    /// Whether parts of the job are laid out for other workers too, and done in the order that the worker says.
    #[serde(default)]
    pub spread: bool,
}

/// What one pass over the training rows came to. (contender, arm, seed, phase, epoch, pass) names it in its job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EpochRow {
    /// Number of the method in the job: 0 its own, then those of `spec.compare`.
    #[serde(default)]
    pub contender: u32,
    pub arm: Arm,
    pub seed: u64,
    pub phase: Phase,
    /// Warm-up row, outer epoch of search and validation, part of a cross-fitting, or backbone of the evaluation (1: the
    /// method's own, then those of `spec.transfer`); counted from 1.
    pub epoch: u32,
    /// Pass of the training in this epoch, counted from 1; 1 elsewhere.
    pub pass: u32,
    pub seconds: f64,
    /// Over the rows trained on, from the predictions made on the way (train mode, before each update).
    pub train: Option<Metrics>,
    pub valid: Option<Metrics>,
    /// Search: share of rows selected for the model's updates. Validation: share of training rows kept.
    pub kept: Option<f64>,
    /// Search: mean and standard deviation of the rewards as given, before any centring.
    pub reward_mean: Option<f64>,
    pub reward_std: Option<f64>,
    /// Search: model updates left out because too few rows were selected.
    pub skipped_updates: Option<u64>,
}

/// A file of results in `out_dir`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// Name clients ask for, for example `indices`.
    pub name: String,
    /// Path below `out_dir`.
    pub file: String,
    pub media_type: String,
    /// Name a browser saves it under, for example `indices.parquet`.
    pub download_name: String,
}

/// What a worker tells a trainer that runs. One JSON object a line, after the job's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum TrainerOrder {
    /// End the pass under way, write a checkpoint, say `paused` and exit.
    Pause,
    /// Answers `next_part`: do this part.
    DoPart { number: u32 },
    /// Answers `next_part`: this part is done, and the file has what came of it.
    TakePart { number: u32, file: PathBuf },
    /// Answers `next_part` where the trainer does not wait: all are with others.
    NoPart,
}

/// What a trainer says. One JSON object a line; `{"event":"epoch", ...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainerEvent {
    Started {
        device: String,
        engine: String,
        threads: usize,
        resumed: bool,
    },
    Phase {
        #[serde(default)]
        contender: u32,
        phase: Phase,
        epoch: u32,
    },
    Epoch(EpochRow),
    Progress(Progress),
    /// `file` below `out_dir` holds all that a later attempt needs; every event sent before it is covered by it.
    Checkpoint {
        file: String,
        phase: Phase,
        epoch: u32,
    },
    Warning(Warning),
    Artifact(ArtifactFile),
    /// Parts that whoever has a free slot may do. Said of each part once.
    Parts {
        parts: Vec<OfferedPart>,
    },
    /// The trainer has room for a part and waits for an order: which of the `open` ones it does next, or what came of one.
    /// `begun` is one that an earlier attempt has half done. Where it `waits` it has nothing else to do.
    NextPart {
        open: Vec<u32>,
        begun: Option<u32>,
        waits: bool,
    },
    /// A part is done; `file` below `out_dir` has what came of it. The last event of a trainer that was started for the part.
    PartDone {
        number: u32,
        file: String,
    },
    /// The last event of a run that ended well.
    Finished(Box<Report>),
    /// The last event of a run that was told to pause: its newest checkpoint covers all it did.
    Paused,
    /// The last event of a run that ended badly. `retryable`: whether another attempt could end otherwise.
    Failed {
        message: String,
        retryable: bool,
        /// Absent from trainers of earlier versions.
        #[serde(default)]
        kind: Option<ErrorKind>,
    },
}

/// Types of the events clients see. Unknown types are to be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    #[serde(rename = "job.queued")]
    JobQueued,
    #[serde(rename = "job.started")]
    JobStarted,
    #[serde(rename = "job.requeued")]
    JobRequeued,
    #[serde(rename = "job.pausing")]
    JobPausing,
    #[serde(rename = "job.paused")]
    JobPaused,
    #[serde(rename = "job.resumed")]
    JobResumed,
    #[serde(rename = "job.cancelling")]
    JobCancelling,
    #[serde(rename = "job.succeeded")]
    JobSucceeded,
    #[serde(rename = "job.failed")]
    JobFailed,
    #[serde(rename = "job.cancelled")]
    JobCancelled,
    #[serde(rename = "phase.started")]
    PhaseStarted,
    #[serde(rename = "epoch.completed")]
    EpochCompleted,
    #[serde(rename = "checkpoint.saved")]
    CheckpointSaved,
    #[serde(rename = "seed.completed")]
    SeedCompleted,
    #[serde(rename = "selfcheck.completed")]
    SelfcheckCompleted,
    #[serde(rename = "verdict.issued")]
    VerdictIssued,
    #[serde(rename = "log")]
    Log,
}

impl EventType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobQueued => "job.queued",
            Self::JobStarted => "job.started",
            Self::JobRequeued => "job.requeued",
            Self::JobPausing => "job.pausing",
            Self::JobPaused => "job.paused",
            Self::JobResumed => "job.resumed",
            Self::JobCancelling => "job.cancelling",
            Self::JobSucceeded => "job.succeeded",
            Self::JobFailed => "job.failed",
            Self::JobCancelled => "job.cancelled",
            Self::PhaseStarted => "phase.started",
            Self::EpochCompleted => "epoch.completed",
            Self::CheckpointSaved => "checkpoint.saved",
            Self::SeedCompleted => "seed.completed",
            Self::SelfcheckCompleted => "selfcheck.completed",
            Self::VerdictIssued => "verdict.issued",
            Self::Log => "log",
        }
    }

    /// The type of that word; clients may meet words of a newer server.
    pub fn parse(word: &str) -> Option<Self> {
        Self::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word)).ok()
    }

    /// Whether the event is a job's last.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::JobSucceeded | Self::JobFailed | Self::JobCancelled)
    }
}
