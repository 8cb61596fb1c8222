//! A text file written again with another compression, byte for byte the same text.

use super::{
    compressed::write_compressed,
    error::IngestError,
    source::{self, BOM},
};
use crate::types::Compression;
use std::{
    fs::File,
    io::{self, Write},
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
    let failed = IngestError::io("write", to);
    let file = File::create(to).map_err(IngestError::io("create", to))?;
    let copy = |out: &mut dyn Write| {
        if text.bom {
            out.write_all(BOM)?;
        }
        io::copy(&mut text.reader, out).map(|_| ())
    };
    write_compressed(&file, compression, copy, |error| error).map_err(failed)
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
