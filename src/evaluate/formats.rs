//! Columns as Parquet and arrays as NPY.

use arrow_array::{ArrayRef, RecordBatch};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::Range,
};

/// Rows of one group of a Parquet file: bounds the memory of writing it.
const GROUP: usize = 1 << 20;

pub(super) type Columns<'n> = Vec<(&'n str, ArrayRef)>;

/// Writes `rows` rows whose columns `part` makes, a group at a time.
pub(super) fn write_parquet<'n>(
    out: &mut File,
    rows: usize,
    part: impl Fn(Range<usize>) -> Columns<'n>,
) -> io::Result<()> {
    let batch = |range| RecordBatch::try_from_iter(part(range)).map_err(io::Error::other);
    write_batches(out, rows, GROUP, batch)
}

/// The same in groups of so many rows.
pub(super) fn write_batches(
    out: &mut File,
    rows: usize,
    group: usize,
    batch: impl Fn(Range<usize>) -> io::Result<RecordBatch>,
) -> io::Result<()> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(out, batch(0..0)?.schema(), Some(properties)).map_err(io::Error::other)?;
    for start in (0..rows).step_by(group) {
        writer.write(&batch(start..rows.min(start + group))?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// Writes an array of one dimension.
pub fn write_npy<T: npyz::AutoSerialize + Copy>(out: &mut File, values: &[T]) -> io::Result<()> {
    use npyz::WriterBuilder;
    let mut out = BufWriter::new(out);
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(&[values.len() as u64]).writer(&mut out).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    out.flush()
}
