//! The same rows encode to the same dataset, whatever file they come in.

use crate::{click, content, gzip, read, refused, refused_within, spec, table, upload, zstd};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray,
    Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    builder::ListBuilder,
    builder::StringBuilder,
    types::{Int32Type, Int64Type},
};
use autodenoise::{
    ingest::IngestLimits,
    types::{DatasetSpec, Split},
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::sync::Arc;

/// One row of a table with a column of every kind.
struct Row {
    user: i64,
    title: &'static str,
    price: Option<f64>,
    day: &'static str,
    flag: bool,
    genres: Vec<&'static str>,
    click: bool,
    split: &'static str,
}

fn rows() -> Vec<Row> {
    (0..60)
        .map(|row| Row {
            user: (row * row) % 17 - 3,
            title: ["Alien", "E.T., the \"Extra\"", "Amélie", "", "two\nlines"][row as usize % 5],
            price: (row % 9 != 0).then_some(row as f64 * 0.1 + if row % 4 == 0 { 1e20 } else { 0.0 }),
            day: ["2020-01-31", "1969-12-31", "2024-02-29"][row as usize % 3],
            flag: row % 4 == 1,
            genres: [vec![], vec!["Action"], vec!["Action", "War"], vec!["Sci-Fi", "War", "Drama"]][row as usize % 4]
                .clone(),
            click: row % 2 == (row / 7) % 2,
            split: ["train", "valid", "train", "test"][row as usize % 4],
        })
        .collect()
}

fn every_kind() -> DatasetSpec {
    spec(json!({
        "label": "click",
        "fields": ["user", "title", "price", "day", "at", "flag",
            {"column": "genres", "multi": {"separator": "|", "mode": "split", "max_values": 3}}],
        "split": {"column": "split"}
    }))
}

fn as_csv(rows: &[Row]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["user", "title", "price", "day", "at", "flag", "genres", "click", "split"]).unwrap();
    for row in rows {
        out.write_record([
            row.user.to_string().as_str(),
            row.title,
            &row.price.map_or(String::new(), |price| format!("{price:?}")),
            row.day,
            &format!("{}T00:00:01", row.day),
            if row.flag { "true" } else { "false" },
            &row.genres.join("|"),
            if row.click { "1" } else { "0" },
            row.split,
        ])
        .unwrap();
    }
    out.into_inner().unwrap()
}

fn as_jsonl(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut object = json!({
            "user": row.user, "title": row.title, "price": row.price, "day": row.day, "at": format!("{}T00:00:01", row.day),
            "flag": row.flag, "genres": row.genres, "click": row.click as u8, "split": row.split,
        });
        if number > 0 && row.price.is_none() {
            object.as_object_mut().unwrap().remove("price");
        }
        text += &format!("{object}\n");
    }
    text.into_bytes()
}

fn days(row: &Row) -> i32 {
    let epoch = chrono::NaiveDate::default();
    (row.day.parse::<chrono::NaiveDate>().unwrap() - epoch).num_days() as i32
}

fn as_parquet(rows: &[Row]) -> Vec<u8> {
    let mut genres = ListBuilder::new(StringBuilder::new());
    for row in rows {
        genres.append_value(row.genres.iter().map(|genre| Some(*genre)));
    }
    let at = rows.iter().map(|row| i64::from(days(row)) * 86_400_000 + 1000);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.user)))),
        ("title", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.title)))),
        // As pandas writes it: a missing value is NaN.
        ("price", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.price.unwrap_or(f64::NAN))))),
        ("day", Arc::new(Date32Array::from_iter_values(rows.iter().map(days)))),
        ("at", Arc::new(TimestampMillisecondArray::from_iter_values(at).with_timezone("Europe/Berlin"))),
        ("flag", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.flag))))),
        ("genres", Arc::new(genres.finish())),
        ("click", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.click.into())))),
        ("split", Arc::new(DictionaryArray::<Int32Type>::from_iter(rows.iter().map(|row| row.split)))),
    ];
    parquet(RecordBatch::try_from_iter(columns).unwrap())
}

