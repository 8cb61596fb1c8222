//! Why a raw dataset could not be turned into a table: the file, the line, the value and the rule it broke.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    Line(BadLine),
    /// A file as a whole is not what its format says, or is not there.
    #[error("{}: {rule}", path.display())]
    File { path: PathBuf, rule: String },
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the import was cancelled")]
    Cancelled,
}

/// A line of a raw file that is not as its format says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    pub path: PathBuf,
    /// Counted from 1.
    pub line: u64,
    /// What the value is, where one value is at fault.
    pub column: Option<&'static str>,
    /// What stood there, cut to 100 characters.
    pub value: String,
    /// What was expected.
    pub rule: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, value, rule } = self;
        let column = column.map(|column| format!("{column} = ")).unwrap_or_default();
        let value = if value.is_empty() && column.is_empty() { String::new() } else { format!(", {column}{value:?}") };
        write!(f, "{}: line {line}{value}: {rule}", path.display())
    }
}

impl ImportError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn file(path: &Path, rule: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), rule: rule.into() }
    }
}
