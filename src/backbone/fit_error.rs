//! What can go wrong while a model is trained and judged.

use crate::metrics::MetricsError;

#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error("the loss of batch {batch} is not a finite number; a smaller lr usually helps")]
    NotFinite { batch: usize },
    #[error("a prediction of the trained model is not a finite number; a smaller lr usually helps")]
    NotFinitePrediction,
    #[error(
        "all validation rows have the same label, so their AUC is undefined and no training can be judged; give the dataset a split with both labels"
    )]
    OneClass,
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}