fn parquet(batch: RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn csv_parquet_and_json_lines_of_the_same_rows_are_one_dataset() {
    let (rows, spec) = (rows(), every_kind());
    let (from_csv, csv) = read(as_csv(&rows), &spec);
    assert_eq!(csv.fields(), 9);
    for bytes in [as_parquet(&rows), as_jsonl(&rows), gzip(&as_jsonl(&rows)), zstd(&as_csv(&rows))] {
        let (other, dataset) = read(bytes, &spec);
        assert_eq!(other.profile.digest, from_csv.profile.digest);
        assert_eq!(content(&dataset), content(&csv));
        assert_eq!(other.feature_map, from_csv.feature_map);
    }
}

#[test]
fn the_time_of_a_row_is_the_same_in_every_format() {
    let (rows, spec) =
        (rows(), spec(json!({"label": "click", "fields": ["user"], "split": {"column": "split"}, "time": "at"})));
    let (from_csv, csv) = read(as_csv(&rows), &spec);
    for bytes in [as_parquet(&rows), as_jsonl(&rows)] {
        let (other, dataset) = read(bytes, &spec);
        assert_eq!(other.profile.digest, from_csv.profile.digest);
        assert_eq!(dataset.times(Split::Train), csv.times(Split::Train));
    }
    assert_eq!(csv.times(Split::Train).unwrap()[0], 1_580_428_801_000_000);
}

#[test]
fn another_label_or_order_is_another_digest() {
    let digest = |rows: &[Row]| read(as_csv(rows), &every_kind()).0.profile.digest;
    let mut changed = rows();
    changed[0].click = !changed[0].click;
    let mut swapped = rows();
    swapped.swap(0, 4);
    assert_ne!(digest(&rows()), digest(&changed));
    assert_ne!(digest(&rows()), digest(&swapped));
}

#[test]
fn line_ends_marks_separators_and_compressions_make_no_difference() {
    let text = table(100);
    let plain = read(&text, &click()).0.profile.digest;
    let with = |member: &str, value: Value| {
        let mut spec = serde_json::to_value(click()).unwrap();
        spec[member] = value;
        crate::spec(spec)
    };
    let no_header = text.split_once('\n').unwrap().1;
    let mut members = gzip(&text.as_bytes()[..1000]);
    members.extend(gzip(&text.as_bytes()[1000..]));
    let mut frames = zstd(&text.as_bytes()[..1000]);
    frames.extend(zstd(&text.as_bytes()[1000..]));
    let bom = |text: &str| format!("\u{feff}{text}");
    let columns = json!(["user", "item", "price", "click", "split"]);
    let mut colons = with("separator", json!("::"));
    colons.columns = serde_json::from_value(columns.clone()).unwrap();
    let cases: Vec<(&str, Vec<u8>, DatasetSpec)> = vec![
        ("CRLF", text.replace('\n', "\r\n").into(), click()),
        ("CR", text.replace('\n', "\r").into(), click()),
        ("no last line end", text.trim_end().into(), click()),
        ("blank lines", text.replace("train\n", "train\n\n").into(), click()),
        ("byte order mark", bom(&text).into(), click()),
        ("quoted", text.replace("u1,", "\"u1\",").into(), click()),
        ("tab, guessed", text.replace(',', "\t").into(), click()),
        ("semicolon, guessed", text.replace(',', ";").into(), click()),
        ("bar, given", text.replace(',', "|").into(), with("separator", json!("|"))),
        ("letters of several bytes", text.replace(',', "§").into(), with("separator", json!("§"))),
        ("columns given", no_header.into(), with("columns", columns)),
        ("::, no header, CRLF", bom(&no_header.replace(',', "::").replace('\n', "\r\n")).into(), colons),
        ("gzip of several members", members, click()),
        ("zstd of several frames", frames, click()),
        ("gzip of a marked text", gzip(bom(&text).as_bytes()), click()),
    ];
    for (name, bytes, spec) in cases {
        assert_eq!(read(bytes, &spec).0.profile.digest, plain, "{name}");
    }
}

#[test]
fn the_spec_comes_back_with_what_was_found_out() {
    let found = read(gzip(table(50).replace(',', ";").as_bytes()), &click()).0.spec;
    let expected = json!({"label": "click", "split": {"column": "split"}, "format": "csv", "compression": "gzip", "separator": ";"});
    assert_eq!(found, spec(expected));
}

#[test]
fn json_keys_come_in_any_order_and_escapes_are_read() {
    let rows = [
        r#"{"item":"a\"b","n":1,"click":1,"split":"train"}"#,
        r#"{"click":0,"split":"train","n":1.50,"item":"caf\u00e9"}"#,
        r#"{"split":"valid","item":"café","click":true}"#,
        r#"{"split":"valid","item":null,"click":false}"#,
        r#"{"split":"test","click":0,"item":"a\"b"}"#,
        r#"{"split":"test","click":1,"item":"new"}"#,
    ];
    let (_, dataset) =
        read(rows.join("\n"), &spec(json!({"label": "click", "fields": ["item"], "split": {"column": "split"}})));
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, ..)| ids).collect();
    assert_eq!(ids, [vec![0, 1], vec![1, 2], vec![0, 2]], "2 is the unknown id");
}

