//! The files of an uploaded table, on this machine's disk.

use super::{Files, FilesError, Key};
use crate::types::{SourcePart, TableSource, UploadedTable};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// How a file is brought to this machine's disk.
#[derive(Clone, Copy)]
enum Bring<'a> {
    Fetch,
    FetchInto(&'a Path),
    Locate,
}

impl Files {
    /// The table's files, each of which was found to have its digest.
    pub async fn fetch_table(&self, table: &UploadedTable) -> Result<TableSource, FilesError> {
        self.find_table(table, Bring::Fetch).await
    }

    /// As `fetch_table`, with paths that are good as long as `folder` exists.
    pub async fn fetch_table_into(&self, folder: &Path, table: &UploadedTable) -> Result<TableSource, FilesError> {
        self.find_table(table, Bring::FetchInto(folder)).await
    }

    /// As `fetch_table`, but without reading files that are there already: for readers of a part of the table.
    pub async fn locate_table(&self, table: &UploadedTable) -> Result<TableSource, FilesError> {
        self.find_table(table, Bring::Locate).await
    }

    /// Each file is brought once: parts may have the same bytes.
    async fn find_table(&self, table: &UploadedTable, how: Bring<'_>) -> Result<TableSource, FilesError> {
        if table.parts.is_empty() {
            return Ok(self.bring(&table.sha256, how).await?.into());
        }
        let mut found: HashMap<&str, PathBuf> = HashMap::new();
        let mut parts = Vec::with_capacity(table.parts.len());
        for part in &table.parts {
            let path = match found.get(&*part.sha256) {
                Some(path) => path.clone(),
                None => self.bring(&part.sha256, how).await?,
            };
            found.insert(&part.sha256, path.clone());
            let (name, partitions, split) = (part.name.clone(), part.partitions.clone(), part.split);
            parts.push(SourcePart { path: path.into(), name, partitions, split });
        }
        Ok(TableSource { parts })
    }

    async fn bring(&self, sha256: &str, how: Bring<'_>) -> Result<PathBuf, FilesError> {
        let key = Key::upload(sha256).expect("a digest is a word");
        match how {
            Bring::Fetch => self.fetch(&key, sha256).await,
            Bring::FetchInto(folder) => self.fetch_into(folder, &key, sha256).await,
            Bring::Locate => self.locate(&key, sha256).await,
        }
    }
}
