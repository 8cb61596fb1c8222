//! What can go wrong while a table is read or copied: everything wrong with the table itself in one value, so that a
//! client fixes it in one round.

use crate::types::{FieldError, ProblemItem, RowError, shorten};
use std::{fmt, io, path::Path, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The table or its description cannot be used.
    #[error("{0}")]
    Invalid(InvalidTable),
    /// The disk, not the table.
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("reading the table was cancelled")]
    Cancelled,
}

/// Everything wrong with a table that one reading could find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvalidTable {
    /// The first bad cells and rows, at most `IngestLimits::max_errors`.
    pub rows: Vec<RowError>,
    /// Bad cells and rows in all, the unlisted ones included.
    pub total: u64,
    /// Rows with at least one error, and rows read.
    pub rejected_rows: u64,
    pub rows_read: u64,
    /// Wrong parts of the `DatasetSpec`, at most `FieldError::MOST`; the empty pointer is the file as a whole.
    pub fields: Vec<FieldError>,
    /// Further wrong parts, which are only counted.
    pub unlisted_fields: u64,
}

impl InvalidTable {
    /// How many things are wrong in all.
    pub fn faults(&self) -> u64 {
        self.total + self.fields.len() as u64 + self.unlisted_fields
    }

    /// What is wrong, one by one: the parts of the spec, then the rows that are listed.
    pub fn into_items(self) -> Vec<ProblemItem> {
        let fields = self.fields.into_iter().map(ProblemItem::Field);
        fields.chain(self.rows.into_iter().map(ProblemItem::Row)).collect()
    }
}

impl fmt::Display for InvalidTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the table cannot be used")?;
        for field in &self.fields {
            match field.pointer.as_str() {
                "" => write!(f, "; {}", field.rule)?,
                pointer => write!(f, "; {pointer}: {}", field.rule)?,
            }
        }
        if let Some(first) = self.rows.first() {
            write!(f, "; {} of {} rows were rejected: row {}", self.rejected_rows, self.rows_read, first.row)?;
            match (&first.part, first.line) {
                (Some(part), Some(line)) => write!(f, " ({part}, line {line})")?,
                (Some(part), None) => write!(f, " ({part})")?,
                (None, Some(line)) => write!(f, " (line {line})")?,
                (None, None) => {}
            }
            if let Some(column) = &first.column {
                write!(f, ", column `{column}`")?;
            }
            if let Some(value) = &first.value {
                write!(f, ", value `{value}`")?;
            }
            write!(f, ": {}", first.rule)?;
        }
        Ok(())
    }
}

impl IngestError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Says which part of a table is at fault.
    pub(super) fn in_part(mut self, name: Option<&str>) -> Self {
        if let (Self::Invalid(table), Some(name)) = (&mut self, name) {
            for field in &mut table.fields {
                field.rule = format!("{name}: {}", field.rule);
            }
        }
        self
    }

    pub(super) fn fields(fields: Vec<FieldError>) -> Self {
        Self::fields_and_more(fields, 0)
    }

    /// Wrong parts of the spec, and how many there are beside these.
    pub(super) fn fields_and_more(fields: Vec<FieldError>, unlisted_fields: u64) -> Self {
        Self::Invalid(InvalidTable { fields, unlisted_fields, ..InvalidTable::default() })
    }

    pub(super) fn field(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::fields(vec![FieldError::new(pointer, rule)])
    }
}

/// A message about the content of an upload, carried through `io::Error` from inside a decoder or parser.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ContentError(pub String);

impl ContentError {
    pub(super) fn io(message: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Self(message.into()))
    }
}

/// Why a reader stopped before the end.
#[derive(Debug)]
pub(crate) enum ReadError {
    Disk(io::Error),
    /// The bytes are at fault; the message says how and what to do.
    Content(String),
}

impl ReadError {
    /// The error to report where no row has been read yet.
    pub(super) fn at_start(self, path: &Path) -> IngestError {
        match self {
            Self::Disk(source) => IngestError::io("read", path)(source),
            Self::Content(message) => IngestError::field("", message),
        }
    }
}

impl From<IngestError> for ReadError {
    /// Why a part of a table could not be opened.
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Io { source, .. } => Self::Disk(source),
            error => Self::Content(error.to_string()),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<ContentError>() {
            Ok(ContentError(message)) => Self::Content(message),
            Err(error) => Self::Disk(error),
        }
    }
}

/// Names that a message lists.
const LISTED_NAMES: usize = 50;

/// The first names of a list, as a message shows them.
pub(super) fn list_names(names: &[impl AsRef<str>]) -> String {
    let first: Vec<_> = names.iter().take(LISTED_NAMES).map(|name| format!("`{}`", shorten(name.as_ref()))).collect();
    first.join(", ") + if names.len() > LISTED_NAMES { ", …" } else { "" }
}

/// `value` as an error shows it: at most 64 characters.
pub(crate) fn shown(value: &[u8]) -> String {
    // A character has at most 4 bytes.
    let text = String::from_utf8_lossy(&value[..value.len().min(256)]);
    // The database cannot store a NUL in a text, so its symbol stands for it.
    text.chars().take(64).map(|c| if c == '\0' { '\u{2400}' } else { c }).collect()
}
