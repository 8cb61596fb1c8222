//! `autodenoise judge`, and `denoise --judge`: a verdict by the user's own model.

mod arms;
mod inputs;
mod program;
mod verdict;

pub use program::{JudgeArgs, ProofAsked, judge_report};

use super::error::CliError;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum JudgeCommand {
    /// Write the tables that your model is to be trained on: kept rows, all rows, random rows treated alike
    Arms(Box<arms::ArmsArgs>),
    /// Give the verdict on what your models predict
    Verdict(verdict::VerdictArgs),
}

pub fn run(command: JudgeCommand) -> Result<(), CliError> {
    match command {
        JudgeCommand::Arms(args) => arms::write_arms(*args),
        JudgeCommand::Verdict(args) => verdict::give_verdict(args),
    }
}
