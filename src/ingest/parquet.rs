//! Parquet: every cell becomes the text that CSV and JSON writers give it, so that the same rows encode to the same ids
//! whatever file they came in.
//!
//! Numbers are written shortest, whole ones without a fraction whatever their type; NaN and null are empty cells; dates and
//! times are ISO 8601 (UTC); the values of a list are joined.

use super::{
    batch::{Batch, Next},
    error::{IngestError, ReadError},
    noted_file::{FileFault, NotedFile},
};
use crate::{
    remote,
    types::{SourceFile, shorten},
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, GenericListArray, OffsetSizeTrait, PrimitiveArray, RecordBatch, StringArray,
    builder::StringBuilder,
    cast::AsArray,
    make_array,
    types::{Float32Type, Float64Type},
};
use arrow_cast::cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};
use std::{
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Whole floats below this are integers of 64 bits.
const WHOLE: f64 = 9.2e18;
const BATCH_ROWS: usize = 8192;
/// A table of many columns is read fewer rows at a time: bounds memory.
const BATCH_CELLS: usize = 1 << 19;

type Builder = ParquetRecordBatchReaderBuilder<NotedFile>;

/// Opens the file and reads its footer.
pub(super) fn open(path: &SourceFile) -> Result<Builder, IngestError> {
    open_noted(path).map(|(builder, _)| builder)
}

/// The same, and what will be known of faults of the file itself while its rows are read.
pub(super) fn open_noted(path: &SourceFile) -> Result<(Builder, FileFault), IngestError> {
    let fault = FileFault::default();
    let file = open_file(path, &fault)?;
    let opened = decoding(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(|error| {
        let said = ReadError::Content(format!(
            "the Parquet file is damaged or cut short, for its footer cannot be read ({error}); upload it again"
        ));
        fault.or(said).at_start(path)
    });
    Ok((opened?, fault))
}

/// Opens the file alone; its faults are noted.
pub(super) fn open_file(path: &SourceFile, fault: &FileFault) -> Result<NotedFile, IngestError> {
    let file = remote::open_columns(path).map_err(IngestError::io("open", path))?;
    Ok(NotedFile::new(file, fault.clone()))
}

pub(super) fn column_names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// Why columns of this type cannot be read, if so.
pub(super) fn why_unusable(kind: &DataType) -> Option<String> {
    let scalar = |kind: &DataType| !kind.is_nested() && (is_binary(kind) || can_cast_types(kind, &DataType::Utf8));
    let usable = match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => scalar(item.data_type()),
        other => scalar(other),
    };
    (!usable).then(|| {
        format!(
            "this Parquet column is of type {}; numbers, strings, booleans, dates and lists of them can be read",
            shorten(&kind.to_string())
        )
    })
}

/// A reader of Parquet rows.
pub(super) struct Parquet {
    reader: ParquetRecordBatchReader,
    /// For each column of the file, its place among those read.
    places: Vec<Option<usize>>,
    /// For each column of the file, what stands between the values of a list.
    joins: Vec<String>,
    fault: FileFault,
    batch: Vec<StringArray>,
    rows: usize,
    next: usize,
    /// Bytes of cells that may still come.
    left: u64,
}

impl Parquet {
    /// Reads the columns marked in `needed`; the cells of the others are empty.
    pub fn new(path: &SourceFile, needed: &[bool], joins: Vec<String>, max_bytes: u64) -> Result<Self, IngestError> {
        let (builder, fault) = open_noted(path)?;
        let read: Vec<usize> = (0..needed.len()).filter(|column| needed[*column]).collect();
        let mut places = vec![None; needed.len()];
        for (place, column) in read.iter().enumerate() {
            places[*column] = Some(place);
        }
        let batch_rows = (BATCH_CELLS / read.len().max(1)).clamp(1, BATCH_ROWS);
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let reader = decoding(|| builder.with_projection(mask).with_batch_size(batch_rows).build())
            .map_err(|error| IngestError::field("", format!("the Parquet file cannot be read: {error}")))?;
        Ok(Self { reader, places, joins, fault, batch: Vec::new(), rows: 0, next: 0, left: max_bytes })
    }

    /// Reads the next row's cells into the batch.
    pub fn read(&mut self, batch: &mut Batch) -> Result<Next, ReadError> {
        while self.next == self.rows {
            let next = decoding(|| self.reader.next().transpose());
            let Some(batch) = next.map_err(|error| self.fault.or(damaged(error)))? else { return Ok(Next::End) };
            self.load(&batch)?;
        }
        for place in &self.places {
            let cell = match place {
                // A null's slot may hold anything.
                Some(place) if self.batch[*place].is_valid(self.next) => self.batch[*place].value(self.next),
                _ => "",
            };
            batch.push_cell(cell.as_bytes());
        }
        self.next += 1;
        Ok(Next::Row)
    }

    /// Makes text of the next rows' columns.
    fn load(&mut self, batch: &RecordBatch) -> Result<(), ReadError> {
        self.batch.clear();
        for (column, place) in self.places.iter().enumerate() {
            if let Some(place) = place {
                let text = decoding(|| as_text(batch.column(*place), &self.joins[column])).map_err(damaged)?;
                // A cell counts a byte beside its text: a file may hold any number of empty cells in almost no space.
                let offsets = text.value_offsets();
                let bytes = (offsets[text.len()] - offsets[0]) as u64 + text.len() as u64;
                self.left = self.left.checked_sub(bytes).ok_or_else(too_large)?;
                self.batch.push(text);
            }
        }
        (self.rows, self.next) = (batch.num_rows(), 0);
        Ok(())
    }
}

/// Runs the decoder. Over some bytes that no writer makes it panics instead of returning an error; a panic is taken for the
/// error that the file is damaged. What the decoder was working on is not used again.
pub(super) fn decoding<T, E: Into<ArrowError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, ArrowError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(ArrowError::ParquetError("the decoder met bytes it does not know".to_owned())),
    }
}

