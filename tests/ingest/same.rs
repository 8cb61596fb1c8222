//! A table is the same dataset in every notation: dialect, format, encoding, compression, order of columns, and how its numbers are
//! written.

use crate::{bzip2, gzip, read, spec, utf16, xz, zip, zstd};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use autodenoise::types::DatasetSpec;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// An id, some words and a price, each of which may be missing.
pub type Cells = (Option<u32>, Option<String>, Option<u32>);

pub fn rows() -> impl Strategy<Value = Vec<Cells>> {
    let word = proptest::option::of("[a-c,;|'é ]{1,4}[a-c]");
    let row = (proptest::option::of(0..9_u32), word, proptest::option::of(0..400_u32));
    proptest::collection::vec(row, 60..80)
}

/// How numbers and gaps are written, what cells are divided and quoted with, and in which order they stand.
pub struct Notation {
    whole: &'static str,
    gap: &'static str,
    separator: char,
    quote: char,
    line_end: &'static str,
    order: [usize; 4],
    /// What stands before the names, and before every tenth row.
    title: &'static str,
    comment: &'static str,
}

pub const PLAIN: Notation = Notation {
    whole: "",
    gap: "",
    separator: ',',
    quote: '"',
    line_end: "\n",
    order: [0, 1, 2, 3],
    title: "",
    comment: "",
};

pub fn csv(rows: &[Cells], how: &Notation) -> String {
    let Notation { whole, gap, separator, quote, line_end, order, title, comment } = how;
    let line = |cells: [String; 4]| order.map(|at| cells[at].clone()).join(&separator.to_string()) + line_end;
    let mut text = (*title).to_owned() + &line(["id", "word", "price", "click"].map(str::to_owned));
    for (row, (id, word, price)) in rows.iter().enumerate() {
        let id = id.map_or_else(|| (*gap).to_owned(), |id| format!("{id}{whole}"));
        let word = word.as_ref().map_or_else(String::new, |word| {
            let doubled = word.replace(*quote, &format!("{quote}{quote}"));
            format!("{quote}{doubled}{quote}")
        });
        let price = price.map_or_else(|| (*gap).to_owned(), |price| format!("{price}.25"));
        text += if row % 10 == 0 { comment } else { "" };
        text += &line([id, word, price, (row / 2 % 2).to_string()]);
    }
    text
}

pub fn jsonl(rows: &[Cells]) -> String {
    let line = |(row, (id, word, price)): (usize, &Cells)| {
        let price = price.map(|price| f64::from(price) + 0.25);
        // Keys stand in the order of the alphabet.
        json!({"id": id.map(f64::from), "word": word, "price": price, "click": row / 2 % 2}).to_string() + "\n"
    };
    rows.iter().enumerate().map(line).collect()
}

pub fn parquet(rows: &[Cells]) -> Vec<u8> {
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Float64Array::from_iter(rows.iter().map(|(id, ..)| id.map(f64::from))))),
        ("word", Arc::new(StringArray::from_iter(rows.iter().map(|(_, word, _)| word.as_ref())))),
        ("price", Arc::new(Float64Array::from_iter(rows.iter().map(|(.., price)| price.map(|n| f64::from(n) + 0.25))))),
        ("click", Arc::new(Int64Array::from_iter_values((0..rows.len() as i64).map(|row| row / 2 % 2)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_one_dataset_in_every_notation(rows in rows()) {
        let with = |member: serde_json::Value| -> DatasetSpec {
            // In this order, whatever the order of the columns.
            let fields = json!(["id", "word", "price"]);
            let mut whole = json!({"label": "click", "fields": fields, "split": {"ratio": {"ratios": [0.5, 0.25, 0.25]}}});
            whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
            spec(whole)
        };
        let plain = csv(&rows, &PLAIN);
        let digest = read(&plain, &with(json!({}))).0.profile.digest;
        let semicolons = Notation { separator: ';', gap: "NaN", whole: ".0", ..PLAIN };
        let tabs = Notation { separator: '\t', line_end: "\r\n", gap: "\\N", ..PLAIN };
        let bars = Notation { separator: '|', quote: '\'', gap: "null", whole: ".000", ..PLAIN };
        let turned = Notation { order: [3, 2, 0, 1], ..PLAIN };
        let typed = Notation { separator: '\u{1}', line_end: "\u{1}\n", whole: ".0", ..PLAIN };
        // The names alone do not end with a separator.
        let ended = csv(&rows, &typed).replacen("\u{1}\n", "\n", 1);
        let between = Notation { title: "a title, \"of march\n", comment: "# \"so, far\n", ..PLAIN };
        let latin: Vec<u8> = plain.chars().map(|c| c as u32 as u8).collect();
        let tsv = csv(&rows, &Notation { separator: '\t', ..PLAIN });
        // Every double quote is one around a word.
        let escaped = plain.replace('\'', "\\'").replace('"', "'");
        for (bytes, member) in [
            (csv(&rows, &turned).into_bytes(), json!({})),
            (ended.into_bytes(), json!({"separator": "\u{1}"})),
            (csv(&rows, &between).into_bytes(), json!({"skip_lines": 1, "comment": "#"})),
            (latin, json!({"encoding": "latin-1"})),
            (utf16(&plain), json!({"encoding": "utf-16le"})),
            (zstd(&utf16(&format!("\u{feff}{plain}"))), json!({})),
            (bzip2(plain.as_bytes()), json!({})),
            (xz(jsonl(&rows).as_bytes()), json!({})),
            // No word has a quote or a tab.
            (tsv.replace('"', "").into_bytes(), json!({"quote": "none"})),
            (escaped.into_bytes(), json!({"quote": "'", "escape": "\\"})),
            (zip(&[("readme.txt", b"?"), ("t.tsv", tsv.as_bytes())]), json!({"member": "t.tsv"})),
            (format!("{plain}a,b\n").into_bytes(), json!({"on_bad_row": "skip"})),
            (csv(&rows, &semicolons).into_bytes(), json!({"separator": ";"})),
            (csv(&rows, &tabs).into_bytes(), json!({})),
            (csv(&rows, &bars).into_bytes(), json!({"separator": "|", "quote": "'"})),
            (gzip(plain.as_bytes()), json!({})),
            (zstd(format!("\u{feff}{plain}").as_bytes()), json!({})),
            (jsonl(&rows).into_bytes(), json!({})),
            (parquet(&rows), json!({})),
        ] {
            prop_assert_eq!(&read(bytes, &with(member.clone())).0.profile.digest, &digest, "{}", member);
        }
    }
}
