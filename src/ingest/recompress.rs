//! A text file written again with another compression, byte for byte the same text.

use super::{
    error::IngestError,
    export::{GZIP_LEVEL, ZSTD_LEVEL},
    source::{self, BOM, BUFFER},
};
use crate::types::Compression;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// Writes the text of `from` to `to`, which is made or overwritten.
pub fn recompress(
    from: &Path,
    compressed: Compression,
    to: &Path,
    compression: Compression,
) -> Result<(), IngestError> {
    let mut text = source::open(from, compressed, u64::MAX)?;
    let file = File::create(to).map_err(IngestError::io("create", to))?;
    let out = BufWriter::with_capacity(BUFFER, file);
    let mut copy = |out: &mut dyn Write| {
        if text.bom {
            out.write_all(BOM)?;
        }
        io::copy(&mut text.reader, out)
    };
    let written = match compression {
        Compression::None => {
            let mut out = out;
            copy(&mut out).and_then(|_| out.flush())
        }
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            copy(&mut out).and_then(|_| out.finish()?.flush())
        }
        Compression::Zstd => zstd::stream::write::Encoder::new(out, ZSTD_LEVEL).and_then(|mut out| {
            out.include_checksum(true)?;
            copy(&mut out)?;
            out.finish()?.flush()
        }),
    };
    written.map_err(IngestError::io("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_same_in_every_compression() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = [BOM, &b"user,click\r\n1,0\n2,1"[..]].concat();
        std::fs::write(path("a"), &text).unwrap();
        recompress(&path("a"), Compression::None, &path("b"), Compression::Gzip).unwrap();
        assert!(std::fs::read(path("b")).unwrap().starts_with(b"\x1f\x8b"));
        recompress(&path("b"), Compression::Gzip, &path("c"), Compression::Zstd).unwrap();
        recompress(&path("c"), Compression::Zstd, &path("d"), Compression::None).unwrap();
        assert_eq!(std::fs::read(path("d")).unwrap(), text);
    }
}
