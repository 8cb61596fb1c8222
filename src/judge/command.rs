//! The command that trains a model of an arm: words with places for the files it is handed. No shell runs: the command is
//! divided into words once, and what is put in stays within its word.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("a quote is left open; close it")]
    OpenQuote,
    #[error("the first word must be the program to run")]
    NoProgram,
    #[error("there is no program `{program}`, neither as a file nor on PATH")]
    NotFound { program: String },
    #[error("`{{{name}}}` stands for nothing; there are {known}, and `{{{{` is a brace")]
    Unknown { name: String, known: String },
    #[error("`{{{name}}}` is missing: {why}")]
    Missing { name: &'static str, why: &'static str },
    #[error("`{{valid_predictions}}` needs `{{valid}}`, the rows that they are of")]
    NoValid,
}

/// What a place in the command stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Train,
    Valid,
    Test,
    Seed,
    Predictions,
    ValidPredictions,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// The command as it was typed, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeCommand {
    typed: String,
    words: Vec<Vec<Part>>,
}

/// What a run is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    pub train: PathBuf,
    pub valid: PathBuf,
    /// Without labels.
    pub test: PathBuf,
    pub seed: u64,
    /// Where the predictions of the test rows, and of the validation rows, are to be written.
    pub predictions: PathBuf,
    pub valid_predictions: PathBuf,
}

impl Place {
    const ALL: [Self; 6] =
        [Self::Train, Self::Valid, Self::Test, Self::Seed, Self::Predictions, Self::ValidPredictions];

    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::Seed => "seed",
            Self::Predictions => "predictions",
            Self::ValidPredictions => "valid_predictions",
        }
    }

    /// What would be wrong without it; none where it may be left out.
    fn why_needed(self) -> Option<&'static str> {
        match self {
            Self::Train => Some("without the rows of an arm every model would be the same"),
            Self::Test => Some("it holds the rows to predict"),
            Self::Seed => Some("runs of an arm differ by their seed; a model without randomness may ignore it"),
            Self::Predictions => Some("it is where the command writes a probability for each test row"),
            Self::Valid | Self::ValidPredictions => None,
        }
    }
}

impl FromStr for JudgeCommand {
    type Err = CommandError;

    fn from_str(typed: &str) -> Result<Self, CommandError> {
        let words = shell_words::split(typed).map_err(|_| CommandError::OpenQuote)?;
        let words: Vec<_> = words.iter().map(|word| divide(word)).collect::<Result<_, _>>()?;
        if !matches!(words.first().map(|word| &word[..]), Some([Part::Text(_)])) {
            return Err(CommandError::NoProgram);
        }
        let command = Self { typed: typed.to_owned(), words };
        for place in Place::ALL {
            if let Some(why) = place.why_needed().filter(|_| !command.has(place)) {
                return Err(CommandError::Missing { name: place.name(), why });
            }
        }
        if command.predicts_valid() && !command.has(Place::Valid) {
            return Err(CommandError::NoValid);
        }
        Ok(command)
    }
}

/// The parts of a word: `{name}` is a place, `{{` and `}}` are braces.
fn divide(word: &str) -> Result<Vec<Part>, CommandError> {
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            text += brace;
            rest = behind;
        } else if brace == "}" {
            text += brace;
        } else {
            let (name, behind) = rest.split_once('}').unwrap_or((rest, ""));
            let place = Place::ALL.into_iter().find(|place| place.name() == name).ok_or_else(|| {
                let known: Vec<String> = Place::ALL.iter().map(|place| format!("`{{{}}}`", place.name())).collect();
                CommandError::Unknown { name: name.to_owned(), known: known.join(", ") }
            })?;
            parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
            parts.push(Part::Place(place));
            rest = behind;
        }
    }
    text += rest;
    // An empty word is a word.
    parts.extend((!text.is_empty() || parts.is_empty()).then_some(Part::Text(text)));
    Ok(parts)
}

impl JudgeCommand {
    fn has(&self, place: Place) -> bool {
        self.words.iter().flatten().any(|part| *part == Part::Place(place))
    }

    /// Whether it also predicts the validation rows.
    pub fn predicts_valid(&self) -> bool {
        self.has(Place::ValidPredictions)
    }

