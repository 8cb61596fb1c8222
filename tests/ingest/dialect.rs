//! What quotes a text table, found from its lines.

use crate::{read, refused, spec, upload};
use autodenoise::{
    ingest::{RowChanges, write_denoised},
    types::{DatasetSpec, Quote},
};
use serde_json::{Value, json};
use std::fs;

/// 400 tab separated rows, in which the cells of `odd` rows are something else.
fn rows(odd: &[(usize, &str)]) -> String {
    let cell = |row: usize| odd.iter().find(|(at, _)| *at == row).map_or("tv", |(_, text)| *text);
    let rows = (0..400).map(|row| format!("{}\t{}\t{}\n", row % 17, cell(row), row / 3 % 2));
    "user\tquery\tclick\n".to_owned() + &rows.collect::<String>()
}

fn with(member: Value) -> DatasetSpec {
    let mut whole = json!({"label": "click"});
    whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
    spec(whole)
}

#[test]
fn a_stray_quote_takes_in_no_rows() {
    let stray = [(100, "\"big screen"), (120, "tv 55\"")];
    let upload = upload(rows(&stray));
    let (ingested, _) = upload.ingest(&with(json!({}))).unwrap();
    assert_eq!(ingested.profile.rows.total(), 400);
    assert_eq!(ingested.spec.quote, Some(Quote::None));
    let note = &ingested.profile.notes[0];
    assert!(note.contains("line 102") && note.contains("21 lines") && note.contains("`none`"), "{note}");
    // The same as with the letter q for a quote, and as the spec may say.
    let lettered = read(rows(&stray).replace('"', "q"), &with(json!({}))).0;
    assert_eq!(lettered.profile.digest, ingested.profile.digest);
    assert_eq!(lettered.profile.notes, [] as [&str; 0]);
    let told = read(rows(&stray), &with(json!({"quote": "none"}))).0;
    assert_eq!((told.profile.digest, told.profile.notes.len()), (ingested.profile.digest.clone(), 0));

    // The copy is made of the same rows.
    let out = upload.folder.path().join("out");
    let changes = RowChanges { dropped: &|row| row == 101, marks: None };
    let counts = write_denoised(&upload.path, &ingested.spec, changes, &out).unwrap().counts;
    assert_eq!((counts.kept, counts.dropped), (399, 1));
    let mut lines: Vec<_> = rows(&stray).lines().map(str::to_owned).collect();
    lines.remove(102);
    assert_eq!(fs::read_to_string(out).unwrap(), lines.join("\n") + "\n");
}

#[test]
fn a_quote_that_is_never_closed_is_refused_with_what_to_say() {
    let text = rows(&[(100, "\"big screen")]);
    let error = refused(&text, &with(json!({}))).rows[0].clone();
    assert!(error.line == Some(102) && error.rule.contains("`quote`: `none`"), "{error:?}");
    assert_eq!(read(text, &with(json!({"quote": "none"}))).0.profile.rows.total(), 400);
}

#[test]
fn quotes_that_mean_something_stay_and_odd_ones_are_reported() {
    // Text of several lines, quoted on purpose.
    let text = rows(&[(7, "\"big\nscreen\""), (9, "\"one\n\ntwo\nthree\"")]);
    let ingested = read(text, &with(json!({}))).0;
    assert_eq!((ingested.profile.rows.total(), ingested.profile.notes.len(), ingested.spec.quote), (400, 0, None));
    // One cell needs its quotes, so the others may be quotes too: said, not decided.
    let mixed = read(rows(&[(7, "\"a\tb\""), (100, "\"big screen"), (120, "tv 55\"")]), &with(json!({}))).0;
    assert_eq!((mixed.profile.rows.total(), mixed.spec.quote), (380, None));
    let note = &mixed.profile.notes[0];
    assert!(note.contains("line 102") && note.contains("21 lines") && note.contains("correct it"), "{note}");
    // Without quotes the second line would be a row with a label that is none: it is text.
    let review = "click,review\n".to_owned() + &"1,good\n0,bad\n".repeat(50) + "1,\"good\nreally, I mean it\"\n";
    let reviewed = read(review, &spec(json!({"label": "click"}))).0;
    assert_eq!((reviewed.profile.rows.total(), reviewed.spec.quote), (101, None));
    assert_eq!(reviewed.profile.notes.len(), 1, "it is said all the same");
    // Where the spec says what quotes, it is not asked.
    let told = read(rows(&[(100, "\"big screen"), (120, "tv 55\"")]), &with(json!({"quote": "\""}))).0;
    assert_eq!((told.profile.rows.total(), told.profile.notes.len()), (380, 0));
}

#[test]
fn another_quote_and_an_escape_are_said() {
    let plain = read(rows(&[(7, "\"a \"\"b\"\"\""), (8, "c")]), &with(json!({}))).0.profile.digest;
    let single = read(rows(&[(7, "'a \"b\"'"), (8, "c")]), &with(json!({"quote": "'"}))).0.profile.digest;
    assert_eq!(single, plain);
    let escaped = read(rows(&[(7, r#""a \"b\"""#), (8, "c")]), &with(json!({"escape": "\\"}))).0.profile.digest;
    assert_eq!(escaped, plain);
    let bare = read(rows(&[(7, "a \"b\""), (8, "c")]), &with(json!({"quote": "none", "escape": "\\"}))).0;
    assert_eq!(bare.profile.digest, plain);

    let text = rows(&[]);
    for (member, pointer, rule) in [
        (json!({"quote": "\t", "separator": "\t"}), "", ""),
        (json!({"separator": "\0"}), "/separator", "NUL"),
        (json!({"quote": "'", "separator": "::"}), "/quote", "knows no quotes"),
        (json!({"quote": "|", "separator": "|"}), "/quote", "another character"),
        (json!({"escape": "\\", "separator": "::"}), "/escape", "knows no escapes"),
        (json!({"escape": "\""}), "/escape", "neither"),
        (json!({"escape": "é"}), "/escape", "ASCII"),
        (json!({"quote": "none", "format": "jsonl"}), "/quote", "only for CSV"),
    ] {
        if pointer.is_empty() {
            assert!(serde_json::from_value::<DatasetSpec>(json!({"label": "click", "quote": "\t"})).is_err());
            continue;
        }
        let error = refused(&text, &with(member.clone())).fields[0].clone();
        assert!(error.pointer == pointer && error.rule.contains(rule), "{member}: {error:?}");
    }
}
