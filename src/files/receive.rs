//! Bytes in: a stream from a client, or a file a trainer wrote. Hashed on the way, synced, then named.

use super::{Files, FilesError, Key};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use object_store::{ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};
use uuid::Uuid;

/// Bytes read at once from a file.
pub(super) const CHUNK: usize = 1 << 20;
/// Bytes sent at once to a bucket, which takes parts of at least 5 MiB.
const PART: usize = 8 << 20;
/// Chunks written at once.
const CONCURRENCY: usize = 4;

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// In hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

/// Bytes of a client, on disk and not an object yet: `Files::store_received` makes them one. If dropped before that, they
/// are deleted.
#[derive(Debug)]
pub struct Received {
    path: PathBuf,
    pub stored: Stored,
}

impl Received {
    /// Where the bytes lie while this value lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Files {
    /// Writes what a client sends to disk. A stream of more than `limit` bytes, or one that breaks off, leaves nothing
    /// behind.
    pub async fn receive<S, E>(&self, stream: S, limit: u64) -> Result<Received, FilesError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = self.root.join("incoming").join(Uuid::now_v7().simple().to_string());
        let mut received = Received { path: path.clone(), stored: Stored { sha256: String::new(), bytes: 0 } };
        let mut file = File::create_new(&path).await.map_err(FilesError::io("create", &path))?;
        let mut hasher = Sha256::new();
        let mut bytes = 0_u64;
        let mut stream = pin!(stream);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| FilesError::Upload(error.into()))?;
            bytes += chunk.len() as u64;
            if bytes > limit {
                return Err(FilesError::TooLarge { limit });
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(FilesError::io("write", &path))?;
        }
        file.flush().await.map_err(FilesError::io("write", &path))?;
        file.sync_all().await.map_err(FilesError::io("sync", &path))?;
        metrics::counter!("autodenoise_upload_bytes_total").increment(bytes);
        received.stored = Stored { sha256: hex::encode(hasher.finalize()), bytes };
        Ok(received)
    }

    /// Sends received bytes to the bucket, if objects lie in one, so that `store_received` is quick.
    pub async fn prepare_received(&self, received: &Received) -> Result<(), FilesError> {
        self.send_on(&received.path, &received.stored.sha256).await
    }

    /// Makes received bytes an object.
    pub async fn store_received(&self, received: &Received) -> Result<(), FilesError> {
        self.name_object(&received.path, &received.stored.sha256).await
    }

    pub(super) async fn send_on(&self, path: &Path, sha256: &str) -> Result<(), FilesError> {
        if !self.is_local {
            self.put_file(&Key::upload(sha256).expect("a digest is a word"), path).await?;
        }
        Ok(())
    }

    /// Makes a file, which is on disk, the object of its digest. A local one is renamed.
    pub(super) async fn name_object(&self, path: &Path, sha256: &str) -> Result<(), FilesError> {
        let key = Key::upload(sha256).expect("a digest is a word");
        if !self.is_local {
            // A sweep may have removed what was sent ahead.
            if !self.contains(&key).await? {
                self.put_file(&key, path).await?;
            }
            return Ok(());
        }
        let target = self.local_path(&key);
        let folder = target.parent().expect("an object lies in a folder");
        tokio::fs::create_dir_all(folder).await.map_err(FilesError::io("create the folder", folder))?;
        // This replaces an object of the same name: the bytes are the same, and the new time keeps a sweep away from it.
        tokio::fs::rename(path, &target).await.map_err(FilesError::io("rename", path))?;
        sync_folder(folder).await
    }

    /// Stores a file as an object.
    pub async fn put_file(&self, key: &Key, path: &Path) -> Result<Stored, FilesError> {
        let mut file = File::open(path).await.map_err(FilesError::io("open", path))?;
        let upload = self.objects.put_multipart(&key.location()).await.map_err(writing)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, if self.is_local { CHUNK } else { PART });
        let mut hasher = Sha256::new();
        let mut bytes = 0_u64;
        loop {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            if file.read_buf(&mut chunk).await.map_err(FilesError::io("read", path))? == 0 {
                break;
            }
            hasher.update(&chunk);
            bytes += chunk.len() as u64;
            writer.wait_for_capacity(CONCURRENCY).await.map_err(writing)?;
            writer.put(chunk.freeze());
        }
        writer.finish().await.map_err(writing)?;
        Ok(Stored { sha256: hex::encode(hasher.finalize()), bytes })
    }
}

