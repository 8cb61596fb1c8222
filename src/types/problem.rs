//! What can be wrong with what a client sent, precisely enough to fix it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One bad row of an uploaded table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    /// Position of the row in the table, counted from 0 without the header, over all parts of a table of several files.
    pub row: u64,
    /// The file it is in, where the table has several: its path below their folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part: Option<String>,
    /// Line of its file on which the row starts, counted from 1. Absent for Parquet, which has no lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// Name of the column at fault, where one is, cut to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// What stood there, cut to 64 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// What was expected.
    pub rule: String,
}

/// One wrong part of a JSON body or of the request's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (RFC 6901), for example `/method/options/select_ratio`.
    pub pointer: String,
    /// What was expected.
    pub rule: String,
}

/// One wrong part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ProblemItem {
    Field(FieldError),
    Row(RowError),
}

impl FieldError {
    /// Most wrong parts that one answer names.
    pub const MOST: usize = 100;

    pub fn new(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), rule: rule.into() }
    }
}
