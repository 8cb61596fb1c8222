//! Where a table's rows are: one file, or several that are read as one table.

use super::{dataset::Split, source_file::SourceFile};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// The files of a table, in the order of its rows. A row's number counts over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSource {
    /// At least one.
    pub parts: Vec<SourcePart>,
}

/// One file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePart {
    pub path: SourceFile,
    /// What messages and results call it: its path below the folder that all parts are in. Unique within the table.
    pub name: String,
    /// Columns that every row of it has the same value of, with the value: those of its Hive folders, `day=2024-01-01`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<(String, String)>,
    /// The split of all its rows, where files say the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// What a job's `denoised` is, where its dataset has several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DenoisedForm {
    /// One file of all rows; of the training rows alone, where files say the split.
    #[default]
    File,
    /// A zip archive with each file of the dataset under its own name, in its own format and compression.
    Parts,
}

impl DenoisedForm {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The form that a table of several files is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    /// One file of all rows, with the columns that folders name.
    #[default]
    File,
    /// One file of the training rows alone, where others are in files of their own.
    TrainFile,
    /// A folder with a file for each part, of the same name.
    Folder,
    /// A zip archive of such files.
    Archive,
}

impl TableSource {
    /// A table of one file.
    pub fn file(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { parts: vec![SourcePart { path: path.into(), name, partitions: Vec::new(), split: None }] }
    }

    /// The file, where the table is one file and nothing else says anything of its rows.
    pub fn one_file(&self) -> Option<&SourceFile> {
        match &self.parts[..] {
            [part] if part.partitions.is_empty() && part.split.is_none() => Some(&part.path),
            _ => None,
        }
    }

    /// The table in a word or two: a file's name, or how many files it is.
    pub fn describe(&self) -> String {
        match &self.parts[..] {
            [part] => part.name.clone(),
            parts => {
                let first = parts.first().map_or("", |part| &part.name);
                format!("{} files, the first is {first}", parts.len())
            }
        }
    }

    /// Whether it is read over the network, where it is.
    pub fn is_remote(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.path, SourceFile::Remote(_)))
    }

    /// Whether files say which rows are train, valid and test.
    pub fn has_splits(&self) -> bool {
        self.parts.iter().any(|part| part.split.is_some())
    }
}

impl From<&Path> for TableSource {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

impl From<&PathBuf> for TableSource {
    fn from(path: &PathBuf) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for TableSource {
    fn from(path: PathBuf) -> Self {
        Self::file(&path)
    }
}

impl From<&Self> for TableSource {
    fn from(source: &Self) -> Self {
        source.clone()
    }
}
