//! A zip archive of which one member is the table.

use super::{
    codecs::{bzip2, xz, zstd},
    disk::{BUFFER, Disk},
    error::{ContentError, IngestError},
};
use crate::{
    remote::{self, RemoteError},
    types::{SourceFile, shorten},
};
use flate2::Crc;
use std::{
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

/// Members that a message names.
const NAMED: usize = 20;

/// A member of an archive: what it is called, and where its packed bytes are.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub name: String,
    start: u64,
    packed: u64,
    method: CompressionMethod,
    checksum: u32,
}

/// The member of this name; without one the only file of the archive, but for what systems add to archives of their own.
pub(super) fn find_member(path: &SourceFile, name: Option<&str>) -> Result<Member, IngestError> {
    let damaged = |error: &dyn std::fmt::Display| {
        IngestError::field("", format!("the zip archive is damaged or cut short ({error}); make it again"))
    };
    let failed = |error: ZipError| match error {
        // The network's fault, and not the archive's.
        ZipError::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<RemoteError>()) => {
            IngestError::io("read", path)(error)
        }
        error => damaged(&error),
    };
    let file = remote::open(path).map_err(IngestError::io("open", path))?;
    let mut archive = ZipArchive::new(BufReader::with_capacity(BUFFER, file)).map_err(failed)?;
    let (mut members, mut encrypted) = (Vec::new(), Vec::new());
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place).map_err(failed)?;
        let own = entry.name().map_err(|error| damaged(&error))?.into_owned();
        if !entry.is_file() || is_of_a_system(&own) {
            continue;
        }
        if entry.encrypted() {
            encrypted.push(own.clone());
        }
        let start = entry.data_start().ok_or_else(|| damaged(&"a member has no beginning"))?;
        let (packed, method, checksum) = (entry.compressed_size(), entry.compression(), entry.crc32());
        members.push(Member { name: own, start, packed, method, checksum });
    }
    if let Some(what) = other_kind(&members) {
        return Err(IngestError::field("", what));
    }
    let list = || {
        let names: Vec<_> = members.iter().take(NAMED).map(|member| format!("`{}`", shorten(&member.name))).collect();
        names.join(", ") + if members.len() > NAMED { ", …" } else { "" }
    };
    let found = match (name, &members[..]) {
        (Some(name), members) => members.iter().find(|member| member.name == name),
        (None, [only]) => Some(only),
        (None, []) => return Err(IngestError::field("", "the zip archive has no files")),
        (None, _) => {
            let rule = format!("the zip archive has {} files: name the table (--member): {}", members.len(), list());
            return Err(IngestError::field("/member", rule));
        }
    };
    let found = found.ok_or_else(|| {
        let rule = format!("the zip archive has no file `{}`; there are {}", shorten(name.unwrap_or_default()), list());
        IngestError::field("/member", rule)
    })?;
    if encrypted.contains(&found.name) {
        return Err(IngestError::field(
            "",
            format!("`{}` in the zip archive is encrypted; unpack it", shorten(&found.name)),
        ));
    }
    Ok(found.clone())
}

/// What macOS and Windows put into archives beside what a person packed.
fn is_of_a_system(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/") || file.starts_with('.') || ["Thumbs.db", "desktop.ini"].contains(&file)
}

/// What the archive is, where it is a file of another program.
fn other_kind(members: &[Member]) -> Option<&'static str> {
    if members.iter().any(|member| member.name == "[Content_Types].xml") {
        return Some("the file is a workbook of Excel (or another document of Office); save the sheet as CSV");
    }
    let numpy = !members.is_empty() && members.iter().all(|member| member.name.ends_with(".npy"));
    numpy.then_some("the file holds NumPy arrays; write them as Parquet, CSV or JSON lines")
}

/// The member's bytes, unpacked as `unpack` does it, with their checksum checked at the end.
pub(super) fn open_member(mut disk: Disk, member: &Member, path: &Path) -> Result<Box<dyn Read>, IngestError> {
    disk.seek(SeekFrom::Start(member.start)).map_err(IngestError::io("read", path))?;
    let packed: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER, disk.take(member.packed)));
    let unpacked: Box<dyn Read> = match member.method {
        CompressionMethod::STORE => packed,
        CompressionMethod::DEFLATE => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
        CompressionMethod::BZIP2 => Box::new(bzip2(packed)),
        CompressionMethod::XZ => Box::new(xz(packed)),
        CompressionMethod::ZSTD => Box::new(zstd(packed).map_err(IngestError::io("decompress", path))?),
        other => {
            let rule = format!(
                "`{}` in the zip archive is packed by {other}, which is not read; pack it by deflate",
                shorten(&member.name)
            );
            return Err(IngestError::field("", rule));
        }
    };
    Ok(Box::new(Checked { unpacked, checksum: Crc::new(), expected: member.checksum }))
}

/// Bytes whose checksum is checked at the end.
struct Checked {
    unpacked: Box<dyn Read>,
    checksum: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.unpacked.read(out)?;
        self.checksum.update(&out[..n]);
        if n == 0 && !out.is_empty() && self.checksum.sum() != self.expected {
            return Err(ContentError::io(
                "the file in the zip archive is damaged: its checksum is another; make the archive again",
            ));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn archive(members: &[(&str, &str)]) -> Vec<u8> {
        let mut out = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in members {
            out.start_file(*name, SimpleFileOptions::default()).unwrap();
            out.write_all(text.as_bytes()).unwrap();
        }
        out.finish().unwrap().into_inner()
    }

    /// The name of the member that is found, or what is said.
    fn found(bytes: &[u8], name: Option<&str>) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        find_member(&file.path().into(), name).map(|member| member.name).map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_file_is_the_table_and_one_of_several_must_be_named() {
        let one = archive(&[("data/clicks.csv", "a"), ("__MACOSX/data/._clicks.csv", "b"), (".DS_Store", "c")]);
        assert_eq!(found(&one, None).as_deref(), Ok("data/clicks.csv"));
        let two = archive(&[("train.csv", "a"), ("test.csv", "b")]);
        let said = found(&two, None).unwrap_err();
        assert!(said.contains("--member") && said.contains("`train.csv`, `test.csv`"), "{said}");
        assert_eq!(found(&two, Some("test.csv")).as_deref(), Ok("test.csv"));
        assert!(found(&two, Some("valid.csv")).unwrap_err().contains("no file `valid.csv`"));
        assert!(found(&archive(&[]), None).unwrap_err().contains("no files"));
        assert!(found(&one[..one.len() / 2], None).unwrap_err().contains("cut short"));
    }

    #[test]
    fn files_of_other_programs_are_named() {
        assert!(
            found(&archive(&[("[Content_Types].xml", ""), ("xl/workbook.xml", "")]), None)
                .unwrap_err()
                .contains("Excel")
        );
        assert!(found(&archive(&[("a.npy", ""), ("b.npy", "")]), None).unwrap_err().contains("NumPy"));
    }
}
