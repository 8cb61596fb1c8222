//! A verdict by the user's own model: what each of its trainings is handed, the command that does them, and what it predicts.
//! The proof itself is `evaluate`'s.
//!
//! A command is run by whoever typed it, on their own machine: `cli` alone uses this room, and no part of the service does.

mod command;
mod manifest;
mod predictions;
mod program;
mod results;
mod table;

pub use command::{CommandError, JudgeCommand, RunFiles};
pub use manifest::{Manifest, ManifestError, ManifestRun};
pub use predictions::{PredictionsError, read_predictions};
pub use program::{Program, ProgramError};
pub use results::{JobResults, JobResultsError, REPORT, put_verdict};
pub use table::{JudgedTable, JudgedTableError};
