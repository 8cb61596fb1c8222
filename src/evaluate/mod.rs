//! A job as a whole: every method with every seed chooses its rows, every backbone is trained on them by the one training
//! routine and tested once, and the results are written. [`Run`] is the state machine; what a method does is its
//! [`Selector`](crate::selection::Selector)'s.

mod artifacts;
mod board;
mod book;
mod checkpoint;
mod choice;
mod clusters;
mod contend;
mod crew;
mod denoised;
mod desk;
mod elsewhere;
mod engines;
mod evidence;
mod explain;
mod export;
mod formats;
mod guard;
mod job;
mod joint;
mod names;
mod outlook;
mod outside;
mod part;
mod parts;
mod passes;
mod planted;
mod proof;
mod reasons;
mod relabelling;
mod report;
mod reselect;
mod results;
mod run;
mod share;
mod state;
mod table;
mod tasks;
mod training;
mod trusted;
mod tune;
mod turn;
mod verdict;

pub use artifacts::ExportError;
pub use board::{NextPart, PartBoard};
pub use checkpoint::{CheckpointError, newest_checkpoint};
pub use denoised::DenoisedWriter;
pub use elsewhere::{PartInput, run_part};
pub use engines::describe_engines;
pub use formats::write_npy;
pub use job::RunInput;
pub use outside::{
    OutsideError, OutsideProof, OutsideRun, Predictions, changes_rows, list_outside_runs, with_arm_rows,
};
pub use planted::Planted;
pub use results::{KEEP_MASK, LABELS, ResultsError, read_choice, read_rows_to_show};
pub use run::{Run, RunError, Step, is_drawn};
pub use trusted::TrustedError;
