//! The model that judges rows: its options do not depend on the job's backbone.

use crate::backbone::{BackboneConfig, FitOptions, OptimizerConfig, WeightsError};
use crate::selection::{Context, SelectError};
use crate::types::method::RobustOptions;
use crate::types::{Options, Preset};

pub(super) struct Machine {
    pub config: BackboneConfig,
    pub options: FitOptions,
}

impl Machine {
    pub fn teacher(own: &RobustOptions, context: &Context) -> Result<Self, SelectError> {
        let of_job = context.options();
        let options = Options { batch_size: of_job.batch_size, ..Options::preset(Preset::Paper, own.teacher) };
        let weight_decay = own.teacher_weight_decay;
        let fit = FitOptions {
            optimizer: OptimizerConfig { kind: of_job.optimizer, lr: options.lr, weight_decay },
            max_passes: of_job.retrain_max_epoch,
            ..FitOptions::retrain(&options)
        };
        Ok(Self { config: BackboneConfig::new(own.teacher, context.map, &options)?, options: fit })
    }
}

/// A checkpoint that fits no model of the method is a damaged one.
pub(super) fn as_damaged(error: SelectError) -> WeightsError {
    match error {
        SelectError::Weights(error) => error,
        error => WeightsError::Missing(error.to_string()),
    }
}
