//! A job as a whole: every method with every seed chooses its rows, every backbone is trained on them by the one training
//! routine and tested once, and the results are written. [`Run`] is the state machine; what a method does is its
//! [`Selector`](crate::selection::Selector)'s.

mod checkpoint;
mod export;
mod run;
mod table;
mod tasks;
mod training;

pub use checkpoint::CheckpointError;
pub use export::{DenoisedWriter, Dropped, ExportError};
pub use run::{Run, RunError, RunInput, Step};
