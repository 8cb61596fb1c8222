//! What a job's own method chose, read back from the files of its results.

use crate::ingest::Dataset;
use crate::report::{EXPLANATIONS, ReadRowsError, SAMPLE_ROWS, SHOWN_ROWS, ShownRows, read_shown_rows};
use crate::selection::Selected;
use crate::types::{Report, Split};
use arrow_array::{RecordBatch, cast::AsArray, types::Float32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

/// The files that say which rows were kept, and where there is one, what they are trained on.
pub const KEEP_MASK: &str = "keep_mask.npy";
pub const LABELS: &str = "labels.parquet";

#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("cannot read the result `{file}`: {source}")]
    Read { file: &'static str, source: io::Error },
    #[error("the result `{file}` is of another table: {reason}")]
    OtherTable { file: &'static str, reason: String },
}

/// The choice, from the results in a folder.
pub fn read_choice(folder: &Path, dataset: &Dataset) -> Result<Selected, ResultsError> {
    let mask = read_mask(&folder.join(KEEP_MASK)).map_err(|source| ResultsError::Read { file: KEEP_MASK, source })?;
    let rows = dataset.profile.rows_of_file();
    if mask.len() as u64 != rows {
        let reason = format!("it has {} rows, and the table {rows}", mask.len());
        return Err(ResultsError::OtherTable { file: KEEP_MASK, reason });
    }
    let train = dataset.split(Split::Train).rows;
    let kept = (0..).zip(train).filter(|(_, position)| mask[**position as usize] == 1).map(|(row, _)| row);
    let mut selected = Selected::rows(kept.collect());
    let valid = (0..).zip(dataset.split(Split::Valid).rows);
    selected.left_out = valid.filter(|(_, position)| mask[**position as usize] == 0).map(|(place, _)| place).collect();
    let labels = folder.join(LABELS);
    if labels.exists() {
        let columns = read_labels(&labels).map_err(|source| ResultsError::Read { file: LABELS, source })?;
        if columns.targets.len() != train.len() {
            let reason = format!("it has {} training rows, and the table {}", columns.targets.len(), train.len());
            return Err(ResultsError::OtherTable { file: LABELS, reason });
        }
        (selected.targets, selected.weights) = (Some(columns.targets), Some(columns.weights));
    }
    Ok(selected)
}

/// The rows that the page of a report shows, from the results in a folder; none where none was dropped or changed.
pub fn read_rows_to_show(folder: &Path, report: &Report) -> Result<ShownRows, ReadRowsError> {
    let file = folder.join(EXPLANATIONS);
    let findings = report.findings.as_ref().map_or(0, |findings| findings.corruptions.len());
    if file.exists() { read_shown_rows(&file, SHOWN_ROWS, findings, SAMPLE_ROWS) } else { Ok(ShownRows::default()) }
}

/// Of every row of the file: 0 where it is dropped.
fn read_mask(path: &Path) -> io::Result<Vec<u8>> {
    npyz::NpyFile::new(BufReader::new(File::open(path)?))?.into_vec()
}

/// What each training row is trained on: `[N]`.
#[derive(Default)]
struct LabelColumns {
    targets: Vec<f32>,
    weights: Vec<f32>,
}

fn read_labels(path: &Path) -> io::Result<LabelColumns> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?).and_then(|builder| builder.build());
    let mut columns = LabelColumns::default();
    for batch in reader.map_err(io::Error::other)? {
        let batch = batch.map_err(io::Error::other)?;
        columns.targets.extend(read_column(&batch, "target")?);
        columns.weights.extend(read_column(&batch, "weight")?);
    }
    Ok(columns)
}

fn read_column(batch: &RecordBatch, name: &str) -> io::Result<Vec<f32>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float32Type>());
    let column = column.ok_or_else(|| io::Error::other(format!("it has no column `{name}` of 32-bit numbers")))?;
    Ok(column.values().to_vec())
}
