//! Raw rows kept on disk until all are there, to be read in another order. Memory: 4 bytes for each row that is written.

use super::error::ImportError;
use crate::ingest::folder_of;
use crate::random::{Purpose, Stream};
use memmap2::Mmap;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// A row as numbers; each dataset decides what they are.
pub(super) type Record = [u32; 4];
const BYTES: usize = size_of::<Record>();

/// The raw rows, in the order they came.
pub(super) struct Spill {
    file: BufWriter<File>,
    rows: u64,
}

/// Which rows are written, and in what order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    /// Rows drawn without replacement, each as likely as any other; all where there are no more.
    pub sample: Option<u64>,
    /// In random order (Fisher and Yates); else as they came.
    pub shuffle: bool,
    pub seed: u64,
}

impl Spill {
    /// A nameless file beside `out`.
    pub fn new(out: &Path) -> Result<Self, ImportError> {
        let folder = folder_of(out);
        let file = tempfile::tempfile_in(folder).map_err(ImportError::io("create a file in", folder))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, file), rows: 0 })
    }

    /// Adds a row.
    pub fn push(&mut self, record: Record) -> Result<(), ImportError> {
        self.rows += 1;
        let write = |file: &mut BufWriter<File>| record.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()));
        write(&mut self.file).map_err(ImportError::io("write", Path::new("a temporary file")))
    }

    /// Calls `each` with each row picked. Returns the number of rows there were.
    pub fn for_each_picked(
        self,
        pick: Pick,
        mut each: impl FnMut(Record) -> Result<(), ImportError>,
    ) -> Result<u64, ImportError> {
        let Some(rows) = u32::try_from(self.rows).ok().filter(|rows| *rows > 0) else {
            let rule = format!("{} rows; a table has from 1 to 4294967295", self.rows);
            return Err(ImportError::file(Path::new("the raw dataset"), rule));
        };
        let failed = |error| ImportError::io("read", Path::new("a temporary file"))(error);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        // SAFETY: a nameless file of this process, which nothing writes to any more.
        let records = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let (records, _) = records.as_chunks::<BYTES>();
        for row in pick_rows(rows, pick) {
            let (words, _) = records[row as usize].as_chunks::<4>();
            each(std::array::from_fn(|word| u32::from_le_bytes(words[word])))?;
        }
        Ok(self.rows)
    }
}

/// Positions of the rows to write. The draw without replacement is selection sampling (Knuth, volume 2, 3.4.2,
/// algorithm S): of the rows left, each has the chance (still to draw) / (left).
fn pick_rows(rows: u32, pick: Pick) -> Vec<u32> {
    let wanted = pick.sample.unwrap_or(u64::MAX).min(u64::from(rows));
    let draws = Stream::new(pick.seed, Purpose::Import, &[0]);
    let mut picked: Vec<u32> = Vec::with_capacity(wanted as usize);
    for row in 0..rows {
        let (left, missing) = (u64::from(rows - row), wanted - picked.len() as u64);
        // The high half of a product is uniform over 0..left to within 2^-32 of each share.
        if missing == left || (u64::from(draws.u32_at(u64::from(row))) * left) >> 32 < missing {
            picked.push(row);
        }
    }
    if pick.shuffle {
        Stream::new(pick.seed, Purpose::Import, &[1]).shuffle(&mut picked);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_and_every_row_its_chance() {
        let mut times = [0_i32; 50];
        for seed in 0..4000 {
            let rows = pick_rows(50, Pick { sample: Some(10), shuffle: false, seed });
            assert_eq!(rows.len(), 10);
            assert!(rows.is_sorted_by(|a, b| a < b), "no row twice");
            rows.iter().for_each(|row| times[*row as usize] += 1);
        }
        // Binomial(4000, 0.2): mean 800, deviation 25.3; five of them.
        assert!(times.iter().all(|count| (count - 800).abs() < 127), "{times:?}");
    }

    #[test]
    fn without_a_sample_all_rows_are_taken_and_a_shuffle_loses_none() {
        for sample in [None, Some(5), Some(6)] {
            assert_eq!(pick_rows(5, Pick { sample, shuffle: false, seed: 3 }), [0, 1, 2, 3, 4]);
        }
        let mut shuffled = pick_rows(1000, Pick { sample: None, shuffle: true, seed: 3 });
        assert!(!shuffled.is_sorted());
        shuffled.sort_unstable();
        assert!(shuffled.into_iter().eq(0..1000));
    }
}
