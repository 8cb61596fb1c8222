//! Rows that cannot be read are left out where the spec says so, and every one of them is accounted for.

use crate::{content, gzip, read, refused, spec, table, upload};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use autodenoise::{
    ingest::{RowChanges, write_denoised},
    types::DatasetSpec,
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::sync::Arc;

/// How the tables here are read, but for what is said.
fn reading(member: Value) -> DatasetSpec {
    let mut whole = json!({
        "label": "click",
        "fields": ["user", {"column": "price", "numeric": {"quantile": {"buckets": 4}}},
            {"column": "tags", "multi": {"separator": "|", "mode": "split", "max_values": 2}}],
        "split": {"column": "split"},
        "time": "at",
        "on_bad_row": "skip"
    });
    whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
    spec(whole)
}

/// Rows of `user,price,tags,at,click,split`.
fn good_rows(rows: usize) -> Vec<String> {
    let row = |row: usize| {
        let split = ["train", "train", "valid", "test"][row % 4];
        format!("u{},{}.5,a|b{},{},{},{split}", row % 7, row % 5, row % 3, 1000 + row, row / 4 % 2)
    };
    (0..rows).map(row).collect()
}

/// A row of every fault there is, each with the column that it is in.
const BAD: [(&[u8], Option<&str>); 9] = [
    (b"u1,1.5,a,7,1", None),
    (b"u1,1.5,a,7,1,train,", None),
    (b"u1,1.5,a,7,maybe,train", Some("click")),
    (b"u1,1.5,a,7,1,later", Some("split")),
    (b"u1,1.5,a,soon,1,train", Some("at")),
    (b"u1,1.5,a,2020-01-01,1,train", Some("at")),
    (b"u1,cheap,a,7,1,train", Some("price")),
    (b"u1,1.5,x|y|z,7,1,train", Some("tags")),
    (b"Ren\xe9,1.5,a,7,1,train", Some("user")),
];

/// The good rows with the bad ones among them, one behind each fourth; and the positions of those.
fn mixed(good: &[String]) -> (Vec<u8>, Vec<u32>) {
    let (mut text, mut bad) = (b"user,price,tags,at,click,split\n".to_vec(), Vec::new());
    let mut rows = 0;
    for (place, row) in good.iter().enumerate() {
        text.extend(row.as_bytes());
        text.push(b'\n');
        rows += 1;
        if let (3, Some((row, _))) = (place % 4, BAD.get(place / 4)) {
            text.extend(*row);
            text.push(b'\n');
            bad.push(rows);
            rows += 1;
        }
    }
    (text, bad)
}

#[test]
fn bad_rows_leave_no_trace_but_their_count_and_their_positions() {
    let good = good_rows(60);
    let (text, bad) = mixed(&good);
    let whole = "user,price,tags,at,click,split\n".to_owned() + &good.join("\n");
    let (clean, expected) = read(&whole, &reading(json!({})));
    let (ingested, dataset) = read(&text, &reading(json!({})));
    assert_eq!(ingested.feature_map, clean.feature_map);

    let positions: Vec<u32> = (0..69).filter(|row| !bad.contains(row)).collect();
    for (own, other) in content(&dataset).into_iter().zip(content(&expected)) {
        let moved: Vec<u32> = other.2.iter().map(|row| positions[*row as usize]).collect();
        assert_eq!(own, (other.0, other.1, moved));
    }

    let skipped = &ingested.profile.skipped;
    assert_eq!((skipped.rows, ingested.profile.rows_of_file()), (9, 69));
    let listed: Vec<_> = skipped.listed.iter().map(|error| (error.row as u32, error.column.as_deref())).collect();
    let expected: Vec<_> = bad.iter().zip(BAD).map(|(row, (_, column))| (*row, column)).collect();
    assert_eq!(listed, expected);
    assert!(skipped.listed.iter().all(|error| error.line == Some(error.row + 2)));
    assert!(skipped.describe().unwrap().starts_with("9 rows could not be read and were left out (line 6, line 11,"));
}

#[test]
fn the_first_rows_may_be_bad_too() {
    let good = good_rows(40).join("\n");
    let header = "user,price,tags,at,click,split\n";
    let text = format!("{header}u1,1.5,a,2020-01-01,?,train\n\"u\n1\",1,a\n{good}");
    let (ingested, dataset) = read(&text, &reading(json!({})));
    assert_eq!(ingested.profile.skipped.rows, 2);
    // A date of a row that was left out is no reason against the numbers of the others.
    assert_eq!(ingested.feature_map.time, read(header.to_owned() + &good, &reading(json!({}))).0.feature_map.time);
    assert_eq!(content(&dataset)[0].2[..4], [2, 3, 6, 7]);
}

#[test]
fn there_may_be_so_many_bad_rows_and_no_more() {
    let bad = |rows: usize| table(2000) + &"u0,i0,1.5,maybe,train\n".repeat(rows);
    let with = |member: Value| {
        let mut whole = json!({"label": "click", "split": {"column": "split"}, "on_bad_row": "skip"});
        whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        spec(whole)
    };
    assert_eq!(read(bad(20), &with(json!({}))).0.profile.skipped.rows, 20);
    let refusal = refused(bad(30), &with(json!({})));
    assert_eq!((refusal.rejected_rows, refusal.fields[0].pointer.as_str()), (30, "/max_bad_rows"));
    assert!(refusal.fields[0].rule.contains("30 of 2030 rows are bad, more than 20"), "{refusal}");
    assert_eq!(read(bad(30), &with(json!({"max_bad_rows": 30}))).0.profile.skipped.rows, 30);
    assert_eq!(refused(bad(1), &with(json!({"max_bad_rows": 0}))).rejected_rows, 1);
    // Of few rows ten may be bad, but not all of them.
    let few = |good: usize| table(good) + &"u0,i0\n".repeat(10);
    assert_eq!(read(few(50), &with(json!({}))).0.profile.skipped.rows, 10);
    assert!(
        refused("user,click\n1\n2\n", &spec(json!({"label": "click", "on_bad_row": "skip"})))
            .to_string()
            .contains("every row is bad")
    );
    // Without the word every bad row is an error.
    assert_eq!(refused(bad(1), &crate::click()).rejected_rows, 1);
}

#[test]
fn of_many_bad_rows_a_hundred_are_listed() {
    let text = table(2000) + &"u0\n".repeat(500);
    let skip = json!({"label": "click", "split": {"column": "split"}, "on_bad_row": "skip", "max_bad_rows": 500});
    let skipped = read(text, &spec(skip)).0.profile.skipped;
    assert_eq!((skipped.rows, skipped.listed.len()), (500, 100));
}

#[test]
fn what_hides_rows_is_no_bad_row() {
    let skip = spec(json!({"label": "click", "split": {"column": "split"}, "on_bad_row": "skip"}));
    let packed = gzip(table(2000).as_bytes());
    assert!(refused(&packed[..packed.len() / 2], &skip).to_string().contains("cut short"));
    let open = table(50) + "u1,i1,\"1.5,1,train\n" + &table(50)[28..];
    let refusal = refused(open, &skip);
    assert!(refusal.rows[0].rule.contains("never closed"), "{refusal}");
    assert!(refusal.fields[0].rule.contains("within others"), "{refusal}");
    // In the last line nothing can be hidden.
    assert_eq!(read(table(50) + "u1,i1,\"1.5,1,train\n", &skip).0.profile.skipped.rows, 1);
}

#[test]
fn objects_and_parquet_rows_can_be_bad() {
    let mut lines: Vec<String> =
        (0..400).map(|row| format!("{{\"user\": \"u{}\", \"click\": {}}}", row % 3, row % 2)).collect();
    lines[7] = "{\"user\": ".to_owned();
    lines[9] = "{\"user\": {\"id\": 1}, \"click\": 0}".to_owned();
    let skip = spec(json!({"label": "click", "on_bad_row": "skip"}));
    let (ingested, dataset) = read(lines.join("\n"), &skip);
    let skipped: Vec<_> = ingested.profile.skipped.listed.iter().map(|error| error.row).collect();
    assert_eq!(skipped, [7, 9]);
    assert!(content(&dataset).iter().all(|(.., rows)| !rows.contains(&7) && !rows.contains(&9)));

    let columns: [(&str, ArrayRef); 2] = [
        ("user", Arc::new(StringArray::from_iter_values((0..400).map(|row| format!("u{}", row % 3))))),
        ("click", Arc::new(Int64Array::from_iter((0..400).map(|row| (row != 5).then_some(row % 2))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let skipped = read(writer.into_inner().unwrap(), &skip).0.profile.skipped;
    assert_eq!((skipped.rows, skipped.listed[0].row, skipped.listed[0].line), (1, 5, None));
}

#[test]
fn a_copy_has_the_rows_that_the_dataset_has() {
    let good = good_rows(60);
    let (text, bad) = mixed(&good);
    let upload = upload(&text);
    let (ingested, dataset) = upload.ingest(&reading(json!({}))).unwrap();
    let mut rows: Vec<u32> = content(&dataset).into_iter().flat_map(|(.., rows)| rows).collect();
    rows.sort_unstable();
    let out = upload.folder.path().join("copy");
    let changes = RowChanges { dropped: &|row| rows.binary_search(&row).is_err(), marks: None };
    let counts = write_denoised(&upload.path, &ingested.spec, changes, &out).unwrap().counts;
    assert_eq!((counts.kept, counts.dropped), (60, bad.len() as u64));
    let expected = "user,price,tags,at,click,split\n".to_owned() + &good.join("\n") + "\n";
    assert_eq!(std::fs::read_to_string(out).unwrap(), expected);
}
