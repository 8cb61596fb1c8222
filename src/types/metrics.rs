//! The numbers that jobs and reports give of rows and models.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// AUC and log-loss over a set of rows (spec `metrics.md`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// Absent where all rows have the same label.
    pub auc: Option<f64>,
    pub logloss: f64,
    /// Rows whose prediction was clipped before its logarithm was taken.
    #[serde(default)]
    pub clipped: u64,
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
