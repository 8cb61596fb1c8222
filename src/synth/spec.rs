//! What a made table is to look like.

use crate::plant::{Corruption, PlantError};
use crate::types::{DatasetSpec, LabelRule, SplitSpec};
use std::{io, path::PathBuf};

/// The size of a made table, and its noise.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthSpec {
    pub users: u32,
    pub items: u32,
    /// At most users x items, because a pair occurs once.
    pub rows: u64,
    /// Share of train and valid labels that are flipped, 0 to 0.5.
    pub flip_rate: f64,
    /// Context columns, and the values each of them has.
    pub contexts: u32,
    pub context_values: u32,
    /// What is planted in the table, one after the other. The whole table is then held in memory.
    pub planted: Vec<Corruption>,
    pub seed: u64,
}

impl Default for SynthSpec {
    /// Trains in seconds: 300 users, 200 items, every twelfth pair.
    fn default() -> Self {
        Self {
            users: 300,
            items: 200,
            rows: 4_800,
            flip_rate: 0.1,
            contexts: 0,
            context_values: 100,
            planted: Vec::new(),
            seed: 0,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    #[error("{rows} rows of {users} users and {items} items: need 10 rows or more and at most users x items = {pairs}")]
    Rows { rows: u64, users: u32, items: u32, pairs: u64 },
    #[error("flip rate {0}: need 0 to 0.5")]
    FlipRate(f64),
    #[error(transparent)]
    Plant(#[from] PlantError),
    #[error("cannot write `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// How the table is read.
pub fn dataset_spec() -> DatasetSpec {
    DatasetSpec {
        exclude: vec!["timestamp".to_owned()],
        split: SplitSpec::Column("split".to_owned()),
        ..DatasetSpec::with_label(LabelRule { column: "click".to_owned(), rule: None })
    }
}
