//! The policy and its search epochs on the CPU, without libtorch.

mod rules;
mod search;

pub use rules::{Rewards, act, act_again, greedy, keep_prob, rewards, uniforms};
pub use search::{FusedSearcher, reinforce_head};
