//! The files of an encoded dataset (see `dataset`): written in a temporary folder, hashed on the way, renamed when whole.

use super::{error::IngestError, vocabulary::Vocabulary};
use crate::types::{FeatureMap, Profile, Split, SplitCounts, TimeUnit};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const BUFFER: usize = 1 << 18;
/// Bytes after which the files are synced.
const SYNCED_AT_ONCE: usize = 8 << 20;

/// The dataset's folder while it is written.
pub(super) struct Layout {
    folder: tempfile::TempDir,
}

/// sha256 of what each split has in each file.
pub(super) struct RegionHashes {
    /// Of ids, labels and rows.
    files: [SplitHashes; 3],
    /// Where rows have times.
    times: Option<SplitHashes>,
}

/// By split.
type SplitHashes = [String; 3];

impl Layout {
    pub fn create(parent: &Path) -> Result<Self, IngestError> {
        let folder = tempfile::Builder::new().prefix(".ingest-").tempdir_in(parent);
        Ok(Self { folder: folder.map_err(IngestError::io("create a folder in", parent))? })
    }

    /// Creates the files of rows, with that of times where rows are `timed`. Each split's rows have room at their place.
    pub fn create_regions(&self, rows: SplitCounts, fields: usize, timed: bool) -> Result<Regions, IngestError> {
        let create = |name: &str, width: usize| {
            let path = self.folder.path().join(name);
            let file = File::create(&path).map_err(IngestError::io("create", &path))?;
            let starts = [0, rows.train, rows.train + rows.valid];
            let columns = starts.map(|row| Column { offset: row * width as u64, hasher: Sha256::new() });
            Ok(RowFile { file, path, columns })
        };
        let files = [create("ids.i32", 4 * fields)?, create("labels.u8", 1)?, create("rows.u32", 4)?];
        let times = timed.then(|| create("times.i64", 8)).transpose()?;
        Ok(Regions { files, times, unsynced: 0 })
    }

    /// The dataset's digest: sha256 over the fields' names, offsets and cardinalities, the sizes of the splits, and the
    /// hash of each split's ids, labels and rows; with `times` also over the unit and the hashes of the times. The format of
    /// the uploaded file does not change it.
    pub fn digest(&self, map: &FeatureMap, regions: &RegionHashes, times: bool) -> String {
        let mut hasher = Sha256::new();
        let mut line = |text: String| hasher.update(text + "\n");
        for field in &map.fields {
            // As JSON, so that no name can pass for another line.
            line(format!("{} {} {}", serde_json::Value::from(field.name.as_str()), field.offset, field.cardinality));
        }
        for split in Split::ALL {
            let hashes = regions.files.each_ref().map(|file| file[split as usize].as_str());
            line(format!("{} {} {}", split.as_str(), map.rows.of(split), hashes.join(" ")));
        }
        if let (true, Some(time), Some(hashes)) = (times, &map.time, &regions.times) {
            let unit = match time.unit {
                TimeUnit::Microseconds => "microseconds".to_owned(),
                TimeUnit::Number { exponent } => format!("1e{exponent}"),
            };
            line(format!("time {unit} {}", hashes.join(" ")));
        }
        hex::encode(hasher.finalize())
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
        sync_folder(folder).map_err(IngestError::io("write", folder))?;
        std::fs::rename(folder, out_dir).map_err(IngestError::io("create", out_dir))?;
        // The folder is gone under its temporary name, so there is nothing to delete.
        let _ = self.folder.keep();
        let parent = folder_of(out_dir);
        sync_folder(parent).map_err(IngestError::io("write", parent))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), IngestError> {
        let path = self.folder.path().join(name);
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            file.sync_all()
        };
        write().map_err(IngestError::io("write", &path))
    }
}

/// The folder that a file is in.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Rows of one split on their way to the files.
pub(super) struct Block {
    split: Split,
    /// As they will stand in the files.
    ids: Vec<u8>,
    labels: Vec<u8>,
    rows: Vec<u8>,
    times: Vec<u8>,
}

impl Block {
    pub fn new(split: Split) -> Self {
        Self { split, ids: Vec::with_capacity(BUFFER), labels: Vec::new(), rows: Vec::new(), times: Vec::new() }
    }

    pub fn push(&mut self, ids: &[u8], label: u8, row: u32, time: Option<i64>) {
        self.ids.extend_from_slice(ids);
        self.labels.push(label);
        self.rows.extend_from_slice(&row.to_le_bytes());
        self.times.extend(time.into_iter().flat_map(i64::to_le_bytes));
    }

    pub fn is_full(&self) -> bool {
        self.ids.len() >= BUFFER
    }
}

/// The files of rows. Each split's rows are written in order and hashed.
pub(super) struct Regions {
    /// Of ids, labels and rows.
    files: [RowFile; 3],
    /// Where rows have times.
    times: Option<RowFile>,
    /// Bytes written since the last sync.
    unsynced: usize,
}

struct RowFile {
    file: File,
    path: PathBuf,
    /// By split.
    columns: [Column; 3],
}

struct Column {
    /// Where the next bytes go.
    offset: u64,
    hasher: Sha256,
}

impl Regions {
    pub fn write(&mut self, block: &Block) -> Result<(), IngestError> {
        let files = self.files.iter_mut().chain(&mut self.times);
        for (file, bytes) in files.zip([&block.ids, &block.labels, &block.rows, &block.times]) {
            let column = &mut file.columns[block.split as usize];
            let written = file.file.write_all_at(bytes, column.offset);
            written.map_err(IngestError::io("write", &file.path))?;
            column.hasher.update(bytes);
            column.offset += bytes.len() as u64;
            self.unsynced += bytes.len();
        }
        // Syncing in parts lets the disk work while rows are made. One sync at the end would have to wait for all of it.
        if self.unsynced >= SYNCED_AT_ONCE {
            self.unsynced = 0;
            self.sync()?;
        }
        Ok(())
    }

    /// Makes the files durable, and returns their hashes.
    pub fn finish(self) -> Result<RegionHashes, IngestError> {
        self.sync()?;
        let hashes = |file: RowFile| file.columns.map(|column| hex::encode(column.hasher.finalize()));
        Ok(RegionHashes { files: self.files.map(hashes), times: self.times.map(hashes) })
    }

    fn sync(&self) -> Result<(), IngestError> {
        let mut files = self.files.iter().chain(&self.times);
        files.try_for_each(|file| file.file.sync_all().map_err(IngestError::io("write", &file.path)))
    }
}
