//! Both metrics at once, from logits.

use super::{
    auc::auc_in_place,
    error::MetricsError,
    logloss::{LogLoss, logloss, sigmoid},
};
use crate::types::{AucOn, Metrics};

/// Both metrics of f32 logits `[n]` against labels `[n]` (0 or 1). Takes eight bytes of memory
/// for each row.
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
    Ok(Metrics { auc: auc_in_place(labels, ranked)?, logloss: mean, clipped })
}
