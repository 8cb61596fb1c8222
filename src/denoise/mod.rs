//! AutoDenoise (spec `autodenoise.md`; Lin et al., WWW'23): a policy learns by reinforcement which training rows to keep.
//!
//! [`AutoDenoise`] is the whole of it as a state machine whose steps are single passes; the other files are its parts. Engines
//! compute the policy and the model; what is done with their numbers in a search epoch is in [`search_epoch`], once for all.

mod actions;
mod autodenoise;
mod history;
mod reward;
mod robust;
mod search;
mod select;

pub use actions::{act, act_again, draw_uniforms};
pub use autodenoise::AutoDenoise;
pub use history::History;
pub use reward::{Rewards, compute_rewards};
pub use robust::Robust;
pub use search::{SearchEpoch, SearchError, SearchSummary, search_epoch};
pub use select::select;
