//! How a command fails: words for a person, an exit code for a script.

use super::flags::flag_of;
use crate::{
    api::{Chain, Problem, ProblemItem},
    types::{FieldError, RowError, Verdict},
};
use std::{fmt, process::ExitCode};

#[derive(Debug)]
pub struct CliError {
    code: u8,
    message: String,
    /// Whether the job would end alike if it went on.
    is_final: bool,
}

impl CliError {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_final: false }
    }

    /// Anything else that fails; the message has the error with all its causes.
    pub fn failed(error: impl std::error::Error) -> Self {
        Self::new(1, format!("error: {}", Chain(&error)))
    }

    pub fn failed_because(message: impl fmt::Display) -> Self {
        Self::new(1, format!("error: {message}"))
    }

    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(2, format!("error: {message}\n\nFor more, try '--help'."))
    }

    /// The table or the spec is not valid; `message` may have several lines.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(3, message)
    }

    pub fn invalid_spec(errors: Vec<FieldError>) -> Self {
        let lines: String = errors.iter().map(|error| format!("\n  {}", describe_field(error))).collect();
        Self::invalid(format!("error: the spec is not valid{lines}"))
    }

    /// The table cannot be used: every reported fault on a line of its own, and how many of the `total` are not reported.
    pub fn invalid_table(errors: &[ProblemItem], total: u64) -> Self {
        let faults = if total == 1 { "fault" } else { "faults" };
        let mut text = format!("error: the table cannot be used: {total} {faults}");
        for fault in describe_faults(errors) {
            text += "\n  ";
            text += &fault;
        }
        if total > errors.len() as u64 {
            text += &format!("\n  and {} more", total - errors.len() as u64);
        }
        Self::invalid(text)
    }

    /// What models predict cannot be used.
    pub fn invalid_predictions(error: impl fmt::Display) -> Self {
        Self::invalid(format!("error: the predictions cannot be used: {error}"))
    }

    pub fn unreachable(server: &str, cause: &reqwest::Error) -> Self {
        let cause = Chain(cause).to_string();
        // What `openssl req -x509` makes unless it is told otherwise.
        let way_out = match cause.contains("CaUsedAsEndEntity") {
            true => {
                "The server's certificate is one of an authority (CA:TRUE), which no server may show. Make another, for example \
                 with openssl req -x509 … -addext basicConstraints=critical,CA:FALSE."
            }
            false => "Start one with `autodenoise serve`, or name another with --server or AUTODENOISE_SERVER.",
        };
        Self::new(4, format!("error: cannot reach the server at {server} ({cause})\n{way_out}"))
    }

    /// The job cannot be done.
    pub fn job_failed(message: impl fmt::Display) -> Self {
        Self { is_final: true, ..Self::job_died(message) }
    }

    /// The job ended before it was done, and might end otherwise if it went on.
    pub fn job_died(message: impl fmt::Display) -> Self {
        Self::new(5, format!("error: the job failed: {message}"))
    }

    pub fn job_cancelled() -> Self {
        Self::new(6, "the job was cancelled")
    }

    /// The job asked for a verdict, and it is not `certified`.
    pub fn not_certified(verdict: Verdict) -> Self {
        let words = match verdict {
            Verdict::NotBetter => "the rows kept are no better than all rows",
            _ => "the runs do not tell whether the rows kept are better than all rows",
        };
        Self::new(code_of(verdict), format!("not certified: {words}"))
    }

    /// The same where the report has said all there is to say.
    pub fn refused(verdict: Verdict) -> Self {
        Self::new(code_of(verdict), "")
    }

    /// A file or certificate is not what it is said to be.
    pub fn not_verified(error: impl fmt::Display) -> Self {
        Self::new(9, format!("not verified: {error}"))
    }

    pub fn interrupted() -> Self {
        Self::new(130, "interrupted")
    }

    /// The system, or whoever looks after the process, wants it to end.
    pub fn terminated() -> Self {
        Self::new(143, "ended by a signal")
    }

    /// A run that is finished already, and what its exit code was.
    pub fn finished_before(code: u8) -> Self {
        Self::new(code, "")
    }

    /// The same with one more line.
    pub fn with_advice(self, advice: impl fmt::Display) -> Self {
        Self { message: format!("{}\n{advice}", self.message), ..self }
    }

    /// Whether the job would end alike if it went on.
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// The exit code as a number.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Whether trying again may help because the server could not be reached.
    pub fn is_unreachable(&self) -> bool {
        self.code == 4
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// The exit code of a verdict that is not `certified`.
fn code_of(verdict: Verdict) -> u8 {
    if verdict == Verdict::NotBetter { 7 } else { 8 }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        let mut message = format!("error: {}", problem.title);
        if problem.errors.is_empty() {
            message += &format!(": {}", problem.detail);
        }
        for item in &problem.errors {
            message += "\n  ";
            message += &describe_item(item);
        }
        if problem.errors_truncated {
            message += "\n  and more";
        }
        if problem.status == 401 {
            message += "\n  give a key with --api-key or AUTODENOISE_API_KEY";
        }
        message += &format!("\n  (request {})", problem.request_id);
        let code = match problem.status {
            422 => 3,
            // Its database is away, or it is stopping: like a server that cannot be reached, it is worth another try.
            503 => 4,
            _ => 1,
        };
        Self::new(code, message)
    }
}