#[test]
fn a_file_cut_short_says_so_and_after_how_many_rows() {
    let text = table(20_000);
    for (name, whole) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd(text.as_bytes()))] {
        let invalid = refused(&whole[..whole.len() / 2], &click());
        let error = &invalid.rows[0];
        assert!(error.rule.contains(&format!("the {name} stream is cut short")), "{}", error.rule);
        assert!(error.row > 1000 && error.rule.contains(&format!("{} rows were read before", error.row)), "{error:?}");
        assert_eq!(error.line, Some(error.row + 2));
        // However short the file is, it is refused with an answer.
        for len in [3, 10, 20, 40] {
            refused(&whole[..len], &click());
        }
    }
    let whole = as_parquet(&rows());
    for len in [4, 100, whole.len() / 2, whole.len() - 1] {
        let invalid = refused(&whole[..len], &every_kind());
        assert!(invalid.fields[0].rule.contains("damaged or cut short"), "{invalid}");
    }
}

#[test]
fn damaged_bytes_are_an_answer_and_never_a_panic() {
    let text = table(2_000);
    let mut gz = gzip(text.as_bytes());
    let middle = gz.len() / 2;
    gz[middle..middle + 8].fill(0xff);
    let invalid = refused(&gz, &click());
    assert!(invalid.to_string().contains("the gzip stream is damaged"), "before any garbled row: {invalid}");
    let whole = as_parquet(&rows());
    for at in (8..whole.len() - 8).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at..at + 4].fill(0xff);
        // A damaged value may still be a value, so either answer is right; there must be one.
        let _ = upload(&damaged).ingest(&every_kind());
    }
}

#[test]
fn a_bomb_is_stopped() {
    let bomb = gzip(&vec![b'\n'; 50 << 20]);
    let limits = IngestLimits { max_decompressed_bytes: 1 << 20, ..IngestLimits::default() };
    assert!(refused_within(bomb, &click(), &limits).to_string().contains("unpacks to more than 1048576 bytes"));
    let click: ArrayRef = Arc::new(Int64Array::from(vec![1; 1 << 20]));
    let packed = parquet(RecordBatch::try_from_iter([("id", click.clone()), ("click", click)]).unwrap());
    assert!(packed.len() < 10_000);
    let invalid = refused_within(packed, &spec(json!({"label": "click"})), &limits);
    assert!(invalid.to_string().contains("unpacks to more"), "{invalid}");
}

#[test]
fn a_wrong_word_about_the_format_is_refused() {
    let refuse = |member: &str, value: &str, bytes: &[u8]| {
        let mut spec = serde_json::to_value(click()).unwrap();
        spec[member] = value.into();
        refused(bytes, &crate::spec(spec)).fields[0].clone()
    };
    let plain = table(10);
    let error = refuse("compression", "gzip", plain.as_bytes());
    assert_eq!(error.pointer, "/compression");
    assert!(error.rule.contains("those of `none`"), "{}", error.rule);
    assert_eq!(refuse("compression", "none", &zstd(plain.as_bytes())).pointer, "/compression");
    assert_eq!(refuse("format", "parquet", plain.as_bytes()).pointer, "/format");
    assert_eq!(refuse("separator", ",", &as_jsonl(&rows())).pointer, "/separator");
}

#[test]
fn bytes_and_lists_of_one_length_are_read_from_parquet() {
    let click: ArrayRef = Arc::new(Int64Array::from_iter_values((0..60).map(|row| row / 3 % 2)));
    let digest = |column: ArrayRef, member: serde_json::Value| {
        let table = parquet(RecordBatch::try_from_iter([("id", column), ("click", click.clone())]).unwrap());
        let mut whole = json!({"label": "click"});
        whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        read(table, &spec(whole)).0.profile.digest
    };
    let words = |word: &dyn Fn(u8) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..60).map(|row| word(row % 7))))
    };
    // Text in bytes is that text; other bytes are told apart.
    let text = digest(words(&|n| format!("ab{n}")), json!({}));
    let bytes = (0..60).map(|row| format!("ab{}", row % 7).into_bytes());
    assert_eq!(digest(Arc::new(BinaryArray::from_iter_values(bytes.clone())), json!({})), text);
    assert_eq!(digest(Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap()), json!({})), text);
    let hashes = (0..60_u8).map(|row| vec![0xff, row % 7]);
    let hexadecimal = digest(words(&|n| format!("0xff0{n}")), json!({}));
    assert_eq!(digest(Arc::new(BinaryArray::from_iter_values(hashes.clone())), json!({})), hexadecimal);
    assert_eq!(digest(Arc::new(FixedSizeBinaryArray::try_from_iter(hashes).unwrap()), json!({})), hexadecimal);

    let several = json!({"fields": [{"column": "id", "multi": {"separator": "|", "mode": "split", "max_values": 2}}]});
    let pairs = (0..60).map(|row| Some([Some(row % 7), Some(row % 5)]));
    let lists = FixedSizeListArray::from_iter_primitive::<Int64Type, _, _>(pairs, 2);
    let joined: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..60).map(|row| format!("{}|{}", row % 7, row % 5))));
    assert_eq!(digest(Arc::new(lists), several.clone()), digest(joined, several));
}
