//! What can be wrong with predictions.

/// Why predictions have no metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    #[error("the prediction of row {row} is not a number")]
    NotANumber { row: usize },
    #[error("there are no rows to compute a metric over")]
    Empty,
}
