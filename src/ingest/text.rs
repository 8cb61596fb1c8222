//! The text of a table: unpacked and in UTF-8, whatever the file holds.

use super::{
    archive::Member,
    error::{IngestError, ReadError},
    recode::Decoder,
    source::{self, BOM, Text},
};
use crate::types::{Compression, DatasetSpec, SourceFile, TextEncoding};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use std::{
    io::{Cursor, Read},
    path::Path,
};

/// Marks of UTF-16, which stand for U+FEFF.
const MARKS: [(&[u8], &Encoding); 2] = [(&[0xff, 0xfe], UTF_16LE), (&[0xfe, 0xff], UTF_16BE)];
/// First bytes that are looked at for zeros.
const LOOKED_AT: usize = 64;
/// Fewer characters may have zeros by chance.
const FEWEST: usize = 4;

/// A text file, and how it is read.
#[derive(Clone, Copy)]
pub(super) struct TextFile<'a> {
    pub path: &'a SourceFile,
    /// With compression and encoding filled in.
    pub spec: &'a DatasetSpec,
    /// The table in a zip archive.
    pub member: Option<&'a Member>,
}

impl TextFile<'_> {
    /// Its text, in UTF-8 and without a mark.
    pub fn open(self, max_bytes: u64) -> Result<Text, IngestError> {
        let Self { path, spec, member } = self;
        let text = source::open(path, spec.compression.unwrap_or(Compression::None), member, max_bytes)?;
        match spec.encoding.filter(|encoding| !encoding.is_utf8()) {
            None => Ok(text),
            Some(encoding) => decode(text, encoding, path),
        }
    }
}

/// The text in UTF-8, behind its mark, if there is one.
fn decode(text: Text, encoding: TextEncoding, path: &Path) -> Result<Text, IngestError> {
    let Text { reader, bytes_read, ignored, bom } = text;
    let mut reader = Decoder::new(reader, encoding.encoding());
    let mut first = Vec::with_capacity(BOM.len());
    let read = reader.by_ref().take(BOM.len() as u64).read_to_end(&mut first);
    read.map_err(|error| ReadError::from(error).at_start(path))?;
    if first == BOM {
        return Ok(Text { reader: Box::new(reader), bom: true, bytes_read, ignored });
    }
    Ok(Text { reader: Box::new(Cursor::new(first).chain(reader)), bom, bytes_read, ignored })
}

/// How the text of a file with these first bytes, unpacked, is encoded, where they tell: by a mark, or because every other byte
/// is zero; and whether it is only the zeros that say so.
pub(super) fn detect(first: &[u8]) -> Option<(TextEncoding, bool)> {
    if let Some((_, encoding)) = MARKS.iter().find(|(mark, _)| first.starts_with(mark)) {
        return Some((TextEncoding::new(encoding), false));
    }
    let looked_at = &first[..first.len().min(LOOKED_AT)];
    let half = looked_at.len() / 2;
    let zeros = |from: usize| looked_at.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let encoding = match (zeros(0), zeros(1)) {
        (even, 0) if even == half => UTF_16BE,
        (0, odd) if odd == half => UTF_16LE,
        _ => return None,
    };
    (half >= FEWEST).then(|| (TextEncoding::new(encoding), true))
}

/// The first bytes of a text in UTF-8; they may end within a character.
pub(super) fn first_text(first: Vec<u8>, encoding: Option<TextEncoding>) -> Vec<u8> {
    let encoding = encoding.or_else(|| detect(&first).map(|(encoding, _)| encoding));
    let Some(encoding) = encoding.filter(|encoding| !encoding.is_utf8()) else { return first };
    let mut text = Vec::new();
    // Reading from memory cannot fail.
    let _ = Decoder::new(&first[..], encoding.encoding()).read_to_end(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_known_by_its_mark_or_its_zeros() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let name = |first: &[u8]| detect(first).map(|(encoding, guessed)| (encoding.to_string(), guessed));
        assert_eq!(name(&utf16("\u{feff}user")), Some(("utf-16le".to_owned(), false)));
        assert_eq!(name(&[0xfe, 0xff, 0, b'a']), Some(("utf-16be".to_owned(), false)));
        assert_eq!(name(&utf16("user,item")), Some(("utf-16le".to_owned(), true)));
        let swapped: Vec<u8> = utf16("user,item").chunks(2).flat_map(|unit| [unit[1], unit[0]]).collect();
        assert_eq!(name(&swapped), Some(("utf-16be".to_owned(), true)));
        for other in [&b"user,item,click\n"[..], b"", b"a\0b", b"\0\0\0\0\0\0\0\0\0\0", "é,click\n".as_bytes()] {
            assert_eq!(detect(other), None, "{other:?}");
        }
        assert_eq!(first_text(utf16("user"), None), b"user");
    }
}
