//! Results for programs.

use clap::Args;
use serde::Serialize;

/// How the result is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "What is shown")]
pub struct JsonArgs {
    /// Print the result as JSON on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

impl JsonArgs {
    /// Prints a result: as JSON where that is asked for, else as `text` has it.
    pub fn print(self, result: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json { print_json(result) } else { println!("{}", text()) }
    }
}

/// Prints a result as JSON.
pub fn print_json(result: &impl Serialize) {
    println!("{}", serde_json::to_string_pretty(result).expect("a result is plain data"));
}
