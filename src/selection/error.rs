//! What can end a method's work.

use crate::backbone::{ConfigError, EngineError, FitError, WeightsError};
use crate::types::Phase;

#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("{} epoch {epoch}: {source}", phase.as_str())]
    Fit { phase: Phase, epoch: u32, source: FitError },
    #[error("search epoch {epoch}: {source}")]
    Search { epoch: u32, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("all test rows have the same label, so select_by = test_auc cannot choose; use valid_auc")]
    TestOneClass,
    #[error(
        "the policy's probabilities are not finite numbers after search epoch {epoch}; a smaller policy_lr_mult usually helps"
    )]
    PolicyNotFinite { epoch: u32 },
    #[error(
        "{method} kept {kept} of the training rows, too few to train on; its options may be too strict for this table"
    )]
    TooFewKept { method: String, kept: usize },
    #[error("{0}")]
    Unsuitable(String),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
