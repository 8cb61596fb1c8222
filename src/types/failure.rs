//! Why an attempt ended badly, and whether another may end otherwise.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an attempt ended of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The trainer ended without a last word.
    TrainerDied,
    /// The machine or the GPU had no memory left for it.
    OutOfMemory,
    /// The trainer said and did nothing any more.
    Stalled,
    /// The encoded table could not be made or read on the worker's machine.
    Dataset,
    /// A file could not be read or written.
    Storage,
    /// The database refused what was to be written.
    Database,
    /// The worker was not heard of until its lease ended.
    Lost,
    /// The job ran longer than its `deadline_seconds`.
    Deadline,
    /// The job cannot be run as it is: the trainer said why.
    Invalid,
    /// The trainer said something the worker does not understand.
    Protocol,
}

impl ErrorKind {
    pub const ALL: [ErrorKind; 10] = [
        Self::TrainerDied,
        Self::OutOfMemory,
        Self::Stalled,
        Self::Dataset,
        Self::Storage,
        Self::Database,
        Self::Lost,
        Self::Deadline,
        Self::Invalid,
        Self::Protocol,
    ];

    /// Whether another attempt could end otherwise, after a while or on another machine.
    pub fn is_transient(self) -> bool {
        !matches!(self, Self::Deadline | Self::Invalid | Self::Protocol)
    }

    /// The word on the wire and in Postgres.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrainerDied => "trainer_died",
            Self::OutOfMemory => "out_of_memory",
            Self::Stalled => "stalled",
            Self::Dataset => "dataset",
            Self::Storage => "storage",
            Self::Database => "database",
            Self::Lost => "lost",
            Self::Deadline => "deadline",
            Self::Invalid => "invalid",
            Self::Protocol => "protocol",
        }
    }

    /// The kind of that word; a database may hold words of a newer program.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What ended an attempt: the kind for programs, the message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: ErrorKind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Why a job failed, as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    pub message: String,
    /// The attempt that was the last.
    pub attempt: i32,
    /// Absent in jobs that failed under earlier versions.
    #[serde(default)]
    pub kind: Option<ErrorKind>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_same_word_everywhere() {
        for kind in ErrorKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(ErrorKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::parse("a word of tomorrow"), None);
    }
}
