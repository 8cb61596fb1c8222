//! The report of a finished job: what was kept, how models with and without it did, and how often the test was read.

use super::{Arm, Metrics, ResolvedSpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    pub spec: ResolvedSpec,
    /// The device the numbers were computed on, for example `cpu`.
    pub device: String,
    /// What computed them, for example `fused, x86-64-v3`; empty in reports of versions that had only libtorch.
    #[serde(default)]
    pub engine: String,
    pub threads: usize,
    /// Rows the policy kept, in all and by label. All rows for method `none`.
    pub kept: KeptShare,
    pub kept_positive: KeptShare,
    pub kept_negative: KeptShare,
    /// Outer epoch whose subset this is, counted from 1; absent for method `none`.
    pub best_epoch: Option<u32>,
    /// One entry an arm: `full` always, `denoised` where there was a search.
    pub arms: Vec<ArmResult>,
    /// How often the test labels were read. 1 per arm when the subset was chosen on validation data.
    pub test_reads: u64,
    pub warnings: Vec<Warning>,
    pub seconds: f64,
    /// Most memory the trainer's process had resident, the mapped dataset included; absent where the system does not say.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
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

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeptShare {
    pub rows: u64,
    pub of: u64,
}

impl KeptShare {
    pub fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.rows as f64 / self.of as f64 }
    }
}

/// Something a reader of the result must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// A stable word, for example `min_selected_fraction`.
    pub code: String,
    pub message: String,
}
