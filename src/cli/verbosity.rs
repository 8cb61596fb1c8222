//! How much a command says beside its result.

use clap::Args;

/// How much is said of the work, on standard error. What comes out is said on standard output all the same.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "What is shown")]
pub struct Verbosity {
    /// Show every pass, how each column was read, and all that the verdict rests on
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show no progress, only warnings, errors and the result
    #[arg(long, short)]
    pub quiet: bool,
}
