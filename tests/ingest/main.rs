//! Ingest and export on real files: what a client uploads, what the models get, and what comes back.

mod bad_rows;
mod dialect;
mod encoding;
mod errors;
mod export;
mod formats;
mod kinds;
mod meaning;
mod parts;
mod parts_of_text;
mod same;
mod scale;
mod splits;
mod texts;
mod times;
mod unused;

use autodenoise::{
    ingest::{Dataset, IngestError, IngestLimits, Ingested, InvalidTable, ingest},
    types::{DatasetSpec, Split},
};
use serde_json::{Value, json};
use std::{fs, io::Write, ops::ControlFlow, path::PathBuf};
use tempfile::TempDir;

pub fn spec(value: Value) -> DatasetSpec {
    serde_json::from_value(value).unwrap()
}

/// A spec of `click` tables with a `split` column.
pub fn click() -> DatasetSpec {
    spec(json!({"label": "click", "split": {"column": "split"}}))
}

/// A folder with an upload in it.
pub struct Upload {
    pub folder: TempDir,
    pub path: PathBuf,
}

/// `bytes` as a file named as uploads are kept: without a hint of the format.
pub fn upload(bytes: impl AsRef<[u8]>) -> Upload {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upload");
    fs::write(&path, bytes).unwrap();
    Upload { folder, path }
}

impl Upload {
    pub fn ingest_within(&self, spec: &DatasetSpec, limits: &IngestLimits) -> Result<(Ingested, Dataset), IngestError> {
        let out = self.folder.path().join("dataset");
        let ingested = ingest(&self.path, spec, &out, limits, &mut |_| ControlFlow::Continue(()))?;
        let dataset = Dataset::open(&out).unwrap();
        assert_eq!((&dataset.feature_map, &dataset.profile), (&ingested.feature_map, &ingested.profile));
        Ok((ingested, dataset))
    }

    pub fn ingest(&self, spec: &DatasetSpec) -> Result<(Ingested, Dataset), IngestError> {
        self.ingest_within(spec, &IngestLimits::default())
    }
}

pub fn read(bytes: impl AsRef<[u8]>, spec: &DatasetSpec) -> (Ingested, Dataset) {
    upload(bytes).ingest(spec).unwrap()
}

pub fn refused(bytes: impl AsRef<[u8]>, spec: &DatasetSpec) -> InvalidTable {
    refused_within(bytes, spec, &IngestLimits::default())
}

pub fn refused_within(bytes: impl AsRef<[u8]>, spec: &DatasetSpec, limits: &IngestLimits) -> InvalidTable {
    let upload = upload(bytes);
    let error = upload.ingest_within(spec, limits).err().expect("the table is refused");
    let left: Vec<_> = fs::read_dir(upload.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["upload"], "a refused table leaves nothing behind");
    match error {
        IngestError::Invalid(invalid) => invalid,
        other => panic!("{other}"),
    }
}

/// Everything a dataset holds, to compare two of them.
pub fn content(dataset: &Dataset) -> Vec<(Vec<i32>, Vec<u8>, Vec<u32>)> {
    let split = |split| {
        let data = dataset.split(split);
        (data.ids.to_vec(), data.labels.to_vec(), data.rows.to_vec())
    };
    Split::ALL.map(split).to_vec()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// An archive of members, by name.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// UTF-16 with its least byte first, without a mark.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A `user,item,price,click,split` table of `rows` rows, lines ended by LF.
pub fn table(rows: usize) -> String {
    let mut text = "user,item,price,click,split\n".to_owned();
    for row in 0..rows {
        let split = ["train", "train", "train", "valid", "test"][row % 5];
        text += &format!("u{},i{},{}.5,{},{split}\n", row % 7, row % 11, row % 13, row / 5 % 2);
    }
    text
}
