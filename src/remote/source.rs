//! A file of a table, wherever it is.

use super::{
    fetch::Fetcher,
    pieces::{Habit, RangeReader},
};
use crate::types::SourceFile;
use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{ChunkReader, Length},
};
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

/// Bytes that are read at once where a page's header is wanted.
const HEADER: usize = 4096;

/// An open file.
pub enum Reader {
    Local(File),
    Remote(RangeReader),
}

/// Opens a file that is read from its start to its end.
pub fn open(file: &SourceFile) -> io::Result<Reader> {
    open_as(file, Habit::STRAIGHT)
}

/// Opens a file that is read in many places at once, as the columns of Parquet are.
pub fn open_columns(file: &SourceFile) -> io::Result<Reader> {
    open_as(file, Habit::COLUMNS)
}

fn open_as(file: &SourceFile, habit: Habit) -> io::Result<Reader> {
    match file {
        SourceFile::Local(path) => File::open(path).map(Reader::Local),
        SourceFile::Remote(remote) => Ok(Reader::Remote(RangeReader::new(Fetcher::new(remote)?, habit))),
    }
}

/// How many bytes the file has.
pub fn byte_count(file: &SourceFile) -> io::Result<u64> {
    match file {
        SourceFile::Local(path) => std::fs::metadata(path).map(|metadata| metadata.len()),
        SourceFile::Remote(remote) => Ok(remote.bytes),
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.read(out),
            Self::Remote(reader) => reader.read(out),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Local(file) => file.seek(to),
            Self::Remote(reader) => reader.seek(to),
        }
    }
}

impl Length for Reader {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => file.len(),
            Self::Remote(reader) => reader.bytes(),
        }
    }
}

impl ChunkReader for Reader {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Self::Local(file) => Box::new(file.get_read(start)?),
            Self::Remote(reader) => Box::new(BufReader::with_capacity(HEADER, reader.starting(start))),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::Local(file) => file.get_bytes(start, length),
            Self::Remote(reader) => {
                let mut bytes = vec![0; length];
                let read = reader.starting(start).read_exact(&mut bytes);
                read.map_err(|error| ParquetError::External(Box::new(error)))?;
                Ok(bytes.into())
            }
        }
    }
}