fn too_large() -> ReadError {
    ReadError::Content("the Parquet file unpacks to more than this service reads; upload it in parts".to_owned())
}

pub(super) fn damaged(error: ArrowError) -> ReadError {
    ReadError::Content(format!(
        "the Parquet file is damaged or of a kind that cannot be read ({error}); write it again"
    ))
}

/// The cells of a column as text.
fn as_text(array: &ArrayRef, join: &str) -> Result<StringArray, ArrowError> {
    // A value with no text is an error, never a silent null.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let to_text = |array: &ArrayRef| cast_with_options(array, &DataType::Utf8, &options);
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        // Instants are kept in UTC; without its zone the array prints them so, and named zones need no table.
        DataType::Timestamp(unit, Some(_)) => {
            let naive = array.to_data().into_builder().data_type(DataType::Timestamp(*unit, None)).build()?;
            as_text(&make_array(naive), join)
        }
        DataType::Float32 => floats_as_text(array.as_primitive::<Float32Type>()),
        DataType::Float64 => floats_as_text(array.as_primitive::<Float64Type>()),
        DataType::Dictionary(_, value) => as_text(&cast_with_options(array, value, &options)?, join),
        DataType::List(_) => join_lists::<i32>(array.as_list(), join),
        DataType::LargeList(_) => join_lists::<i64>(array.as_list(), join),
        DataType::FixedSizeList(item, _) => {
            as_text(&cast_with_options(array, &DataType::List(item.clone()), &options)?, join)
        }
        kind if is_binary(kind) => binary_as_text(&cast_with_options(array, &DataType::Binary, &options)?),
        _ => Ok(to_text(array)?.as_string::<i32>().clone()),
    }
}

fn is_binary(kind: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(kind, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

/// The texts of bytes: themselves where they are UTF-8, as many writers mean them; else, as of a hash or a UUID, in hexadecimal, so
/// that different values stay different.
fn binary_as_text(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    if let Ok(texts) = cast_with_options(array, &DataType::Utf8, &options) {
        return Ok(texts.as_string::<i32>().clone());
    }
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    };
    Ok(array.as_binary::<i32>().iter().map(|bytes| bytes.map(text)).collect())
}

/// The texts of floats. Ids are kept as floats where some are missing, so a whole number has the text of an integer.
fn floats_as_text<T: ArrowPrimitiveType<Native: Into<f64>>>(
    array: &PrimitiveArray<T>,
) -> Result<StringArray, ArrowError> {
    let kept: PrimitiveArray<T> = array.iter().map(|number| number.filter(|number| !is_nan(*number))).collect();
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let texts = cast_with_options(&kept, &DataType::Utf8, &options)?.as_string::<i32>().clone();
    let whole = |number: T::Native| {
        let number: f64 = number.into();
        (number.fract() == 0.0 && number.abs() < WHOLE).then_some(number as i64)
    };
    if !kept.iter().flatten().any(|number| whole(number).is_some()) {
        return Ok(texts);
    }
    let mut integers = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for (number, text) in kept.iter().zip(&texts) {
        match number.and_then(whole) {
            // Writing to memory cannot fail.
            Some(integer) => {
                let _ = write!(integers, "{integer}");
                integers.append_value("");
            }
            None => integers.append_option(text),
        }
    }
    Ok(integers.finish())
}

fn is_nan(number: impl Into<f64>) -> bool {
    number.into().is_nan()
}

fn join_lists<O: OffsetSizeTrait>(lists: &GenericListArray<O>, join: &str) -> Result<StringArray, ArrowError> {
    let values = as_text(lists.values(), join)?;
    let mut texts = StringBuilder::new();
    let mut cell = String::new();
    for (row, ends) in lists.value_offsets().windows(2).enumerate() {
        cell.clear();
        if lists.is_valid(row) {
            for (place, at) in (ends[0].as_usize()..ends[1].as_usize()).enumerate() {
                if place > 0 {
                    cell.push_str(join);
                }
                if values.is_valid(at) {
                    cell.push_str(values.value(at));
                }
            }
        }
        texts.append_value(&cell);
    }
    Ok(texts.finish())
}
