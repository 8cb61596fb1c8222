//! How a worker reads tables: by a function it is given, so that it needs no reader of its own.

use crate::types::{DatasetSpec, FeatureMap, ProblemItem, Profile, TableSource};
use serde::{Deserialize, Serialize};
use std::{ops::ControlFlow, path::Path};

/// Reads a table: (uploaded files, how to read it, folder to make, progress in rows).
pub type Ingest = dyn Fn(&TableSource, &DatasetSpec, &Path, &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<Encoded, IngestFailure>
    + Send
    + Sync;

/// What reading a table yielded; the rest lies in the folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Encoded {
    /// The spec with all that was found out filled in.
    pub spec: DatasetSpec,
    pub feature_map: FeatureMap,
    pub profile: Profile,
}

#[derive(Debug, Clone)]
pub enum IngestFailure {
    /// The table cannot be used: the first problems, and how many there are.
    Invalid { errors: Vec<ProblemItem>, total: u64 },
    /// This machine failed, not the table; another try may do better.
    Failed(String),
    /// The progress function said so.
    Stopped,
}