/// What is wrong with a table, in words; what follows each other and is wrong alike is told once.
pub(super) fn describe_faults(errors: &[ProblemItem]) -> Vec<String> {
    let alike = errors.chunk_by(|one, next| cause(one).is_some() && cause(one) == cause(next));
    let describe = |alike: &[ProblemItem]| {
        let mut text = describe_item(&alike[0]);
        if alike.len() > 1 {
            let last = describe_place(&alike[alike.len() - 1]);
            text += &format!(" (and {} more rows like it, up to {last})", alike.len() - 1);
        }
        text
    };
    alike.map(describe).collect()
}

fn describe_item(item: &ProblemItem) -> String {
    match item {
        ProblemItem::Field(error) => describe_field(error),
        ProblemItem::Row(error) => describe_row(error),
    }
}

/// `--label: no column `clik``
fn describe_field(error: &FieldError) -> String {
    match flag_of(&error.pointer).as_str() {
        "" => error.rule.clone(),
        flag => format!("{flag}: {}", error.rule),
    }
}

/// What rows have in common that are wrong alike: the column, and the rule without its numbers and what it quotes.
fn cause(item: &ProblemItem) -> Option<(Option<&str>, String)> {
    let ProblemItem::Row(error) = item else { return None };
    let unquoted = error.rule.split('`').step_by(2);
    let rule = unquoted.flat_map(str::chars).filter(|c| !c.is_ascii_digit()).collect();
    Some((error.column.as_deref(), rule))
}

fn describe_place(item: &ProblemItem) -> String {
    match item {
        ProblemItem::Field(error) => error.pointer.clone(),
        ProblemItem::Row(RowError { row, part, line, .. }) => {
            let place = line.map_or_else(|| format!("row {row}"), |line| format!("line {line}"));
            part.as_ref().map_or(place.clone(), |part| format!("{part}, {place}"))
        }
    }
}

/// `line 1042, click = "maybe": label must be 0 or 1`
fn describe_row(error: &RowError) -> String {
    let place = describe_place(&ProblemItem::Row(error.clone()));
    let cell = match (&error.column, &error.value) {
        (Some(column), Some(value)) => format!(", {column} = {value:?}"),
        (Some(column), None) => format!(", {column}"),
        (None, Some(value)) => format!(", {value:?}"),
        (None, None) => String::new(),
    };
    format!("{place}{cell}: {}", error.rule)
}
