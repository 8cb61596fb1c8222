//! An encoded dataset on disk: what ingest writes and the models read.
//!
//! A folder of
//! ```text
//! ids.i32            row-major [N, F], little-endian: global ids (field offset added)
//! labels.u8          [N]: 0 or 1
//! rows.u32           [N], little-endian: the row's position in the uploaded file, its identity everywhere
//! times.i64          [N], little-endian: when the row happened, in the feature map's unit; only where a column says it
//! feature_map.json   FeatureMap
//! profile.json       Profile
//! vocabulary.jsonl   {"field": .., "value": .., "id": ..} a line
//! ```
//! The N rows are grouped by split (train, valid, test) and in file order within each, so that a split is a slice
//! and a mini-batch a slice of it. The files are memory-mapped: no per-row memory of our own.

use crate::types::{FeatureMap, Profile, Split};
use memmap2::Mmap;
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader},
    ops::Range,
    path::{Path, PathBuf},
};

/// Part of every dataset's folder name on disk; a change of the layout above changes it.
pub const FORMAT_VERSION: u32 = 2;

#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("cannot read the encoded dataset's `{file}`")]
    Io { file: String, source: io::Error },
    #[error("the encoded dataset's `{file}` is damaged: {reason}")]
    Damaged { file: String, reason: String },
}

/// An encoded dataset, mapped.
pub struct Dataset {
    pub feature_map: FeatureMap,
    pub profile: Profile,
    dir: PathBuf,
    ids: Mmap,
    labels: Mmap,
    rows: Mmap,
    times: Option<Mmap>,
}

/// One split's slices.
#[derive(Clone, Copy)]
pub struct SplitData<'a> {
    /// `[n, F]` row-major.
    pub ids: &'a [i32],
    /// `[n]`: 0 or 1.
    pub labels: &'a [u8],
    /// `[n]`: position in the uploaded file, ascending.
    pub rows: &'a [u32],
}

impl SplitData<'_> {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

impl Dataset {
    /// Maps the dataset in `dir` and checks that its files agree in size.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let feature_map: FeatureMap = read_json(dir, "feature_map.json")?;
        let profile: Profile = read_json(dir, "profile.json")?;
        let n = feature_map.rows.total() as usize;
        let ids = map(dir, "ids.i32", n * feature_map.fields.len() * 4)?;
        let labels = map(dir, "labels.u8", n)?;
        let rows = map(dir, "rows.u32", n * 4)?;
        let times = feature_map.time.as_ref().map(|_| map(dir, "times.i64", n * 8)).transpose()?;
        Ok(Self { feature_map, profile, dir: dir.to_owned(), ids, labels, rows, times })
    }

    /// F.
    pub fn fields(&self) -> usize {
        self.feature_map.fields.len()
    }

    /// Rows of the split.
    pub fn len(&self, split: Split) -> usize {
        self.feature_map.rows.of(split) as usize
    }

    /// The rows of a split.
    pub fn split(&self, split: Split) -> SplitData<'_> {
        let Range { start, end } = self.range(split);
        let fields = self.fields();
        SplitData {
            ids: &as_i32(&self.ids)[start * fields..end * fields],
            labels: &self.labels[start..end],
            rows: &as_u32(&self.rows)[start..end],
        }
    }

    /// When the rows of a split happened: `[n]`, in the unit that the feature map names. None where no column says it, and of
    /// datasets encoded by versions that kept no times.
    pub fn times(&self, split: Split) -> Option<&[i64]> {
        self.times.as_ref().map(|times| &as_i64(times)[self.range(split)])
    }

    /// What these ids stand for in the table. Unknown ids, padding ids and buckets stand for no value and are left out.
    pub fn values(&self, ids: &HashSet<u32>) -> Result<HashMap<u32, String>, DatasetError> {
        #[derive(Deserialize)]
        struct Line {
            value: String,
            id: u32,
        }
        const FILE: &str = "vocabulary.jsonl";
        let io = |source| DatasetError::Io { file: FILE.to_owned(), source };
        let mut found = HashMap::new();
        for line in BufReader::new(File::open(self.dir.join(FILE)).map_err(io)?).lines() {
            let line: Line = serde_json::from_str(&line.map_err(io)?)
                .map_err(|error| DatasetError::Damaged { file: FILE.to_owned(), reason: error.to_string() })?;
            if ids.contains(&line.id) {
                found.insert(line.id, line.value);
            }
        }
        Ok(found)
    }

    fn range(&self, split: Split) -> Range<usize> {
        let rows = self.feature_map.rows;
        let (train, valid, test) = (rows.train as usize, rows.valid as usize, rows.test as usize);
        match split {
            Split::Train => 0..train,
            Split::Valid => train..train + valid,
            Split::Test => train + valid..train + valid + test,
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Result<T, DatasetError> {
    let bytes = std::fs::read(dir.join(name)).map_err(|source| DatasetError::Io { file: name.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| DatasetError::Damaged { file: name.to_owned(), reason: error.to_string() })
}

fn map(dir: &Path, name: &str, bytes: usize) -> Result<Mmap, DatasetError> {
    let io = |source| DatasetError::Io { file: name.to_owned(), source };
    let file = File::open(dir.join(name)).map_err(io)?;
    // SAFETY: a finished dataset's files are written once, then renamed into place, and never changed.
    let map = unsafe { Mmap::map(&file) }.map_err(io)?;
    if map.len() != bytes {
        return Err(DatasetError::Damaged {
            file: name.to_owned(),
            reason: format!("{} bytes where the feature map needs {bytes}", map.len()),
        });
    }
    Ok(map)
}

/// A map starts on a page, so it is aligned for any number; the files are little-endian, as every target we build for.
fn as_i32(bytes: &[u8]) -> &[i32] {
    // SAFETY: every bit pattern is an i32; `align_to` keeps the bounds.
    let (head, numbers, tail) = unsafe { bytes.align_to::<i32>() };
    debug_assert!(head.is_empty() && tail.is_empty());
    numbers
}

fn as_u32(bytes: &[u8]) -> &[u32] {
    // SAFETY: as above.
    let (head, numbers, tail) = unsafe { bytes.align_to::<u32>() };
    debug_assert!(head.is_empty() && tail.is_empty());
    numbers
}

fn as_i64(bytes: &[u8]) -> &[i64] {
    // SAFETY: as above.
    let (head, numbers, tail) = unsafe { bytes.align_to::<i64>() };
    debug_assert!(head.is_empty() && tail.is_empty());
    numbers
}

#[cfg(target_endian = "big")]
compile_error!("encoded datasets are little-endian");
