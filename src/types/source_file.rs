//! Where the bytes of a table's file are.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

/// A file on this machine, or one that is read where it is. As a path it is what messages call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SourceFile {
    Local(PathBuf),
    Remote(RemoteFile),
}

/// One version of a file at an address. Every read asks for this version, so whatever is read is of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// The whole address. What stands behind a `?` may be a secret.
    pub address: String,
    /// The address as it may be shown.
    pub shown: PathBuf,
    pub bytes: u64,
    /// What the server calls this version's content.
    pub etag: String,
    /// When it was written, as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<DateTime<Utc>>,
}

impl Deref for SourceFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        match self {
            Self::Local(path) => path,
            Self::Remote(file) => &file.shown,
        }
    }
}

impl AsRef<Path> for SourceFile {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl From<PathBuf> for SourceFile {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<&Path> for SourceFile {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}
