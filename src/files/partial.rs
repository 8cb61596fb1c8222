//! Uploads sent in parts: a file each, which grows at its end and is locked by whoever writes to it.
//!
//! The lock is the kernel's and goes with the process, so a killed server keeps nobody waiting; it holds between
//! processes on one folder too. How much of the file counts stands in the database: what lies behind that was never
//! acknowledged, and is cut off before the file grows on.

use super::{
    Files, FilesError, Stored,
    receive::{CHUNK, sync_folder},
};
use crate::types::UploadId;
use sha2::{Digest, Sha256};
use std::{
    fs::TryLockError,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom},
};
use uuid::Uuid;

/// An upload's file, locked.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
}

impl Partial {
    /// Where the file is, for readers that hold the lock by this value.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts off what lies behind `offset`; the next bytes are written there. Fails where the file is shorter: bytes that
    /// were acknowledged are lost.
    pub async fn truncate(&mut self, offset: u64) -> Result<(), FilesError> {
        let length = self.file.metadata().await.map_err(FilesError::io("measure", &self.path))?.len();
        if length < offset {
            let lost = io::Error::other(format!("{offset} bytes were acknowledged, and {length} are there"));
            return Err(FilesError::io("go on with", &self.path)(lost));
        }
        self.file.set_len(offset).await.map_err(FilesError::io("cut", &self.path))?;
        self.file.seek(SeekFrom::Start(offset)).await.map_err(FilesError::io("cut", &self.path))?;
        Ok(())
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FilesError> {
        self.file.write_all(bytes).await.map_err(FilesError::io("write", &self.path))
    }

    /// Makes what was written durable.
    pub async fn sync(&mut self) -> Result<(), FilesError> {
        self.file.flush().await.map_err(FilesError::io("write", &self.path))?;
        self.file.sync_data().await.map_err(FilesError::io("sync", &self.path))
    }

    /// Digest and size of the whole file as it is on disk.
    pub async fn digest(&mut self) -> Result<Stored, FilesError> {
        self.file.rewind().await.map_err(FilesError::io("read", &self.path))?;
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.file.read(&mut chunk).await.map_err(FilesError::io("read", &self.path))? {
                0 => return Ok(Stored { sha256: hex::encode(hasher.finalize()), bytes }),
                read => {
                    hasher.update(&chunk[..read]);
                    bytes += read as u64;
                }
            }
        }
    }

    /// The first bytes of the file, `most` of them or all.
    pub async fn read_first(&mut self, most: usize) -> Result<Vec<u8>, FilesError> {
        self.file.rewind().await.map_err(FilesError::io("read", &self.path))?;
        let mut bytes = Vec::with_capacity(most);
        let mut first = (&mut self.file).take(most as u64);
        first.read_to_end(&mut bytes).await.map_err(FilesError::io("read", &self.path))?;
        Ok(bytes)
    }
}

impl Files {
    fn partial_path(&self, upload: UploadId) -> PathBuf {
        self.root.join("partial").join(upload.to_string())
    }

    /// Makes the upload's file, empty; its name is durable when this returns.
    pub async fn new_partial(&self, upload: UploadId) -> Result<(), FilesError> {
        let path = self.partial_path(upload);
        File::create_new(&path).await.map_err(FilesError::io("create", &path))?;
        sync_folder(&self.root.join("partial")).await
    }

    /// Opens the upload's file and locks it. None while another has the lock.
    pub async fn open_partial(&self, upload: UploadId) -> Result<Option<Partial>, FilesError> {
        let path = self.partial_path(upload);
        let opened = File::options().read(true).write(true).open(&path).await;
        let file = opened.map_err(FilesError::io("open", &path))?.into_std().await;
        match file.try_lock() {
            Ok(()) => Ok(Some(Partial { file: File::from_std(file), path })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FilesError::io("lock", &path)(error)),
        }
    }

    /// Removes the upload's file; one that is not there is no error.
    pub async fn remove_partial(&self, upload: UploadId) -> Result<(), FilesError> {
        let path = self.partial_path(upload);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FilesError::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Bytes of the upload's file; none where it is not there.
    pub async fn partial_bytes(&self, upload: UploadId) -> Result<Option<u64>, FilesError> {
        let path = self.partial_path(upload);
        match tokio::fs::metadata(&path).await {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FilesError::io("measure", &path)(error)),
        }
    }

    /// Sends a complete upload to the bucket, if objects lie in one, so that `store_partial` is quick.
    pub async fn prepare_partial(&self, partial: &Partial, sha256: &str) -> Result<(), FilesError> {
        self.send_on(&partial.path, sha256).await
    }

    /// Makes a complete upload an object under its digest. Its own file stays until `remove_partial`, so that this may be
    /// done again after a crash.
    pub async fn store_partial(&self, partial: &Partial, sha256: &str) -> Result<(), FilesError> {
        let new = self.root.join("incoming").join(Uuid::now_v7().simple().to_string());
        // The new time keeps a sweep away from it.
        let file = partial.file.as_fd().try_clone_to_owned().map_err(FilesError::io("open", &partial.path))?;
        std::fs::File::from(file).set_modified(SystemTime::now()).map_err(FilesError::io("touch", &partial.path))?;
        tokio::fs::hard_link(&partial.path, &new).await.map_err(FilesError::io("link", &partial.path))?;
        self.name_object(&new, sha256).await?;
        // Renaming a link over another link to the same file does nothing (POSIX), and where objects lie in a bucket
        // nothing was renamed.
        match tokio::fs::remove_file(&new).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FilesError::io("remove", &new)(error)),
            _ => Ok(()),
        }
    }

    /// Uploads whose file nobody wrote to for `age`. The caller asks the database which of them are needed.
    pub async fn aged_partials(&self, age: Duration) -> Result<Vec<UploadId>, FilesError> {
        let folder = self.root.join("partial");
        super::sweep::aged_names(folder, age)
            .await
            .map(|names| names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Key;

    #[tokio::test]
    async fn a_file_has_one_writer_and_is_cut_back_to_what_counts() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let upload = UploadId::new();
        files.new_partial(upload).await.unwrap();
        let mut first = files.open_partial(upload).await.unwrap().unwrap();
        first.write(b"abcdef").await.unwrap();
        first.sync().await.unwrap();
        assert!(files.open_partial(upload).await.unwrap().is_none());
        drop(first);
        let mut second = files.open_partial(upload).await.unwrap().unwrap();
        second.truncate(2).await.unwrap();
        second.write(b"c").await.unwrap();
        second.sync().await.unwrap();
        let stored = second.digest().await.unwrap();
        assert_eq!((stored.bytes, stored.sha256.clone()), (3, hex::encode(Sha256::digest(b"abc"))));
        assert_eq!(second.read_first(2).await.unwrap(), b"ab");
        assert_eq!(second.read_first(9).await.unwrap(), b"abc");
        let lost = second.truncate(4).await.unwrap_err();
        assert!(lost.to_string().contains("4 bytes were acknowledged, and 3 are there"), "{lost}");

        let key = Key::upload(&stored.sha256).unwrap();
        for _ in 0..2 {
            files.store_partial(&second, &stored.sha256).await.unwrap();
        }
        files.remove_partial(upload).await.unwrap();
        assert_eq!(std::fs::read(files.local_path(&key)).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
    }
}
