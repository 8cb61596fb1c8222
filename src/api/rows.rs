//! `/v1/jobs/{id}/rows`: the rows least worth keeping, and why.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    page::check_limit,
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
        (status = 404, description = "No such job, or one that kept every row"), (status = 409)
    ))]
pub async fn list_rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListRowsQuery>,
) -> Result<Json<Page<RowView>>, ApiError> {
    let limit = check_limit(query.limit)? as usize;
    let after = match &query.after {
        None => 0,
        Some(text) => text
            .parse::<u32>()
            .map(|after| after as usize)
            .map_err(|_| ApiError::new(Kind::BadCursor, format!("`{text}` is no cursor of this list")))?,
    };
    find_succeeded(&state, &caller.tenant, id).await?;
    let found = artifacts::find(&mut *state.connection().await?, &caller.tenant, id, "explanations").await?;
    let Some(artifact) = found else { return Err(ApiError::not_found("explanation of the rows of", id)) };
    let key = Key::parse(&artifact.object).map_err(|error| ApiError::internal(&error))?;
    let located = state.files.locate(&key, &artifact.sha256).await;
    let path = located.map_err(|error| ApiError::internal(&error))?;
    let read = tokio::task::spawn_blocking(move || read_rows(path, after, limit + 1)).await;
    let mut data = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&*error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
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
