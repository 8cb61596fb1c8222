//! Reads tables in a process of their own.
//!
//! A table is what strangers send. Whatever its bytes do to whoever reads them (memory without end, a stack that overflows, a
//! loop), they do to a process that has nothing but the table: no database, no keys, little memory, and it ends first where
//! memory runs out. Its end is then a fault of the table; the service goes on.

mod child;
mod parent;

pub use child::main;
pub use parent::TableReader;

use crate::types::{DatasetSpec, ProblemItem};
use crate::worker::Encoded;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a reader is to do: one line of JSON on its stdin, which then stays open.
#[derive(Debug, Serialize, Deserialize)]
struct ReaderJob {
    /// The uploaded file.
    source: PathBuf,
    spec: DatasetSpec,
    /// Folder of the encoded dataset, to be made.
    out: PathBuf,
    /// Most bytes of memory of its own.
    memory: u64,
}

/// What a reader says on its stdout, a line of JSON each. The last is not [`ReaderEvent::Rows`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReaderEvent {
    /// Rows read so far; said at least every few moments, so that silence means that it is stuck.
    Rows(u64),
    Read(Box<Encoded>),
    /// The table cannot be used: the first problems, and how many there are.
    Invalid {
        errors: Vec<ProblemItem>,
        total: u64,
    },
    /// The machine failed, not the table.
    Failed(String),
}
