//! A verdict by the user's own model: what each of its trainings is handed, the command that does them, and the results that
//! it is about.
//! The proof itself is `evaluate`'s.
//!
//! A command is run by whoever typed it, on their own machine: `cli` alone does so, and no part of the service.

mod command;
mod manifest;
mod program;
mod results;
mod table;

pub use command::{CommandError, JudgeCommand, RunFiles};
pub use manifest::{Manifest, ManifestError, ManifestRun};
pub use program::{Program, ProgramError};
pub use results::{JobResults, JobResultsError, REPORT, put_verdict};
pub use table::{JudgedTable, JudgedTableError};
