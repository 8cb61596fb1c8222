//! A text file written again with another compression, byte for byte the same text.

use super::{
    archive::find_member,
    compressed::write_compressed,
    error::IngestError,
    source::{self, BOM},
};
use crate::types::{Compression, SourceFile};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Writes the text of `from` to `to`, which is made or overwritten. `member` names the text in an archive of several; in one that is
/// written it is named as `from`.
pub fn recompress(
    from: &Path,
    compressed: Compression,
    member: Option<&str>,
    to: &Path,
    compression: Compression,
) -> Result<(), IngestError> {
    let file = SourceFile::from(from);
    let member = (compressed == Compression::Zip).then(|| find_member(&file, member)).transpose()?;
    let mut text = source::open(&file, compressed, member.as_ref(), u64::MAX)?;
    let name = from.file_name().map_or("table".into(), |name| name.to_string_lossy().to_lowercase());
    let (name, _) = Compression::divide_name(&name);
    let failed = IngestError::io("write", to);
    let file = File::create(to).map_err(IngestError::io("create", to))?;
    let copy = |out: &mut dyn Write| {
        if text.bom {
            out.write_all(BOM)?;
        }
        io::copy(&mut text.reader, out).map(|_| ())
    };
    write_compressed(&file, compression, name, copy, |error| error).map_err(failed)
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
        recompress(&path("a"), Compression::None, None, &path("b"), Compression::Gzip).unwrap();
        assert!(std::fs::read(path("b")).unwrap().starts_with(b"\x1f\x8b"));
        recompress(&path("b"), Compression::Gzip, None, &path("c"), Compression::Zstd).unwrap();
        recompress(&path("c"), Compression::Zstd, None, &path("d"), Compression::Bzip2).unwrap();
        recompress(&path("d"), Compression::Bzip2, None, &path("e"), Compression::Xz).unwrap();
        recompress(&path("e"), Compression::Xz, None, &path("f"), Compression::Zip).unwrap();
        assert!(std::fs::read(path("f")).unwrap().starts_with(b"PK"));
        recompress(&path("f"), Compression::Zip, None, &path("g"), Compression::None).unwrap();
        assert_eq!(std::fs::read(path("g")).unwrap(), text);
    }
}
