//! The uploaded file of a job's dataset: what the rows of the job hold.

use super::{
    error::{ApiError, Kind},
    state::AppState,
};
use crate::{
    ingest::SourceRows,
    reader::TableReader,
    report::ExplainedRow,
    store::datasets,
    types::{DatasetId, DatasetSpec, FieldError, ProblemItem, TableSource, TenantId},
    worker::IngestFailure,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use utoipa::ToSchema;

/// An explained row, and what it holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RowWithCells {
    #[serde(flatten)]
    pub row: ExplainedRow,
    /// With `cells=true`: the row as it stands in the uploaded file, a cell a column. None where the dataset was deleted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cells: Vec<CellView>,
}

/// A cell of an uploaded table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    pub column: String,
    /// The text that stands there.
    pub value: String,
}

impl RowWithCells {
    pub fn without(row: ExplainedRow) -> Self {
        Self { row, cells: Vec::new() }
    }
}

/// The files of a table, and how they are read.
#[derive(Clone)]
pub struct RowSource {
    files: TableSource,
    spec: Arc<DatasetSpec>,
}

impl RowSource {
    /// The upload of a dataset; none where the dataset was deleted.
    pub async fn find(state: &AppState, tenant: &TenantId, id: DatasetId) -> Result<Option<Self>, ApiError> {
        let Some(dataset) = datasets::find(&mut *state.connection().await?, tenant, id).await? else { return Ok(None) };
        let files = state.files.locate_table(&dataset.table()).await.map_err(|error| ApiError::internal(&error))?;
        Ok(Some(Self { files, spec: Arc::new(dataset.spec.0) }))
    }

    /// Positions of the rows whose cell in a column reads so. A column that there is not is the client's error.
    pub async fn positions_where(
        &self,
        state: &AppState,
        column: &str,
        value: &str,
    ) -> Result<BTreeSet<u64>, ApiError> {
        let (source, column, value) = (self.clone(), column.to_owned(), value.to_owned());
        let found = read_table(state, refuse_query, move |reader| {
            reader.positions_where(&source.files, &source.spec, column, value)
        })
        .await?;
        Ok(found.into_iter().map(u64::from).collect())
    }

    /// Gives the rows their cells.
    pub async fn add_cells(&self, state: &AppState, rows: Vec<ExplainedRow>) -> Result<Vec<RowWithCells>, ApiError> {
        let positions = rows.iter().filter_map(|row| u32::try_from(row.row).ok()).collect();
        let source = self.clone();
        let SourceRows { columns, rows: found } =
            read_table(state, refuse_query, move |reader| reader.rows_at(&source.files, &source.spec, positions))
                .await?;
        let mut cells: HashMap<u64, Vec<String>> =
            found.into_iter().map(|(row, cells)| (u64::from(row), cells)).collect();
        let with_cells = rows.into_iter().map(|row| {
            let values = cells.remove(&row.row).unwrap_or_default();
            let named = columns.iter().cloned().zip(values);
            RowWithCells { row, cells: named.map(|(column, value)| CellView { column, value }).collect() }
        });
        Ok(with_cells.collect())
    }
}

/// Reads an uploaded file, which only a process of its own may do; a few at a time. `refuse` makes an answer of what is wrong
/// where the table cannot be read so.
pub async fn read_table<T: Send + 'static>(
    state: &AppState,
    refuse: fn(Vec<FieldError>) -> ApiError,
    read: impl FnOnce(&TableReader) -> Result<T, IngestFailure> + Send + 'static,
) -> Result<T, ApiError> {
    let place = state.readings.clone().acquire_owned().await.map_err(|error| ApiError::internal(&error))?;
    let reader = state.config.reader.clone();
    let read = tokio::task::spawn_blocking(move || {
        let _place = place;
        read(&reader)
    });
    read.await.map_err(|error| ApiError::internal(&error))?.map_err(|failure| match failure {
        IngestFailure::Invalid { errors, .. } => refuse(errors.into_iter().map(as_field).collect()),
        IngestFailure::Stopped => {
            let detail = "reading the table takes too long to wait for; download it, and look there";
            ApiError::new(Kind::Timeout, detail)
        }
        IngestFailure::Failed(reason) => ApiError::internal(&std::io::Error::other(reason)),
    })
}

/// What was asked for is not there: the query is at fault.
fn refuse_query(errors: Vec<FieldError>) -> ApiError {
    ApiError::bad_request(errors.into_iter().next().map_or_else(String::new, |error| error.rule))
}

fn as_field(item: ProblemItem) -> FieldError {
    match item {
        ProblemItem::Field(field) => field,
        ProblemItem::Row(row) => FieldError::new("", row.rule),
    }
}
