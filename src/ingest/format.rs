//! What an upload is: its format and compression, from what the client said, its name, and its first bytes.

use super::{
    archive::{Member, find_member},
    codecs::{bzip2, xz, zstd},
    error::IngestError,
    foreign::why_unreadable,
    source::{self, BOM},
    text::{detect, first_text},
};
use crate::{
    remote,
    types::{Compression, DatasetSpec, FileFormat, SourceFile, TextEncoding},
};
use std::io::Read;

/// So many first bytes of an upload are enough to tell what it is.
pub const SNIFF_BYTES: usize = 4096;

const PARQUET: &[u8] = b"PAR1";

/// Fills `spec.format`, `spec.compression` and, for tab separated uploads, `spec.separator` where they are absent and can be told.
///
/// Compression comes from the first bytes alone. The format comes from Parquet's magic bytes, then the content type, then
/// the name where the first character does not speak against it, then that character (`{`: JSON lines, anything else: CSV).
/// What bzip2 packs cannot be told by so few bytes; it is when the table is read.
pub fn resolve_format(spec: &mut DatasetSpec, name: Option<&str>, content_type: Option<&str>, first_bytes: &[u8]) {
    let compression = *spec.compression.get_or_insert_with(|| compression_by_magic(first_bytes));
    if first_bytes.starts_with(PARQUET) {
        spec.format.get_or_insert(FileFormat::Parquet);
    }
    let text = first_text(unpacked(first_bytes, compression), spec.encoding);
    let inner =
        (compression == Compression::Zip).then(|| first_member(first_bytes)).flatten().map(|member| member.name);
    let name = spec.member.clone().or(inner.map(str::to_owned)).or(name.map(str::to_owned));
    if compression == Compression::Bzip2 && spec.format.is_none() && name.as_deref().and_then(by_name).is_none() {
        return;
    }
    settle_format(spec, name.as_deref(), content_type, &text);
}

/// The same, by the first bytes of the text.
fn settle_format(spec: &mut DatasetSpec, name: Option<&str>, content_type: Option<&str>, text: &[u8]) {
    let named = || name.and_then(by_name).filter(|hint| may_be(hint.format, text));
    let hint = content_type.and_then(by_content_type).or_else(named);
    let format = *spec.format.get_or_insert_with(|| hint.map_or_else(|| by_content(text), |hint| hint.format));
    if format == FileFormat::Csv
        && let Some(Hint { tabs: true, .. }) = hint
        && has_tabs(text)
    {
        spec.separator.get_or_insert_with(|| "\t".to_owned());
    }
}

/// Whether a file that is named so and whose text begins so can be of the format.
fn may_be(format: FileFormat, text: &[u8]) -> bool {
    let start = text.strip_prefix(BOM).unwrap_or(text).trim_ascii_start();
    match format {
        FileFormat::Parquet => false,
        // A list is refused as one, with what to do.
        FileFormat::Jsonl => start.is_empty() || start.starts_with(b"{") || start.starts_with(b"["),
        FileFormat::Csv => !start.starts_with(b"{\""),
    }
}

/// Whether the first line has a tab, or nothing that could stand between values in place of one. A name may be wrong.
fn has_tabs(text: &[u8]) -> bool {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    line.contains(&b'\t') || !line.iter().any(|byte| b",;|".contains(byte))
}

/// A file of which it is known how it is read.
pub(super) struct ResolvedFile {
    /// With format, compression and encoding filled in.
    pub spec: DatasetSpec,
    /// The table in a zip archive.
    pub member: Option<Member>,
    /// What was guessed and may be wrong.
    pub notes: Vec<String>,
}

/// Finds out how the file is read, and checks what the spec says against its first bytes.
pub(super) fn resolve_for_file(path: &SourceFile, spec: &DatasetSpec) -> Result<ResolvedFile, IngestError> {
    let first = first_bytes(path)?;
    if first.is_empty() {
        return Err(IngestError::field("", "the file is empty; upload a table of at least three rows"));
    }
    let seen = compression_by_magic(&first);
    let mut spec = spec.clone();
    let said = *spec.compression.get_or_insert(seen);
    if seen != Compression::Zip && spec.member.is_some() {
        return Err(IngestError::field("/member", "only for a zip archive; leave it out"));
    }
    let member = (seen == Compression::Zip).then(|| find_member(path, spec.member.as_deref())).transpose()?;
    let start = match seen {
        Compression::None => first.clone(),
        _ => start_of_text(path, seen, member.as_ref()),
    };
    if let Some(rule) = why_unreadable(&start, seen != Compression::None) {
        return Err(IngestError::field("", rule));
    }
    if first.starts_with(PARQUET) {
        spec.format.get_or_insert(FileFormat::Parquet);
    }
    if spec.format == Some(FileFormat::Parquet) || seen != Compression::None && start.starts_with(PARQUET) {
        if said != Compression::None || seen != Compression::None {
            return Err(IngestError::field(
                "/compression",
                "Parquet compresses inside; upload the .parquet file itself",
            ));
        }
        if !first.starts_with(PARQUET) {
            return Err(IngestError::field("/format", "the file does not begin as a Parquet file; leave `format` out"));
        }
        return Ok(ResolvedFile { spec, member, notes: Vec::new() });
    }
    if said != seen {
        let (said, seen) = (said.as_str(), seen.as_str());
        let rule = format!("`{said}`, but the file's first bytes are those of `{seen}`; leave `compression` out");
        return Err(IngestError::field("/compression", rule));
    }
    let notes = find_encoding(&mut spec.encoding, &start);
    let text = first_text(start, spec.encoding);
    let name = member.as_ref().map(|member| member.name.as_str());
    let name = name.or_else(|| path.file_name().and_then(|name| name.to_str()));
    settle_format(&mut spec, name, None, &text);
    spec.member = member.as_ref().map(|member| member.name.clone());
    Ok(ResolvedFile { spec, member, notes })
}

