//! AutoDenoise (spec `autodenoise.md`; Lin et al., WWW'23): a policy learns by reinforcement which training rows to keep.
//!
//! [`AutoDenoise`] is the whole of it as a state machine whose steps are single passes; the other files are its parts. What
//! the policy does within a batch is written once for each engine, in [`torch`] and [`fused`], behind [`Searcher`].

mod autodenoise;
pub mod fused;
mod history;
mod robust;
mod searcher;
mod select;
pub mod torch;

pub use autodenoise::AutoDenoise;
pub use history::History;
pub use robust::Robust;
pub use searcher::{PolicyConfig, SearchEpoch, SearchError, SearchSummary, Searcher, searcher};
pub use select::select;
