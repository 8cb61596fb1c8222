//! The file under a decoder that makes its own error of every fault: what went wrong with the file itself is noted, so that a
//! network or a disk that failed is not told as damaged bytes.

use super::error::ReadError;
use crate::remote::Reader;
use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{ChunkReader, Length},
};
use std::{
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

/// The first fault of a file, once there is one.
#[derive(Clone, Default)]
pub(super) struct FileFault(Arc<Mutex<Option<io::Error>>>);

impl FileFault {
    /// The file's own fault, if it had one; else what the decoder says.
    pub fn or(&self, said: ReadError) -> ReadError {
        self.slot().take().map_or(said, ReadError::Disk)
    }

    /// Keeps the error and gives the decoder another. The end of the file is no fault of the file.
    fn note(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return error;
        }
        let shown = io::Error::new(error.kind(), error.to_string());
        self.slot().get_or_insert(error);
        shown
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file whose faults are noted.
pub(super) struct NotedFile {
    file: Reader,
    fault: FileFault,
}

impl NotedFile {
    pub fn new(file: Reader, fault: FileFault) -> Self {
        Self { file, fault }
    }
}

impl Length for NotedFile {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for NotedFile {
    type T = NotedRead;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let inner = self.file.get_read(start).map_err(|error| self.note(error))?;
        Ok(NotedRead { inner, fault: self.fault.clone() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.file.get_bytes(start, length).map_err(|error| self.note(error))
    }
}

impl NotedFile {
    fn note(&self, error: ParquetError) -> ParquetError {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => ParquetError::External(Box::new(self.fault.note(*error))),
                Err(inner) => ParquetError::External(inner),
            },
            error => error,
        }
    }
}

/// What is read from some byte on.
pub(super) struct NotedRead {
    inner: Box<dyn Read + Send>,
    fault: FileFault,
}

impl Read for NotedRead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.inner.read(out).map_err(|error| self.fault.note(error))
    }
}
