//! Why nothing can be planted.

use crate::ingest::{DatasetError, IngestError};
use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum PlantError {
    #[error("there is no column `{name}`; there are {there}")]
    NoColumn { name: String, there: String },
    #[error("column `{column}` is no time: `{value}` is neither a number nor an ISO 8601 date or time")]
    NoTime { column: String, value: String },
    #[error("column `{column}` is no rating: `{value}` is not a number")]
    NoRating { column: String, value: String },
    #[error("{kind}: {reason}")]
    Unsuitable { kind: String, reason: String },
    #[error("`{}` is no truth file: it has `{line}` where a row number and 0 or 1 are expected", path.display())]
    Truth { path: PathBuf, line: String },
    #[error("cannot use `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Table(#[from] IngestError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}
