//! Parts of a table that are texts: what each may have of its own (an archive, a title, bad rows), and what all have in common.

use crate::{
    parts::{Folder, some_rows, text},
    read, spec, utf16, zip,
};
use autodenoise::{
    ingest::{RowChanges, write_denoised_as},
    types::{DatasetSpec, OutputForm, PartRows, Split},
};
use serde_json::{Value, json};
use std::fs;

/// A spec of `click` tables with these members.
fn with(member: Value) -> DatasetSpec {
    let mut whole = json!({"label": "click", "split": {"ratio": {"ratios": [0.5, 0.25, 0.25]}}});
    whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
    spec(whole)
}

/// The rows of all parts in one file, but for the row of this number.
fn copied(folder: &Folder, spec: &DatasetSpec, left_out: u32) -> Vec<u8> {
    let out = folder.root().join("copy");
    let changes = RowChanges { dropped: &|row| row == left_out, marks: None };
    write_denoised_as(OutputForm::File, &folder.source(), spec, changes, &out).unwrap();
    fs::read(out).unwrap()
}

fn part(first: u32, rows: u32) -> String {
    "user,click\n".to_owned() + &some_rows(first, rows)
}

fn digest_of(rows: u32) -> String {
    read(part(0, rows), &with(json!({}))).0.profile.digest
}

#[test]
fn bad_rows_of_parts_keep_their_positions() {
    let skip = with(json!({"on_bad_row": "skip"}));
    let bad = part(20, 20).replacen("u1,1\n", "u1\n", 1);
    // Folders add a column to the cells of a row.
    for names in [["a.csv", "b.csv"], ["day=1/a.csv", "day=2/b.csv"]] {
        let folder = Folder::new([(names[0], part(0, 20)), (names[1], bad.clone())]);
        let (ingested, dataset) = folder.read(&folder.source(), &skip).unwrap();
        let profile = ingested.profile;
        assert_eq!((profile.rows.total(), profile.skipped.rows, profile.rows_of_file()), (39, 1, 40));
        let listed = &profile.skipped.listed[0];
        assert_eq!((listed.row, listed.part.as_deref(), listed.line), (21, Some(names[1]), Some(3)));
        let part = |name: &str, first_row| PartRows { name: name.to_owned(), first_row, rows: 20 };
        assert_eq!(profile.parts, [part(names[0], 0), part(names[1], 20)]);
        let rows = Split::ALL.map(|split| dataset.split(split).rows.to_vec()).concat();
        assert!(!rows.contains(&21) && rows.contains(&39));
    }
}

#[test]
fn parts_may_be_archives_each_with_a_file_of_its_own() {
    let [one, two, three] = [(0, 20), (20, 20), (40, 20)].map(|(first, rows)| part(first, rows));
    let apart = Folder::new([
        ("a.zip", zip(&[("one.csv", one.as_bytes())])),
        ("b.zip", zip(&[("two.csv", two.as_bytes())])),
        ("c.csv", three.clone().into_bytes()),
    ]);
    let (ingested, _) = apart.read(&apart.source(), &with(json!({}))).unwrap();
    assert_eq!(ingested.profile.digest, digest_of(60));
    // What ingest gives back reads the same parts.
    let (again, _) = apart.read(&apart.source(), &ingested.spec).unwrap();
    assert_eq!(again.profile.digest, ingested.profile.digest);
    let copy = Folder::new([("copy.zip", copied(&apart, &ingested.spec, u32::MAX))]);
    assert_eq!(copy.read(&copy.source(), &with(json!({"member": "one.csv"}))).unwrap().0.profile.digest, digest_of(60));

    let member = with(json!({"member": "t.csv"}));
    let archive = |text: &str| zip(&[("notes.txt", b"none"), ("t.csv", text.as_bytes())]);
    let named = Folder::new([("a.csv", one.into_bytes()), ("b.zip", archive(&two)), ("c.zip", archive(&three))]);
    assert_eq!(named.read(&named.source(), &member).unwrap().0.profile.digest, digest_of(60));
    let unsure = named.refuse(&with(json!({})));
    assert!(unsure.fields[0].rule.starts_with("b.zip: the zip archive has 2 files"), "{unsure}");
    let none = Folder::new([("a.csv", two.clone()), ("b.csv", three)]).refuse(&member);
    assert_eq!(none.fields[0].pointer, "/member", "{none}");
}

