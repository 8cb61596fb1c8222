//! Models that serve the method: their options do not depend on the job's backbone.

use crate::backbone::{BackboneConfig, FitOptions, OptimizerConfig, WeightsError};
use crate::selection::{Context, SelectError};
use crate::types::{BackboneKind, Options, Preset};

/// Weight decay of the factorisation machines that judge values and give the directions of a draw.
const FM_WEIGHT_DECAY: f64 = 3e-5;

pub(super) struct Machine {
    pub config: BackboneConfig,
    pub options: FitOptions,
}

impl Machine {
    pub fn new(kind: BackboneKind, weight_decay: f64, context: &Context) -> Result<Self, SelectError> {
        let own = context.options();
        let options = Options { batch_size: own.batch_size, ..Options::preset(Preset::Paper, kind) };
        let fit = FitOptions {
            optimizer: OptimizerConfig { kind: own.optimizer, lr: options.lr, weight_decay },
            max_passes: own.retrain_max_epoch,
            ..FitOptions::retrain(&options)
        };
        Ok(Self { config: BackboneConfig::new(kind, context.map, &options)?, options: fit })
    }

    /// A factorisation machine.
    pub fn fm(context: &Context) -> Result<Self, SelectError> {
        Self::new(BackboneKind::Fm, FM_WEIGHT_DECAY, context)
    }
}

/// A checkpoint that fits no model of the method is a damaged one.
pub(super) fn as_damaged(error: SelectError) -> WeightsError {
    match error {
        SelectError::Weights(error) => error,
        error => WeightsError::Missing(error.to_string()),
    }
}
