//! AutoDenoise (spec `autodenoise.md`; Lin et al., WWW'23): a policy learns by reinforcement which training rows to keep.
//!
//! `run` is the whole of it as a state machine whose steps are single passes; the other files are its parts. What the
//! policy does within a batch is written once for each engine, in [`torch`] and [`fused`], behind [`Searcher`].

mod checkpoint;
mod export;
pub mod fused;
mod history;
mod phases;
mod progress;
mod run;
mod sealed;
mod searcher;
mod select;
pub mod torch;

pub use checkpoint::CheckpointError;
pub use export::{DenoisedWriter, Dropped, ExportError};
pub use history::History;
pub use run::{Run, RunError, RunInput, Step};
pub use searcher::{PolicyConfig, SearchEpoch, SearchError, SearchSummary, Searcher, searcher};
pub use select::{keep_count, select, top_k};
