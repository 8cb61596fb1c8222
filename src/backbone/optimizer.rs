//! The optimisers there are, and their bias correction.

use crate::types::Optimizer;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerConfig {
    pub kind: Optimizer,
    pub lr: f64,
    pub weight_decay: f64,
}

/// The numbers of one step that are the same for all parameters (spec `autodenoise.md` section 4, `backbones.md` table
/// 1.2): g <- g + decay p; m, v <- running means of g, g^2; p <- p - rate m / (scale sqrt(v) + eps).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    Adam {
        decay: f32,
        /// lr / (1 - beta1^t).
        rate: f32,
        /// 1 / sqrt(1 - beta2^t).
        scale: f32,
    },
    Sgd {
        decay: f32,
        rate: f32,
    },
}

impl Update {
    /// beta1 and beta2 as they are, for an optimiser that rounds them itself.
    pub const BETAS: [f64; 2] = [BETA1, BETA2];
    pub const BETA1: f32 = BETA1 as f32;
    pub const BETA2: f32 = BETA2 as f32;
    /// 1 - beta, rounded once.
    pub const REST1: f32 = (1.0 - BETA1) as f32;
    pub const REST2: f32 = (1.0 - BETA2) as f32;
    pub const EPS: f32 = 1e-8;

    /// Of step number `step`, counted from 1.
    pub fn new(config: &OptimizerConfig, step: u32) -> Self {
        let decay = config.weight_decay as f32;
        match config.kind {
            Optimizer::Sgd => Self::Sgd { decay, rate: config.lr as f32 },
            Optimizer::Adam | Optimizer::LazyAdam => {
                let (c1, c2) = (1.0 - BETA1.powf(f64::from(step)), 1.0 - BETA2.powf(f64::from(step)));
                Self::Adam { decay, rate: (config.lr / c1) as f32, scale: (1.0 / c2.sqrt()) as f32 }
            }
        }
    }
}
