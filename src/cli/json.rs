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
    println!("{}", escape_controls(&serde_json::to_string_pretty(result).expect("a result is plain data")));
}

/// JSON may hold DEL and what follows it as they are; to some terminals they are orders. They can stand in strings alone.
fn escape_controls(json: &str) -> String {
    let escape = |c: char| match c {
        '\n' => "\n".to_owned(),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    if json.contains(|c: char| c.is_control() && c != '\n') {
        json.chars().map(escape).collect()
    } else {
        json.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_gives_no_orders_to_a_terminal_and_means_the_same() {
        let text = "a\u{1b}[2J\u{9b}2J\u{7f}b";
        let printed = escape_controls(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(!printed.contains(['\u{1b}', '\u{9b}', '\u{7f}']), "{printed:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&printed).unwrap()[0], text);
    }
}
