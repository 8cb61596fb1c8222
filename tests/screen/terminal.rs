//! A terminal with no end: what a person sees once a command has ended, and what was seen on the way.

use std::{
    path::Path,
    process::{Command, Output},
};

/// What a command wrote to a terminal of so many columns.
pub struct Terminal {
    pub output: Output,
    /// As the command wrote it, with what moves the cursor and colours.
    pub raw: String,
    lines: Vec<Line>,
    columns: usize,
    at: (usize, usize),
}

#[derive(Default, Clone)]
struct Line {
    letters: Vec<char>,
    /// Whether it had no room for what came next, which stands on the line below.
    overflows: bool,
}

impl Terminal {
    /// Runs the program in a folder, with words as a shell reads them.
    pub fn run(dir: &Path, columns: usize, words: &str, environment: &[(&str, &str)]) -> Self {
        let program = env!("CARGO_BIN_EXE_autodenoise");
        let output = Command::new("script")
            .args(["-qec", &format!("stty cols {columns} rows 24; {program} {words}"), "/dev/null"])
            .current_dir(dir)
            .envs(environment.iter().copied())
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let raw = String::from_utf8(output.stdout.clone()).unwrap();
        let mut terminal = Self { output, raw: raw.clone(), lines: vec![Line::default()], columns, at: (0, 0) };
        terminal.take(&raw);
        terminal
    }

    /// The lines that are left at the end.
    pub fn seen(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.letters.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    pub fn text(&self) -> String {
        self.seen().join("\n")
    }

    /// Nothing that stays is wider than the terminal, and no progress is left standing.
    pub fn assert_fits(&self) {
        for (line, seen) in self.lines.iter().zip(self.seen()) {
            assert!(!line.overflows, "wider than {} columns: {seen}\n{}", self.columns, self.text());
            // What there is of a bar, or of the line over it.
            assert!(
                !["━", "░", "█", "some seconds left"].iter().any(|progress| seen.contains(progress)),
                "left standing: {seen}\n{}",
                self.text()
            );
        }
    }

    fn take(&mut self, text: &str) {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => self.at.1 = 0,
                '\n' => self.go_down(1),
                '\x1b' => {
                    let mut order = String::new();
                    while !order.ends_with(|last: char| last.is_ascii_alphabetic()) {
                        order.extend(letters.next());
                    }
                    self.obey(&order);
                }
                letter if letter.is_control() => {}
                letter => self.put(letter),
            }
        }
    }

    /// `[2A` and the like; colours change nothing.
    fn obey(&mut self, order: &str) {
        let count = || order[1..order.len() - 1].parse().unwrap_or(1);
        match order.chars().last() {
            Some('A') => self.at.0 = self.at.0.saturating_sub(count()),
            Some('B') => self.go_down(count()),
            Some('K') => {
                self.lines[self.at.0] = Line::default();
                self.at.1 = 0;
            }
            _ => {}
        }
    }

    fn go_down(&mut self, lines: usize) {
        self.at.0 += lines;
        if self.lines.len() <= self.at.0 {
            self.lines.resize(self.at.0 + 1, Line::default());
        }
    }

    fn put(&mut self, letter: char) {
        if self.at.1 == self.columns {
            self.lines[self.at.0].overflows = true;
            self.go_down(1);
            self.at.1 = 0;
        }
        let line = &mut self.lines[self.at.0].letters;
        if line.len() <= self.at.1 {
            line.resize(self.at.1 + 1, ' ');
        }
        line[self.at.1] = letter;
        self.at.1 += 1;
    }
}
