//! The policy on libtorch: its network, what is asked of it as of any engine's, and a search epoch that stays on its device.

mod engine;
mod network;
mod search;

pub use network::{TorchPolicy, keep_prob};
