//! The denoised file is the upload minus the dropped rows, and nothing else.

use crate::{click, gzip, read, spec, table, upload, zstd};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float32Array, Int64Array, RecordBatch, StringArray, cast::AsArray,
    types::Int8Type,
};
use arrow_schema::{DataType, Field, Schema};
use autodenoise::{
    ingest::{ExportCounts, Exported, RowChanges, RowMark, write_denoised},
    types::{DatasetSpec, LabelColumns},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector},
    },
    basic::Compression,
    file::{metadata::PageIndexPolicy, properties::WriterProperties},
};
use proptest::prelude::*;
use serde_json::json;
use std::{fs, fs::File, io::Read, sync::Arc};

fn denoised(bytes: impl AsRef<[u8]>, spec: &DatasetSpec, dropped: impl Fn(u32) -> bool) -> (Vec<u8>, ExportCounts) {
    let (bytes, exported) = exported(bytes, spec, RowChanges { dropped: &dropped, marks: None });
    assert_eq!(exported.label_columns, None);
    (bytes, exported.counts)
}

fn exported(bytes: impl AsRef<[u8]>, spec: &DatasetSpec, changes: RowChanges) -> (Vec<u8>, Exported) {
    let upload = upload(bytes);
    let out = upload.folder.path().join("denoised");
    let exported = write_denoised(&upload.path, spec, changes, &out).unwrap();
    assert_eq!(fs::read_dir(upload.folder.path()).unwrap().count(), 2, "no temporary file is left");
    (fs::read(out).unwrap(), exported)
}

/// A target and a weight that tell the row.
fn mark(row: u32) -> RowMark {
    RowMark { target: 0.25 + row as f32, weight: if row.is_multiple_of(2) { 1.0 } else { 0.1 } }
}

