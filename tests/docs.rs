//! The commands that the documentation shows: the command line knows each of their options, and those that need no more than a
//! table or a server are run, and so is a script that makes a table. A block that is not run has a comment above it that says why: `<!-- not run: it takes hours -->`.

mod harness;

use autodenoise::cli;
use clap::error::ErrorKind;
use harness::{BIN, Service, clicks, scratch};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// A block of code in a page.
struct Block {
    page: PathBuf,
    line: usize,
    language: String,
    text: String,
    /// Why it is not run.
    reason: Option<String>,
}

impl Block {
    /// Its commands, each on one line and without comments.
    fn commands(&self) -> Vec<String> {
        let mut text = self.text.replace("\\\n", " ");
        if self.language == "yaml" {
            // A list's item goes on in the next line; what is a command stands behind a dash.
            text = text.replace("\n        --", " --").replace("    - autodenoise", "autodenoise");
        }
        text.lines().map(|line| strip_comment(line).trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push("README.md".into());
    pages.sort();
    pages
}

/// Blocks in which a command of ours or curl's stands at the beginning of a line.
fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        while at < lines.len() {
            let Some(language) = lines[at].strip_prefix("```") else {
                at += 1;
                continue;
            };
            let end = (at + 1..lines.len()).find(|end| lines[*end] == "```").expect("a block ends");
            let above = lines[..at].iter().rev().find(|line| !line.is_empty()).copied().unwrap_or_default();
            let reason = above.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
            let block = Block {
                page: page.clone(),
                line: at + 1,
                language: language.to_owned(),
                text: lines[at + 1..end].join("\n"),
                reason: reason.map(ToOwned::to_owned),
            };
            let is_ours = |line: &String| find_command(line).is_some() || line.starts_with("curl ");
            if ["sh", "yaml"].contains(&language) && block.commands().iter().any(is_ours) {
                blocks.push(block);
            }
            at = end + 1;
        }
    }
    blocks
}

fn strip_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '#') if at == 0 || line[..at].ends_with(' ') => return &line[..at],
            _ => {}
        }
    }
    line
}

/// The part of a line that is a command of ours.
fn find_command(line: &str) -> Option<&str> {
    let at = line.find("autodenoise ")?;
    let before = line[..at].trim_end();
    (before.is_empty() || before.ends_with("$(")).then(|| &line[at..])
}

/// The words of a command as a shell divides them, up to where the command ends.
fn split_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (None, '|' | ';' | '>' | '&' | ')') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What stands for something that the reader has.
fn fill_in(word: &str) -> String {
    let id = "0198c0de00007000800000000000abcd";
    let filled = ["job", "ds", "key"].iter().fold(word.to_owned(), |word, kind| {
        word.replace(&format!("{kind}_…"), &format!("{kind}_{id}"))
            .replace(&format!("${kind}"), &format!("{kind}_{id}"))
    });
    filled.replace("$target", "table1").replace("$COMMIT", "3fe1").replace("$D", "/var/lib/autodenoise")
}

#[test]
fn every_command_in_the_docs_is_understood() {
    let mut faults = Vec::new();
    let mut check = |place: String, command: &str, is_whole: bool| {
        let words: Vec<String> = split_words(command).iter().map(|word| fill_in(word)).collect();
        let Err(error) = cli::parse(&words) else { return };
        let kind = error.kind();
        let is_part = [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
        let is_shown = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&kind);
        if !is_shown && (is_whole || !is_part.contains(&kind)) {
            faults.push(format!("{place}: {command}\n{error}"));
        }
    };
    let blocks = blocks();
    for block in &blocks {
        for command in block.commands().iter().filter_map(|line| find_command(line)) {
            check(format!("{}:{}", block.page.display(), block.line), command, true);
        }
    }
    // In the middle of a sentence a command need not be whole.
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (number, part) in text.split('`').enumerate() {
            if number % 2 == 1 && part.starts_with("autodenoise ") {
                check(page.display().to_string(), &part.replace('\n', " "), false);
            }
        }
    }
    assert!(blocks.len() > 10, "{}", blocks.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// A folder with the tables that the documentation speaks of.
fn make_tables(dir: &Path) {
    let clicks = fs::read_to_string(clicks(dir, 120, 100)).unwrap();
    let mut lines = clicks.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let renamed = [("user", "user_id"), ("item", "movie_id"), ("genre", "genres"), ("click", "rating")];
    let rename = |name| renamed.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| *to);
    let label = names.iter().position(|name| *name == "click").unwrap();
    let mut table = names.iter().copied().map(rename).collect::<Vec<_>>().join(",") + "\n";
    for line in lines {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[label] = if cells[label] == "1" { "5" } else { "2" };
        table += &(cells.join(",") + "\n");
    }
    fs::write(dir.join("interactions.csv"), table).unwrap();
    fs::create_dir(dir.join("data")).unwrap();
}

