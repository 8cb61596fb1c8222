//! `POST /v1/datasets` with JSON: a dataset of a table that came in parts.

use super::{
    access::Caller,
    error::ApiError,
    extract::parse_json,
    quota,
    state::AppState,
    table_parts::{check_name, make_spec, wrong},
    tus,
    upload_parts::lock_upload,
    uploads::require_complete,
};
use crate::{
    files::Key,
    ingest::{self, SNIFF_BYTES},
    store::{
        StoreError,
        datasets::{Created, NewDataset},
        objects,
        uploads::{self, UploadRow},
    },
    types::{DatasetSpec, SplitSpec, TableParts, UploadId},
};
use futures_util::TryStreamExt;
use serde::Deserialize;
use utoipa::ToSchema;

/// A complete upload, and how the table is to be read: the whole spec, or its common parts one by one, which win over it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetFromUpload {
    upload_id: UploadId,
    /// sha256 of the whole file, hexadecimal.
    sha256: String,
    /// Your own name for it, at most 200 bytes.
    name: Option<String>,
    spec: Option<DatasetSpec>,
    /// A column of 0 and 1 (`click`), or a rule (`rating > 3`).
    label: Option<String>,
    /// Columns the models see.
    features: Option<Vec<String>>,
    /// Columns they do not see.
    exclude: Option<Vec<String>>,
    /// Fields whose every value is a category.
    category: Option<Vec<String>>,
    /// Fields that are numbers: `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`.
    numeric: Option<Vec<String>>,
    /// Fields of several values to a cell: `COLUMN=SEPARATOR` for one category, `COLUMN=SEPARATOR:N` for up to N values,
    /// `COLUMN=SEPARATOR:last:N` for the last N.
    multi: Option<Vec<String>>,
    /// Words that mean that a cell has no value.
    missing: Option<Vec<String>>,
    /// Whether a field that should perhaps be none, as an id of rows, is an error.
    strict: Option<bool>,
    /// What becomes of a row that cannot be read: `error` (default) refuses the table, `skip` leaves the row out.
    on_bad_row: Option<String>,
    /// With `skip`: the most rows that are left out. Absent: one in a hundred, or ten.
    max_bad_rows: Option<u64>,
    /// Column that holds train, valid or test.
    split_column: Option<String>,
    /// Shares of train, valid and test.
    split: Option<[f64; 3]>,
    /// Seed of a random split.
    split_seed: Option<u64>,
    /// Column of times: the earliest rows train, the latest test.
    split_time: Option<String>,
    /// Column of which no value has rows in two splits, for example of users.
    split_group: Option<String>,
    /// Whether the rows of each label are split by the same shares.
    split_stratified: Option<bool>,
    /// Column that says when a row happened: numbers, or ISO 8601 dates or times.
    time: Option<String>,
    /// Rows the vocabulary is taken from: `train` (default) or `all`.
    vocabulary: Option<String>,
    /// Format of the file: `csv`, `parquet` or `jsonl`. Absent: from its name and first bytes.
    format: Option<String>,
    /// The file in a zip archive that is the table. Absent: the only one.
    member: Option<String>,
    /// Encoding of a text table, for example `windows-1252`. Absent: UTF-8, or UTF-16 where the first bytes say so.
    encoding: Option<String>,
    /// Lines at the start of a text table that are neither names nor rows.
    skip_lines: Option<u64>,
    /// What lines of a text table start with that are no rows, for example `#`.
    comment: Option<String>,
    /// Names of the columns of a text table without a line of them.
    columns: Option<Vec<String>>,
    /// Separator of a text table; `\t` is a tab, `\x01` a character by its number.
    separator: Option<String>,
    /// What its cells are quoted with: one character, or `none`.
    quote: Option<String>,
    /// The character that makes a quote or a separator behind it part of the cell.
    escape: Option<char>,
}

impl DatasetFromUpload {
    fn dataset_spec(&self) -> Result<DatasetSpec, ApiError> {
        let parts = TableParts {
            label: self.label.clone(),
            features: self.features.clone(),
            exclude: self.exclude.clone(),
            category: self.category.clone(),
            numeric: self.numeric.clone(),
            multi: self.multi.clone(),
            missing: self.missing.clone(),
            on_bad_row: self.on_bad_row.clone(),
            max_bad_rows: self.max_bad_rows,
            split_column: self.split_column.clone(),
            split: self.split.map(SplitSpec::check_ratios),
            split_seed: self.split_seed,
            split_time: self.split_time.clone(),
            split_group: self.split_group.clone(),
            split_stratified: self.split_stratified,
            time: self.time.clone(),
            vocabulary: self.vocabulary.clone(),
            format: self.format.clone(),
            member: self.member.clone(),
            encoding: self.encoding.clone(),
            skip_lines: self.skip_lines,
            comment: self.comment.clone(),
            columns: self.columns.clone(),
            separator: self.separator.clone(),
            quote: self.quote.clone(),
            strict: self.strict,
            escape: self.escape,
        };
        make_spec(parts, self.spec.clone())
    }
}

