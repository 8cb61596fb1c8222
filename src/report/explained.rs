//! The rows that a method dropped or changed, as the artifact `explanations` has them.

use crate::types::RarestValue;
use arrow_array::{
    Array, BooleanArray, Float32Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};
use std::{fs::File, path::Path};
use utoipa::ToSchema;

/// The file of the artifact.
pub const EXPLANATIONS: &str = "explanations.parquet";

/// Rows of findings are looked for among so many of the first: those behind them come without their values.
const SEARCHED: usize = 10_000;
const BATCH: usize = 1000;

/// Why a training row was dropped or changed, or nearly was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RowView)]
pub struct ExplainedRow {
    /// Its position in the uploaded file, from 0.
    pub row: u64,
    pub kept: bool,
    pub label: u8,
    /// Why, in words; absent for a row that is kept as it is, and in results of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Number of the finding that it belongs to, from 0, in the report's `findings.corruptions`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finding: Option<u32>,
    /// What a kept row is trained on, where that is not its label, and what it weighs, where that is not 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<f32>,
    /// Its values, field by field, of the first 10,000 rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub values: Vec<RowCell>,
    /// The method's: the larger, the rather the row is kept. Of AutoDenoise the keep probability.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<f32>,
    /// Its losses in the method's look-back, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub losses: Vec<f32>,
    /// Seeds with which it was kept, where the job ran with several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept_by: Option<u32>,
    /// Training rows that equal it in every field and have the other label.
    pub opposite_duplicates: u32,
    pub rarest: RarestValue,
}

/// The value that a row has in a field; of a number in buckets, the bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowCell {
    pub field: String,
    pub value: String,
}

/// Why explanations cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadRowsError {
    #[error("cannot read the explanations: {0}")]
    Io(#[from] std::io::Error),
    #[error("cannot read the explanations: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error("cannot read the explanations: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    #[error("the explanations have no column `{0}` of its type")]
    Column(&'static str),
}

/// So many rows of the file from `offset` on, in its order.
pub fn read_rows(file: &Path, offset: usize, limit: usize) -> Result<Vec<ExplainedRow>, ReadRowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let mut rows = Vec::new();
    for batch in builder.with_offset(offset).with_limit(limit).with_batch_size(limit.max(1)).build()? {
        let batch = batch?;
        for at in 0..batch.num_rows() {
            rows.push(read_row(&batch, at)?);
        }
    }
    Ok(rows)
}

/// Rows that a report shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShownRows {
    /// The first of the file.
    pub first: Vec<ExplainedRow>,
    /// The first of each finding that were dropped or changed, by its number in the report.
    pub of_findings: Vec<Vec<ExplainedRow>>,
}

/// The first `first` rows of the file, and up to `each` of the first of so many findings.
pub fn read_shown_rows(file: &Path, first: usize, findings: usize, each: usize) -> Result<ShownRows, ReadRowsError> {
    let mut shown = ShownRows { first: read_rows(file, 0, first)?, of_findings: vec![Vec::new(); findings] };
    let mut offset = 0;
    while offset < SEARCHED && shown.of_findings.iter().any(|rows| rows.len() < each) {
        let rows = read_rows(file, offset, BATCH)?;
        let is_last = rows.len() < BATCH;
        for row in rows {
            let own = row.finding.and_then(|number| shown.of_findings.get_mut(number as usize));
            if let Some(own) = own.filter(|own| own.len() < each && row.is_touched()) {
                own.push(row);
            }
        }
        if is_last {
            break;
        }
        offset += BATCH;
    }
    Ok(shown)
}

impl ExplainedRow {
    /// Whether it was dropped or changed.
    pub fn is_touched(&self) -> bool {
        !self.kept || self.target.is_some() || self.weight.is_some()
    }

    /// What was done to it, in a word or two: `dropped`, `counts as 1`, `weighs 0.40`, `kept`.
    pub fn what_was_done(&self) -> String {
        match (self.kept, self.target, self.weight) {
            (false, ..) => "dropped".to_owned(),
            (true, Some(target), _) => format!("counts as {}", two_digits(target)),
            (true, None, Some(weight)) => format!("weighs {}", two_digits(weight)),
            (true, None, None) => "kept".to_owned(),
        }
    }
}

fn two_digits(number: f32) -> String {
    if number.fract() == 0.0 { number.to_string() } else { format!("{number:.2}") }
}

fn read_row(batch: &RecordBatch, at: usize) -> Result<ExplainedRow, ReadRowsError> {
    let number = |name| Ok::<_, ReadRowsError>(column::<UInt32Array>(batch, name)?.value(at));
    let (score, kept_by) = (column::<Float32Array>(batch, "score")?, column::<UInt32Array>(batch, "kept_by")?);
    let (losses, value) = (column::<ListArray>(batch, "losses")?, column::<StringArray>(batch, "rarest_value")?);
    let history = losses.is_valid(at).then(|| losses.value(at));
    let history = history.as_ref().and_then(|values| values.as_any().downcast_ref::<Float32Array>());
    let float = |name| added::<Float32Array>(batch, name, at).map(|column| column.value(at));
    Ok(ExplainedRow {
        row: column::<UInt64Array>(batch, "row")?.value(at),
        kept: column::<BooleanArray>(batch, "kept")?.value(at),
        label: column::<UInt8Array>(batch, "label")?.value(at),
        reason: added::<StringArray>(batch, "reason", at).map(|column| column.value(at).to_owned()),
        finding: added::<UInt32Array>(batch, "finding", at).map(|column| column.value(at)),
        target: float("target"),
        weight: float("weight"),
        values: read_cells(batch, at),
        score: score.is_valid(at).then(|| score.value(at)),
        losses: history.map(|values| values.values().to_vec()).unwrap_or_default(),
        kept_by: kept_by.is_valid(at).then(|| kept_by.value(at)),
        opposite_duplicates: number("opposite_duplicates")?,
        rarest: RarestValue {
            field: column::<StringArray>(batch, "rarest_field")?.value(at).to_owned(),
            value: value.is_valid(at).then(|| value.value(at).to_owned()),
            rows: number("rarest_rows")?,
        },
    })
}

fn column<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &'static str) -> Result<&'b A, ReadRowsError> {
    let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<A>());
    found.ok_or(ReadRowsError::Column(name))
}

/// A column with a value for the row; results of earlier versions do not have it.
fn added<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &'static str, at: usize) -> Option<&'b A> {
    column::<A>(batch, name).ok().filter(|column| column.is_valid(at))
}

fn read_cells(batch: &RecordBatch, at: usize) -> Vec<RowCell> {
    let words = |name| {
        let list = added::<ListArray>(batch, name, at)?.value(at);
        let list = list.as_any().downcast_ref::<StringArray>()?;
        Some(list.iter().map(|word| word.unwrap_or_default().to_owned()).collect::<Vec<_>>())
    };
    let (fields, values) = (words("fields").unwrap_or_default(), words("values").unwrap_or_default());
    fields.into_iter().zip(values).map(|(field, value)| RowCell { field, value }).collect()
}
