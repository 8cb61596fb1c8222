//! What predictions are judged by (spec `metrics.md`): exact AUC with ties, log-loss with its clipped rows counted, and
//! tests of whether one set of runs is better than another.

mod auc;
mod beta;
mod calibration;
mod compare;
mod logloss;
mod placements;
mod radix;
mod stats;

pub use auc::auc;
pub use beta::{incomplete_beta, student_t_two_sided};
pub use calibration::calibration;
pub use compare::{
    MOST_PAIRS, TTest, hanley_mcneil, holm, mean_interval, normal_quantile, paired_t, sign_flip, welch_t,
};
pub use logloss::{LogLoss, logloss, sigmoid};
pub use placements::{RowDifferences, RowError, placements};
pub use stats::{mean, sample_sd};

use crate::types::{AucOn, Metrics};

/// Why predictions have no metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    #[error("the prediction of row {row} is not a number")]
    NotANumber { row: usize },
    #[error("there are no rows to compute a metric over")]
    Empty,
}

/// Both metrics of f32 logits `[n]` against labels `[n]` (0 or 1). Eight bytes a row are taken for the while.
pub fn of_logits(labels: &[u8], logits: &[f32], on: AucOn, eps: f64) -> Result<Metrics, MetricsError> {
    let probabilities: Vec<f32> = logits.iter().map(|z| sigmoid(*z)).collect();
    let LogLoss { mean, clipped } = logloss(labels, probabilities.iter().map(|p| f64::from(*p)), eps)?;
    let ranked = match on {
        AucOn::Prob => probabilities,
        AucOn::Logit => {
            drop(probabilities);
            logits.to_vec()
        }
    };
    Ok(Metrics { auc: auc::auc_of(labels, ranked)?, logloss: mean, clipped })
}
