//! A file that is being read.

use super::error::IngestError;
use crate::{
    remote::{self, Reader},
    types::SourceFile,
};
use std::{
    cell::Cell,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

/// Bytes that are read or written at once.
pub(super) const BUFFER: usize = 1 << 16;

/// The file: its own errors are the disk's, whatever decoder stands above.
pub(super) struct Disk {
    file: Reader,
    bytes_read: Rc<Cell<u64>>,
}

impl Disk {
    /// `bytes_read` counts what is read.
    pub fn open(path: &SourceFile, bytes_read: Rc<Cell<u64>>) -> Result<Self, IngestError> {
        Ok(Self { file: remote::open(path).map_err(IngestError::io("open", path))?, bytes_read })
    }
}

/// An error of the disk, told from those of what decodes its bytes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DiskFault(pub io::Error);

impl Read for Disk {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(out).map_err(|error| io::Error::other(DiskFault(error)))?;
        self.bytes_read.set(self.bytes_read.get() + n as u64);
        Ok(n)
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
