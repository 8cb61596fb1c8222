//! `POST /v1/datasets` with a table as the body.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::parse_json,
    quota,
    state::AppState,
    table_parts::{check_name, make_spec},
};
use crate::{
    files::{FilesError, Key, Received},
    ingest::{self, SNIFF_BYTES},
    store::{
        StoreError,
        datasets::{Created, NewDataset},
        objects,
    },
    types::{DatasetSpec, SplitSpec, TableParts, TextEncoding},
};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::TryStreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha512};
use utoipa::IntoParams;

/// Media types tables come in; the first five are the ones to recommend. `curl --data-binary` sends the form type unless
/// told otherwise.
const MEDIA_TYPES: [&str; 16] = [
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.apache.parquet",
    "application/x-ndjson",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/x-parquet",
    "application/jsonl",
    "application/gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-xz",
    "application/zip",
    "application/x-zip-compressed",
    // What browsers on Windows call a CSV; a workbook is refused by its bytes.
    "application/vnd.ms-excel",
    "text/plain",
];

/// How the uploaded table is to be read: the whole spec as JSON in `spec`, or its common parts one by one.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CreateDatasetQuery {
    /// Your own name for it, at most 200 bytes.
    name: Option<String>,
    /// The dataset's spec (see DatasetSpec), as JSON. The parameters below win over it.
    spec: Option<String>,
    /// A column of 0 and 1 (`click`), or a rule (`rating > 3`).
    label: Option<String>,
    /// Columns the models see, separated by commas.
    features: Option<String>,
    /// Columns they do not see, separated by commas.
    exclude: Option<String>,
    /// Fields whose every value is a category, separated by commas.
    category: Option<String>,
    /// Fields that are numbers, separated by commas: `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`.
    numeric: Option<String>,
    /// A field of several values to a cell: `COLUMN=SEPARATOR` for one category, `COLUMN=SEPARATOR:N` for up to N values,
    /// `COLUMN=SEPARATOR:last:N` for the last N. More than one field: in `spec`.
    multi: Option<String>,
    /// Words that mean that a cell has no value, separated by commas.
    missing: Option<String>,
    /// Whether a field that should perhaps be none, as an id of rows, is an error.
    strict: Option<bool>,
    /// What becomes of a row that cannot be read: `error` (default) refuses the table, `skip` leaves the row out.
    on_bad_row: Option<String>,
    /// With `skip`: the most rows that are left out. Absent: one in a hundred, or ten.
    max_bad_rows: Option<u64>,
    /// Column that holds train, valid or test.
    split_column: Option<String>,
    /// Shares of train, valid and test, for example `0.8,0.1,0.1`.
    split: Option<String>,
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
    /// Names of the columns of a text table without a line of them, separated by commas.
    columns: Option<String>,
    /// Separator of a text table; `\t` is a tab, `\x01` a character by its number.
    separator: Option<String>,
    /// What its cells are quoted with: one character, or `none`.
    quote: Option<String>,
    /// The character that makes a quote or a separator behind it part of the cell.
    escape: Option<char>,
}

impl CreateDatasetQuery {
    fn dataset_spec(&self) -> Result<DatasetSpec, ApiError> {
        let whole = self.spec.as_ref().map(|json| parse_json(json.as_bytes())).transpose()?;
        let words = |text: &String| text.split(',').map(|word| word.trim().to_owned()).collect();
        let parts = TableParts {
            label: self.label.clone(),
            features: self.features.as_ref().map(words),
            exclude: self.exclude.as_ref().map(words),
            category: self.category.as_ref().map(words),
            numeric: self.numeric.as_ref().map(words),
            multi: self.multi.clone().map(|one| vec![one]),
            missing: self.missing.as_ref().map(words),
            on_bad_row: self.on_bad_row.clone(),
            max_bad_rows: self.max_bad_rows,
            split_column: self.split_column.clone(),
            split: self.split.as_deref().map(SplitSpec::parse_ratios),
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
            columns: self.columns.as_ref().map(words),
            separator: self.separator.clone(),
            quote: self.quote.clone(),
            strict: self.strict,
            escape: self.escape,
        };
        make_spec(parts, whole)
    }
}

/// Makes a dataset of the body. What cannot be accepted is refused before the body is read, as far as the headers tell.
pub async fn create_dataset(
    state: &AppState,
    caller: &Caller,
    query: CreateDatasetQuery,
    headers: &HeaderMap,
    body: Body,
) -> Result<Created, ApiError> {
    let mut spec = query.dataset_spec()?;
    check_name(query.name.as_deref())?;
    let media_type = read_media_type(headers)?;
    spec.encoding = spec.encoding.or(read_charset(headers)?);
    let expected = read_content_digest(headers)?;
    let (received, first_bytes) = receive_table(state, caller, headers, body, expected).await?;
    let object = &received.stored;
    ingest::resolve_format(&mut spec, None, Some(&media_type), &first_bytes);
    let key = Key::upload(&object.sha256).map_err(|error| ApiError::internal(&error))?;
    state.files.prepare_received(&received).await?;
    let mut tx = state.store.begin().await?;
    objects::hold(&mut tx, key.as_str()).await?;
    state.files.store_received(&received).await?;
    let new = NewDataset {
        tenant: caller.tenant.clone(),
        name: query.name,
        sha256: object.sha256.clone(),
        bytes: object.bytes,
        parts: Vec::new(),
        spec,
        media_type: Some(media_type),
        file_name: None,
    };
    let made = quota::create_dataset(&mut tx, caller, &new).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(made)
}

