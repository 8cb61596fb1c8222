//! The dataset's rows out of the spilled ones, on two threads: hashing and writing them takes about as long as making them.

use super::{
    duplicates::Duplicates,
    encode::Spill,
    error::IngestError,
    finish::Encoding,
    layout::{Block, RegionHashes, Regions},
    pipeline::Ticker,
    plan::Plan,
    split::Splitter,
};
use crate::types::Split;
use std::{panic::resume_unwind, path::Path, sync::mpsc, thread};

/// Blocks that wait to be written: enough to go on while the disk is waited for.
const BLOCKS: usize = 16;

/// Writes the blocks that `make` sends, until it drops their sender, and makes them durable. What `make` says comes back
/// with the files' hashes.
pub(super) fn write<T>(
    regions: Regions,
    make: impl FnOnce(mpsc::SyncSender<Block>) -> Result<T, IngestError>,
) -> Result<(RegionHashes, T), IngestError> {
    thread::scope(|scope| {
        let (blocks, made) = mpsc::sync_channel(BLOCKS);
        let writer = thread::Builder::new().name("ingest-write".to_owned());
        let writer = writer.spawn_scoped(scope, move || write_blocks(regions, &made));
        let writer = writer.map_err(IngestError::io("start a thread to write", Path::new("ids.i32")))?;
        let made = make(blocks);
        // The writer's error comes first: because of it the blocks had nowhere to go.
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

/// Makes the dataset's rows of the spilled ones.
pub(super) struct Assembly<'a> {
    pub plan: &'a Plan,
    pub encodings: &'a [Encoding],
    pub splitter: &'a Splitter,
    pub duplicates: Duplicates,
    /// Cells with a value that no training row has, by field.
    pub unknown: Vec<u64>,
    /// Of a run of rows, as they will stand in the file.
    pub ids: Vec<u8>,
}

impl Assembly<'_> {
    /// Sends all rows on.
    pub fn blocks(
        &mut self,
        spill: &Spill,
        ticker: &mut Ticker,
        out: &mpsc::SyncSender<Block>,
    ) -> Result<(), IngestError> {
        let width = 4 * self.unknown.len();
        let mut blocks = Split::ALL.map(Block::new);
        spill.each_run(ticker, |first, records| {
            self.encode(records, spill.width);
            let rows = records.chunks_exact(spill.width).zip(self.ids.chunks_exact(width));
            for (row, (record, ids)) in (first..).zip(rows) {
                let (split, label) = (self.splitter.assign(row, record), record[0]);
                if split == Split::Train {
                    self.duplicates.add(ids, label)?;
                }
                let block = &mut blocks[split as usize];
                block.push(ids, label, row);
                if block.is_full() {
                    send(out, std::mem::replace(block, Block::new(split)))?;
                }
            }
            Ok(())
        })?;
        blocks.into_iter().try_for_each(|block| send(out, block))
    }

    /// The ids of a run of rows, a field at a time.
    fn encode(&mut self, records: &[u8], record_width: usize) {
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
                // Training rows have no unseen values, so this counts valid and test rows alone.
                self.unknown[field] += unknown;
                field += 1;
            }
        }
    }
}

fn send(out: &mpsc::SyncSender<Block>, block: Block) -> Result<(), IngestError> {
    // The writer goes first only on an error, which is then the one that is told.
    out.send(block).map_err(|_| IngestError::Cancelled)
}
