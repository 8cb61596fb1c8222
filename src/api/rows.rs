//! `/v1/jobs/{id}/rows`: the rows least worth keeping, what they hold, and why.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    page::check_limit,
    row_source::RowSource,
    state::AppState,
    views::{Page, RowView},
};
use crate::{
    files::Key,
    store::artifacts,
    types::{JobId, RarestValue},
};
use arrow_array::{
    Array, BooleanArray, Float32Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
};
use axum::extract::State;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection},
};
use serde::Deserialize;
use std::{collections::BTreeSet, fs::File, ops::Range, path::Path as FilePath};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRowsQuery {
    /// `keep_prob`: dropped rows first, and of those the ones least worth keeping. There is no other order.
    #[serde(rename = "order")]
    #[param(inline)]
    _order: Option<RowOrder>,
    /// Rows of the page, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,9}$")]
    after: Option<String>,
    /// Only rows that were kept, or only those that were not.
    kept: Option<bool>,
    /// Only rows of this label.
    #[param(maximum = 1)]
    label: Option<u8>,
    /// Only the row at this position in the uploaded file, from 0.
    row: Option<u64>,
    /// Only rows whose cell in this column reads `value`.
    column: Option<String>,
    /// What the cell in `column` reads.
    value: Option<String>,
    /// Whether the rows come with their cells, read from the uploaded file. A large file takes a while.
    cells: Option<bool>,
}

impl ListRowsQuery {
    /// What rows must be, whatever they hold.
    fn filter(&self) -> RowFilter {
        RowFilter { kept: self.kept, label: self.label, row: self.row, among: None }
    }

    fn check(&self) -> Result<(), ApiError> {
        match self.label {
            Some(label) if label > 1 => Err(ApiError::bad_request(format!("label is {label}; it must be 0 or 1"))),
            _ => Ok(()),
        }
    }

    /// The column and the value that rows must have.
    fn cell(&self) -> Result<Option<(&str, &str)>, ApiError> {
        match (&self.column, &self.value) {
            (None, None) => Ok(None),
            (Some(column), Some(value)) => Ok(Some((column, value))),
            _ => Err(ApiError::bad_request("`column` and `value` belong together: give both or neither")),
        }
    }
}

/// What rows must be; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct RowFilter {
    kept: Option<bool>,
    label: Option<u8>,
    row: Option<u64>,
    /// Positions in the uploaded file.
    among: Option<BTreeSet<u64>>,
}

impl RowFilter {
    fn admits(&self, row: u64, kept: bool, label: u8) -> bool {
        self.kept.is_none_or(|wanted| wanted == kept)
            && self.label.is_none_or(|wanted| wanted == label)
            && self.row.is_none_or(|wanted| wanted == row)
            && self.among.as_ref().is_none_or(|among| among.contains(&row))
    }
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowOrder {
    KeepProb,
}

/// Explain rows: those dropped first, the least worth keeping before the others; up to a million.
#[utoipa::path(get, path = "/v1/jobs/{id}/rows", tag = "results", params(("id" = JobId, Path), ListRowsQuery),
    responses(
        (status = 200, body = Page<RowView>), (status = 400),
        (status = 404, description = "No such job, or one that kept every row"),
        (status = 409, description = "Not succeeded, or rows are looked for by their cells and the dataset is gone")
    ))]
