//! A job as a whole: every method with every seed chooses its rows, every backbone is trained on them by the one training
//! routine and tested once, and the results are written. [`Run`] is the state machine; what a method does is its
//! [`Selector`](crate::selection::Selector)'s.

mod checkpoint;
mod evidence;
mod explain;
mod export;
mod guard;
mod planted;
mod proof;
mod run;
mod table;
mod tasks;
mod training;
mod verdict;

use crate::backbone::Engines;
use crate::types::ResolvedSpec;

pub use checkpoint::CheckpointError;
pub use export::{DenoisedWriter, Dropped, ExportError};
pub use planted::Planted;
pub use run::{Run, RunError, RunInput, Step};

/// What computes a job's models, for reports.
pub fn describe_engines(engines: &Engines, spec: &ResolvedSpec) -> String {
    let mut found: Vec<String> = Vec::new();
    for trainee in tasks::trainees(spec) {
        // One that cannot be had ends the job in other words.
        let Ok(engine) = engines.for_model(trainee.backbone) else { continue };
        if !found.contains(&engine.describe()) {
            found.push(engine.describe());
        }
    }
    found.join("; ")
}
