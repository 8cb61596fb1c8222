//! Lines of a text that are no rows because the spec says so: those before the table, and comments.

use super::error::IngestError;
use crate::types::DatasetSpec;

/// Which lines are no rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoRows {
    /// Lines at the start of the text.
    pub skipped: u64,
    /// What a comment starts with; empty where there are none.
    comment: Vec<u8>,
}

impl NoRows {
    pub fn new(spec: &DatasetSpec) -> Self {
        Self { skipped: spec.skip_lines, comment: spec.comment.clone().unwrap_or_default().into_bytes() }
    }

    /// Whether there may be such lines.
    pub fn is_empty(&self) -> bool {
        self.skipped == 0 && self.comment.is_empty()
    }

    pub fn is_comment(&self, line: &[u8]) -> bool {
        !self.comment.is_empty() && line.starts_with(&self.comment)
    }

    /// Bytes of a line that tell whether it is a comment.
    pub fn comment_bytes(&self) -> usize {
        self.comment.len()
    }
}

/// Refuses what no line can start with.
pub(super) fn check(spec: &DatasetSpec) -> Result<(), IngestError> {
    match &spec.comment {
        Some(comment) if comment.is_empty() || comment.contains(['\n', '\r']) => {
            Err(IngestError::field("/comment", "one or more characters that are no line ends, for example `#`"))
        }
        _ => Ok(()),
    }
}
