//! Which of a job's explained rows are asked for, and where in the file of explanations they stand.

use arrow_array::{Array, BooleanArray, RecordBatch, UInt8Array, UInt32Array, UInt64Array};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use std::{collections::BTreeSet, fs::File, ops::Range, path::Path};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What rows must be; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowFilter {
    pub kept: Option<bool>,
    pub label: Option<u8>,
    pub row: Option<u64>,
    /// Number of a finding in the report.
    pub finding: Option<u32>,
    /// Positions in the uploaded file.
    pub among: Option<BTreeSet<u64>>,
}

impl RowFilter {
    /// The rows that are admitted, those at these places among them. `read` gives so many rows of the file from an offset on.
    pub fn read<T, E>(
        &self,
        explanations: &Path,
        places: Range<usize>,
        read: impl Fn(usize, usize) -> Result<Vec<T>, E>,
    ) -> Result<Vec<T>, BoxError>
    where
        BoxError: From<E>,
    {
        if *self == Self::default() {
            return Ok(read(places.start, places.len())?);
        }
        let mut rows = Vec::new();
        for run in find_runs(&self.find_admitted(explanations, places)?) {
            rows.extend(read(run.start, run.len())?);
        }
        Ok(rows)
    }

    /// Where in the file the rows stand that are admitted, those at these places among them.
    fn find_admitted(&self, explanations: &Path, places: Range<usize>) -> Result<Vec<usize>, BoxError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(explanations)?)?;
        let columns = ProjectionMask::columns(builder.parquet_schema(), ["row", "kept", "label", "finding"]);
        let (mut admitted, mut first) = (Vec::new(), 0);
        for batch in builder.with_projection(columns).with_batch_size(8192).build()? {
            let batch = batch?;
            let (rows, kept, labels) = (
                column::<UInt64Array>(&batch, "row")?,
                column::<BooleanArray>(&batch, "kept")?,
                column::<UInt8Array>(&batch, "label")?,
            );
            // Results of earlier versions do not say which finding a row belongs to.
            let findings = column::<UInt32Array>(&batch, "finding").ok();
            let finding = |at: usize| findings.filter(|column| column.is_valid(at)).map(|column| column.value(at));
            let all = 0..batch.num_rows();
            let found = all.filter(|at| self.admits(rows.value(*at), kept.value(*at), labels.value(*at), finding(*at)));
            admitted.extend(found.map(|at| first + at));
            first += batch.num_rows();
            if admitted.len() >= places.end {
                break;
            }
        }
        Ok(admitted.into_iter().skip(places.start).take(places.len()).collect())
    }

    fn admits(&self, row: u64, kept: bool, label: u8, finding: Option<u32>) -> bool {
        self.kept.is_none_or(|wanted| wanted == kept)
            && self.label.is_none_or(|wanted| wanted == label)
            && self.row.is_none_or(|wanted| wanted == row)
            && self.finding.is_none_or(|wanted| finding == Some(wanted))
            && self.among.as_ref().is_none_or(|among| among.contains(&row))
    }
}

/// Ascending places as runs without gaps.
fn find_runs(places: &[usize]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(run) if run.end == *place => run.end += 1,
            _ => runs.push(*place..place + 1),
        }
    }
    runs
}

fn column<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &str) -> Result<&'b A, BoxError> {
    let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<A>());
    found.ok_or_else(|| format!("the explanations have no column `{name}` of its type").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_admitted_where_all_that_is_asked_holds() {
        let among = Some(BTreeSet::from([3, 5]));
        let filter = RowFilter { kept: Some(false), label: Some(1), among, ..RowFilter::default() };
        assert!(filter.admits(3, false, 1, None));
        for (row, kept, label) in [(4, false, 1), (3, true, 1), (3, false, 0)] {
            assert!(!filter.admits(row, kept, label, None), "{row} {kept} {label}");
        }
        assert!(RowFilter { row: Some(7), ..RowFilter::default() }.admits(7, true, 0, None));
        assert!(RowFilter::default().admits(1, true, 0, None));
        let filter = RowFilter { finding: Some(1), ..RowFilter::default() };
        let admitted = [None, Some(0), Some(1)].map(|finding| filter.admits(1, true, 0, finding));
        assert_eq!(admitted, [false, false, true]);
    }

    #[test]
    fn places_side_by_side_are_read_at_once() {
        assert_eq!(find_runs(&[1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert!(find_runs(&[]).is_empty());
    }
}
