//! Folders of the worker on this machine: encoded datasets (a cache) and the trainers' own.

use super::{Files, FilesError, receive::sync_folder};
use crate::{
    ingest::FORMAT_VERSION,
    types::{DatasetId, JobId, JudgementId},
};
use std::{
    io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

impl Files {
    /// Where this machine keeps the encoded dataset; complete if it exists.
    pub fn dataset_dir(&self, dataset: DatasetId) -> PathBuf {
        self.root.join("datasets").join(format!("{dataset}-v{FORMAT_VERSION}"))
    }

    /// Makes an empty folder to encode a dataset in. The caller removes it; a sweep removes what a caller that died has
    /// left.
    pub async fn new_dataset_dir(&self) -> Result<PathBuf, FilesError> {
        let path = self.root.join("datasets").join(format!("{}.new", Uuid::now_v7().simple()));
        tokio::fs::create_dir(&path).await.map_err(FilesError::io("create the folder", &path))?;
        Ok(path)
    }

    /// Makes `from`, with what was encoded in it, the dataset's folder. If another slot has made one meanwhile, that one
    /// stays: it holds the same.
    pub async fn store_dataset_dir(&self, dataset: DatasetId, from: &Path) -> Result<PathBuf, FilesError> {
        let mut entries = tokio::fs::read_dir(from).await.map_err(FilesError::io("read the folder", from))?;
        while let Some(entry) = entries.next_entry().await.map_err(FilesError::io("read the folder", from))? {
            let path = entry.path();
            let file = tokio::fs::File::open(&path).await.map_err(FilesError::io("open", &path))?;
            file.sync_all().await.map_err(FilesError::io("sync", &path))?;
        }
        sync_folder(from).await?;
        let target = self.dataset_dir(dataset);
        match tokio::fs::rename(from, &target).await {
            Ok(()) => sync_folder(&self.root.join("datasets")).await?,
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                self.remove_dir(from).await?;
            }
            Err(error) => return Err(FilesError::io("rename", from)(error)),
        }
        Ok(target)
    }

    /// A trainer's own folder, made empty.
    pub async fn work_dir(&self, job: JobId, attempt: i32) -> Result<PathBuf, FilesError> {
        self.make_work_dir(job, &attempt.to_string()).await
    }

    /// The same of a trainer that does a part of a job.
    pub async fn part_dir(&self, job: JobId, number: i32, attempt: i32) -> Result<PathBuf, FilesError> {
        self.make_work_dir(job, &part_name(number, attempt)).await
    }

    async fn make_work_dir(&self, job: JobId, name: &str) -> Result<PathBuf, FilesError> {
        let path = self.root.join("work").join(job.to_string()).join(name);
        self.remove_dir(&path).await?;
        tokio::fs::create_dir_all(&path).await.map_err(FilesError::io("create the folder", &path))?;
        Ok(path)
    }

    /// Removes the folder of an attempt that ended; those of others stay.
    pub async fn remove_work_dir(&self, job: JobId, attempt: i32) -> Result<(), FilesError> {
        self.unmake_work_dir(job, &attempt.to_string()).await
    }

    /// Removes the folder of a part that ended.
    pub async fn remove_part_dir(&self, job: JobId, number: i32, attempt: i32) -> Result<(), FilesError> {
        self.unmake_work_dir(job, &part_name(number, attempt)).await
    }

    async fn unmake_work_dir(&self, job: JobId, name: &str) -> Result<(), FilesError> {
        let folder = self.root.join("work").join(job.to_string());
        self.remove_dir(&folder.join(name)).await?;
        // Fails while another attempt or part has its folder in it.
        tokio::fs::remove_dir(&folder).await.ok();
        Ok(())
    }

    /// A judge's own folder, made empty. The caller removes it; a sweep removes what a caller that died has left.
    pub async fn judgement_dir(&self, judgement: JudgementId, attempt: i32) -> Result<PathBuf, FilesError> {
        let path = self.root.join("work").join(format!("{judgement}-{attempt}"));
        self.remove_dir(&path).await?;
        tokio::fs::create_dir(&path).await.map_err(FilesError::io("create the folder", &path))?;
        Ok(path)
    }

    /// Removes a folder; one that is not there is no error.
    pub async fn remove_dir(&self, path: &Path) -> Result<(), FilesError> {
        match tokio::fs::remove_dir_all(path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FilesError::io("remove", path)(error)),
            _ => Ok(()),
        }
    }
}

/// Name of the folder of a part.
fn part_name(number: i32, attempt: i32) -> String {
    format!("part-{number}-{attempt}")
}
