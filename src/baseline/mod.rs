//! The methods the paper compares with, and controls (spec `baselines.md`): what they compute, and the
//! [`Selector`]s that run them.

pub mod confident;
mod controls;
mod crossfit;
pub mod instance;
mod margin;
mod neighbours;
mod ranked;
pub mod sampled;

use crate::backbone::TrainingLoss;
use crate::selection::{Context, Selector};
use crate::types::Method;
use controls::{LabelSmoothing, LossDrop, RandomDrop};
use crossfit::ConfidentLearning;
use margin::Aum;
use neighbours::InstanceSelection;
use ranked::Ranked;

/// Who chooses the rows, where the method is one of these and chooses any.
pub fn selector(method: &Method, context: &Context) -> Option<Box<dyn Selector>> {
    Some(match method {
        Method::RandomDrop(own) => Box::new(RandomDrop::new(own)),
        Method::LossDrop(own) => Box::new(LossDrop::new(own)),
        Method::Enn(own) => Box::new(InstanceSelection::enn(own, context)),
        Method::Cnn(own) => Box::new(InstanceSelection::cnn(own, context)),
        Method::Drop3(own) => Box::new(InstanceSelection::drop3(own, context)),
        Method::Lssm(own) => Box::new(InstanceSelection::lssm(&own.local_sets, context)),
        Method::Lsbo(own) => Box::new(InstanceSelection::lsbo(&own.local_sets, context)),
        Method::Bdis(own) => Box::new(InstanceSelection::bdis(own, context)),
        Method::ConfidentLearning(own) => Box::new(ConfidentLearning::new(own, context)),
        Method::Trim(own) => Box::new(Ranked::trim(own, context)),
        Method::Eard(own) => Box::new(Ranked::eard(own, context)),
        Method::LabelSmoothing(own) => Box::new(LabelSmoothing::new(own)),
        Method::Aum(_) => Box::new(Aum::default()),
        Method::None(_)
        | Method::TCe(_)
        | Method::RCe(_)
        | Method::Autodenoise(_)
        | Method::AutodenoiseV(_)
        | Method::Robust(_) => return None,
    })
}

/// The loss that the method trains models with, in passes of so many batches.
pub fn training_loss(method: &Method, batches: usize) -> TrainingLoss {
    match method {
        Method::TCe(own) => TrainingLoss::TruncatedCe {
            drop_rate: own.drop_rate,
            ramp_batches: (own.ramp_epochs * batches as f64).round() as u64,
            exponent: own.ramp_exponent,
            protect_negatives: own.protect_negatives,
        },
        Method::RCe(own) => TrainingLoss::ReweightedCe { beta: own.beta },
        _ => TrainingLoss::Bce,
    }
}
