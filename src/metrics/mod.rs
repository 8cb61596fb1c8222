//! How predictions are judged (spec `metrics.md`): exact AUC with ties, log-loss with a count of the rows that were
//! clipped, and tests of whether one set of runs is better than another.

mod auc;
mod beta;
mod calibration;
mod clustered;
mod compare;
mod error;
mod logits;
mod logloss;
mod placements;
mod platt;
mod radix;
mod stats;

pub use auc::auc;
pub use beta::{incomplete_beta, student_t_two_sided};
pub use calibration::calibration;
pub use compare::{
    MOST_PAIRS, TTest, hanley_mcneil, holm, mean_interval, normal_quantile, paired_t, sign_flip, welch_t,
};
pub use error::MetricsError;
pub use logits::of_logits;
pub use logloss::{LogLoss, logloss, sigmoid};
pub use placements::{RowDifferences, RowError, placements};
pub use platt::Platt;
pub use stats::{mean, sample_sd};
