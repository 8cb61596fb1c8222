//! The denoised file is the upload minus the dropped rows, and nothing else.

use crate::{click, gzip, read, spec, table, upload, zstd};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use autodenoise::{
    ingest::{ExportCounts, write_denoised},
    types::DatasetSpec,
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Compression,
    file::properties::WriterProperties,
};
use proptest::prelude::*;
use serde_json::json;
use std::{fs, fs::File, io::Read, sync::Arc};

fn denoised(bytes: impl AsRef<[u8]>, spec: &DatasetSpec, dropped: impl Fn(u32) -> bool) -> (Vec<u8>, ExportCounts) {
    let upload = upload(bytes);
    let out = upload.folder.path().join("denoised");
    let counts = write_denoised(&upload.path, spec, &dropped, &out).unwrap();
    assert_eq!(fs::read_dir(upload.folder.path()).unwrap().count(), 2, "no temporary file is left");
    (fs::read(out).unwrap(), counts)
}

/// A row as it stands in the file, line end included, and the blank lines behind it.
#[derive(Debug, Clone)]
struct RawRow {
    text: String,
    blank: String,
}

fn cell() -> impl Strategy<Value = String> {
    let plain = "[a-zé ]{0,4}";
    let quoted = prop::collection::vec(
        prop_oneof!["[a-zé,]", Just("\n".to_owned()), Just("\r\n".to_owned()), Just("\"\"".to_owned())],
        0..6,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    prop_oneof![plain, quoted]
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("\n"), Just("\r\n")]
}

fn raw_row() -> impl Strategy<Value = RawRow> {
    (cell(), cell(), "[01]", line_end(), prop::collection::vec(line_end(), 0..2))
        .prop_map(|(a, b, click, end, blank)| RawRow { text: format!("{a},{b},{click}{end}"), blank: blank.concat() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn awkward_csv_loses_exactly_the_dropped_rows(
        rows in prop::collection::vec((raw_row(), any::<bool>()), 1..20),
        bom in any::<bool>(),
        end in line_end(),
        last_end in any::<bool>(),
    ) {
        let head = format!("{}a,\"b\nc\",click{end}", if bom { "\u{feff}" } else { "" });
        let mut rows = rows;
        if !last_end {
            let (last, _) = rows.last_mut().unwrap();
            last.text.truncate(last.text.trim_end_matches(['\r', '\n']).len());
            last.blank.clear();
        }
        let join = |all: bool| {
            let row = |(row, drop): &(RawRow, bool)| format!("{}{}", if all || !drop { &row.text } else { "" }, row.blank);
            head.clone() + &rows.iter().map(row).collect::<String>()
        };
        let spec = spec(json!({"label": "click", "separator": ","}));
        let (found, counts) = denoised(join(true), &spec, |row| rows[row as usize].1);
        prop_assert_eq!(String::from_utf8(found).unwrap(), join(false));
        prop_assert_eq!(counts.kept + counts.dropped, rows.len() as u64);
        prop_assert_eq!(counts.dropped, rows.iter().filter(|(_, drop)| *drop).count() as u64);
    }
}

#[test]
fn rows_are_those_of_ingest_and_the_compression_that_of_the_upload() {
    let text = table(3000);
    let dropped = |row: u32| row % 3 == 1;
    let kept = |text: &str, header: usize| -> String {
        text.split_inclusive('\n')
            .enumerate()
            .filter(|(line, _)| *line < header || !dropped((line - header) as u32))
            .map(|(_, line)| line)
            .collect()
    };
    let expected = kept(&text, 1);
    let (plain, counts) = denoised(&text, &click(), dropped);
    assert_eq!(String::from_utf8(plain).unwrap(), expected);
    assert_eq!(counts, ExportCounts { kept: 2000, dropped: 1000 });
    let mut unpacked = String::new();
    flate2::read::MultiGzDecoder::new(&denoised(gzip(text.as_bytes()), &click(), dropped).0[..])
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, expected);
    let packed = denoised(zstd(text.as_bytes()), &click(), dropped).0;
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), expected.as_bytes());
    // What came out reads as a table again.
    let (ingested, _) = read(packed, &click());
    assert_eq!(ingested.profile.rows.total(), 2000);

    let colons = text.replace(',', "::");
    let (found, _) = denoised(&colons, &spec(json!({"label": "click", "separator": "::"})), dropped);
    assert_eq!(String::from_utf8(found).unwrap(), kept(&colons, 1));
    let bare = text.split_once('\n').unwrap().1;
    let columns = json!({"label": "click", "columns": ["user", "item", "price", "click", "split"]});
    assert_eq!(String::from_utf8(denoised(bare, &spec(columns), dropped).0).unwrap(), kept(bare, 0));
}