/// Takes the body in, up to what the server and the tenant's quota allow; gives its first bytes too. It must have the digest
/// that is expected, if one is.
async fn receive_table(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    expected: Expected,
) -> Result<(Received, Vec<u8>), ApiError> {
    let most = state.config.max_upload_bytes;
    let left = quota::bytes_left(state, caller).await?.unwrap_or(most);
    let limit = most.min(left);
    let refused = || if left < most { quota::too_many_bytes(caller) } else { too_large(most) };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(refused());
    }
    let mut first_bytes = Vec::with_capacity(SNIFF_BYTES);
    let mut sha512 = expected.sha512.is_some().then(Sha512::new);
    let stream = body.into_data_stream().inspect_ok(|chunk| {
        if let Some(sha512) = &mut sha512 {
            sha512.update(chunk);
        }
        let missing = SNIFF_BYTES - first_bytes.len();
        first_bytes.extend_from_slice(&chunk[..missing.min(chunk.len())]);
    });
    let received = state.files.receive(stream, limit).await.map_err(|error| match error {
        FilesError::TooLarge { .. } => refused(),
        FilesError::Upload(error) => ApiError::bad_request(format!("the upload broke off: {error}")),
        other => other.into(),
    })?;
    let object = &received.stored;
    if object.bytes == 0 {
        return Err(ApiError::bad_request(
            "the body is empty: send the table's bytes, for example with curl --data-binary @file.csv",
        ));
    }
    let differs = expected.sha256.is_some_and(|expected| expected != object.sha256)
        || sha512.map(|sha512| sha512.finalize().to_vec()) != expected.sha512;
    if differs {
        let detail = format!("the {} bytes received have the sha-256 {}", object.bytes, object.sha256);
        return Err(ApiError::new(Kind::BadDigest, detail));
    }
    Ok((received, first_bytes))
}

/// The media type, if tables come in it.
fn read_media_type(headers: &HeaderMap) -> Result<String, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/octet-stream");
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if MEDIA_TYPES.contains(&essence.as_str()) {
        return Ok(essence);
    }
    let types = MEDIA_TYPES[..5].join(", ");
    let form = "; send the file itself as the body and the rest as parameters, not as a form: \
                curl --data-binary @clicks.csv -H 'Content-Type: text/csv' '…/v1/datasets?label=click'";
    let way_out = if essence.starts_with("multipart/") { form } else { "" };
    let detail = format!("`{essence}` is not a table's media type{way_out}; a table is one of {types}");
    Err(ApiError::new(Kind::UnsupportedMediaType, detail))
}

/// The encoding that the media type says, where it is another than UTF-8: many clients say that without looking.
fn read_charset(headers: &HeaderMap) -> Result<Option<TextEncoding>, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let parameters = given.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let Some((_, charset)) = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("charset")) else {
        return Ok(None);
    };
    match charset.trim_matches('"').parse::<TextEncoding>() {
        Ok(encoding) => Ok(Some(encoding).filter(|encoding| !encoding.is_utf8())),
        Err(rule) => Err(ApiError::new(Kind::UnsupportedMediaType, format!("charset: {rule}"))),
    }
}

/// What `Content-Digest` says of the body.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    /// In hexadecimal.
    sha256: Option<String>,
    sha512: Option<Vec<u8>>,
}

/// Reads `Content-Digest`; digests that are not known here are left to others, as RFC 9530 asks.
fn read_content_digest(headers: &HeaderMap) -> Result<Expected, ApiError> {
    let mut expected = Expected::default();
    for value in headers.get_all("content-digest") {
        for (name, text) in value.to_str().unwrap_or_default().split(',').filter_map(|item| item.trim().split_once('='))
        {
            let read = |bytes: usize| {
                let encoded = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
                let digest = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
                digest.filter(|digest| digest.len() == bytes).ok_or_else(|| {
                    let rule =
                        format!("Content-Digest must be `{name}=:`, {bytes} bytes in base64, and `:` (RFC 9530)");
                    ApiError::bad_request(rule)
                })
            };
            match name {
                "sha-256" => expected.sha256 = Some(hex::encode(read(32)?)),
                "sha-512" => expected.sha512 = Some(read(64)?),
                _ => {}
            }
        }
    }
    Ok(expected)
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("an upload has at most {limit} bytes here"))
}
