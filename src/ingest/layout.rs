//! The files of an encoded dataset (see `dataset`): written in a temporary folder, hashed on the way, renamed when whole.

use super::{error::IngestError, vocabulary::Vocabulary};
use crate::types::{FeatureMap, Profile, Split, SplitCounts};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

const BUFFER: usize = 1 << 18;

/// The dataset's folder while it is written.
pub(super) struct Layout {
    folder: tempfile::TempDir,
}

/// sha256 of one split's ids, labels and rows.
pub(super) type RegionHashes = Result<[String; 3], IngestError>;

impl Layout {
    pub fn create(parent: &Path) -> Result<Self, IngestError> {
        let folder = tempfile::Builder::new().prefix(".ingest-").tempdir_in(parent);
        Ok(Self { folder: folder.map_err(IngestError::io("create a folder in", parent))? })
    }

    /// Writers of the three splits, each at its place of the three files.
    pub fn regions(&self, rows: SplitCounts, fields: usize) -> Result<[Region; 3], IngestError> {
        let create = |name: &str| {
            let path = self.folder.path().join(name);
            let file = File::create(&path).map_err(IngestError::io("create", &path))?;
            Ok::<_, IngestError>((Arc::new(file), path))
        };
        let files = [create("ids.i32")?, create("labels.u8")?, create("rows.u32")?];
        let widths = [4 * fields as u64, 1, 4];
        let region = |first_row: u64| {
            let column = |at: usize| Column::new(&files[at].0, &files[at].1, first_row * widths[at]);
            Region { ids: column(0), labels: column(1), rows: column(2) }
        };
        Ok([region(0), region(rows.train), region(rows.train + rows.valid)])
    }

    /// The dataset's digest: sha256 over the fields' names, offsets and cardinalities, the sizes of the splits, and the
    /// hash of each split's ids, labels and rows. The file's format has no part in it.
    pub fn digest(&self, map: &FeatureMap, regions: [RegionHashes; 3]) -> Result<String, IngestError> {
        let mut hasher = Sha256::new();
        let mut line = |text: String| hasher.update(text + "\n");
        for field in &map.fields {
            // As JSON, so that no name can pass for another line.
            line(format!("{} {} {}", serde_json::Value::from(field.name.as_str()), field.offset, field.cardinality));
        }
        for (split, hashes) in Split::ALL.into_iter().zip(regions) {
            line(format!("{} {} {}", split.as_str(), map.rows.of(split), hashes?.join(" ")));
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// Writes `vocabulary.jsonl`: for each column its values by ascending id. Places of a split column share the column's.
    pub fn write_vocabulary<'a>(
        &self,
        columns: impl Iterator<Item = (&'a str, &'a Vocabulary, Vec<(u32, u32)>)>,
    ) -> Result<(), IngestError> {
        #[derive(Serialize)]
        struct Line<'a> {
            field: &'a str,
            value: Cow<'a, str>,
            id: u32,
        }
        let path = self.folder.path().join("vocabulary.jsonl");
        let write = || {
            let mut out = BufWriter::with_capacity(BUFFER, File::create(&path)?);
            for (field, vocabulary, named) in columns {
                for (id, code) in named {
                    let value = String::from_utf8_lossy(vocabulary.value(code));
                    serde_json::to_writer(&mut out, &Line { field, value, id })?;
                    out.write_all(b"\n")?;
                }
            }
            out.into_inner().map_err(|error| error.into_error())?.sync_all()
        };
        write().map_err(IngestError::io("write", &path))
    }

    /// Writes the two descriptions, makes everything durable and gives the folder its name.
    pub fn finish(self, map: &FeatureMap, profile: &Profile, out_dir: &Path) -> Result<(), IngestError> {
        self.write_json("feature_map.json", map)?;
        self.write_json("profile.json", profile)?;
        let folder = self.folder.path();
        sync(folder).map_err(IngestError::io("write", folder))?;
        std::fs::rename(folder, out_dir).map_err(IngestError::io("create", out_dir))?;
        // Under its old name the folder is gone: nothing is left to delete.
        let _ = self.folder.keep();
        let parent = out_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(parent).map_err(IngestError::io("write", parent))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), IngestError> {
        let path = self.folder.path().join(name);
        let write = || {
            let mut out = BufWriter::new(File::create(&path)?);
            serde_json::to_writer(&mut out, value)?;
            out.into_inner().map_err(|error| error.into_error())?.sync_all()
        };
        write().map_err(IngestError::io("write", &path))
    }
}

pub(super) fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// One split's part of the files.
pub(super) struct Region {
    ids: Column,
    labels: Column,
    rows: Column,
}

impl Region {
    pub fn push(&mut self, ids: &[u8], label: u8, row: u32) -> Result<(), IngestError> {
        self.ids.push(ids)?;
        self.labels.push(&[label])?;
        self.rows.push(&row.to_le_bytes())
    }

    pub fn finish(self) -> RegionHashes {
        Ok([self.ids.finish()?, self.labels.finish()?, self.rows.finish()?])
    }
}

/// A run of bytes of a file, written in order and hashed.
struct Column {
    file: Arc<File>,
    path: PathBuf,
    offset: u64,
    buffer: Vec<u8>,
    hasher: Sha256,
}

impl Column {
    fn new(file: &Arc<File>, path: &Path, offset: u64) -> Self {
        let buffer = Vec::with_capacity(BUFFER);
        Self { file: Arc::clone(file), path: path.to_owned(), offset, buffer, hasher: Sha256::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), IngestError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        self.file.write_all_at(&self.buffer, self.offset).map_err(IngestError::io("write", &self.path))?;
        self.hasher.update(&self.buffer);
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<String, IngestError> {
        self.flush()?;
        self.file.sync_all().map_err(IngestError::io("write", &self.path))?;
        Ok(hex::encode(self.hasher.finalize()))
    }
}
