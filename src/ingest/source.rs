//! The uploaded bytes, decompressed and guarded: counts what was read, stops decompression bombs, and says in plain words
//! when a stream is cut short.

use super::{
    archive::{Member, open_member},
    codecs::{bzip2, xz, zstd},
    disk::{BUFFER, Disk, DiskFault},
    error::{ContentError, IngestError, ReadError},
    gzip::Gzip,
};
use crate::types::{Compression, SourceFile};
use std::{
    cell::Cell,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The text of an upload.
pub(super) struct Text {
    pub reader: Box<dyn Read>,
    /// Bytes of the upload (compressed, where it is) read so far.
    pub bytes_read: Rc<Cell<u64>>,
    /// Bytes behind a gzip stream that mean nothing and were ignored; known at the end.
    pub ignored: Rc<Cell<u64>>,
    /// Whether a byte order mark stood first; `reader` starts behind it.
    pub bom: bool,
}

/// Opens `path`, decompresses it and takes off a byte order mark of UTF-8. `member` is the one of a zip archive.
pub(super) fn open(
    path: &SourceFile,
    compression: Compression,
    member: Option<&Member>,
    max_bytes: u64,
) -> Result<Text, IngestError> {
    let (bytes_read, ignored) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let disk = Disk::open(path, Rc::clone(&bytes_read))?;
    let inner = unpack(disk, path, compression, member, &ignored)?;
    let codec = (compression != Compression::None).then_some(compression.as_str());
    let left = if codec.is_some() { max_bytes } else { u64::MAX };
    without_bom(Box::new(Decoded { inner, codec, left, max_bytes }), bytes_read, ignored, path)
}

/// The unpacked bytes of what is read from `disk`. `member` is the one of a zip archive. `ignored` is set to the number of bytes
/// behind the last stream of gzip that mean nothing.
fn unpack(
    disk: Disk,
    path: &Path,
    compression: Compression,
    member: Option<&Member>,
    ignored: &Rc<Cell<u64>>,
) -> Result<Box<dyn Read>, IngestError> {
    if let (Compression::Zip, Some(member)) = (compression, member) {
        return open_member(disk, member, path);
    }
    let packed = BufReader::with_capacity(BUFFER, disk);
    Ok(match compression {
        Compression::None | Compression::Zip => Box::new(packed),
        Compression::Gzip => Box::new(Gzip::new(Box::new(packed), Rc::clone(ignored))),
        Compression::Zstd => Box::new(zstd(packed).map_err(IngestError::io("decompress", path))?),
        Compression::Bzip2 => Box::new(bzip2(packed)),
        Compression::Xz => Box::new(xz(packed)),
    })
}

fn without_bom(
    mut reader: Box<dyn Read>,
    bytes_read: Rc<Cell<u64>>,
    ignored: Rc<Cell<u64>>,
    path: &Path,
) -> Result<Text, IngestError> {
    let mut first = Vec::with_capacity(BOM.len());
    // A stream may break within its first bytes; the error is then the same as anywhere else in it.
    reader
        .by_ref()
        .take(BOM.len() as u64)
        .read_to_end(&mut first)
        .map_err(|error| ReadError::from(error).at_start(path))?;
    let bom = first == BOM;
    if bom {
        return Ok(Text { reader, bytes_read, ignored, bom });
    }
    Ok(Text { reader: Box::new(io::Cursor::new(first).chain(reader)), bytes_read, ignored, bom })
}

/// Any error that is not the disk's is the stream's.
struct Decoded {
    inner: Box<dyn Read>,
    codec: Option<&'static str>,
    left: u64,
    max_bytes: u64,
}

impl Read for Decoded {
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

impl Decoded {
    fn explain(&self, error: io::Error) -> io::Error {
        let error = match error.downcast::<DiskFault>() {
            Ok(DiskFault(error)) => return error,
            Err(error) => error,
        };
        let Some(codec) = self.codec else { return error };
        // One that says itself what to do.
        if error.get_ref().is_some_and(|inner| inner.is::<ContentError>()) {
            return error;
        }
        ContentError::io(if error.kind() == io::ErrorKind::UnexpectedEof {
            format!("the {codec} stream is cut short: it ends before its end mark; upload the whole file again")
        } else {
            format!("the {codec} stream is damaged ({error}); compress and upload the file again")
        })
    }
}
