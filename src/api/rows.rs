//! `/v1/jobs/{id}/rows`: the rows that were dropped or changed, the least worth keeping first, and why.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    page::check_limit,
    row_filter::RowFilter,
    row_source::{RowSource, RowWithCells},
    state::AppState,
    views::Page,
};
use crate::{files::Key, report::read_rows, store::artifacts, types::JobId};
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListRowsQuery {
    /// `keep_prob`: dropped rows first, and of those the ones least worth keeping; of equal ones, those of each finding in
    /// turn. There is no other order.
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
    #[param(maximum = 4294967295_u64)]
    row: Option<u64>,
    /// Only rows that belong to this finding: its number, from 0, in the report's `findings.corruptions`.
    #[param(maximum = 65535)]
    finding: Option<u16>,
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
        if let Some(row) = self.row.filter(|row| *row > u64::from(u32::MAX)) {
            return Err(ApiError::bad_request(format!("row is {row}; no table has more than {} rows", 1_u64 << 32)));
        }
        match self.label {
            Some(label) if label > 1 => Err(ApiError::bad_request(format!("label is {label}; it must be 0 or 1"))),
            label => Ok(RowFilter {
                kept: self.kept,
                label,
                row: self.row,
                finding: self.finding.map(u32::from),
                among: None,
            }),
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

/// Explain rows: those dropped first, then those changed, the least worth keeping before the others; up to a million.
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
        filter.among = Some(source.positions_where(&state, column, value).await?);
    }
    let read = tokio::task::spawn_blocking(move || {
        filter.read(&path, after..after + limit + 1, |offset, limit| read_rows(&path, offset, limit))
    });
    let read = read.await;
    let mut data = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&*error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
    let data = match source.filter(|_| with_cells) {
        Some(source) => source.add_cells(&state, data).await?,
        None => data.into_iter().map(RowWithCells::without).collect(),
    };
    let next = has_more.then(|| (after + limit).to_string());
    Ok(Json(Page { data, has_more, next }))
}
