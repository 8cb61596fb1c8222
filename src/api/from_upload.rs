//! `POST /v1/datasets` with JSON: a dataset of uploads that came in parts, each a whole table or one file of it.

use super::{
    access::Caller,
    complete_upload::CompleteUpload,
    error::{ApiError, Kind},
    extract::parse_json,
    part_upload::{NamedUpload, PartUpload, describe_parts, name_parts, name_whole, say_splits},
    quota,
    state::AppState,
    table_parts::{check_name, make_spec, wrong},
};
use crate::{
    files::{Key, Received, Stored},
    ingest,
    store::{
        StoreError,
        datasets::{Created, NewDataset},
        objects,
    },
    types::{DatasetSpec, SplitSpec, TableParts, UploadId, UploadedPart, list_parts},
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use std::convert::Infallible;
use utoipa::ToSchema;

/// A complete upload, or several that are one table, and how the table is to be read: the whole spec, or its common parts one by
/// one, which win over it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetFromUpload {
    /// The upload that is the table.
    upload_id: Option<UploadId>,
    /// sha256 of the whole file, hexadecimal.
    sha256: Option<String>,
    /// In place of these two: the uploads that are one table, in the order of its rows, which keep one numbering; at most 256.
    /// All have one format and the same columns.
    #[schema(min_items = 1, max_items = 256)]
    uploads: Option<Vec<PartUpload>>,
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
    /// The uploads that the table is, in the order of its rows.
    fn named_uploads(&self) -> Result<Vec<NamedUpload>, ApiError> {
        match (&self.upload_id, &self.sha256, &self.uploads) {
            (Some(id), Some(sha256), None) => Ok(vec![name_whole(*id, sha256.clone())?]),
            (None, None, Some(uploads)) => name_parts(uploads.clone()),
            (Some(_), None, None) => Err(wrong("/sha256", "is needed: the sha256 of the whole file")),
            (None, _, None) => Err(wrong(
                "/upload_id",
                "is needed, with `sha256`; of a table in several uploads, `uploads` in place of both",
            )),
            (_, _, Some(_)) => {
                Err(wrong("/uploads", "takes the place of `upload_id` and `sha256`; give one or the other"))
            }
        }
    }

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

/// Makes a dataset of complete uploads. Their bytes become objects under the digests that the client names, if they have them.
pub async fn create_dataset(state: &AppState, caller: &Caller, body: &[u8]) -> Result<Created, ApiError> {
    // Without this a list would be told that its first item is no upload's id.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::bad_request(
            "application/json names an upload (`upload_id`) or several (`uploads`); a table goes as application/x-ndjson, one \
             object a line, for example made with jq -c '.[]'",
        ));
    }
    let asked: DatasetFromUpload = parse_json(body)?;
    check_name(asked.name.as_deref())?;
    let mut spec = asked.dataset_spec()?;
    let named = asked.named_uploads()?;
    if say_splits(&named) && spec.split != SplitSpec::default() {
        return Err(wrong("/split", "the parts say which rows are train, valid and test; give no other split"));
    }
    let mut uploads = Vec::with_capacity(named.len());
    for named in named {
        uploads.push(CompleteUpload::find(state, caller, named).await?);
    }
    let (bytes, most) = (uploads.iter().map(CompleteUpload::bytes).sum::<u64>(), state.config.max_upload_bytes);
    if bytes > most {
        let detail = format!("the parts have {bytes} bytes together, and a table has at most {most} here");
        return Err(ApiError::new(Kind::TooLarge, detail));
    }
    let parts = describe_parts(&uploads)?;
    for upload in &mut uploads {
        upload.check(state).await?;
    }
    let (first, several) = (&mut uploads[0], !parts.is_empty());
    let (file_name, media_type) = (first.file_name(), first.media_type());
    let first_bytes = first.read_first(state).await?;
    ingest::resolve_format(&mut spec, file_name.as_deref(), media_type.as_deref(), &first_bytes);
    let list = if several { Some(receive_list(state, &parts).await?) } else { None };
    let whole = match &list {
        Some(list) => list.stored.clone(),
        None => Stored { sha256: uploads[0].named.sha256.clone(), bytes },
    };

    let mut tx = state.store.begin().await?;
    if let Some(list) = &list {
        let key = Key::upload(&whole.sha256).map_err(|error| ApiError::internal(&error))?;
        objects::hold(&mut tx, key.as_str()).await?;
        state.files.store_received(list).await?;
    }
    // Used up first: their bytes are not counted twice.
    for upload in &uploads {
        objects::hold(&mut tx, upload.key()?.as_str()).await?;
        upload.use_up(state, &mut tx).await?;
    }
    let new = NewDataset {
        tenant: caller.tenant.clone(),
        name: asked.name,
        sha256: whole.sha256,
        bytes: whole.bytes,
        parts,
        spec,
        media_type: media_type.filter(|_| !several),
        file_name: file_name.filter(|_| !several),
    };
    let made = quota::create_dataset(&mut tx, caller, &new).await?;
    tx.commit().await.map_err(StoreError::from)?;
    for upload in &uploads {
        upload.remove_file(state).await;
    }
    Ok(made)
}

/// Puts the list of a table's parts on disk, to be the object that stands for the table.
async fn receive_list(state: &AppState, parts: &[UploadedPart]) -> Result<Received, ApiError> {
    let list = list_parts(parts.iter().map(|part| (&*part.sha256, &*part.name)));
    let stream = stream::iter([Ok::<_, Infallible>(Bytes::from(list))]);
    let received = state.files.receive(stream, u64::MAX).await?;
    state.files.prepare_received(&received).await?;
    Ok(received)
}
