//! How words are shown: wrapped at the width of a terminal, and in colour where that helps.

use std::{borrow::Cow, io::IsTerminal};
use unicode_width::UnicodeWidthStr;

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

    /// Columns that a table on standard output may take: those of the terminal, else those that the environment names, as for
    /// a pager.
    pub fn columns_of_stdout() -> Option<usize> {
        let named = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
        Self::stdout().width.or_else(named)
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

    /// The text in lines that fit, broken between words; those after the first begin with `indent` more spaces than the text. A
    /// word that is wider than the terminal, such as a path, stays whole, so that it can be copied.
    /// Whatever a terminal would take for an order is shown as what it is ([`printable`]).
    pub fn wrap(self, text: &str, indent: usize) -> String {
        let text = printable(text);
        match self.width {
            None => text.into_owned(),
            Some(width) => text.split('\n').map(|line| wrap_line(line, width, indent)).collect::<Vec<_>>().join("\n"),
        }
    }

    /// A command line to be copied: where it is broken, a shell reads on.
    pub fn wrap_command(self, command: &str) -> String {
        let width = self.width.map(|width| width.saturating_sub(2));
        Self { width, ..self }.wrap(command, 4).replace('\n', " \\\n")
    }
}

/// Says something on standard error, in lines that fit it.
pub fn note(text: &str) {
    eprintln!("{}", Screen::stderr().wrap(text, 2));
}

/// Prints a result on standard output, in lines that fit it.
pub fn print(text: &str) {
    println!("{}", Screen::stdout().wrap(text, 2));
}

/// The text with what is no letter to a terminal written out: texts of servers and files could else move the cursor, hide lines
/// before them, or turn their direction round. Line ends and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_order = |c: char| {
        c.is_control() && !['\n', '\t'].contains(&c) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_order(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

fn wrap_line(line: &str, width: usize, indent: usize) -> String {
    let own = line.chars().take_while(|c| *c == ' ').count();
    if line.width() <= width {
        return line.to_owned();
    }
    let (mut out, mut column) = (" ".repeat(own), own);
    for (number, word) in line.split_whitespace().enumerate() {
        let length = word.width();
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
        assert_eq!(screen.wrap_command("one two three four five six"), "one two three four \\\n    five six");
        // Each of these letters takes two columns.
        assert_eq!(screen.wrap("千と千尋の神隠し もののけ姫", 2), "千と千尋の神隠し\n  もののけ姫");
        assert_eq!(Screen { width: None, ..screen }.wrap(&"word ".repeat(30), 2), "word ".repeat(30));
    }

    #[test]
    fn orders_to_a_terminal_are_written_out() {
        let evil = "a\u{1b}]0;title\u{7}\r\u{9b}2Jb\u{202e}c\td\ne";
        let shown = "a\\u{1b}]0;title\\u{7}\\r\\u{9b}2Jb\\u{202e}c\td\ne";
        assert_eq!(printable(evil), shown);
        for width in [None, Some(200)] {
            let wrapped = Screen { width, colour: true }.wrap(evil, 2);
            assert!(!wrapped.contains(['\u{1b}', '\u{9b}', '\r', '\u{7}', '\u{202e}']), "{wrapped:?}");
        }
        assert!(matches!(printable("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn colour_is_put_where_there_is_a_terminal_that_wants_it() {
        let screen = Screen { width: Some(80), colour: true };
        assert_eq!(screen.paint(Tone::Good, "certified"), "\x1b[32mcertified\x1b[0m");
        assert_eq!(Screen { colour: false, ..screen }.paint(Tone::Good, "certified"), "certified");
    }
}