#[test]
fn json_lines_keep_their_bytes() {
    let text = "\u{feff}{\"b\": 1.50, \"click\":1}\r\n\n{ \"click\": 0, \"b\": \"\\u00e9\" }\n{\"click\":1,\"b\":null}";
    let (found, counts) = denoised(text, &spec(json!({"label": "click"})), |row| row == 1);
    assert_eq!(String::from_utf8(found).unwrap(), "\u{feff}{\"b\": 1.50, \"click\":1}\r\n\n{\"click\":1,\"b\":null}");
    assert_eq!(counts, ExportCounts { kept: 2, dropped: 1 });
}

#[test]
fn parquet_keeps_schema_metadata_codec_and_order() {
    let names: ArrayRef =
        Arc::new(StringArray::from_iter((0..5000).map(|row| (row % 5 > 0).then(|| format!("n{row}")))));
    let clicks: ArrayRef = Arc::new(Int64Array::from_iter_values((0..5000).map(|row| row % 2)));
    let batch = RecordBatch::try_from_iter_with_nullable([("name", names, true), ("click", clicks, false)]).unwrap();
    let metadata: std::collections::HashMap<_, _> = [("origin".to_owned(), "test".to_owned())].into();
    let schema = Arc::new(Schema::new_with_metadata(batch.schema().fields().clone(), metadata));
    let batch = batch.with_schema(schema.clone()).unwrap();
    let pair = parquet::file::metadata::KeyValue::new("pandas".to_owned(), "{}".to_owned());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(2000))
        .set_key_value_metadata(Some(vec![pair]));
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();

    let (found, counts) = denoised(&bytes, &spec(json!({"label": "click"})), |row| row >= 10 && row % 7 == 0);
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap()
    };
    let (uploaded, reader) = (open("uploaded", &bytes), open("denoised", &found));
    assert_eq!(reader.schema(), uploaded.schema());
    let pairs = |reader: &ParquetRecordBatchReaderBuilder<File>| {
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let mut pairs: Vec<_> = pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(pairs(&reader).iter().map(|pair| &pair.0).collect::<Vec<_>>(), ["ARROW:schema", "pandas"]);
    assert_eq!(pairs(&reader)[1..], pairs(&uploaded)[1..]);
    assert_eq!(reader.metadata().row_group(0).column(0).compression(), Compression::SNAPPY);
    assert_eq!(reader.metadata().row_group(0).num_rows(), 2000);
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let found = arrow_select::concat::concat_batches(&schema, &batches).unwrap();
    let kept = arrow_array::BooleanArray::from_iter((0..5000).map(|row| Some(row < 10 || row % 7 != 0)));
    assert_eq!(found, arrow_select::filter::filter_record_batch(&batch, &kept).unwrap());
    assert_eq!(counts.kept, found.num_rows() as u64);
}

#[test]
fn a_synthetic_table_reads_and_its_truth_names_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let (table, truth) = (folder.path().join("table.csv"), folder.path().join("truth.csv"));
    let spec = autodenoise::synth::SynthSpec::default();
    autodenoise::synth::write(&spec, &table, Some(&truth)).unwrap();
    let (ingested, _) = read(fs::read(&table).unwrap(), &autodenoise::synth::dataset_spec());
    assert_eq!(ingested.profile.rows.total(), spec.rows);
    assert_eq!(
        ingested.feature_map.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(),
        ["user", "item", "age", "device", "genre"]
    );
    assert_eq!(ingested.profile.duplicate_rows, 0, "pairs are distinct");
    assert_eq!(fs::read_to_string(truth).unwrap().lines().count() as u64, spec.rows + 1);
}