pub async fn list_rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListRowsQuery>,
) -> Result<Json<Page<RowView>>, ApiError> {
    let limit = check_limit(query.limit)? as usize;
    query.check()?;
    let after = match &query.after {
        None => 0,
        Some(text) => text
            .parse::<u32>()
            .map(|after| after as usize)
            .map_err(|_| ApiError::new(Kind::BadCursor, format!("`{text}` is no cursor of this list")))?,
    };
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let found = artifacts::find(&mut *state.connection().await?, &caller.tenant, id, "explanations").await?;
    let Some(artifact) = found else { return Err(ApiError::not_found("explanation of the rows of", id)) };
    let key = Key::parse(&artifact.object).map_err(|error| ApiError::internal(&error))?;
    let located = state.files.locate(&key, &artifact.sha256).await;
    let path = located.map_err(|error| ApiError::internal(&error))?;
    let (cell, mut filter) = (query.cell()?, query.filter());
    let with_cells = query.cells.unwrap_or(false);
    let source = match cell.is_some() || with_cells {
        true => RowSource::find(&state, &caller.tenant, job.spec.dataset_id).await?,
        false => None,
    };
    if let Some((column, value)) = cell {
        let source = source.as_ref().ok_or_else(|| {
            let detail =
                format!("{}, the dataset of {id}, is gone, and with it what its rows hold", job.spec.dataset_id);
            ApiError::conflict(detail)
        })?;
        filter.among = Some(source.positions_where(column, value).await?);
    }
    let read = tokio::task::spawn_blocking(move || read_rows(&path, &filter, after..after + limit + 1)).await;
    let mut data = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&*error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
    if let Some(source) = source.filter(|_| with_cells) {
        source.fill_in(&mut data).await?;
    }
    let next = has_more.then(|| (after + limit).to_string());
    Ok(Json(Page { data, has_more, next }))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The rows that the filter admits, those at these places among them.
fn read_rows(path: &FilePath, filter: &RowFilter, places: Range<usize>) -> Result<Vec<RowView>, BoxError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(places.len());
    let reader = if *filter == RowFilter::default() {
        builder.with_offset(places.start).with_limit(places.len()).build()?
    } else {
        let total = builder.metadata().file_metadata().num_rows() as usize;
        let admitted = find_admitted(path, filter, places)?.into_iter().map(|at| at..at + 1);
        builder.with_row_selection(RowSelection::from_consecutive_ranges(admitted, total)).build()?
    };
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch?;
        for at in 0..batch.num_rows() {
            rows.push(read_row(&batch, at)?);
        }
    }
    Ok(rows)
}

/// Where in the file the rows stand that the filter admits, those at these places among them.
fn find_admitted(path: &FilePath, filter: &RowFilter, places: Range<usize>) -> Result<Vec<usize>, BoxError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["row", "kept", "label"]);
    let (mut admitted, mut first) = (Vec::new(), 0);
    for batch in builder.with_projection(columns).with_batch_size(8192).build()? {
        let batch = batch?;
        let (rows, kept, labels) = (
            column::<UInt64Array>(&batch, "row")?,
            column::<BooleanArray>(&batch, "kept")?,
            column::<UInt8Array>(&batch, "label")?,
        );
        let all = 0..batch.num_rows();
        admitted.extend(
            all.filter(|at| filter.admits(rows.value(*at), kept.value(*at), labels.value(*at))).map(|at| first + at),
        );
        first += batch.num_rows();
        if admitted.len() >= places.end {
            break;
        }
    }
    Ok(admitted.into_iter().skip(places.start).take(places.len()).collect())
}

fn column<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &str) -> Result<&'b A, BoxError> {
    let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<A>());
    found.ok_or_else(|| format!("the explanations have no column `{name}` of its type").into())
}

fn read_row(batch: &RecordBatch, at: usize) -> Result<RowView, BoxError> {
    let number = |name| Ok::<_, BoxError>(column::<UInt32Array>(batch, name)?.value(at));
    let (score, kept_by) = (column::<Float32Array>(batch, "score")?, column::<UInt32Array>(batch, "kept_by")?);
    let (losses, value) = (column::<ListArray>(batch, "losses")?, column::<StringArray>(batch, "rarest_value")?);
    let history = losses.is_valid(at).then(|| losses.value(at));
    let history = history.as_ref().and_then(|values| values.as_any().downcast_ref::<Float32Array>());
    Ok(RowView {
        row: column::<UInt64Array>(batch, "row")?.value(at),
        kept: column::<BooleanArray>(batch, "kept")?.value(at),
        label: column::<UInt8Array>(batch, "label")?.value(at),
        score: score.is_valid(at).then(|| score.value(at)),
        losses: history.map(|values| values.values().to_vec()).unwrap_or_default(),
        kept_by: kept_by.is_valid(at).then(|| kept_by.value(at)),
        opposite_duplicates: number("opposite_duplicates")?,
        rarest: RarestValue {
            field: column::<StringArray>(batch, "rarest_field")?.value(at).to_owned(),
            value: value.is_valid(at).then(|| value.value(at).to_owned()),
            rows: number("rarest_rows")?,
        },
        cells: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_admitted_where_all_that_is_asked_holds() {
        let filter = RowFilter { kept: Some(false), label: Some(1), row: None, among: Some(BTreeSet::from([3, 5])) };
        assert!(filter.admits(3, false, 1));
        for (row, kept, label) in [(4, false, 1), (3, true, 1), (3, false, 0)] {
            assert!(!filter.admits(row, kept, label), "{row} {kept} {label}");
        }
        assert!(RowFilter { row: Some(7), ..RowFilter::default() }.admits(7, true, 0));
        assert!(RowFilter::default().admits(1, true, 0));
    }
}
