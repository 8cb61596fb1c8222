//! Leftovers of processes that died: found by age, so that nothing a living process works on is touched.

use super::{Files, FilesError, Key};
use crate::types::DatasetId;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

impl Files {
    /// Objects that have lain unchanged for at least `age`. The caller asks the database which of them anything refers
    /// to, and deletes the others with `delete_aged`.
    pub async fn aged_objects(&self, age: Duration) -> Result<Vec<Key>, FilesError> {
        let aged = self.objects.list(None).try_filter_map(async |object| {
            // Names that are no keys are someone else's.
            Ok(Key::parse(object.location.as_ref()).ok().filter(|_| is_older(object.last_modified, age)))
        });
        Ok(aged.try_collect().await?)
    }

    /// Deletes an object, unless it changed within `age`: the same bytes may have been uploaded again since.
    pub async fn delete_aged(&self, key: &Key, age: Duration) -> Result<(), FilesError> {
        match self.objects.head(&key.location()).await {
            Ok(object) if is_older(object.last_modified, age) => self.delete(key).await,
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Datasets whose encoded tables, in the form of this version, have lain on this machine for at least `age`.
    pub async fn aged_datasets(&self, age: Duration) -> Result<Vec<DatasetId>, FilesError> {
        let names = aged_names(self.root.join("datasets"), age).await?;
        let ids = names.iter().filter_map(|name| name.split_once("-v")?.0.parse::<DatasetId>().ok());
        Ok(ids.filter(|id| self.dataset_dir(*id).exists()).collect())
    }

    /// Removes unfinished uploads, half-encoded datasets, trainers' folders and copies of objects that nothing wrote to for
    /// `age`. Returns how many were removed.
    pub async fn sweep_folders(&self, age: Duration) -> Result<usize, FilesError> {
        let root = self.root.clone();
        blocking(move || {
            let mut leftovers = entries(&root.join("incoming"))?;
            leftovers.extend(entries(&root.join("datasets"))?.into_iter().filter(|path| ends_in_new(path)));
            leftovers.extend(entries(&root.join("work"))?);
            leftovers.extend(files_below(&root.join("cache"))?);
            leftovers.retain(|path| is_untouched(path, age));
            for path in &leftovers {
                let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
                removed.map_err(FilesError::io("remove", path))?;
            }
            Ok(leftovers.len())
        })
        .await
    }
}

/// Names of the files in a folder that have lain unchanged for at least `age`.
pub(super) async fn aged_names(folder: PathBuf, age: Duration) -> Result<Vec<String>, FilesError> {
    blocking(move || {
        let aged = entries(&folder)?.into_iter().filter(|path| is_aged(path, age));
        Ok(aged.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    })
    .await
}

fn ends_in_new(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let list = std::fs::read_dir(folder).map_err(FilesError::io("read the folder", folder))?;
    list.map(|entry| Ok(entry.map_err(FilesError::io("read the folder", folder))?.path())).collect()
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let (inner, here): (Vec<_>, Vec<_>) = entries(&folder)?.into_iter().partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(here);
    }
    Ok(files)
}

/// Whether `changed` was at least `age` ago; a time in the future was not.
fn is_older(changed: DateTime<Utc>, age: Duration) -> bool {
    (Utc::now() - changed).to_std().is_ok_and(|elapsed| elapsed >= age)
}

/// Whether the file has lain unchanged for at least `age`; one that vanished, or has a time in the future, has not.
fn is_aged(path: &Path, age: Duration) -> bool {
    let changed = path.metadata().and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|elapsed| elapsed >= age))
}

/// Whether the file, or the folder and everything in it, is aged.
fn is_untouched(path: &Path, age: Duration) -> bool {
    is_aged(path, age)
        && (!path.is_dir() || entries(path).is_ok_and(|inside| inside.iter().all(|path| is_untouched(path, age))))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, FilesError> {
    tokio::task::spawn_blocking(work).await.expect("the sweep does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_old_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let job = crate::types::JobId::new();
        let out = files.work_dir(job, 1).await.unwrap();
        std::fs::write(dir.path().join("incoming/half"), "x").unwrap();
        let kept = files.dataset_dir(crate::types::DatasetId::new());
        std::fs::create_dir(&kept).unwrap();
        let half = files.new_dataset_dir().await.unwrap();
        assert_eq!(files.sweep_folders(Duration::from_secs(60)).await.unwrap(), 0);
        assert!(out.exists() && half.exists());
        assert_eq!(files.sweep_folders(Duration::ZERO).await.unwrap(), 3);
        assert!(!out.exists() && !half.exists() && kept.exists());
    }

    #[tokio::test]
    async fn aged_objects_are_found_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let source = dir.path().join("source");
        std::fs::write(&source, "x").unwrap();
        let key = Key::checkpoint(crate::types::JobId::new(), 1, 1);
        files.put_file(&key, &source).await.unwrap();
        assert_eq!(files.aged_objects(Duration::from_secs(60)).await.unwrap(), []);
        assert_eq!(files.aged_objects(Duration::ZERO).await.unwrap(), std::slice::from_ref(&key));
        files.delete_aged(&key, Duration::from_secs(60)).await.unwrap();
        assert!(files.contains(&key).await.unwrap());
        files.delete_aged(&key, Duration::ZERO).await.unwrap();
        assert!(!files.contains(&key).await.unwrap());
    }
}
