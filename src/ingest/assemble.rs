//! Makes the dataset's rows from the spilled ones, on two threads: hashing and writing rows takes about as long as making
//! them.

use super::{
    alone::Alone,
    duplicates::Duplicates,
    encoding::Encoding,
    error::IngestError,
    layout::{Block, RegionHashes, Regions},
    plan::Plan,
    progress::Ticker,
    spill::Spill,
    split::Splitter,
    times::TimeScale,
};
use crate::types::Split;
use std::{panic::resume_unwind, path::Path, sync::mpsc, thread};

/// Blocks that may wait to be written: enough to go on making rows while the writer waits for the disk.
const BLOCKS: usize = 16;

/// Writes the blocks that `make` sends until it drops their sender, and makes the files durable. Returns the files' hashes
/// and what `make` returned.
pub(super) fn write_regions<T>(
    regions: Regions,
    make: impl FnOnce(mpsc::SyncSender<Block>) -> Result<T, IngestError>,
) -> Result<(RegionHashes, T), IngestError> {
    thread::scope(|scope| {
        let (blocks, made) = mpsc::sync_channel(BLOCKS);
        let writer = thread::Builder::new().name("ingest-write".to_owned());
        let writer = writer.spawn_scoped(scope, move || write_blocks(regions, &made));
        let writer = writer.map_err(IngestError::io("start a thread to write", Path::new("ids.i32")))?;
        let made = make(blocks);
        // The writer's error comes first: where it stopped, `make` failed only because its blocks had nowhere to go.
        let hashes = writer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok((hashes, made?))
    })
}

fn write_blocks(mut regions: Regions, blocks: &mpsc::Receiver<Block>) -> Result<RegionHashes, IngestError> {
    for block in blocks {
        regions.write(&block)?;
    }
    regions.finish()
}

/// Positions in the file of rows that come in order, where some rows of the file were left out.
pub(super) struct Positions<'a> {
    /// Those left out, ascending.
    skipped: &'a [u32],
    /// How many of them are before the row that was asked for last.
    passed: usize,
}

impl<'a> Positions<'a> {
    pub fn new(skipped: &'a [u32]) -> Self {
        Self { skipped, passed: 0 }
    }

    /// The position of a row that is not before the one asked for last. The file has fewer than 2^32 rows.
    pub fn of(&mut self, row: u32) -> u32 {
        while self.skipped.get(self.passed).is_some_and(|skipped| *skipped <= row + self.passed as u32) {
            self.passed += 1;
        }
        row + self.passed as u32
    }
}

/// Makes the dataset's rows from the spilled ones.
pub(super) struct Assembly<'a> {
    pub plan: &'a Plan,
    pub encodings: &'a [Encoding],
    pub splitter: &'a Splitter,
    pub positions: Positions<'a>,
    /// Where rows have times.
    pub times: Option<TimeScale>,
    pub duplicates: Duplicates,
    pub alone: Alone,
    /// Cells with a value that no training row has, by field.
    pub unknown: Vec<u64>,
    /// The ids of a run of rows, as they will stand in the file.
    pub ids: Vec<u8>,
}

impl Assembly<'_> {
    /// Sends all rows on, in blocks of one split.
    pub fn send_blocks(
        &mut self,
        spill: &Spill,
        ticker: &mut Ticker,
        out: &mpsc::SyncSender<Block>,
    ) -> Result<(), IngestError> {
        let width = 4 * self.unknown.len();
        let mut blocks = Split::ALL.map(Block::new);
        spill.for_each_run(ticker, |first, records| {
            self.encode_run(records, spill.width);
            let rows = records.chunks_exact(spill.width).zip(self.ids.chunks_exact(width));
            for (row, (record, ids)) in (first..).zip(rows) {
                let (split, label) = (self.splitter.assign(row, record), record[0]);
                self.alone.add(row, split, label, ids);
                if split == Split::Train {
                    self.duplicates.add(ids, label)?;
                }
                let block = &mut blocks[split as usize];
                block.push(ids, label, self.positions.of(row), self.times.map(|times| times.time(record)));
                if block.is_full() {
                    send(out, std::mem::replace(block, Block::new(split)))?;
                }
            }
            Ok(())
        })?;
        blocks.into_iter().try_for_each(|block| send(out, block))
    }

    /// Makes the ids of a run of rows, a field at a time.
    fn encode_run(&mut self, records: &[u8], record_width: usize) {
        let width = 4 * self.unknown.len();
        self.ids.resize(records.len() / record_width * width, 0);
        let mut field = 0;
        for (slot, encoding) in self.plan.slots.iter().zip(self.encodings) {
            for place in 0..slot.kind.places() {
                let ids = self.ids.chunks_exact_mut(width);
                let mut unknown = 0;
                for (record, ids) in records.chunks_exact(record_width).zip(ids) {
                    let (id, unseen) = encoding.id(record, slot.at + 4 * place);
                    ids[4 * field..4 * field + 4].copy_from_slice(&id.to_le_bytes());
                    unknown += u64::from(unseen);
                }
                // Every value of a training row has been seen, so this counts valid and test rows only.
                self.unknown[field] += unknown;
                field += 1;
            }
        }
    }
}

fn send(out: &mpsc::SyncSender<Block>, block: Block) -> Result<(), IngestError> {
    // The writer stops early only on an error of its own, and `write_regions` returns that one.
    out.send(block).map_err(|_| IngestError::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_left_out_have_their_positions() {
        let mut positions = Positions::new(&[0, 3, 4, 7]);
        assert_eq!((0..5).map(|row| positions.of(row)).collect::<Vec<_>>(), [1, 2, 5, 6, 8]);
        let mut all = Positions::new(&[]);
        assert_eq!((0..3).map(|row| all.of(row)).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
