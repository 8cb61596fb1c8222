//! From an uploaded file to an encoded dataset, in one reading of the file and two or three of what it left on disk.
//!
//! Memory is bounded by the distinct values, whatever the number of rows: see `encode` (first reading) and `finish` (ids,
//! splits, files).

use super::{
    batch::{BATCH_ROWS, Batch},
    encode::{Encoded, Encoder},
    error::{IngestError, ReadError},
    finish::write_dataset,
    limits::IngestLimits,
    plan::Plan,
    progress::{IngestProgress, Ticker},
    table::Table,
};
use crate::types::{DatasetSpec, FeatureMap, Profile};
use std::{io, ops::ControlFlow, panic::resume_unwind, path::Path, sync::mpsc, thread};

/// What reading a table yielded; the rest lies in the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    pub feature_map: FeatureMap,
    pub profile: Profile,
    /// The spec with format, compression and separator filled: what `write_denoised` wants.
    pub spec: DatasetSpec,
}

/// Reads `source` into the folder `out_dir`, in the layout of `Dataset`.
///
/// The folder must not exist; it appears when it is whole. `progress` is called every few thousand rows and can stop the
/// reading. Everything wrong that one reading can find comes back in one `IngestError::Invalid`.
pub fn ingest(
    source: &Path,
    spec: &DatasetSpec,
    out_dir: &Path,
    limits: &IngestLimits,
    progress: &mut dyn FnMut(IngestProgress) -> ControlFlow<()>,
) -> Result<Ingested, IngestError> {
    if out_dir.exists() {
        return Err(IngestError::io("create", out_dir)(io::ErrorKind::AlreadyExists.into()));
    }
    let parent = out_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(IngestError::io("create", parent))?;

    let table = Table::open(source, spec, limits)?;
    let mut ticker = Ticker::new(progress, table.bytes);
    let plan = Plan::new(&table, limits, &mut ticker)?;
    let encoded = encode_rows(&table, &plan, limits, parent, &mut ticker)?;
    let (feature_map, profile) = write_dataset(&plan, encoded, &table, out_dir, parent, &mut ticker)?;
    Ok(Ingested { feature_map, profile, spec: table.spec })
}

/// Batches in use: one that is read, one that is encoded, and one between them.
const BATCHES: usize = 3;

/// Reads the table on a thread of its own and encodes it on this one, which has the progress function.
fn encode_rows(
    table: &Table,
    plan: &Plan,
    limits: &IngestLimits,
    folder: &Path,
    ticker: &mut Ticker,
) -> Result<Encoded, IngestError> {
    let mut encoder = Encoder::new(plan, limits, folder)?;
    thread::scope(|scope| {
        let (full, batches) = mpsc::channel();
        let (empty, spent) = mpsc::channel();
        for _ in 0..BATCHES {
            // Cannot fail: the receiver is still held here.
            let _ = empty.send(Batch::default());
        }
        let reader = thread::Builder::new().name("ingest".to_owned());
        let reader = reader.spawn_scoped(scope, move || read_batches(table, plan, limits, &spent, &full));
        let reader = reader.map_err(IngestError::io("start a thread to read", table.path))?;
        // The reader ends when it has sent the last batch, or when this one gives up and drops its ends.
        while let Ok(mut batch) = batches.recv() {
            encoder.encode_batch(&mut batch)?;
            ticker.advance(batch.bytes_read, encoder.rows())?;
            // Fails where the reader has ended, which then needs no more batches.
            let _ = empty.send(batch);
        }
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    ticker.advance(table.bytes, encoder.rows())?;
    encoder.finish()
}

/// Fills the batches that come and sends them on, until the file ends or the encoder has stopped.
fn read_batches(
    table: &Table,
    plan: &Plan,
    limits: &IngestLimits,
    empty: &mpsc::Receiver<Batch>,
    full: &mpsc::Sender<Batch>,
) -> Result<(), IngestError> {
    let mut rows = table.rows(&plan.needed(), limits)?;
    let mut more = true;
    while more && let Ok(mut batch) = empty.recv() {
        more = match rows.fill(&mut batch, BATCH_ROWS) {
            Ok(more) => more,
            Err(ReadError::Content(message)) => {
                batch.broken_off = Some((message, rows.line()));
                false
            }
            Err(ReadError::Disk(error)) => return Err(IngestError::io("read", table.path)(error)),
        };
        more &= full.send(batch).is_ok();
    }
    Ok(())
}
