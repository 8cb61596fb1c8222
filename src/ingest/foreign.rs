//! Files that are no table we read, told by their first bytes, so that nobody is advised to convert an archive's letters.

/// First bytes, what they are of, and what to do.
const KINDS: [(&[u8], &str, &str); 13] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it with `unlz4`, or pack it with gzip or zstd"),
    (b"ARROW1", "an Arrow (Feather) file", CONVERT),
    (b"FEA1", "a Feather file", CONVERT),
    (b"ORC", "an ORC file", CONVERT),
    (b"Obj\x01", "an Avro file", CONVERT),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV, for example with `sqlite3 -csv -header`"),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"\x89HDF", "an HDF5 file", CONVERT),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "save the sheet as CSV"),
    (b"\x80\x02", PICKLE, CONVERT),
    (b"\x80\x04", PICKLE, CONVERT),
    (b"\x80\x05", PICKLE, CONVERT),
];

const UNPACK: &str = "give the table in it as CSV, Parquet or JSON lines, plain or compressed";
const CONVERT: &str = "write it as Parquet, CSV or JSON lines";
const PICKLE: &str = "a Python pickle";

/// First bytes of gzip, zstd, bzip2, xz and zip.
const COMPRESSED: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0", b"PK\x03\x04"];

/// How the file begins that stands in a checkout for one that was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// How a page begins that a server sent in place of a file.
const WEB_PAGES: [&[u8]; 2] = [b"<!doctype html", b"<html"];

/// Where a tar archive says that it is one.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Why a file with these first bytes cannot be read, if they tell. `packed`: they were compressed.
pub(super) fn why_unreadable(first: &[u8], packed: bool) -> Option<String> {
    if first.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return Some(format!("the file is a tar archive; {UNPACK}"));
    }
    if packed && COMPRESSED.iter().any(|magic| first.starts_with(magic)) {
        return Some("the file is compressed twice; unpack it once".to_owned());
    }
    if first.starts_with(LFS_POINTER) {
        return Some("the file is a pointer of Git LFS, not the table; fetch it with `git lfs pull`".to_owned());
    }
    let start = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    if WEB_PAGES.iter().any(|tag| start.get(..tag.len()).is_some_and(|own| own.eq_ignore_ascii_case(tag))) {
        return Some(
            "the file is a web page, perhaps one that says why there is no table; fetch the table itself".to_owned(),
        );
    }
    // Only what cannot start a line of text: three letters may be a column's name.
    let is_text = |first: &[u8]| first.iter().take(512).all(|byte| *byte >= 0x20 || byte.is_ascii_whitespace());
    let kind = KINDS.iter().find(|(magic, ..)| first.starts_with(magic));
    kind.filter(|_| !is_text(first)).map(|(_, kind, what)| format!("the file is {kind}; {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        for (first, word) in [
            (&b"ORC\x0a\x03\0\0"[..], "ORC"),
            (b"\x04\x22\x4d\x18\x64\x40", "lz4"),
            (&[vec![b'a'; 257], b"ustar\0".to_vec()].concat(), "tar"),
        ] {
            assert!(why_unreadable(first, false).unwrap().contains(word), "{word}");
        }
        for (text, word) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"[..], "git lfs pull"),
            (b"\n<!DOCTYPE html>\n<html>", "web page"),
        ] {
            assert!(why_unreadable(text, false).unwrap().contains(word), "{word}");
        }
        for packed in [&b"\x1f\x8b\x08"[..], b"PK\x03\x04\x14", b"\xfd7zXZ\0"] {
            assert!(why_unreadable(packed, true).unwrap().contains("twice"));
        }
        for text in [&b"ORC,user,click\n1,2,0\n"[..], b"user,item,click\n", b"", b"a", "é,click\n".as_bytes()] {
            assert_eq!(why_unreadable(text, false), None);
        }
    }
}