/// The copy with marks and without row 1, as text; and the names of the columns.
fn marked(text: impl AsRef<[u8]>, spec: &DatasetSpec) -> (String, LabelColumns) {
    let changes = RowChanges { dropped: &|row| row == 1, marks: Some(&mark) };
    let (bytes, exported) = exported(text, spec, changes);
    (String::from_utf8(bytes).unwrap(), exported.label_columns.unwrap())
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
fn marks_are_two_more_columns_of_a_csv() {
    let label = |more: serde_json::Value| {
        let mut spec = json!({"label": "click"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self::spec(spec)
    };
    let cases = [
        // Byte order mark, blank lines, quoted cells over two lines, no last line end.
        (
            "\u{feff}click,a\n0,\"x\ny\"\n\n1,z\n1,\"q\"",
            json!({}),
            "\u{feff}click,a,autodenoise_target,autodenoise_weight\n0,\"x\ny\",0.25,1\n\n1,\"q\",2.25,1",
        ),
        (
            "click\ta\r\n0\tx\r\n1\ty\r\n0\tz\r\n",
            json!({}),
            "click\ta\tautodenoise_target\tautodenoise_weight\r\n0\tx\t0.25\t1\r\n0\tz\t2.25\t1\r\n",
        ),
        (
            "click;a\r0;x\r1;y\r0;z\r1;w\r",
            json!({}),
            "click;a;autodenoise_target;autodenoise_weight\r0;x;0.25;1\r0;z;2.25;1\r1;w;3.25;0.1\r",
        ),
        // Names are quoted where the others are, values where the separator stands in them.
        (
            "\"click\",\"a\"\n0,x\n1,y\n",
            json!({}),
            "\"click\",\"a\",\"autodenoise_target\",\"autodenoise_weight\"\n0,x,0.25,1\n",
        ),
        (
            "click.a\n0.x\n",
            json!({"separator": "."}),
            "click.a.autodenoise_target.autodenoise_weight\n0.x.\"0.25\".1\n",
        ),
        (
            "click::a\n0::x\n",
            json!({"separator": "::"}),
            "click::a::autodenoise_target::autodenoise_weight\n0::x::0.25::1\n",
        ),
        // Without a header there is none to extend.
        ("0,x\n1,y\n0,z\n", json!({"columns": ["click", "a"]}), "0,x,0.25,1\n0,z,2.25,1\n"),
    ];
    for (text, more, expected) in cases {
        let (found, columns) = marked(text, &label(more));
        assert_eq!(found, expected);
        assert_eq!((&columns.target[..], &columns.weight[..]), ("autodenoise_target", "autodenoise_weight"));
    }
}

#[test]
fn marks_are_two_more_members_of_an_object() {
    let text = "\u{feff}{\"b\": \"}\", \"click\":1}\r\n\n{\"click\":0}\n{ \"click\": 0 } \n{\"click\":1,\"b\":null}";
    let expected = "\u{feff}{\"b\": \"}\", \"click\":1,\"autodenoise_target\":0.25,\"autodenoise_weight\":1}\r\n\n\
        { \"click\": 0,\"autodenoise_target\":2.25,\"autodenoise_weight\":1 } \n\
        {\"click\":1,\"b\":null,\"autodenoise_target\":3.25,\"autodenoise_weight\":0.1}";
    assert_eq!(marked(text, &spec(json!({"label": "click"}))).0, expected);
}

#[test]
fn marks_have_names_that_no_column_has() {
    let click = spec(json!({"label": "click"}));
    let names = |text: &str, spec: &DatasetSpec| {
        let (found, LabelColumns { target, weight }) = marked(text, spec);
        assert!(found.contains(&target) || spec.columns.is_some(), "{found}");
        (target, weight)
    };
    let second = ("autodenoise_target_2".to_owned(), "autodenoise_weight_2".to_owned());
    let third = ("autodenoise_target_3".to_owned(), "autodenoise_weight_3".to_owned());
    assert_eq!(names("click,autodenoise_weight\n0,1\n1,1\n", &click), second);
    assert_eq!(names("click,autodenoise_weight,autodenoise_target_2\n0,1,2\n", &click), third);
    let bare = spec(json!({"label": "click", "columns": ["click", "autodenoise_target"]}));
    assert_eq!(names("0,1\n1,1\n", &bare), second);
    // An object far behind the first may have such a key, if it is not one of the fields.
    let mut objects = "{\"click\":1,\"a\":1}\n".repeat(11_000);
    objects += "{\"click\":1,\"a\":1,\"autodenoise_\\u0074arget\":1}\n";
    assert_eq!(names(&objects, &spec(json!({"label": "click", "fields": ["a"]}))), second);
}

#[test]
fn marks_are_packed_with_the_table() {
    let text = table(3000);
    let plain = marked(&text, &click()).0;
    let changes = RowChanges { dropped: &|row| row == 1, marks: Some(&mark) };
    let mut unpacked = String::new();
    let packed = exported(gzip(text.as_bytes()), &click(), changes).0;
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let packed = exported(zstd(text.as_bytes()), &click(), changes).0;
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), plain.as_bytes());
    // What came out reads as a table again.
    let (ingested, _) = read(packed, &click());
    assert_eq!(ingested.profile.rows.total(), 2999);
    assert_eq!(ingested.profile.columns[5..], ["autodenoise_target", "autodenoise_weight"]);
}

#[test]
fn marks_are_two_float_columns_of_a_parquet_file() {
    let clicks: ArrayRef = Arc::new(Int64Array::from_iter_values((0..20_000).map(|row| row % 2)));
    let batch = RecordBatch::try_from_iter_with_nullable([("click", clicks, false)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let changes = RowChanges { dropped: &|row| row % 7 == 1, marks: Some(&mark) };
    let (found, exported) = exported(writer.into_inner().unwrap(), &spec(json!({"label": "click"})), changes);
    assert!(exported.label_columns.is_some());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("denoised");
    fs::write(&path, found).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let found = arrow_select::concat::concat_batches(&schema, &batches).unwrap();
    let kept = || (0..20_000).filter(|row| row % 7 != 1);
    let column = |of: &dyn Fn(RowMark) -> f32| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(kept().map(|row| of(mark(row)))))
    };
    let expected = RecordBatch::try_from_iter_with_nullable([
        ("click", Arc::new(Int64Array::from_iter_values(kept().map(|row| i64::from(row) % 2))) as ArrayRef, false),
        ("autodenoise_target", column(&|mark| mark.target), false),
        ("autodenoise_weight", column(&|mark| mark.weight), false),
    ]);
    assert_eq!(found, expected.unwrap());
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

const SIZES: [&str; 4] = ["small", "middle", "large", "huge"];

/// Rows with a size each, some of them unknown. The first four have the sizes in their order, and no other is `huge`.
fn sizes(rows: i64, nullable: bool) -> RecordBatch {
    let size = |row: i64| if row < 4 { row as i8 } else { [2, 0, 1][row as usize % 3] };
    let keys = (0..rows).map(|row| (row < 4 || !nullable || row % 11 > 0).then(|| size(row)));
    let sizes = DictionaryArray::<Int8Type>::new(keys.collect(), Arc::new(StringArray::from_iter_values(SIZES)));
    let clicks = Int64Array::from_iter_values((0..rows).map(|row| row % 2));
    let size = Field::new("size", sizes.data_type().clone(), nullable).with_dict_is_ordered(true);
    let schema = Schema::new(vec![Field::new("click", DataType::Int64, false), size]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(clicks), Arc::new(sizes)]).unwrap()
}

#[test]
fn categories_keep_their_order_and_those_without_a_row() {
    let names = |batch: &RecordBatch| {
        let texts = arrow_cast::cast(batch.column(1), &DataType::Utf8).unwrap();
        texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    };
    for (rows, nullable) in [(100, true), (50_000, true), (50_000, false)] {
        let batch = sizes(rows, nullable);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(30_000))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let dropped = |row: u32| row < 4 || row % 7 == 1;
        let changes = RowChanges { dropped: &dropped, marks: Some(&mark) };
        let (bytes, _) = exported(writer.into_inner().unwrap(), &spec(json!({"label": "click"})), changes);

        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let bytes = bytes::Bytes::from(bytes);
        let open = || ParquetRecordBatchReaderBuilder::try_new_with_options(bytes.clone(), options.clone()).unwrap();
        let field = open().schema().field(1).clone();
        assert_eq!((field.data_type(), field.dict_is_ordered()), (batch.column(1).data_type(), Some(true)));
        let kept = |row: &u32| !dropped(*row);
        let all = names(&batch);
        let expected: Vec<_> = (0..rows as u32).filter(kept).map(|row| all[row as usize].clone()).collect();
        let mut found = Vec::new();
        for (group, metadata) in open().metadata().row_groups().iter().enumerate() {
            assert_eq!(metadata.column(1).num_values(), metadata.num_rows());
            assert_eq!(metadata.column(1).compression(), Compression::SNAPPY);
            let before = found.len();
            for batch in open().with_row_groups(vec![group]).build().unwrap() {
                let batch = batch.unwrap();
                let categories = batch.column(1).as_any_dictionary().values();
                assert_eq!(categories.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), SIZES);
                found.extend(names(&batch));
            }
            assert_eq!((found.len() - before) as i64, metadata.num_rows());
            // A reader that skips rows finds pages by the index.
            let last = RowSelection::from(vec![RowSelector::skip(found.len() - before - 1), RowSelector::select(1)]);
            let mut reader = open().with_row_groups(vec![group]).with_row_selection(last).build().unwrap();
            assert_eq!(names(&reader.next().unwrap().unwrap()), found[found.len() - 1..]);
        }
        assert!(found == expected, "the rows are others");
    }
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
