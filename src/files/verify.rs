//! Reading whole objects: what comes out is what went in, or an error.

use super::{Files, FilesError, Key, receive::CHUNK};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};
use uuid::Uuid;

impl Files {
    /// Reads a whole object. The last bytes are handed out only when all of them were found to have the digest
    /// (hexadecimal). A damaged object ends in an error instead, so that nobody takes what was handed out for the whole.
    pub async fn read_verified(
        &self,
        key: &Key,
        sha256: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, FilesError>>, FilesError> {
        let reading = self.read(key, None).await?;
        let state = Verifying {
            inner: reading.stream,
            hasher: Sha256::new(),
            held: None,
            key: key.clone(),
            expected: sha256.to_owned(),
        };
        let verified = stream::try_unfold(Some(state), async |state| {
            let Some(mut state) = state else { return Ok::<_, FilesError>(None) };
            while let Some(chunk) = state.inner.try_next().await? {
                state.hasher.update(&chunk);
                if let Some(ready) = state.held.replace(chunk) {
                    return Ok(Some((ready, Some(state))));
                }
            }
            let held = state.held.take();
            state.finish()?;
            Ok(held.map(|last| (last, None)))
        });
        Ok(verified.boxed())
    }

    /// Reads a whole object to see that it is not damaged.
    pub async fn verify(&self, key: &Key, sha256: &str) -> Result<(), FilesError> {
        self.read_verified(key, sha256).await?.try_for_each(async |_| Ok(())).await
    }

    /// Path of the object on this machine's disk, after it was found to have the digest (hexadecimal).
    pub async fn fetch(&self, key: &Key, sha256: &str) -> Result<PathBuf, FilesError> {
        if self.is_local {
            self.verify(key, sha256).await?;
            return Ok(self.local_path(key));
        }
        self.cache_copy(key, sha256, true).await
    }

    /// As `fetch`, with a path that is good as long as `folder` exists: a sweep may remove a cached copy under a long job.
    pub async fn fetch_into(&self, folder: &Path, key: &Key, sha256: &str) -> Result<PathBuf, FilesError> {
        let path = self.fetch(key, sha256).await?;
        if self.is_local {
            return Ok(path);
        }
        let link = folder.join(sha256);
        tokio::fs::hard_link(&path, &link).await.map_err(FilesError::io("link", &path))?;
        Ok(link)
    }

    /// As `fetch`, but without reading a file that is there already: for readers of a part of it.
    pub async fn locate(&self, key: &Key, sha256: &str) -> Result<PathBuf, FilesError> {
        if self.is_local { Ok(self.local_path(key)) } else { self.cache_copy(key, sha256, false).await }
    }

    /// This machine's copy of an object in a bucket; downloaded where it is missing, or where `check` finds it damaged.
    async fn cache_copy(&self, key: &Key, sha256: &str, check: bool) -> Result<PathBuf, FilesError> {
        let copy = self.root.join("cache").join(key.as_str());
        let there = match check {
            true => digest_file(&copy).await.is_some_and(|found| found == sha256),
            false => copy.is_file(),
        };
        if there {
            // The sweep goes by the time of the last use.
            let touched = std::fs::File::options().append(true).open(&copy);
            touched.and_then(|file| file.set_modified(SystemTime::now())).map_err(FilesError::io("touch", &copy))?;
            return Ok(copy);
        }
        let new = self.root.join("incoming").join(Uuid::now_v7().simple().to_string());
        let mut file = File::create_new(&new).await.map_err(FilesError::io("create", &new))?;
        let copied = async {
            let mut whole = self.read_verified(key, sha256).await?;
            while let Some(chunk) = whole.try_next().await? {
                file.write_all(&chunk).await.map_err(FilesError::io("write", &new))?;
            }
            file.flush().await.map_err(FilesError::io("write", &new))?;
            let folder = copy.parent().expect("a copy lies in a folder");
            tokio::fs::create_dir_all(folder).await.map_err(FilesError::io("create the folder", folder))?;
            tokio::fs::rename(&new, &copy).await.map_err(FilesError::io("rename", &new))
        };
        if let Err(error) = copied.await {
            // The sweep removes what cannot be removed now.
            tokio::fs::remove_file(&new).await.ok();
            return Err(error);
        }
        Ok(copy)
    }
}

/// In hexadecimal; none where the file cannot be read.
async fn digest_file(path: &Path) -> Option<String> {
    let mut file = File::open(path).await.ok()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).await.ok()? {
            0 => return Some(hex::encode(hasher.finalize())),
            read => hasher.update(&chunk[..read]),
        }
    }
}

struct Verifying {
    inner: BoxStream<'static, Result<Bytes, FilesError>>,
    hasher: Sha256,
    /// Not handed out before the next chunk, or the end, is there.
    held: Option<Bytes>,
    key: Key,
    expected: String,
}

impl Verifying {
    fn finish(self) -> Result<(), FilesError> {
        let found = hex::encode(self.hasher.finalize());
        if found == self.expected {
            return Ok(());
        }
        Err(FilesError::Damaged { key: self.key, found, expected: self.expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_damaged_object_never_comes_whole() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path()).unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let source = dir.path().join("source");
        std::fs::write(&source, &bytes).unwrap();
        let key = Key::checkpoint(crate::types::JobId::new(), 1, 1);
        let stored = files.put_file(&key, &source).await.unwrap();
        let read = async || {
            let mut got = Vec::new();
            let whole = files.read_verified(&key, &stored.sha256).await.unwrap();
            let end = whole
                .try_for_each(|chunk| {
                    got.extend_from_slice(&chunk);
                    std::future::ready(Ok(()))
                })
                .await;
            (got, end)
        };
        let (got, end) = read().await;
        assert!(end.is_ok() && got == bytes);

        let path = files.fetch(&key, &stored.sha256).await.unwrap();
        let mut damaged = bytes.clone();
        damaged[7] ^= 1;
        std::fs::write(path, damaged).unwrap();
        let (got, end) = read().await;
        assert!(matches!(end, Err(FilesError::Damaged { .. })) && got.len() < bytes.len());
        assert!(matches!(files.fetch(&key, &stored.sha256).await, Err(FilesError::Damaged { .. })));
    }
}
