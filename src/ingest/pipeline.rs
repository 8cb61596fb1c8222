//! From an uploaded file to an encoded dataset, in one reading of the file and two or three of what it left on disk.
//!
//! Memory is bounded by the distinct values, whatever the number of rows: see `encode` (first reading) and `finish` (ids,
//! splits, files).

use super::{
    batch::{BATCH_ROWS, Batch},
    encode::Encoder,
    error::{IngestError, ReadError},
    finish,
    plan::Plan,
    table::Table,
};
use crate::types::{DatasetSpec, FeatureMap, Profile};
use std::{io, ops::ControlFlow, panic::resume_unwind, path::Path, sync::mpsc, thread};

/// What a table may be. Every bound has a message of its own when it is passed.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// At most u32::MAX, for a row's position is a u32 everywhere.
    pub max_rows: u64,
    pub max_columns: usize,
    /// Fields of the models, places of split columns included.
    pub max_fields: usize,
    /// Distinct values of all columns together. Each takes its bytes and about 40 more while the table is read.
    pub max_vocabulary: u64,
    /// What a compressed file may unpack to.
    pub max_decompressed_bytes: u64,
    /// Bytes of one row, line ends within quotes included.
    pub max_line_bytes: usize,
    /// Errors listed; the rest are counted.
    pub max_errors: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_rows: u64::from(u32::MAX),
            max_columns: 10_000,
            max_fields: 1_000,
            max_vocabulary: 10_000_000,
            max_decompressed_bytes: 256 << 30,
            max_line_bytes: 4 << 20,
            max_errors: 100,
        }
    }
}

/// How far the first reading is; it takes most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngestProgress {
    pub bytes_read: u64,
    pub bytes_total: u64,
    pub rows: u64,
}

/// What reading a table yielded; the rest lies in the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    pub feature_map: FeatureMap,
    pub profile: Profile,
    /// The spec with format, compression and separator filled: what `write_denoised` wants.
    pub spec: DatasetSpec,
}

/// Reports progress and asks whether to go on.
pub(super) struct Ticker<'a> {
    progress: &'a mut dyn FnMut(IngestProgress) -> ControlFlow<()>,
    state: IngestProgress,
}

impl<'a> Ticker<'a> {
    pub fn new(progress: &'a mut dyn FnMut(IngestProgress) -> ControlFlow<()>, bytes_total: u64) -> Self {
        Self { progress, state: IngestProgress { bytes_read: 0, bytes_total, rows: 0 } }
    }

    pub fn tick(&mut self) -> Result<(), IngestError> {
        match (self.progress)(self.state) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(IngestError::Cancelled),
        }
    }
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
    let encoder = read_rows(&table, &plan, limits, parent, &mut ticker)?;
    let encoded = finish::Encoded::new(encoder)?;
    let (feature_map, profile) = finish::write(&plan, encoded, &table, out_dir, parent, &mut ticker)?;
    Ok(Ingested { feature_map, profile, spec: table.spec })
}

/// Batches on their way: one that is read, one that is encoded, and one between them.
const BATCHES: usize = 3;

/// Reads the table on a thread of its own and encodes it on this one, which has the progress function.
fn read_rows<'a>(
    table: &Table,
    plan: &'a Plan,
    limits: &'a IngestLimits,
    folder: &Path,
    ticker: &mut Ticker,
) -> Result<Encoder<'a>, IngestError> {
    let mut encoder = Encoder::new(plan, limits, folder)?;
    thread::scope(|scope| {
        let (full, batches) = mpsc::channel();
        let (empty, spent) = mpsc::channel();
        for _ in 0..BATCHES {
            // The other end is below.
            let _ = empty.send(Batch::default());
        }
        let reader = thread::Builder::new().name("ingest".to_owned());
        let reader = reader.spawn_scoped(scope, move || read_batches(table, plan, limits, &spent, &full));
        let reader = reader.map_err(IngestError::io("start a thread to read", table.path))?;
        // The reader ends when it has sent the last batch, or when this one gives up and drops its ends.
        while let Ok(batch) = batches.recv() {
            let batch = encode_batch(&mut encoder, batch, plan, limits, ticker)?;
            let _ = empty.send(batch);
        }
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    ticker.state = IngestProgress { bytes_read: table.bytes, bytes_total: table.bytes, rows: encoder.rows };
    ticker.tick()?;
    Ok(encoder)
}

/// Fills the batches that come, and sends them on, to the end of the file or until nobody wants them.
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

fn encode_batch(
    encoder: &mut Encoder,
    mut batch: Batch,
    plan: &Plan,
    limits: &IngestLimits,
    ticker: &mut Ticker,
) -> Result<Batch, IngestError> {
    encoder.take_in(&mut batch)?;
    let max_rows = limits.max_rows.min(u64::from(u32::MAX));
    if encoder.rows > max_rows {
        return Err(IngestError::field("", format!("more than {max_rows} rows, the most this service reads")));
    }
    if let Some((message, line)) = batch.broken_off.take() {
        encoder.broken_off(&message, line);
    }
    check_vocabulary(plan, encoder, limits)?;
    (ticker.state.bytes_read, ticker.state.rows) = (batch.bytes_read, encoder.rows);
    ticker.tick()?;
    Ok(batch)
}

fn check_vocabulary(plan: &Plan, encoder: &Encoder, limits: &IngestLimits) -> Result<(), IngestError> {
    // Ids are i32. The rows between two checks, buckets, unknown and padding ids come on top.
    let max = limits.max_vocabulary.min(i32::MAX as u64 - (1 << 24));
    if encoder.distinct() <= max {
        return Ok(());
    }
    let values = |slot: &&super::plan::Slot| slot.kind.vocabulary().map_or(0, |at| encoder.vocabularies[at].len());
    let largest = plan.slots.iter().max_by_key(values).map_or("", |slot| plan.columns[slot.column].as_str());
    let rule = format!(
        "more than {max} distinct values, the most this service encodes; column `{largest}` has most: exclude it, or give it \
         as `numeric`"
    );
    Err(IngestError::field("/fields", rule))
}
