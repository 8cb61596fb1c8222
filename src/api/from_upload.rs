//! `POST /v1/datasets` with JSON: a dataset of a table that came in parts.

use super::{
    access::Caller,
    error::ApiError,
    extract::parse_json,
    quota,
    state::AppState,
    table_parts::{Parts, check_name, resolve_format, wrong},
    tus, uploads as parts,
};
use crate::{
    files::Key,
    store::{
        StoreError,
        datasets::{Created, NewDataset},
        objects, uploads,
    },
    types::{DatasetSpec, UploadId},
};
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
    /// Column that holds train, valid or test.
    split_column: Option<String>,
    /// Shares of train, valid and test.
    split: Option<[f64; 3]>,
    /// Seed of a random split.
    split_seed: Option<u64>,
    /// Separator of a text table.
    separator: Option<String>,
}

pub async fn create_dataset(state: &AppState, caller: &Caller, body: &[u8]) -> Result<Created, ApiError> {
    let asked: DatasetFromUpload = parse_json(body)?;
    let id = asked.upload_id;
    let sha256 = asked.sha256.to_ascii_lowercase();
    if sha256.len() != 64 || hex::decode(&sha256).is_err() {
        return Err(wrong("/sha256", "must be 64 hexadecimal digits"));
    }
    check_name(asked.name.as_deref())?;
    let mut spec = Parts {
        spec: asked.spec,
        label: asked.label,
        features: asked.features,
        exclude: asked.exclude,
        split_column: asked.split_column,
        split: asked.split.map(|shares| shares.map(|share| share.to_string()).join(",")),
        split_seed: asked.split_seed,
        separator: asked.separator,
    }
    .dataset_spec()?;
    let found = uploads::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    let row = found.ok_or_else(|| wrong("/upload_id", format!("there is no upload `{id}`")))?;
    if row.received < row.length {
        return Err(ApiError::conflict(format!(
            "{id} has {} of {} bytes; send the rest first",
            row.received, row.length
        )));
    }
    let file_name = tus::word(&row.metadata, "filename");
    let media_type = tus::word(&row.metadata, "filetype");

    let key = Key::upload(&sha256).map_err(|error| ApiError::internal(&error))?;
    let internal = |error: crate::files::FilesError| ApiError::internal(&error);
    let (partial, actual) = match row.sha256 {
        // The same was asked before, and the answer may have got lost on its way.
        Some(known) => (None, known),
        None => {
            let mut partial = parts::lock(state, id).await?;
            let stored = partial.digest().await.map_err(internal)?;
            (Some(partial), stored.sha256)
        }
    };
    if actual != sha256 {
        return Err(wrong("/sha256", format!("the {} bytes received have the sha-256 {actual}", row.length)));
    }
    if let Some(partial) = &partial {
        state.files.prepare_partial(partial, &sha256).await.map_err(internal)?;
    }
    let mut tx = state.store.begin().await?;
    objects::hold(&mut tx, key.as_str()).await?;
    match &partial {
        Some(partial) => state.files.keep_partial(partial, &sha256).await.map_err(internal)?,
        None if state.files.contains(&key).await.map_err(internal)? => {}
        None => {
            return Err(ApiError::conflict(format!("the dataset made of {id} was deleted; upload the table again")));
        }
    }
    resolve_format(state, &key, &mut spec, file_name.as_deref(), media_type.as_deref()).await?;
    let new = NewDataset {
        tenant: caller.tenant.clone(),
        name: asked.name,
        sha256,
        bytes: row.length as u64,
        spec,
        media_type,
        file_name,
    };
    let made = quota::create_dataset(&mut tx, caller, &new).await?;
    if !uploads::use_up(&mut tx, id, &new.sha256).await? {
        return Err(wrong("/upload_id", format!("{id} has expired; begin another")));
    }
    tx.commit().await.map_err(StoreError::from)?;
    if partial.is_some()
        && let Err(error) = state.files.remove_partial(id).await
    {
        tracing::warn!(%error, "an upload's file stays behind; the sweep removes it");
    }
    Ok(made)
}
