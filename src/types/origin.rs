//! What a run is called by people: its table, and its job where a service runs it.

use super::{JobId, TableSource};
use serde::{Deserialize, Serialize};

/// Where a result comes from, for its readers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The table's name; empty where nobody gave it one.
    pub table: String,
    /// The job by which a service knows the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

impl Origin {
    /// Of files that a command was given.
    pub fn of_files(source: &TableSource) -> Self {
        Self { table: source.describe(), job: None }
    }

    /// Of a service's job, on a table whose client or file has named it.
    pub fn of_job(job: JobId, table: Option<String>) -> Self {
        Self { table: table.unwrap_or_default(), job: Some(job) }
    }
}
