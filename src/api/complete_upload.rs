//! A complete upload that a dataset is made of: its bytes are held against their digest, and become an object.

use super::{
    access::Caller, error::ApiError, part_upload::NamedUpload, state::AppState, table_parts::wrong, tus,
    upload_parts::lock_upload, uploads::require_complete,
};
use crate::{
    files::{Key, Partial},
    ingest::SNIFF_BYTES,
    store::uploads::{self, UploadRow},
    types::UploadId,
};
use futures_util::TryStreamExt;
use sqlx::PgConnection;

pub struct CompleteUpload {
    pub named: NamedUpload,
    row: UploadRow,
    /// Its file, locked; none where a dataset was made of it before, and its bytes are an object already.
    partial: Option<Partial>,
}

impl CompleteUpload {
    /// Finds the caller's upload, of which every byte must have come.
    pub async fn find(state: &AppState, caller: &Caller, named: NamedUpload) -> Result<Self, ApiError> {
        let id = named.id;
        let found = uploads::find(&mut *state.connection().await?, &caller.tenant, id).await?;
        let row = found.ok_or_else(|| wrong(&named.pointer("upload_id"), format!("there is no upload `{id}`")))?;
        require_complete(&row)?;
        Ok(Self { named, row, partial: None })
    }

    pub fn bytes(&self) -> u64 {
        self.row.length as u64
    }

    pub fn file_name(&self) -> Option<String> {
        tus::find_word(&self.row.metadata, "filename")
    }

    pub fn media_type(&self) -> Option<String> {
        tus::find_word(&self.row.metadata, "filetype")
    }

    pub fn key(&self) -> Result<Key, ApiError> {
        Key::upload(&self.named.sha256).map_err(|error| ApiError::internal(&error))
    }

    /// Locks the file, and checks that it has the digest that the client names.
    pub async fn check(&mut self, state: &AppState) -> Result<(), ApiError> {
        let expected = &self.named.sha256;
        let actual = match &self.row.sha256 {
            // The same was asked before, and the answer may have got lost on its way.
            Some(known) => known.clone(),
            None => {
                let mut partial = lock_upload(state, self.named.id).await?;
                let stored = partial.digest().await?;
                if stored.sha256 == *expected {
                    state.files.prepare_partial(&partial, expected).await?;
                }
                self.partial = Some(partial);
                stored.sha256
            }
        };
        if actual == *expected {
            return Ok(());
        }
        let rule = format!("the {} bytes received have the sha-256 {actual}", self.row.length);
        Err(wrong(&self.named.pointer("sha256"), rule))
    }

    /// The first bytes, which say what the file is. The upload was checked.
    pub async fn read_first(&mut self, state: &AppState) -> Result<Vec<u8>, ApiError> {
        let key = self.key()?;
        match &mut self.partial {
            Some(partial) => Ok(partial.read_first(SNIFF_BYTES).await?),
            None => read_first(state, &key).await?.ok_or_else(|| deleted(self.named.id)),
        }
    }

    /// Makes the bytes an object and the upload a used one. The upload was checked, and the caller's transaction holds its
    /// object.
    pub async fn use_up(&self, state: &AppState, tx: &mut PgConnection) -> Result<(), ApiError> {
        let (id, sha256) = (self.named.id, &self.named.sha256);
        match &self.partial {
            Some(partial) => state.files.store_partial(partial, sha256).await?,
            None if state.files.contains(&self.key()?).await? => {}
            None => return Err(deleted(id)),
        }
        if !uploads::use_up(tx, id, sha256).await? {
            return Err(wrong(&self.named.pointer("upload_id"), format!("{id} has expired; begin another")));
        }
        Ok(())
    }

    /// Removes the file that became an object.
    pub async fn remove_file(&self, state: &AppState) {
        if self.partial.is_some()
            && let Err(error) = state.files.remove_partial(self.named.id).await
        {
            tracing::warn!(%error, "an upload's file stays behind; the sweep removes it");
        }
    }
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