/// Makes a dataset of a complete upload. The bytes become an object under the digest that the client names, if they have it.
pub async fn create_dataset(state: &AppState, caller: &Caller, body: &[u8]) -> Result<Created, ApiError> {
    // Without this a list would be told that its first item is no upload's id.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::bad_request(
            "application/json names an upload (`upload_id`); a table goes as application/x-ndjson, one object a line, \
             for example made with jq -c '.[]'",
        ));
    }
    let asked: DatasetFromUpload = parse_json(body)?;
    let id = asked.upload_id;
    let sha256 = asked.sha256.to_ascii_lowercase();
    if sha256.len() != 64 || hex::decode(&sha256).is_err() {
        return Err(wrong("/sha256", "must be 64 hexadecimal digits"));
    }
    check_name(asked.name.as_deref())?;
    let mut spec = asked.dataset_spec()?;
    let row = find_complete(state, caller, id).await?;
    let file_name = tus::find_word(&row.metadata, "filename");
    let media_type = tus::find_word(&row.metadata, "filetype");

    let key = Key::upload(&sha256).map_err(|error| ApiError::internal(&error))?;
    let (mut partial, actual) = match &row.sha256 {
        // The same was asked before, and the answer may have got lost on its way.
        Some(known) => (None, known.clone()),
        None => {
            let mut partial = lock_upload(state, id).await?;
            let stored = partial.digest().await?;
            (Some(partial), stored.sha256)
        }
    };
    if actual != sha256 {
        return Err(wrong("/sha256", format!("the {} bytes received have the sha-256 {actual}", row.length)));
    }
    let first_bytes = match &mut partial {
        Some(partial) => {
            state.files.prepare_partial(partial, &sha256).await?;
            partial.read_first(SNIFF_BYTES).await?
        }
        None => read_first(state, &key).await?.ok_or_else(|| deleted(id))?,
    };
    ingest::resolve_format(&mut spec, file_name.as_deref(), media_type.as_deref(), &first_bytes);
    let mut tx = state.store.begin().await?;
    objects::hold(&mut tx, key.as_str()).await?;
    match &partial {
        Some(partial) => state.files.store_partial(partial, &sha256).await?,
        None if state.files.contains(&key).await? => {}
        None => return Err(deleted(id)),
    }
    let new = NewDataset {
        tenant: caller.tenant.clone(),
        name: asked.name,
        sha256,
        bytes: row.length as u64,
        spec,
        media_type,
        file_name,
    };
    // Used up first: its bytes are not counted twice.
    if !uploads::use_up(&mut tx, id, &new.sha256).await? {
        return Err(wrong("/upload_id", format!("{id} has expired; begin another")));
    }
    let made = quota::create_dataset(&mut tx, caller, &new).await?;
    tx.commit().await.map_err(StoreError::from)?;
    if partial.is_some()
        && let Err(error) = state.files.remove_partial(id).await
    {
        tracing::warn!(%error, "an upload's file stays behind; the sweep removes it");
    }
    Ok(made)
}

/// The upload, of which every byte must have come.
async fn find_complete(state: &AppState, caller: &Caller, id: UploadId) -> Result<UploadRow, ApiError> {
    let found = uploads::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    let row = found.ok_or_else(|| wrong("/upload_id", format!("there is no upload `{id}`")))?;
    require_complete(&row)?;
    Ok(row)
}

/// The first bytes of an object; none where it is not there.
async fn read_first(state: &AppState, key: &Key) -> Result<Option<Vec<u8>>, ApiError> {
    let reading = match state.files.read(key, Some(0..SNIFF_BYTES as u64)).await {
        Ok(reading) => reading,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let gathered = reading.stream.try_fold(Vec::new(), async |mut bytes, chunk| {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    Ok(Some(gathered.await?))
}

fn deleted(id: UploadId) -> ApiError {
    ApiError::conflict(format!("the dataset made of {id} was deleted; upload the table again"))
}