#[test]
fn every_part_has_its_title_and_one_file_has_that_of_the_first() {
    let spec = with(json!({"skip_lines": 1, "comment": "#"}));
    let titled = |number: u32, first| format!("part {number}\n# of \"three\n{}# end\n", part(first, 20));
    let folder = Folder::new([("a.csv", titled(1, 0)), ("b.csv", titled(2, 20)), ("c.csv", titled(3, 40))]);
    let (ingested, _) = folder.read(&folder.source(), &spec).unwrap();
    assert_eq!(ingested.profile.digest, digest_of(60));
    let end = |first| some_rows(first, 20) + "# end\n";
    let expected = titled(1, 0) + &end(20) + &end(40);
    assert_eq!(text(&copied(&folder, &ingested.spec, u32::MAX)), expected);

    let wide = |first| titled(0, first).replace(',', "::");
    let folder = Folder::new([("a.csv", wide(0)), ("b.csv", wide(20))]);
    let spec = with(json!({"skip_lines": 1, "comment": "#", "separator": "::"}));
    let (ingested, _) = folder.read(&folder.source(), &spec).unwrap();
    assert_eq!(ingested.profile.digest, digest_of(40));
    assert_eq!(text(&copied(&folder, &ingested.spec, u32::MAX)), wide(0) + &end(20).replace(',', "::"));
}

#[test]
fn parts_have_one_format_which_a_part_of_another_is_told() {
    let objects = "{\"user\": \"u1\", \"click\": 1}\n{\"user\": \"u2\", \"click\": 0}\n";
    let folder =
        Folder::new([("a.csv", b"user,click\nu1,1\nu2,0\n".to_vec()), ("b.jsonl", objects.as_bytes().to_vec())]);
    let rule = folder.refuse(&with(json!({}))).to_string();
    assert!(rule.contains("b.jsonl: seems to be JSON lines, but the first part is CSV"), "{rule}");
}

#[test]
fn parts_have_one_encoding_which_one_file_of_them_has() {
    let marked = |text: &str| utf16(&format!("\u{feff}{text}"));
    let spec = with(json!({}));
    let open_end = part(0, 20).trim_end().to_owned();
    let folder = Folder::new([("a.csv", marked(&open_end)), ("b.csv", marked(&part(20, 20)))]);
    let (ingested, _) = folder.read(&folder.source(), &spec).unwrap();
    assert_eq!(ingested.profile.digest, digest_of(40));
    assert!(
        copied(&folder, &ingested.spec, u32::MAX) == marked(&part(0, 40)),
        "one mark, and a line end between parts"
    );

    let mixed = Folder::new([("a.csv", marked(&part(0, 20))), ("b.csv", part(20, 20).into_bytes())]);
    let rule = mixed.refuse(&spec).to_string();
    assert!(rule.contains("b.csv: seems to be utf-8, and the first part utf-16le; parts have one encoding"), "{rule}");
}

#[test]
fn rows_that_end_with_a_separator_do_so_in_all_parts() {
    let ended = |first| "user,click\n".to_owned() + &some_rows(first, 20).replace('\n', ",\n");
    let folder = Folder::new([
        ("day=1/a.csv", ended(0)),
        ("day=1/b.csv", "user,click\n".to_owned()),
        ("day=2/c.csv", ended(20)),
    ]);
    let spec = with(json!({"exclude": ["day"]}));
    let (ingested, _) = folder.read(&folder.source(), &spec).unwrap();
    assert_eq!(ingested.profile.digest, digest_of(40));
    let copy = text(&copied(&folder, &ingested.spec, 0));
    assert!(copy.starts_with("user,click,,day\nu1,1,,1\n") && copy.ends_with("u4,1,,2\n"), "{copy}");

    let wrong = ended(20).replacen("u1,1,\n", "u1,1,9\n", 1);
    let folder = Folder::new([("day=1/a.csv", ended(0)), ("day=2/b.csv", wrong)]);
    let found = folder.refuse(&spec);
    assert_eq!((found.rows[0].row, found.rows[0].value.as_deref()), (21, Some("9")), "{found}");
    let mixed = Folder::new([("a.csv", ended(0)), ("b.csv", part(20, 20))]).refuse(&with(json!({})));
    assert!(mixed.to_string().contains("b.csv: its rows do not end with a separator"), "{mixed}");
}

#[test]
fn names_with_types_are_those_of_every_part_but_not_of_folders() {
    let typed = |first| some_rows(first, 20).replacen("u", "user:token,click:float\nu", 1);
    let folder = Folder::new([("day=1/a.inter", typed(0)), ("day=2/b.inter", typed(20))]);
    let (ingested, _) = folder.read(&folder.source(), &with(json!({}))).unwrap();
    assert_eq!(ingested.profile.columns, ["user", "click", "day"]);
}
