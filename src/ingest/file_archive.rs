//! A zip archive of whole files, each as it is.

use super::copy::CopyError;
use std::{
    fs::File,
    io::{self, BufWriter, Seek, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

pub(super) struct FileArchive<'f> {
    zip: ZipWriter<BufWriter<&'f mut File>>,
    /// Where files are made before they go into the archive, which only takes bytes one after the other.
    folder: &'f Path,
}

impl<'f> FileArchive<'f> {
    pub fn new(out: &'f mut File, folder: &'f Path) -> Self {
        Self { zip: ZipWriter::new(BufWriter::new(out)), folder }
    }

    /// Adds the file that `write` makes, under this name.
    pub fn add(&mut self, name: &str, write: impl FnOnce(&mut File) -> Result<(), CopyError>) -> Result<(), CopyError> {
        let mut file = tempfile::tempfile_in(self.folder).map_err(CopyError::Out)?;
        write(&mut file)?;
        file.rewind().map_err(CopyError::Out)?;
        // The files are compressed already, or are to be read without unpacking. Sizes above 4 GiB need room from the start.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.zip.start_file(name, options).map_err(|error| CopyError::Out(error.into()))?;
        io::copy(&mut file, &mut self.zip).map_err(CopyError::Out)?;
        Ok(())
    }

    pub fn finish(self) -> Result<(), CopyError> {
        let mut out = self.zip.finish().map_err(|error| CopyError::Out(error.into()))?;
        out.flush().map_err(CopyError::Out)
    }
}