    /// The program.
    pub fn program(&self) -> &str {
        match &self.words[0][0] {
            Part::Text(program) => program,
            Part::Place(_) => unreachable!("the first word is text"),
        }
    }

    /// An error unless the program is there: better said before the rows are chosen than after.
    pub fn find_program(&self) -> Result<(), CommandError> {
        let program = self.program();
        let on_path = || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        };
        let found = if program.contains('/') { Path::new(program).is_file() } else { on_path() };
        if found { Ok(()) } else { Err(CommandError::NotFound { program: program.to_owned() }) }
    }

    /// The arguments of a run, behind the program.
    pub fn arguments(&self, files: &RunFiles) -> Vec<OsString> {
        let seed = files.seed.to_string();
        self.words[1..].iter().map(|word| word.iter().map(|part| part.fill(files, &seed)).collect()).collect()
    }
}

impl Part {
    fn fill<'f>(&'f self, files: &'f RunFiles, seed: &'f str) -> &'f OsStr {
        match self {
            Self::Text(text) => text.as_ref(),
            Self::Place(Place::Train) => files.train.as_os_str(),
            Self::Place(Place::Valid) => files.valid.as_os_str(),
            Self::Place(Place::Test) => files.test.as_os_str(),
            Self::Place(Place::Seed) => seed.as_ref(),
            Self::Place(Place::Predictions) => files.predictions.as_os_str(),
            Self::Place(Place::ValidPredictions) => files.valid_predictions.as_os_str(),
        }
    }
}

impl fmt::Display for JudgeCommand {
    /// As it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<JudgeCommand, CommandError> {
        typed.parse()
    }

    fn files() -> RunFiles {
        RunFiles {
            train: "/t/a b;rm.csv".into(),
            valid: "/t/valid.csv".into(),
            test: "/t/test.csv".into(),
            seed: 7,
            predictions: "/t/p".into(),
            valid_predictions: "/t/v".into(),
        }
    }

    #[test]
    fn what_is_put_in_stays_within_its_word() {
        let typed = "python 'my train.py' --in={train} {test} --seed {seed} '{{}} $HOME; x' {predictions}";
        let command = parse(typed).unwrap();
        assert_eq!((command.program(), command.to_string().as_str()), ("python", typed));
        let expected = ["my train.py", "--in=/t/a b;rm.csv", "/t/test.csv", "--seed", "7", "{} $HOME; x", "/t/p"];
        assert_eq!(command.arguments(&files()), expected);
        assert!(!command.predicts_valid());
    }

    #[test]
    fn a_place_that_is_unknown_or_missing_is_refused() {
        let fault = |typed: &str| parse(typed).unwrap_err().to_string();
        let unknown = fault("x {train} {test} {sed} {predictions}");
        assert!(unknown.contains("`{sed}` stands for nothing; there are `{train}`, `{valid}`"), "{unknown}");
        assert!(fault("x {train").contains("`{train}` is missing") || fault("x {trai").contains("`{trai}`"));
        for name in ["train", "test", "seed", "predictions"] {
            let all = "x {train} {valid} {test} {seed} {predictions} {valid_predictions}";
            let said = fault(&all.replace(&format!("{{{name}}}"), ""));
            assert!(said.starts_with(&format!("`{{{name}}}` is missing")), "{said}");
        }
        assert_eq!(parse("x {train} {test} {seed} {predictions} {valid_predictions}"), Err(CommandError::NoValid));
        assert_eq!(parse("x '{train} {test}"), Err(CommandError::OpenQuote));
        assert_eq!(parse(""), Err(CommandError::NoProgram));
        assert_eq!(parse("{train} {test} {seed} {predictions}"), Err(CommandError::NoProgram));
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let of = |program: &str| parse(&format!("{program} {{train}} {{test}} {{seed}} {{predictions}}")).unwrap();
        assert_eq!(of("sh").find_program(), Ok(()));
        for missing in ["no-such-program", "./no/such/program"] {
            assert_eq!(of(missing).find_program(), Err(CommandError::NotFound { program: missing.to_owned() }));
        }
    }
}
