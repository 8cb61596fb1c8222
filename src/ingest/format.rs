//! What an upload is: its format and compression, from what the client said, its name, and its first bytes.

use super::{error::IngestError, foreign::why_unreadable, source::BOM};
use crate::types::{Compression, DatasetSpec, FileFormat};
use std::{fs::File, io::Read, path::Path};

/// So many first bytes of an upload are enough to tell what it is.
pub const SNIFF_BYTES: usize = 4096;

const PARQUET: &[u8] = b"PAR1";

/// Fills `spec.format`, `spec.compression` and, for tab separated uploads, `spec.separator` where they are absent.
///
/// Compression comes from the first bytes alone. The format comes from Parquet's magic bytes, then the content type, then
/// the name where the first character does not speak against it, then that character (`{`: JSON lines, anything else: CSV).
pub fn resolve_format(spec: &mut DatasetSpec, name: Option<&str>, content_type: Option<&str>, first_bytes: &[u8]) {
    let compression = *spec.compression.get_or_insert_with(|| compression_by_magic(first_bytes));
    let named = || name.and_then(by_name).filter(|hint| may_be(hint.format, first_bytes, compression));
    let hint = content_type.and_then(by_content_type).or_else(named);
    let format = *spec.format.get_or_insert_with(|| {
        if first_bytes.starts_with(PARQUET) {
            return FileFormat::Parquet;
        }
        hint.map_or_else(|| by_content(first_bytes, compression), |hint| hint.format)
    });
    if format == FileFormat::Csv
        && let Some(Hint { tabs: true, .. }) = hint
        && has_tabs(first_bytes, compression)
    {
        spec.separator.get_or_insert_with(|| "\t".to_owned());
    }
}

/// Whether a file that is named so and has these first bytes can be of the format.
fn may_be(format: FileFormat, first: &[u8], compression: Compression) -> bool {
    let text = unpacked(first, compression);
    let start = text.strip_prefix(BOM).unwrap_or(&text).trim_ascii_start();
    match format {
        FileFormat::Parquet => false,
        // A list is refused as one, with what to do.
        FileFormat::Jsonl => start.is_empty() || start.starts_with(b"{") || start.starts_with(b"["),
        FileFormat::Csv => !start.starts_with(b"{\""),
    }
}

/// Whether the first line has a tab, or nothing that could stand between values in place of one. A name may be wrong.
fn has_tabs(first: &[u8], compression: Compression) -> bool {
    let text = unpacked(first, compression);
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    line.contains(&b'\t') || !line.iter().any(|byte| b",;|".contains(byte))
}

/// `spec` with format and compression filled in, checked against the file's first bytes.
pub(super) fn resolve_for_file(path: &Path, spec: &DatasetSpec) -> Result<DatasetSpec, IngestError> {
    let first = first_bytes(path)?;
    if first.is_empty() {
        return Err(IngestError::field("", "the file is empty; upload a table of at least three rows"));
    }
    let packed = compression_by_magic(&first) != Compression::None;
    let unpacked = unpacked(&first, compression_by_magic(&first));
    if let Some(rule) = why_unreadable(if packed { &unpacked } else { &first }, packed) {
        return Err(IngestError::field("", rule));
    }
    let mut spec = spec.clone();
    resolve_format(&mut spec, path.file_name().and_then(|name| name.to_str()), None, &first);
    let (said, seen) = (compression(&spec), compression_by_magic(&first));
    if spec.format == Some(FileFormat::Parquet) {
        if said != Compression::None {
            return Err(IngestError::field(
                "/compression",
                "Parquet compresses inside; upload the .parquet file itself",
            ));
        }
        if !first.starts_with(PARQUET) {
            return Err(IngestError::field("/format", "the file does not begin as a Parquet file; leave `format` out"));
        }
    } else if said != seen {
        let (said, seen) = (compression_name(said), compression_name(seen));
        let rule = format!("`{said}`, but the file's first bytes are those of `{seen}`; leave `compression` out");
        return Err(IngestError::field("/compression", rule));
    }
    Ok(spec)
}

/// The compression that a resolved spec says.
pub(super) fn compression(spec: &DatasetSpec) -> Compression {
    spec.compression.unwrap_or(Compression::None)
}

/// How the file is compressed, by its first bytes.
pub(super) fn detect_compression(path: &Path) -> Result<Compression, IngestError> {
    Ok(compression_by_magic(&first_bytes(path)?))
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, IngestError> {
    let mut first = Vec::with_capacity(SNIFF_BYTES);
    let file = File::open(path).map_err(IngestError::io("open", path))?;
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
    } else {
        Compression::None
    }
}

fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
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
    let name = name.to_ascii_lowercase();
    let is = |ends: [&str; 2]| ends.iter().any(|end| name.ends_with(end));
    let compression = match () {
        () if is([".gz", ".gzip"]) => Some(Compression::Gzip),
        () if is([".zst", ".zstd"]) => Some(Compression::Zstd),
        () => None,
    };
    (by_name(&name).map(|hint| hint.format), compression)
}

fn by_name(name: &str) -> Option<Hint> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst", ".gzip", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let (format, tabs) = match name.rsplit_once('.')?.1 {
        "csv" => (FileFormat::Csv, false),
        "tsv" | "tab" => (FileFormat::Csv, true),
        "parquet" | "pq" => (FileFormat::Parquet, false),
        "jsonl" | "ndjson" | "json" => (FileFormat::Jsonl, false),
        _ => return None,
    };
    Some(Hint { format, tabs })
}

fn by_content(first: &[u8], compression: Compression) -> FileFormat {
    let text = unpacked(first, compression);
    let text = text.strip_prefix(BOM).unwrap_or(&text);
    match text.trim_ascii_start().first() {
        Some(b'{') => FileFormat::Jsonl,
        _ => FileFormat::Csv,
    }
}

/// The first bytes as they are where they are not compressed, as far as they tell.
fn unpacked(first: &[u8], compression: Compression) -> Vec<u8> {
    let mut text = Vec::with_capacity(SNIFF_BYTES);
    // The bytes are only the start of the file, so a decoder's error about the missing rest is expected.
    let _ = match compression {
        Compression::None => first.take(SNIFF_BYTES as u64).read_to_end(&mut text),
        Compression::Gzip => flate2::read::MultiGzDecoder::new(first).take(SNIFF_BYTES as u64).read_to_end(&mut text),
        Compression::Zstd => zstd::stream::read::Decoder::new(first)
            .and_then(|decoder| decoder.take(SNIFF_BYTES as u64).read_to_end(&mut text)),
    };
    text
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
