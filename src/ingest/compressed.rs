//! Text on its way to a file that is plain or compressed.

use super::disk::BUFFER;
use crate::types::Compression;
use lzma_rust2::{XzOptions, XzWriter};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// Level of a compressed file, as of the programs `gzip`, `zstd`, `bzip2` and `xz`.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
const BZIP2_LEVEL: u32 = 9;
const XZ_LEVEL: u32 = 6;

/// Hands `write` where the text goes, and ends the file. `member` is the text's name in a zip archive. `failed` makes the error of a
/// file that cannot be written.
pub(super) fn write_compressed<T, E>(
    file: &File,
    compression: Compression,
    member: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<T, E> {
    let mut out = BufWriter::with_capacity(BUFFER, file);
    match compression {
        Compression::None => {
            let written = write(&mut out)?;
            out.flush().map_err(&failed)?;
            Ok(written)
        }
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            let written = write(&mut out)?;
            out.finish().and_then(|mut out| out.flush()).map_err(&failed)?;
            Ok(written)
        }
        Compression::Zstd => {
            let mut out = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL).map_err(&failed)?;
            out.include_checksum(true).map_err(&failed)?;
            let written = write(&mut out)?;
            out.finish().and_then(|mut out| out.flush()).map_err(&failed)?;
            Ok(written)
        }
        Compression::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(out, bzip2::Compression::new(BZIP2_LEVEL));
            let written = write(&mut out)?;
            out.finish().and_then(|mut out| out.flush()).map_err(&failed)?;
            Ok(written)
        }
        Compression::Xz => {
            let mut out = XzWriter::new(out, XzOptions::with_preset(XZ_LEVEL)).map_err(&failed)?;
            let written = write(&mut out)?;
            out.finish().and_then(|mut out| out.flush()).map_err(&failed)?;
            Ok(written)
        }
        Compression::Zip => {
            let mut out = ZipWriter::new(out);
            // Sizes above 4 GiB, should it come to them, need room that is kept from the start.
            let options = SimpleFileOptions::default().large_file(true);
            out.start_file(member, options).map_err(|error| failed(error.into()))?;
            let written = write(&mut out)?;
            out.finish().map_err(io::Error::from).and_then(|mut out| out.flush()).map_err(&failed)?;
            Ok(written)
        }
    }
}
