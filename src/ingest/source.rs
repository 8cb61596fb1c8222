//! The uploaded bytes, decompressed and guarded: counts what was read, stops decompression bombs, and says in plain words
//! when a stream is cut short.

use super::error::{ContentError, IngestError, ReadError};
use crate::types::Compression;
use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

pub(super) const BUFFER: usize = 1 << 16;
/// 128 MiB: the largest window a decoder must accept without being asked; bounds its memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The text of an upload.
pub(super) struct Text {
    pub reader: Box<dyn Read>,
    /// Bytes of the upload (compressed, where it is) read so far.
    pub bytes_read: Rc<Cell<u64>>,
    /// Whether a byte order mark stood first; `reader` starts behind it.
    pub bom: bool,
}

/// Opens `path`, decompresses it and takes off a byte order mark.
pub(super) fn open(path: &Path, compression: Compression, max_bytes: u64) -> Result<Text, IngestError> {
    let file = File::open(path).map_err(IngestError::io("open", path))?;
    let bytes_read = Rc::new(Cell::new(0));
    let disk = BufReader::with_capacity(BUFFER, Disk { file, bytes_read: Rc::clone(&bytes_read) });
    let decoded: Box<dyn Read> = match compression {
        Compression::None => Box::new(Decoded { inner: disk, codec: None, left: u64::MAX, max_bytes }),
        Compression::Gzip => Box::new(Decoded {
            inner: flate2::bufread::MultiGzDecoder::new(disk),
            codec: Some("gzip"),
            left: max_bytes,
            max_bytes,
        }),
        Compression::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(disk).map_err(IngestError::io("decompress", path))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(IngestError::io("decompress", path))?;
            Box::new(Decoded { inner: decoder, codec: Some("zstd"), left: max_bytes, max_bytes })
        }
    };
    without_bom(decoded, bytes_read, path)
}

fn without_bom(mut reader: Box<dyn Read>, bytes_read: Rc<Cell<u64>>, path: &Path) -> Result<Text, IngestError> {
    let mut first = Vec::with_capacity(BOM.len());
    // A stream may break within its first bytes; the error is then the same as anywhere else in it.
    reader
        .by_ref()
        .take(BOM.len() as u64)
        .read_to_end(&mut first)
        .map_err(|error| ReadError::from(error).at_start(path))?;
    let bom = first == BOM;
    if bom {
        return Ok(Text { reader, bytes_read, bom });
    }
    Ok(Text { reader: Box::new(io::Cursor::new(first).chain(reader)), bytes_read, bom })
}

/// The file: its own errors are the disk's, whatever decoder stands above.
struct Disk {
    file: File,
    bytes_read: Rc<Cell<u64>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DiskFault(io::Error);

impl Read for Disk {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(out).map_err(|error| io::Error::other(DiskFault(error)))?;
        self.bytes_read.set(self.bytes_read.get() + n as u64);
        Ok(n)
    }
}

/// Any error that is not the disk's is the stream's.
struct Decoded<R> {
    inner: R,
    codec: Option<&'static str>,
    left: u64,
    max_bytes: u64,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = match self.inner.read(out) {
            Ok(n) => n,
            Err(error) => return Err(self.explain(error)),
        };
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(ContentError::io(format!(
                    "the file unpacks to more than {} bytes, the most this service reads; upload it in parts",
                    self.max_bytes
                )));
            }
        }
        Ok(n)
    }
}

impl<R> Decoded<R> {
    fn explain(&self, error: io::Error) -> io::Error {
        let error = match error.downcast::<DiskFault>() {
            Ok(DiskFault(error)) => return error,
            Err(error) => error,
        };
        let Some(codec) = self.codec else { return error };
        ContentError::io(if error.kind() == io::ErrorKind::UnexpectedEof {
            format!("the {codec} stream is cut short: it ends before its end mark; upload the whole file again")
        } else {
            format!("the {codec} stream is damaged ({error}); compress and upload the file again")
        })
    }
}
