//! Uploaded bytes, checkpoints and results: durable objects named by `Key`, and the worker's folders beside them.
//!
//! ```text
//! <root>/objects/uploads/<sha256>                          uploaded bytes, named by their content
//! <root>/objects/checkpoints/<job>/<attempt>-<number>
//! <root>/objects/results/<job>/<attempt>/<name>
//! <root>/objects/judgements/<judgement>/<file>             what is handed out to judges, and what they predict
//! <root>/objects/parts/<job>/<name>                        what a job's parts are about, and what came of them
//! <root>/incoming/                                         uploads that have not ended
//! <root>/partial/<upload>                                  uploads sent in parts
//! <root>/datasets/<dataset>-v<format>/                     encoded tables; a cache, made again when missing
//! <root>/work/<job>/<attempt>/                             a trainer's own folder
//! <root>/work/<job>/part-<number>-<attempt>/               the same of a trainer that does a part
//! ```
//! An object is complete and on disk before its name exists. No part of a name comes from a client.
//!
//! Objects may lie in a bucket instead (`Files::open_with_bucket`); the rest stays on this machine, and copies of objects that
//! were fetched lie in `<root>/cache/<object>`.

mod folders;
mod key;
mod partial;
mod receive;
mod sweep;
mod table;
mod verify;

pub use key::{Key, ParseKeyError};
pub use partial::Partial;
pub use receive::{Received, Stored};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem,
    prefix::PrefixStore,
};
use std::{
    fs::Permissions,
    io,
    ops::Range,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the object store failed: {0}")]
    Store(#[from] object_store::Error),
    #[error("there is no bucket to write to: {0}")]
    NoBucket(#[source] object_store::Error),
    #[error("the upload is larger than the {limit} bytes allowed")]
    TooLarge { limit: u64 },
    #[error("the upload broke off: {0}")]
    Upload(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the object `{key}` is damaged: its sha256 is {found}, and its row says {expected}")]
    Damaged { key: Key, found: String, expected: String },
}

impl FilesError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the disk is full, which waiting or another machine may cure.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// Whether the same call may succeed in a while: a bucket does not answer, or the disk is full.
    pub fn is_transient(&self) -> bool {
        self.is_disk_full() || matches!(self, Self::Store(object_store::Error::Generic { .. }))
    }

    /// Whether the bucket is at fault, and not what was asked for: it does not answer, is not there, or does not let this service
    /// in. Its operator may mend that at any moment.
    pub fn is_of_bucket(&self) -> bool {
        use object_store::Error::{Generic, PermissionDenied, Unauthenticated};
        matches!(
            self,
            Self::NoBucket(_) | Self::Store(Generic { .. } | PermissionDenied { .. } | Unauthenticated { .. })
        )
    }

    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Store(error) => matches!(error, object_store::Error::NotFound { .. }),
            _ => false,
        }
    }
}

/// Bytes of an object as they come, and its full size.
pub struct Reading {
    pub size: u64,
    pub stream: BoxStream<'static, Result<Bytes, FilesError>>,
}

/// A handle to the files. Clones share it.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
    objects: Arc<dyn ObjectStore>,
    /// Whether objects are files below the root.
    is_local: bool,
}

impl Files {
    /// Opens the files below `root`, a folder that is made where it is missing.
    pub fn open(root: &Path) -> Result<Self, FilesError> {
        let root = make_folders(root)?;
        let objects = LocalFileSystem::new_with_prefix(root.join("objects"))?.with_fsync(true);
        Ok(Self { root, objects: Arc::new(objects), is_local: true })
    }

    /// As `open`, with the objects in a bucket: `s3://bucket/prefix`, reached as the settings say (names as in the
    /// environment of AWS's tools, `AWS_REGION` and the like).
    pub fn open_with_bucket(root: &Path, url: &str, settings: &[(String, String)]) -> Result<Self, FilesError> {
        let root = make_folders(root)?;
        let place = url.strip_prefix("s3://").unwrap_or_default();
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
        for (name, value) in settings {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let objects: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(builder.build()?, prefix));
        Ok(Self { root, objects, is_local: false })
    }

    /// Whether the object is there.
    pub async fn contains(&self, key: &Key) -> Result<bool, FilesError> {
        match self.objects.head(&key.location()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes of the object.
    pub async fn size(&self, key: &Key) -> Result<u64, FilesError> {
        Ok(self.objects.head(&key.location()).await?.size)
    }

    /// Reads an object, or the bytes `range` of it. A range that ends behind the object is cut.
    pub async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reading, FilesError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.objects.get_opts(&key.location(), options).await?;
        Ok(Reading { size: found.meta.size, stream: found.into_stream().map(|chunk| Ok(chunk?)).boxed() })
    }

    /// Path of the object where objects are files of this machine; `fetch` and `locate` work with a bucket too.
    pub fn local_path(&self, key: &Key) -> PathBuf {
        self.root.join("objects").join(key.as_str())
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, key: &Key) -> Result<(), FilesError> {
        match self.objects.delete(&key.location()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether files can be made: makes one and removes it.
    pub async fn check_writable(&self) -> Result<(), FilesError> {
        let path = self.root.join("incoming").join(Uuid::now_v7().simple().to_string());
        tokio::fs::write(&path, b"probe").await.map_err(FilesError::io("write", &path))?;
        tokio::fs::remove_file(&path).await.map_err(FilesError::io("remove", &path))
    }

    /// Whether objects can be asked for: their folder is there, or the bucket answers, exists and lets this service in. Asks for
    /// a name that nothing has, so that the answer is short.
    pub async fn check_objects(&self) -> Result<(), FilesError> {
        if self.is_local {
            let folder = self.root.join("objects");
            return tokio::fs::metadata(&folder).await.map(drop).map_err(FilesError::io("find", &folder));
        }
        match self.objects.list(Some(&"probe".into())).next().await {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Free bytes on the disk of the files.
    pub fn free_bytes(&self) -> Result<u64, FilesError> {
        free_bytes(&self.root)
    }
}

/// Free bytes on the disk that a folder is on.
pub fn free_bytes(folder: &Path) -> Result<u64, FilesError> {
    let path = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes())
        .map_err(|error| FilesError::io("measure", folder)(error.into()))?;
    // SAFETY: statvfs is plain numbers, for which zero is a value; the path ends in a zero byte.
    let mut status = unsafe { std::mem::zeroed::<libc::statvfs>() };
    // SAFETY: both pointers are to live values.
    if unsafe { libc::statvfs(path.as_ptr(), &mut status) } != 0 {
        return Err(FilesError::io("measure", folder)(io::Error::last_os_error()));
    }
    Ok(status.f_bavail * status.f_frsize)
}

/// Makes the folders below the root, and returns its absolute path.
fn make_folders(root: &Path) -> Result<PathBuf, FilesError> {
    for folder in ["objects", "incoming", "partial", "cache", "datasets", "work"] {
        let path = root.join(folder);
        std::fs::create_dir_all(&path).map_err(FilesError::io("create the folder", &path))?;
        // Tables and models are nobody's business but the service's. Another user's folder is left as that user has it.
        match std::fs::set_permissions(&path, Permissions::from_mode(0o700)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(FilesError::io("close", &path)(error));
            }
            _ => {}
        }
    }
    // Paths are handed to child processes with another working directory.
    root.canonicalize().map_err(FilesError::io("find", root))
}
