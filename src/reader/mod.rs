//! Reads tables in a process of their own.
//!
//! A table is what strangers send. Whatever its bytes do to whoever reads them (memory without end, a stack that overflows, a
//! loop), they do to a process that has nothing but the table: no database, no keys, little memory, and it ends first where
//! memory runs out. Its end is then a fault of the table; the service goes on.

mod child;
mod parent;

pub use child::main;
pub use parent::{TableReader, read_event};

use crate::types::{DatasetSpec, ProblemItem, TableSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

/// What a reader is to do: one line of JSON on its stdin, which then stays open.
#[derive(Debug, Serialize, Deserialize)]
struct ReaderJob {
    source: TableSource,
    task: Task,
    /// Most bytes of memory of its own.
    memory: u64,
}

/// What is wanted of a table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// The encoded dataset, in a folder that is made; the answer is `Encoded`.
    Encode { spec: DatasetSpec, out: PathBuf },
    /// How it reads before anything is said of it; the answer is a `Sample`.
    Sample { name: Option<String>, media_type: Option<String>, most: usize },
    /// The rows at some positions; the answer is `SourceRows`.
    RowsAt { spec: DatasetSpec, positions: BTreeSet<u32> },
    /// Positions of the rows whose cell in a column reads so, ascending: numbers.
    PositionsWhere { spec: DatasetSpec, column: String, value: String },
}

/// What a reader says on its stdout, a line of JSON each. The last is not [`ReaderEvent::Rows`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReaderEvent {
    /// Rows read so far; said at least every few moments while a dataset is encoded, so that silence means that it is stuck.
    Rows(u64),
    /// The task's answer.
    Read(Value),
    /// The table cannot be used: the first problems, and how many there are.
    Invalid { errors: Vec<ProblemItem>, total: u64 },
    /// The machine failed, not the table.
    Failed(String),
}
