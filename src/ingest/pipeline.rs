//! From an uploaded file to an encoded dataset, in one reading of the file and two or three of what it left on disk. Where that
//! reading shows that the file is of another dialect, there is a second one.
//!
//! Memory is bounded by the distinct values, whatever the number of rows: see `encode` (first reading) and `finish` (ids,
//! splits, files).

use super::{
    batch::{BATCH_ROWS, Batch},
    dialect::LinesInQuotes,
    encode::{Encoded, Encoder},
    error::{IngestError, ReadError},
    finish::write_dataset,
    layout::folder_of,
    limits::IngestLimits,
    plan::Plan,
    progress::{IngestProgress, Ticker},
    reader::Remarks,
    table::Table,
};
use crate::types::{DatasetSpec, FeatureMap, Profile, Quote, TableSource};
use std::{io, ops::ControlFlow, panic::resume_unwind, path::Path, sync::mpsc, thread};

/// What reading a table yielded; the rest lies in the folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    pub feature_map: FeatureMap,
    pub profile: Profile,
    /// The spec with format, compression and separator filled: what `write_denoised` wants.
    pub spec: DatasetSpec,
}

/// Reads `source`, a file or several that are one table, into the folder `out_dir`, in the layout of `Dataset`.
///
/// The folder must not exist; it appears when it is whole. `progress` is called every few thousand rows and can stop the
/// reading. Everything wrong that one reading can find comes back in one `IngestError::Invalid`.
pub fn ingest(
    source: impl Into<TableSource>,
    spec: &DatasetSpec,
    out_dir: &Path,
    limits: &IngestLimits,
    progress: &mut dyn FnMut(IngestProgress) -> ControlFlow<()>,
) -> Result<Ingested, IngestError> {
    if out_dir.exists() {
        return Err(IngestError::io("create", out_dir)(io::ErrorKind::AlreadyExists.into()));
    }
    let parent = folder_of(out_dir);
    std::fs::create_dir_all(parent).map_err(IngestError::io("create", parent))?;

    let source = source.into();
    let mut table = Table::open(&source, spec, limits)?;
    let mut ticker = Ticker::new(progress, table.bytes);
    let plan = Plan::new(&table, limits, &mut ticker)?;
    let (mut encoded, remarks) = encode_rows(&table, &plan, limits, parent, &mut ticker)?;
    let (quotes, mut notes) = (remarks.lines_in_quotes, Vec::new());
    if quotes.speak_against_quotes() {
        let spec = DatasetSpec { quote: Some(Quote::None), ..table.spec.clone() };
        let unquoted = Table::open(&source, &spec, limits)?;
        if unquoted.columns == table.columns
            // Where more rows are wrong now, their quotes did mean something.
            && let (Ok(again), _) = encode_rows(&unquoted, &plan, limits, parent, &mut ticker)?
            && encoded.as_ref().map_or(true, |first| again.skipped.len() <= first.skipped.len())
        {
            (table, encoded) = (unquoted, Ok(again));
            notes.push(read_without_quotes(&table, quotes));
        }
    }
    if quotes.swallowing > 0 && notes.is_empty() {
        notes.push(lines_within_quotes(&table, quotes));
    }
    if remarks.ignored_bytes > 0 {
        notes.push(bytes_behind(remarks.ignored_bytes));
    }
    let notes = table.notes.iter().cloned().chain(notes).collect();
    let (feature_map, profile) = write_dataset(&plan, encoded?, &table, notes, out_dir, parent, &mut ticker)?;
    Ok(Ingested { feature_map, profile, spec: table.spec })
}

fn bytes_behind(bytes: u64) -> String {
    format!(
        "{bytes} bytes behind the gzip stream are none of gzip and were ignored, as gzip does; if they were rows, the file is damaged"
    )
}

/// The line that the first quote of several lines is on.
fn place(table: &Table, quotes: LinesInQuotes) -> String {
    let line = quotes.first.0;
    match &table.parts[quotes.part].name {
        None => format!("line {line}"),
        Some(part) => format!("line {line} of {part}"),
    }
}

fn read_without_quotes(table: &Table, quotes: LinesInQuotes) -> String {
    let (place, (_, lines)) = (place(table, quotes), quotes.first);
    format!(
        "read without quoting (`quote`: `none`): a quote on {place} would take in {lines} lines, each of which is a whole row, \
         and no cell needs quotes"
    )
}

fn lines_within_quotes(table: &Table, quotes: LinesInQuotes) -> String {
    let LinesInQuotes { swallowing, first: (_, lines), .. } = quotes;
    let place = place(table, quotes);
    let (rows, first) = if swallowing == 1 { ("a row", "it") } else { ("rows", "the first") };
    let number = if swallowing == 1 { String::new() } else { format!("{swallowing} ") };
    format!(
        "{number}{rows} with a quoted cell of several lines, each of which would be a whole row without the quotes: {first} starts \
         on {place} and has {lines} lines; if that quote is stray, correct it or say `quote`: `none`"
    )
}

/// Batches in use: one that is read, one that is encoded, and one between them.
const BATCHES: usize = 3;

/// Reads the table on a thread of its own and encodes it on this one, which has the progress function. Returns what that gave,
/// which may be everything wrong with the rows, and what is known of the file then.
fn encode_rows(
    table: &Table,
    plan: &Plan,
    limits: &IngestLimits,
    folder: &Path,
    ticker: &mut Ticker,
) -> Result<(Result<Encoded, IngestError>, Remarks), IngestError> {
    let mut encoder = Encoder::new(plan, &table.parts, limits, folder)?;
    let remarks = thread::scope(|scope| {
        let (full, batches) = mpsc::channel();
        let (empty, spent) = mpsc::channel();
        for _ in 0..BATCHES {
            // Cannot fail: the receiver is still held here.
            let _ = empty.send(Batch::default());
        }
        let reader = thread::Builder::new().name("ingest".to_owned());
        let reader = reader.spawn_scoped(scope, move || read_batches(table, plan, limits, &spent, &full));
        let reader = reader.map_err(IngestError::io("start a thread to read", &table.parts[0].path))?;
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
    Ok((encoder.finish(), remarks))
}

/// Fills the batches that come and sends them on, until the file ends or the encoder has stopped. Returns what is known of the file
/// then.
fn read_batches(
    table: &Table,
    plan: &Plan,
    limits: &IngestLimits,
    empty: &mpsc::Receiver<Batch>,
    full: &mpsc::Sender<Batch>,
) -> Result<Remarks, IngestError> {
    let mut rows = table.rows(&plan.needed(), limits)?;
    let mut more = true;
    while more && let Ok(mut batch) = empty.recv() {
        more = match rows.fill(&mut batch, BATCH_ROWS) {
            Ok(more) => more,
            Err(ReadError::Content(message)) => {
                batch.broken_off = Some((message, rows.line()));
                false
            }
            Err(ReadError::Disk(error)) => return Err(IngestError::io("read", rows.path())(error)),
        };
        more &= full.send(batch).is_ok();
    }
    Ok(rows.remarks())
}
