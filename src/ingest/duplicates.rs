//! Counts equal rows, and those of them with opposite labels.
//!
//! A row is a 63-bit hash of its ids with the label as the lowest bit. The hashes are divided by their upper bits into
//! parts of about eight million, each sorted alone; parts beyond the first go through unnamed files. Memory is one part.
//! Two different rows share a hash with a chance of n^2 / 2^64: one in 2,000 for a hundred million rows.

use super::error::IngestError;
use std::{
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::{BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

const PART_ROWS: u64 = 8 << 20;

/// The hashes of the rows added so far.
pub(super) struct Duplicates {
    folder: PathBuf,
    /// Where all fit in one part.
    memory: Vec<u64>,
    parts: Vec<BufWriter<File>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct DuplicateCounts {
    /// Rows equal to an earlier one.
    pub duplicate: u64,
    /// Rows with a twin of the opposite label.
    pub contradicting: u64,
}

impl Duplicates {
    /// Room for this many rows; parts are unnamed files in `folder`.
    pub fn new(rows: u64, folder: &Path) -> Result<Self, IngestError> {
        Self::with_part_rows(rows, PART_ROWS, folder)
    }

    fn with_part_rows(rows: u64, part_rows: u64, folder: &Path) -> Result<Self, IngestError> {
        let mut parts = Vec::new();
        if rows > part_rows {
            for _ in 0..rows.div_ceil(part_rows) {
                let file = tempfile::tempfile_in(folder);
                parts.push(BufWriter::new(file.map_err(IngestError::io("create a temporary file in", folder))?));
            }
        }
        Ok(Self { folder: folder.to_owned(), memory: Vec::new(), parts })
    }

    /// Adds a row: its ids as bytes, and its label.
    pub fn add(&mut self, ids: &[u8], label: u8) -> Result<(), IngestError> {
        let mut hasher = DefaultHasher::new();
        hasher.write(ids);
        let key = hasher.finish() & !1 | u64::from(label);
        if self.parts.is_empty() {
            self.memory.push(key);
            return Ok(());
        }
        // Both labels of a row belong in one part.
        let part = ((u128::from(key | 1) * self.parts.len() as u128) >> 64) as usize;
        let written = self.parts[part].write_all(&key.to_le_bytes());
        written.map_err(IngestError::io("write a temporary file in", &self.folder))
    }

    /// Counts the equal rows among those added.
    pub fn count(mut self) -> Result<DuplicateCounts, IngestError> {
        let mut counts = DuplicateCounts::default();
        if self.parts.is_empty() {
            count_part(&mut self.memory, &mut counts);
        }
        for part in self.parts {
            let keys = read_back(part).map_err(IngestError::io("read a temporary file in", &self.folder));
            count_part(&mut keys?, &mut counts);
        }
        Ok(counts)
    }
}

fn read_back(part: BufWriter<File>) -> std::io::Result<Vec<u64>> {
    let mut file = part.into_inner().map_err(|error| error.into_error())?;
    let bytes = file.stream_position()?;
    file.rewind()?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut keys = Vec::with_capacity((bytes / 8) as usize);
    let mut key = [0; 8];
    for _ in 0..bytes / 8 {
        reader.read_exact(&mut key)?;
        keys.push(u64::from_le_bytes(key));
    }
    Ok(keys)
}

fn count_part(keys: &mut [u64], counts: &mut DuplicateCounts) {
    keys.sort_unstable();
    for twins in keys.chunk_by(|a, b| a | 1 == b | 1) {
        counts.duplicate += twins.len() as u64 - 1;
        // Sorted, so both labels are there if first and last differ.
        if twins.first() != twins.last() {
            counts.contradicting += twins.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_on_disk_count_as_memory_does() {
        let folder = tempfile::tempdir().unwrap();
        let count = |part_rows| {
            let mut rows = Duplicates::with_part_rows(1000, part_rows, folder.path()).unwrap();
            for row in 0..1000_u32 {
                // 250 different rows, each four times; the label differs within the first ten.
                let (ids, label) = (row % 250, u8::from(row % 250 < 10 && row >= 500));
                rows.add(&ids.to_le_bytes(), label).unwrap();
            }
            rows.count().unwrap()
        };
        assert_eq!(count(2000), DuplicateCounts { duplicate: 750, contradicting: 40 });
        assert_eq!(count(100), count(2000));
    }
}