/// Where commands are run, and what they said so far.
struct Session {
    dir: PathBuf,
    service: Service,
    variables: HashMap<String, String>,
    /// The last id of each kind that a command printed.
    ids: HashMap<&'static str, String>,
}

impl Session {
    /// Runs a line as a shell does and gives its exit code and output.
    fn run(&mut self, line: &str) -> (i32, String) {
        let mut line = line.replace("http://127.0.0.1:8080", &self.service.url);
        for (kind, id) in &self.ids {
            line = line.replace(&format!("{kind}_…"), id);
        }
        let variable = line.split_once("=$(").filter(|(name, _)| name.chars().all(char::is_alphanumeric));
        let (name, command) = match variable {
            Some((name, rest)) => (Some(name.to_owned()), rest.trim_end_matches(')').to_owned()),
            None => (None, line.clone()),
        };
        let path = format!("{}:{}", Path::new(BIN).parent().unwrap().display(), std::env::var("PATH").unwrap());
        let output = Command::new("timeout")
            .args(["300", "bash", "-uc", &command])
            .current_dir(&self.dir)
            .env("PATH", path)
            .env("AUTODENOISE_SERVER", &self.service.url)
            .env("COMMIT", "3fe1")
            .envs(&self.variables)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(name) = name {
            self.variables.insert(name, printed.trim().to_owned());
        }
        for kind in ["ds", "job"] {
            let found = printed.match_indices(&format!("{kind}_")).map(|(at, _)| &printed[at..]).next();
            if let Some(id) = found.and_then(|rest| rest.get(..kind.len() + 33)) {
                self.ids.insert(kind, id.to_owned());
            }
        }
        (output.status.code().unwrap_or(-1), printed + &String::from_utf8_lossy(&output.stderr))
    }

    /// Waits until the last table that was uploaded is read.
    fn wait_for_dataset(&self) {
        let Some(id) = self.ids.get("ds") else { return };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let dataset: Value = self.service.expect(self.service.get(&format!("/v1/datasets/{id}")), 200);
            if dataset["status"] != "processing" {
                return;
            }
            assert!(Instant::now() < deadline, "{dataset}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_commands_that_need_a_table_or_a_server_run() {
    let dir = scratch();
    make_tables(dir.path());
    let service = Service::start_with(&dir.path().join("service"), &[]);
    let mut session = Session { dir: dir.path().to_owned(), service, variables: HashMap::new(), ids: HashMap::new() };
    let (mut ran, mut faults) = (0, Vec::new());
    for block in blocks().iter().filter(|block| block.language == "sh" && block.reason.is_none()) {
        for line in block.commands() {
            // One is there.
            if line.starts_with("autodenoise serve") {
                continue;
            }
            let (code, said) = session.run(&line);
            session.wait_for_dataset();
            // What comes out is by the noise of a small table. A table that is not certified is not handed out.
            let may_be_refused = line.contains("denoised");
            let is_well = [0, 7, 8].contains(&code) || may_be_refused && [1, 22].contains(&code);
            if !is_well {
                faults.push(format!("{}:{}: {line}\nexit code {code}\n{said}", block.page.display(), block.line));
            }
            ran += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(ran >= 8, "{ran} commands");
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    assert_eq!(split_words("a 'b c' --d=\"e f\" | g"), ["a", "b c", "--d=e f"]);
    assert_eq!(strip_comment("autodenoise serve  # http://x"), "autodenoise serve  ");
    assert_eq!(strip_comment("curl 'a#b' c#d"), "curl 'a#b' c#d");
    assert_eq!(find_command("job=$(autodenoise submit x)"), Some("autodenoise submit x)"));
    assert_eq!(find_command("the program autodenoise is"), None);
}

/// The table of docs/performance.md about large tables, of a small one.
#[test]
fn seconds_and_memory_of_an_epoch_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench-large.py"))
        .args(["--rows", "3000", "--fields", "6", "--program", env!("CARGO_BIN_EXE_autodenoise"), "--work-dir"])
        .arg(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let row = said.lines().find(|line| line.starts_with("| 3,000 |")).expect("the row of the table");
    assert_eq!(row.split('|').filter(|cell| cell.trim().parse::<f64>().is_ok()).count(), 8, "{row}");
}
