//! The policy and its search epochs on libtorch.

mod actions;
mod policy;
mod reward;
mod search;

pub use actions::{eps_greedy, greedy, sample, uniforms};
pub use policy::{Policy, keep_prob};
pub use reward::{Rewards, rewards};
pub use search::TorchSearcher;
