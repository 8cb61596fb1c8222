//! AutoDenoise (spec `autodenoise.md`; Lin et al., WWW'23): a policy learns by reinforcement which training rows to keep.
//!
//! `run` is the whole of it as a state machine whose steps are single passes; the other files are its parts.

mod actions;
mod checkpoint;
mod export;
mod history;
mod phases;
mod policy;
mod progress;
mod reward;
mod run;
mod sealed;
mod search;
mod select;

pub use actions::{eps_greedy, greedy, sample, uniforms};
pub use checkpoint::CheckpointError;
pub use export::{DenoisedWriter, Dropped, ExportError};
pub use history::{Entries, History};
pub use policy::{Policy, PolicyConfig};
pub use reward::{Rewards, rewards};
pub use run::{Run, RunError, RunInput, Step};
pub use search::{Search, SearchError, SearchSummary};
pub use select::{keep_count, select, top_k};
