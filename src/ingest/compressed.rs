//! Text on its way to a file that is plain or compressed.

use super::source::BUFFER;
use crate::types::Compression;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

/// Level of a compressed file, as of the `gzip` and `zstd` programs.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Hands `write` where the text goes, and ends the file. `failed` makes the error of a file that cannot be written.
pub(super) fn write_compressed<T, E>(
    file: &File,
    compression: Compression,
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
    }
}