/// What is not found where an object is written is the bucket.
fn writing(error: object_store::Error) -> FilesError {
    match error {
        error @ object_store::Error::NotFound { .. } => FilesError::NoBucket(error),
        error => error.into(),
    }
}

/// Deletes the file of an upload that did not become an object, for whatever reason. If it did, the file has another name.
impl Drop for Received {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished upload could not be deleted");
        }
    }
}

/// Makes the names in a folder durable.
pub(super) async fn sync_folder(folder: &Path) -> Result<(), FilesError> {
    let handle = File::open(folder).await.map_err(FilesError::io("open", folder))?;
    handle.sync_all().await.map_err(FilesError::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::io;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = io::Result<Bytes>> + use<> {
        stream::iter(parts.iter().map(|part| Ok(Bytes::from(*part))).collect::<Vec<_>>())
    }

    async fn store(files: &Files, parts: &[&'static str]) -> Stored {
        let received = files.receive(chunks(parts), 3).await.unwrap();
        files.prepare_received(&received).await.unwrap();
        files.store_received(&received).await.unwrap();
        received.stored.clone()
    }

    async fn read(files: &Files, key: &Key, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut stream = files.read(key, range).await.unwrap().stream;
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        bytes
    }

    fn count(folder: &Path) -> usize {
        folder.read_dir().map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn the_same_bytes_are_one_object_however_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let first = store(&files, &["a", "bc"]).await;
        let second = store(&files, &["abc"]).await;
        assert_eq!(first, Stored { sha256: ABC.to_owned(), bytes: 3 });
        assert_eq!(first, second);
        assert_eq!((count(&dir.path().join("objects/uploads")), count(&dir.path().join("incoming"))), (1, 0));
        let key = Key::upload(ABC).unwrap();
        assert_eq!(read(&files, &key, None).await, b"abc");
        assert_eq!(read(&files, &key, Some(1..2)).await, b"b");
        assert_eq!(std::fs::read(files.local_path(&key)).unwrap(), b"abc");
        files.delete(&key).await.unwrap();
        files.delete(&key).await.unwrap();
        assert!(!files.contains(&key).await.unwrap());
    }

    #[tokio::test]
    async fn an_upload_over_the_limit_or_broken_off_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let error = files.receive(chunks(&["ab", "cd"]), 3).await.unwrap_err();
        assert!(matches!(error, FilesError::TooLarge { limit: 3 }), "{error}");
        let broken = chunks(&["ab"]).chain(stream::iter([Err(io::Error::other("reset"))]));
        let error = files.receive(broken, 100).await.unwrap_err();
        assert!(matches!(error, FilesError::Upload(_)), "{error}");
        assert_eq!((count(&dir.path().join("objects/uploads")), count(&dir.path().join("incoming"))), (0, 0));
    }

    #[tokio::test]
    async fn a_stored_file_equals_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let source = dir.path().join("source");
        let bytes: Vec<u8> = (0..3 * CHUNK + 17).map(|i| (i % 251) as u8).collect();
        std::fs::write(&source, &bytes).unwrap();
        let key = Key::checkpoint(crate::types::JobId::new(), 1, 1);
        let stored = files.put_file(&key, &source).await.unwrap();
        assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, hex::encode(Sha256::digest(&bytes))));
        assert_eq!(read(&files, &key, None).await, bytes);
    }
}
