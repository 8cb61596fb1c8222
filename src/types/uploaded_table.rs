//! A dataset's table as it was uploaded: one file, or several that are read as one table.

use super::dataset::Split;
use serde::{Deserialize, Serialize};

/// The stored bytes that a table is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedTable {
    /// sha256 of the file, hexadecimal; of a table in parts, that of their list (`list_parts`).
    pub sha256: String,
    /// In the order of the rows. Empty: the table is one file.
    pub parts: Vec<UploadedPart>,
}

/// One file of a table in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    /// What messages and results call it: its path below the folder that all parts were in. Unique within the table.
    pub name: String,
    /// Of its bytes, hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    /// The split of all its rows, where the parts say the split.
    pub split: Option<Split>,
    /// Columns that all its rows have the same value of, with the value: those of its Hive folders, `day=2024-01-01`.
    pub partitions: Vec<(String, String)>,
}

/// The text that stands for a table in parts: its digest is that of the table. `parts` are sha256 and name of each.
pub fn list_parts<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    parts.into_iter().map(|(sha256, name)| format!("{sha256}  {name}\n")).collect()
}
