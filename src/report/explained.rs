//! The rows that a method dropped or changed, as the artifact `explanations` has them.

use crate::types::RarestValue;
use arrow_array::{
    Array, BooleanArray, Float32Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};
use utoipa::ToSchema;

/// The file of the artifact.
pub const EXPLANATIONS: &str = "explanations.parquet";

/// Rows that are looked through at a time.
const BATCH: usize = 1 << 13;

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
    /// Its values, field by field: of the first 10,000 rows, and of the first 50 of each finding.
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
    /// Some that were dropped or changed, of each finding about as many: by their score, then by their number.
    pub spread: Vec<ExplainedRow>,
    /// The first of each finding that were dropped or changed, by its number in the report.
    pub of_findings: Vec<Vec<ExplainedRow>>,
}

/// `most` rows spread over so many findings, and up to `each` of the first of every finding.
pub fn read_shown_rows(file: &Path, most: usize, findings: usize, each: usize) -> Result<ShownRows, ReadRowsError> {
    let groups = find_touched(file, findings, most)?;
    let turns = (0..most).flat_map(|turn| groups.iter().filter_map(move |places| places.get(turn)));
    let spread: BTreeSet<usize> = turns.take(most).copied().collect();
    let samples = groups[..findings].iter().map(|places| &places[..each.min(places.len())]);
    let samples: Vec<&[usize]> = samples.collect();
    let wanted = samples.iter().flat_map(|places| places.iter()).chain(&spread).copied().collect();
    let rows = read_places(file, &wanted)?;
    let mut shown = ShownRows {
        spread: spread.iter().map(|place| rows[place].clone()).collect(),
        of_findings: samples.iter().map(|places| places.iter().map(|place| rows[place].clone()).collect()).collect(),
    };
    let score = |row: &ExplainedRow| row.score.unwrap_or(0.0);
    shown.spread.sort_by(|a, b| a.kept.cmp(&b.kept).then(score(a).total_cmp(&score(b))).then(a.row.cmp(&b.row)));
    Ok(shown)
}

/// The places in the file of up to `most` rows of each finding that were dropped or changed, and last of those of none.
fn find_touched(file: &Path, findings: usize, most: usize) -> Result<Vec<Vec<usize>>, ReadRowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let few = ProjectionMask::columns(builder.parquet_schema(), ["kept", "finding", "target", "weight"]);
    let mut groups = vec![Vec::new(); findings + 1];
    let mut offset = 0;
    for batch in builder.with_projection(few).with_batch_size(BATCH).build()? {
        let batch = batch?;
        let kept = column::<BooleanArray>(&batch, "kept")?;
        for at in 0..batch.num_rows() {
            let is_changed = ["target", "weight"].iter().any(|name| added::<Float32Array>(&batch, name, at).is_some());
            let number =
                added::<UInt32Array>(&batch, "finding", at).map_or(findings, |column| column.value(at) as usize);
            let group = groups.get_mut(number).filter(|group| group.len() < most);
            if let Some(group) = group.filter(|_| is_changed || !kept.value(at)) {
                group.push(offset + at);
            }
        }
        if groups.iter().all(|group| group.len() == most) {
            break;
        }
        offset += batch.num_rows();
    }
    Ok(groups)
}

/// The rows at these places of the file.
fn read_places(file: &Path, places: &BTreeSet<usize>) -> Result<BTreeMap<usize, ExplainedRow>, ReadRowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let all = builder.metadata().file_metadata().num_rows() as usize;
    let selection = RowSelection::from_consecutive_ranges(places.iter().map(|place| *place..place + 1), all);
    let mut rows = BTreeMap::new();
    let mut next = places.iter();
    for batch in builder.with_row_selection(selection).build()? {
        let batch = batch?;
        for (at, place) in (0..batch.num_rows()).zip(&mut next) {
            rows.insert(*place, read_row(&batch, at)?);
        }
    }
    Ok(rows)
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, builder::ListBuilder, builder::StringBuilder, types::Float32Type};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    /// Rows of a finding each, or of none, in this order; rows of finding 0 are dropped, others trained on as label 1.
    fn write(findings: &[Option<u32>]) -> tempfile::NamedTempFile {
        let rows = findings.len();
        let none = |_| None::<Vec<Option<f32>>>;
        let mut words = ListBuilder::new(StringBuilder::new());
        (0..rows).for_each(|_| words.append(true));
        let words: ArrayRef = Arc::new(words.finish());
        let numbers = |count: u32| Arc::new(UInt32Array::from(vec![count; rows])) as ArrayRef;
        let texts = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let kept = findings.iter().map(|finding| Some(*finding != Some(0)));
        let target = findings.iter().map(|finding| finding.filter(|number| *number > 0).map(|_| 1.0));
        let columns: Vec<(&str, ArrayRef)> = vec![
            // The file has the highest numbers first.
            ("row", Arc::new(UInt64Array::from_iter_values((0..rows as u64).rev()))),
            ("kept", Arc::new(kept.collect::<BooleanArray>())),
            ("label", Arc::new(UInt8Array::from(vec![0; rows]))),
            ("reason", texts("why")),
            ("finding", Arc::new(findings.iter().copied().collect::<UInt32Array>())),
            ("target", Arc::new(target.collect::<Float32Array>())),
            ("weight", Arc::new(Float32Array::from(vec![None; rows]))),
            ("fields", words.clone()),
            ("values", words),
            ("score", Arc::new(Float32Array::from(vec![0.0; rows]))),
            ("losses", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>((0..rows).map(none)))),
            ("kept_by", Arc::new(UInt32Array::from(vec![None; rows]))),
            ("opposite_duplicates", numbers(0)),
            ("rarest_field", texts("item")),
            ("rarest_value", texts("a")),
            ("rarest_rows", numbers(1)),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, of)| (name, of, true)));
        let file = tempfile::NamedTempFile::new().unwrap();
        let batch = batch.unwrap();
        let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file
    }

    #[test]
    fn rows_that_are_shown_are_spread_over_the_findings() {
        let of = |finding: Option<u32>, rows: usize| vec![finding; rows];
        let file = write(&[of(Some(0), 20_000), of(Some(1), 4), of(Some(2), 20_000)].concat());
        let shown = read_shown_rows(file.path(), 50, 4, 3).unwrap();
        let count = |number| shown.spread.iter().filter(|row| row.finding == Some(number)).count();
        assert_eq!([0, 1, 2, 3].map(count), [23, 4, 23, 0]);
        assert_eq!(shown.of_findings.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 0]);
        assert!(shown.of_findings.iter().flatten().all(ExplainedRow::is_touched));
    }

    #[test]
    fn rows_of_one_score_are_shown_by_their_numbers_dropped_ones_first() {
        let file = write(&[[Some(0); 3], [Some(1); 3], [None; 3]].concat());
        let shown = read_shown_rows(file.path(), 50, 2, 3).unwrap();
        let rows: Vec<_> = shown.spread.iter().map(|row| (row.kept, row.row)).collect();
        assert_eq!(rows, [(false, 6), (false, 7), (false, 8), (true, 3), (true, 4), (true, 5)]);
    }
}
