//! How words are shown: wrapped at the width of a terminal, and in colour where that helps.

use std::io::IsTerminal;

/// What a stream is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Columns of the terminal; absent where it is none, and lines are as long as they are.
    pub width: Option<usize>,
    pub colour: bool,
}

/// What a word means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Unsure,
    Strong,
}

/// A terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 80;

impl Screen {
    pub fn stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    pub fn stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of(stream: &impl IsTerminal) -> Self {
        if !stream.is_terminal() {
            return Self { width: None, colour: false };
        }
        let width = comfy_table::Table::new().width().map_or(USUAL_WIDTH, usize::from);
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let colour = !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { width: Some(width), colour }
    }

    /// Whether somebody sees it now; else it is a file or another program's.
    pub fn is_terminal(self) -> bool {
        self.width.is_some()
    }

    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Unsure => "33",
            Tone::Strong => "1",
        };
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The text in lines that fit, broken between words; those after the first begin with `indent` more spaces than the text.
    pub fn wrap(self, text: &str, indent: usize) -> String {
        match self.width {
            None => text.to_owned(),
            Some(width) => text.split('\n').map(|line| wrap_line(line, width, indent)).collect::<Vec<_>>().join("\n"),
        }
    }
}

fn wrap_line(line: &str, width: usize, indent: usize) -> String {
    let own = line.chars().take_while(|c| *c == ' ').count();
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let (mut out, mut column) = (" ".repeat(own), own);
    for (number, word) in line.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > width {
            out += &format!("\n{}", " ".repeat(own + indent));
            column = own + indent;
        } else if number > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let screen = Screen { width: Some(20), colour: false };
        assert_eq!(screen.wrap("fits", 2), "fits");
        let wrapped = screen.wrap("  one two three four five six seven", 2);
        assert_eq!(wrapped, "  one two three four\n    five six seven");
        assert!(wrapped.lines().all(|line| line.len() <= 20));
        assert_eq!(Screen { width: None, ..screen }.wrap(&"word ".repeat(30), 2), "word ".repeat(30));
    }

    #[test]
    fn colour_is_put_where_there_is_a_terminal_that_wants_it() {
        let screen = Screen { width: Some(80), colour: true };
        assert_eq!(screen.paint(Tone::Good, "certified"), "\x1b[32mcertified\x1b[0m");
        assert_eq!(Screen { colour: false, ..screen }.paint(Tone::Good, "certified"), "certified");
    }
}
