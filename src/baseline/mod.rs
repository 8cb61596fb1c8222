//! The methods the paper compares with, and controls (spec `baselines.md`): what they compute, and the
//! [`Selector`](crate::selection::Selector)s that run them.

pub mod confident;
mod controls;
mod crossfit;
pub mod instance;
mod neighbours;
pub mod sampled;

pub use controls::{LossDrop, RandomDrop};
pub use crossfit::ConfidentLearning;
pub use neighbours::InstanceSelection;