/// Fills in the encoding that the first bytes of the text say; a mark of UTF-16 also says in which order its bytes are. Returns what
/// was guessed.
fn find_encoding(encoding: &mut Option<TextEncoding>, start: &[u8]) -> Vec<String> {
    let Some((found, guessed)) = detect(start) else { return Vec::new() };
    let is_utf16 = |encoding: &TextEncoding| encoding.to_string().starts_with("utf-16");
    match encoding {
        None if guessed => {
            *encoding = Some(found);
            vec![format!(
                "read as {found}, because every other byte is zero; if it is not, say `encoding` (--encoding)"
            )]
        }
        None => {
            *encoding = Some(found);
            Vec::new()
        }
        Some(said) if !guessed && is_utf16(said) => {
            *said = found;
            Vec::new()
        }
        Some(_) => Vec::new(),
    }
}

/// The first bytes of a compressed file's text, as far as they can be read: what is wrong is reported where the rows are.
fn start_of_text(path: &SourceFile, compression: Compression, member: Option<&Member>) -> Vec<u8> {
    let mut start = Vec::with_capacity(SNIFF_BYTES);
    if let Ok(text) = source::open(path, compression, member, u64::MAX) {
        let _ = text.reader.take(SNIFF_BYTES as u64).read_to_end(&mut start);
    }
    start
}

/// How the file is compressed, by its first bytes.
pub(super) fn detect_compression(path: &SourceFile) -> Result<Compression, IngestError> {
    Ok(compression_by_magic(&first_bytes(path)?))
}

fn first_bytes(path: &SourceFile) -> Result<Vec<u8>, IngestError> {
    let mut first = Vec::with_capacity(SNIFF_BYTES);
    let file = remote::open(path).map_err(IngestError::io("open", path))?;
    file.take(SNIFF_BYTES as u64).read_to_end(&mut first).map_err(IngestError::io("read", path))?;
    Ok(first)
}

fn compression_by_magic(first: &[u8]) -> Compression {
    // A zstd file may open with a skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian.
    let skippable = first.len() >= 4 && first[0] & 0xf0 == 0x50 && first[1..4] == [0x2a, 0x4d, 0x18];
    if first.starts_with(&[0x1f, 0x8b]) {
        Compression::Gzip
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
        Compression::Zstd
    } else if first.starts_with(b"BZh") && first.get(4..10) == Some(b"1AY&SY") {
        Compression::Bzip2
    } else if first.starts_with(b"\xfd7zXZ\0") {
        Compression::Xz
    } else if first.starts_with(ZIP) || first.starts_with(EMPTY_ZIP) {
        Compression::Zip
    } else {
        Compression::None
    }
}

/// Before each member of a zip archive, and at the start of one without members.
const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";

/// The first file in the first bytes of a zip archive.
struct FirstMember<'a> {
    name: &'a str,
    deflated: bool,
    packed: &'a [u8],
}

/// The first file of an archive that begins so; folders before it are passed.
fn first_member(mut first: &[u8]) -> Option<FirstMember<'_>> {
    loop {
        let header = first.strip_prefix(ZIP)?;
        let number = |at: usize| Some(usize::from(u16::from_le_bytes([*header.get(at)?, *header.get(at + 1)?])));
        let (method, name, extra) = (number(4)?, number(22)?, number(24)?);
        let name = std::str::from_utf8(header.get(26..26 + name)?).ok()?;
        let packed = header.get(26 + name.len() + extra..)?;
        if !name.ends_with('/') {
            return Some(FirstMember { name, deflated: method == 8, packed });
        }
        first = packed;
    }
}

#[derive(Clone, Copy)]
struct Hint {
    format: FileFormat,
    tabs: bool,
}

