//! `/v1/jobs/{id}/rows`: the rows least worth keeping, and why.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    page::check_limit,
    row_filter::RowFilter,
    row_source::{RowSource, RowWithCells},
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
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use std::{fs::File, path::PathBuf};
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
    fn filter(&self) -> Result<RowFilter, ApiError> {
        match self.label {
            Some(label) if label > 1 => Err(ApiError::bad_request(format!("label is {label}; it must be 0 or 1"))),
            label => Ok(RowFilter { kept: self.kept, label, row: self.row, among: None }),
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

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowOrder {
    KeepProb,
}

/// Explain rows: those dropped first, the least worth keeping before the others; up to a million.
#[utoipa::path(get, path = "/v1/jobs/{id}/rows", tag = "results", params(("id" = JobId, Path), ListRowsQuery),
    responses(
        (status = 200, body = Page<RowWithCells>), (status = 400),
        (status = 404, description = "No such job, or one that kept every row"),
        (status = 409, description = "Not succeeded, or rows are looked for by their cells and the dataset is gone")
    ))]
pub async fn list_rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListRowsQuery>,
) -> Result<Json<Page<RowWithCells>>, ApiError> {
    let limit = check_limit(query.limit)? as usize;
    let after = match &query.after {
        None => 0,
        Some(text) => text
            .parse::<u32>()
            .map(|after| after as usize)
            .map_err(|_| ApiError::new(Kind::BadCursor, format!("`{text}` is no cursor of this list")))?,
    };
    let (cell, mut filter, with_cells) = (query.cell()?, query.filter()?, query.cells.unwrap_or(false));
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let found = artifacts::find(&mut *state.connection().await?, &caller.tenant, id, "explanations").await?;
    let Some(artifact) = found else { return Err(ApiError::not_found("explanation of the rows of", id)) };
    let key = Key::parse(&artifact.object).map_err(|error| ApiError::internal(&error))?;
    let located = state.files.locate(&key, &artifact.sha256).await;
    let path = located.map_err(|error| ApiError::internal(&error))?;
    let source = match cell.is_some() || with_cells {
        true => RowSource::find(&state, &caller.tenant, job.spec.dataset_id).await?,
        false => None,
    };
    if let Some((column, value)) = cell {
        let gone = || format!("{}, the dataset of {id}, is gone, and with it what its rows hold", job.spec.dataset_id);
        let source = source.as_ref().ok_or_else(|| ApiError::conflict(gone()))?;
        filter.among = Some(source.positions_where(column, value).await?);
    }
    let read = tokio::task::spawn_blocking(move || {
        filter.read(&path, after..after + limit + 1, |offset, limit| read_rows(path.clone(), offset, limit))
    });
    let read = read.await;
    let mut data = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&*error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
    let data = match source.filter(|_| with_cells) {
        Some(source) => source.add_cells(data).await?,
        None => data.into_iter().map(RowWithCells::without).collect(),
    };
    let next = has_more.then(|| (after + limit).to_string());
    Ok(Json(Page { data, has_more, next }))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn read_rows(path: PathBuf, offset: usize, limit: usize) -> Result<Vec<RowView>, BoxError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mut rows = Vec::new();
    for batch in builder.with_offset(offset).with_limit(limit).with_batch_size(limit).build()? {
        let batch = batch?;
        for at in 0..batch.num_rows() {
            rows.push(read_row(&batch, at)?);
        }
    }
    Ok(rows)
}

fn read_row(batch: &RecordBatch, at: usize) -> Result<RowView, BoxError> {
    fn column<'b, A: Array + 'static>(batch: &'b RecordBatch, name: &str) -> Result<&'b A, BoxError> {
        let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<A>());
        found.ok_or_else(|| format!("the explanations have no column `{name}` of its type").into())
    }
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
    })
}
