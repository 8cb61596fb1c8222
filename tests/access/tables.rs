//! Tables that are made to harm whoever reads them. They bring down a process that has nothing but the table.

use super::harness;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, types::Int32Type};
use harness::{Service, clicks, scratch};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use serde_json::Value;
use std::{fs, io::Write, sync::Arc};

/// A Parquet file of no rows and a column under so many groups, one in the other; written by hand in Thrift's compact
/// protocol.
fn nested_parquet(groups: u32) -> Vec<u8> {
    let varint = |mut number: u32| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let name = |name: &str| [&varint(name.len() as u32)[..], name.as_bytes()].concat();
    let leaf = |text: &str| [&[0x15, 2, 0x25, 2, 0x18][..], &name(text), &[0]].concat();
    let root = [&[0x48][..], &name("schema"), &[0x15, 4, 0]].concat();
    let group = [&[0x35, 2, 0x18][..], &name("g"), &[0x15, 2, 0]].concat();
    let schema: Vec<u8> = [root, leaf("click"), group.repeat(groups as usize), leaf("x")].concat();
    let footer = [&[0x15, 2, 0x19, 0xfc][..], &varint(groups + 3), &schema, &[0x16, 0, 0x19, 0x0c, 0]].concat();
    [&b"PAR1"[..], &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// A CSV of cells of megabytes, all different, packed to a few kilobytes.
fn long_cells(rows: usize) -> Vec<u8> {
    let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
    writeln!(packed, "click,note").unwrap();
    for row in 0..rows {
        writeln!(packed, "{},{row}{}", row % 2, "a".repeat(3_900_000)).unwrap();
    }
    packed.finish().unwrap()
}

/// Parquet rows that all have one text of so many bytes, which the file holds once, in a dictionary.
fn long_word(rows: usize, bytes: usize) -> Vec<u8> {
    let word = Arc::new(StringArray::from(vec!["a".repeat(bytes)]));
    let words: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(vec![0; rows].into(), word));
    let clicks: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|row| row % 2)));
    let batch = RecordBatch::try_from_iter([("word", words), ("click", clicks)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .set_dictionary_page_size_limit(usize::MAX);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// What is wrong with the table as a whole.
fn rule(dataset: &Value) -> &str {
    assert_eq!(dataset["status"], "invalid", "{dataset:#}");
    dataset["errors"][0]["rule"].as_str().unwrap()
}

#[test]
fn a_table_that_kills_its_reader_is_invalid_and_the_service_goes_on() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--table-max-memory", "268435456"]);
    let label = [("label", "click")];
    for groups in 3000..3003 {
        let nested = nested_parquet(groups);
        assert!(nested.len() < 30_000);
        let dataset = service.upload_bytes(nested, "application/vnd.apache.parquet", &label);
        assert!(rule(&dataset).starts_with("the table cannot be read"), "{dataset:#}");
    }
    // Where it can be read, what is said of it is short.
    let dataset = service.upload_bytes(nested_parquet(100), "application/vnd.apache.parquet", &label);
    assert!(rule(&dataset).contains("of type Struct") && rule(&dataset).len() < 300, "{dataset:#}");
    // A look at an upload before a dataset is made of it reads the same bytes.
    let nested = nested_parquet(3000);
    let begin = service.post("/v1/uploads").header("tus-resumable", "1.0.0");
    let begin = begin.header("upload-length", nested.len().to_string());
    let begun = begin.header("content-type", "application/offset+octet-stream").body(nested).send().unwrap();
    assert_eq!(begun.status(), 201);
    let upload = begun.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let refused = service.expect(service.get(&format!("/v1/uploads/{upload}/sample")), 422);
    assert!(refused["detail"].as_str().unwrap().contains("the table cannot be read"), "{refused:#}");
    let packed = long_word(8, 50 << 20);
    assert!(packed.len() < 20_000, "{} bytes", packed.len());
    let dataset = service.upload_bytes(packed, "application/vnd.apache.parquet", &label);
    assert!(rule(&dataset).contains("more than 256 MiB of memory"), "{dataset:#}");
    let packed = long_cells(80);
    assert!(packed.len() < 200_000, "{} bytes", packed.len());
    let dataset = service.upload_bytes(packed, "text/csv", &label);
    assert!(rule(&dataset).contains("more than 256 MiB of memory"), "{dataset:#}");
    // It answers, and reads what can be read.
    assert_eq!(service.get("/readyz").send().unwrap().status(), 200);
    let dataset = service.upload_clicks(&clicks(dir.path(), 60, 40));
    assert_eq!(dataset["status"], "ready", "{dataset:#}");
    assert_eq!(fs::read_dir(service.data.join("datasets")).unwrap().count(), 1, "nothing is left of the others");
}