fn by_content_type(content_type: &str) -> Option<Hint> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (format, tabs) = match essence.as_str() {
        "text/csv" | "application/csv" => (FileFormat::Csv, false),
        "text/tab-separated-values" => (FileFormat::Csv, true),
        "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => {
            (FileFormat::Parquet, false)
        }
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/jsonlines" => (FileFormat::Jsonl, false),
        _ => return None,
    };
    Some(Hint { format, tabs })
}

/// The format and the compression that a file's name says.
pub fn format_by_name(name: &str) -> (Option<FileFormat>, Option<Compression>) {
    let compression = Compression::divide_name(&name.to_ascii_lowercase()).1;
    (by_name(name).map(|hint| hint.format), compression)
}

fn by_name(name: &str) -> Option<Hint> {
    let name = name.to_ascii_lowercase();
    let (name, _) = Compression::divide_name(&name);
    let (format, tabs) = match name.rsplit_once('.')?.1 {
        "csv" => (FileFormat::Csv, false),
        "tsv" | "tab" => (FileFormat::Csv, true),
        "parquet" | "pq" => (FileFormat::Parquet, false),
        "jsonl" | "ndjson" | "json" => (FileFormat::Jsonl, false),
        _ => return None,
    };
    Some(Hint { format, tabs })
}

fn by_content(text: &[u8]) -> FileFormat {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    match text.trim_ascii_start().first() {
        Some(b'{') => FileFormat::Jsonl,
        _ => FileFormat::Csv,
    }
}

/// The first bytes as they are where they are not compressed, as far as they tell.
fn unpacked(first: &[u8], compression: Compression) -> Vec<u8> {
    fn text_of(bytes: impl Read) -> Vec<u8> {
        let mut text = Vec::with_capacity(SNIFF_BYTES);
        // The bytes are only the start of the file, so a decoder's error about the missing rest is expected.
        let _ = bytes.take(SNIFF_BYTES as u64).read_to_end(&mut text);
        text
    }
    match compression {
        Compression::None => text_of(first),
        Compression::Gzip => text_of(flate2::read::MultiGzDecoder::new(first)),
        Compression::Zstd => zstd(first).map_or_else(|_| Vec::new(), text_of),
        Compression::Bzip2 => text_of(bzip2(first)),
        Compression::Xz => text_of(xz(first)),
        Compression::Zip => match first_member(first) {
            Some(member) if member.deflated => text_of(flate2::read::DeflateDecoder::new(member.packed)),
            member => member.map_or_else(Vec::new, |member| text_of(member.packed)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LabelRule;

    fn resolve(name: Option<&str>, content_type: Option<&str>, first: &[u8]) -> DatasetSpec {
        let label = LabelRule { column: "click".to_owned(), rule: None };
        let mut spec: DatasetSpec = serde_json::from_value(serde_json::json!({ "label": label })).unwrap();
        resolve_format(&mut spec, name, content_type, first);
        spec
    }

    #[test]
    fn the_clients_word_then_the_name_then_the_bytes() {
        let cases = [
            (resolve(None, None, b"PAR1..."), FileFormat::Parquet, Compression::None),
            (resolve(Some("a.csv"), None, b"PAR1..."), FileFormat::Parquet, Compression::None),
            (resolve(Some("a.parquet"), None, b"user,item"), FileFormat::Csv, Compression::None),
            (resolve(Some("a.json"), None, b"user,item"), FileFormat::Csv, Compression::None),
            (resolve(Some("a.json"), None, b"[{"), FileFormat::Jsonl, Compression::None),
            (resolve(Some("a.csv"), None, b"{\"user\": 1}"), FileFormat::Jsonl, Compression::None),
            (resolve(None, Some("text/csv; charset=utf-8"), b"{x"), FileFormat::Csv, Compression::None),
            (resolve(Some("A.JSONL.GZ"), None, b"\x1f\x8b"), FileFormat::Jsonl, Compression::Gzip),
            (resolve(None, None, b"\xef\xbb\xbf {\"a\":1}"), FileFormat::Jsonl, Compression::None),
            (
                resolve(None, None, &zstd::encode_all(&b"{\"a\":1}"[..], 1).unwrap()),
                FileFormat::Jsonl,
                Compression::Zstd,
            ),
            (resolve(Some("ratings.dat"), None, b"1::2::3"), FileFormat::Csv, Compression::None),
        ];
        for (spec, format, compression) in cases {
            assert_eq!((spec.format, spec.compression), (Some(format), Some(compression)));
        }
        assert_eq!(resolve(Some("a.tsv.zst"), None, b"").separator.as_deref(), Some("\t"));
        assert_eq!(resolve(Some("a.tsv"), None, b"user\titem,s\n").separator.as_deref(), Some("\t"));
        assert_eq!(resolve(Some("a.tsv"), None, b"user,item\n1,2\n").separator, None, "the name is wrong");
    }
}
