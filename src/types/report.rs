//! The report of a finished job: what was kept, how models with and without it did, and how often the test was read.

use super::{
    Arm, BackboneKind, Calibration, Certification, Findings, Found, Guard, KeptShare, MethodName, Metrics,
    ResolvedSpec, SelfCheckResult, Stability, TunedStudent, Verdict,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    #[serde(default = "Report::not_evaluated")]
    pub verdict: Verdict,
    /// Where the job asked for one: what the verdict rests on.
    #[serde(default)]
    pub certification: Option<Certification>,
    pub spec: ResolvedSpec,
    /// The device the numbers were computed on, for example `cpu`.
    pub device: String,
    /// What computed them, for example `fused, x86-64-v3`; empty in reports of versions that had only libtorch.
    #[serde(default)]
    pub engine: String,
    pub threads: usize,
    /// Rows the job's method kept, in all and by label. All rows for method `none`.
    pub kept: KeptShare,
    pub kept_positive: KeptShare,
    pub kept_negative: KeptShare,
    /// Validation rows that the denoised table has. The others lie in places whose training rows were dropped.
    /// Absent where these are all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_valid: Option<KeptShare>,
    /// Kept rows that count as of the other label: what they are trained on differs from the label by more than 0.5.
    #[serde(default)]
    pub relabelled: u64,
    /// Other kept rows that are trained on something between the labels 0 and 1.
    #[serde(default)]
    pub softened: u64,
    /// Kept rows that weigh more or less than 1 in training.
    #[serde(default)]
    pub reweighted: u64,
    /// Where there are such rows: the last two columns of the denoised table, which say so.
    #[serde(default)]
    pub label_columns: Option<LabelColumns>,
    /// Outer epoch whose subset this is, counted from 1; absent where there was no search.
    pub best_epoch: Option<u32>,
    /// With the job's own backbone and first seed: `full` always, `denoised` unless the method is `none`.
    pub arms: Vec<ArmResult>,
    /// Every method with every backbone that was trained on what it chose, all seeds. The job's own method comes first.
    #[serde(default)]
    pub table: Vec<TableLine>,
    /// The same for the backbones of `spec.transfer`, trained on the job's rows; corrected for being several (Holm).
    #[serde(default)]
    pub transfers: Vec<Certification>,
    /// What students were trained with, where that was chosen on validation rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<TunedStudent>,
    #[serde(default)]
    pub self_check: Option<SelfCheckResult>,
    /// What the method `robust` made of the table, with the first seed.
    #[serde(default)]
    pub findings: Option<Findings>,
    /// Absent where every row was kept.
    #[serde(default)]
    pub guard: Option<Guard>,
    /// Where the job ran with several seeds, or its verdict chose anew with each.
    #[serde(default)]
    pub stability: Option<Stability>,
    /// Where noise was planted in the whole job: what training on the rows that were left alone comes to, one a seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oracle: Vec<RunResult>,
    /// How often the test labels were read: once for each model of the table and of the proof, where rows were chosen on
    /// validation data.
    pub test_reads: u64,
    pub warnings: Vec<Warning>,
    pub seconds: f64,
    /// Most memory the trainer's process had resident, the mapped dataset included; absent where the system does not say.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
}

/// The columns of a denoised table that say what its rows are trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelColumns {
    /// What the row's label counts as, from 0 to 1: `autodenoise_target`, with a number behind it where the upload has such a
    /// column.
    pub target: String,
    /// What the row weighs, 1 where nothing is said of it: `autodenoise_weight`, with the same number.
    pub weight: String,
}

/// A method and a backbone trained on what it chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableLine {
    /// Number of the method in the job: 0 its own, then those of `spec.compare`.
    pub contender: u32,
    pub method: MethodName,
    pub label: String,
    /// The backbone the rows were chosen with, and the one trained on them.
    pub chosen_with: BackboneKind,
    pub backbone: BackboneKind,
    /// One a seed.
    pub runs: Vec<RunResult>,
}

/// What one seed came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunResult {
    pub seed: u64,
    pub kept: KeptShare,
    pub kept_positive: KeptShare,
    pub kept_negative: KeptShare,
    /// Outer epoch whose subset this is, counted from 1; absent where there was no search.
    pub best_epoch: Option<u32>,
    /// Rows trained on: those kept, but for the losses, which are trained on all rows and keep some of them.
    pub trained_rows: u64,
    /// Passes trained, and the one whose weights were used; counted from 1.
    pub passes: u32,
    pub best_pass: u32,
    pub valid: Metrics,
    pub test: Metrics,
    /// On the test rows; absent in reports of earlier versions.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// The model of the best epoch as the validation phase trained it, where the epochs were chosen by their test results:
    /// the number the paper reports. Its own test result chose it, so it is too good.
    pub as_selected: Option<Tested>,
    /// Where noise was planted in the whole job: how well it was told from the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// Seconds of choosing the rows, and of training this backbone on them.
    pub select_seconds: f64,
    pub train_seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tested {
    pub valid: Metrics,
    pub test: Metrics,
}

/// How a model trained on an arm's rows did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArmResult {
    pub arm: Arm,
    pub seed: u64,
    pub train_rows: u64,
    /// Passes trained, and the one whose weights were used; counted from 1.
    pub passes: u32,
    pub best_pass: u32,
    pub valid: Metrics,
    pub test: Metrics,
    pub seconds: f64,
}

impl Report {
    fn not_evaluated() -> Verdict {
        Verdict::NotEvaluated
    }
}

/// Something a reader of the result must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// A stable word, for example `min_selected_fraction`.
    pub code: String,
    /// Number of the method in the job: 0 its own, then those of `spec.compare`.
    #[serde(default)]
    pub contender: u32,
    pub message: String,
}
