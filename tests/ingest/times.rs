//! When rows happened is kept beside them, in a form of its own, and changes nothing else.

use crate::{click, content, read, refused, spec, table, upload};
use autodenoise::{
    ingest::{Dataset, DatasetError, SplitData},
    types::{Split, TimeUnit},
};
use serde_json::{Value, json};
use std::fs;

/// An `id,at,seen,click,split` table of 50 rows; `at` and `seen` are said by row.
fn timed(at: impl Fn(usize) -> String, seen: impl Fn(usize) -> String) -> String {
    let mut text = "id,at,seen,click,split\n".to_owned();
    for row in 0..50 {
        let split = ["train", "valid", "train", "test", "train"][row % 5];
        text += &format!("{},{},{},{},{split}\n", row % 10, at(row), seen(row), row / 5 % 2);
    }
    text
}

/// A day of January 2020, in no order.
fn day(row: usize) -> String {
    format!("2020-01-{:02}", 1 + row * 7 % 28)
}

fn micros(row: usize) -> i64 {
    (1_577_836_800 + (row as i64 * 7 % 28) * 86_400) * 1_000_000
}

/// The time of each row in file order within its split must be what `time` says of its position.
fn assert_times(dataset: &Dataset, time: impl Fn(usize) -> i64) {
    for split in Split::ALL {
        let SplitData { rows, .. } = dataset.split(split);
        let expected: Vec<i64> = rows.iter().map(|row| time(*row as usize)).collect();
        assert_eq!(dataset.times(split), Some(expected.as_slice()), "{split:?}");
    }
}

#[test]
fn every_split_has_the_times_of_its_rows() {
    let named = spec(json!({"label": "click", "split": {"column": "split"}, "time": "at"}));
    let (ingested, dates) = read(timed(day, |row| row.to_string()), &named);
    assert_times(&dates, micros);
    let fields: Vec<_> = ingested.feature_map.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["id", "seen"], "models do not see the time");
    let time = ingested.feature_map.time.unwrap();
    assert_eq!((time.column.as_str(), time.unit), ("at", TimeUnit::Microseconds));

    let (ingested, numbers) = read(timed(|row| format!("{}.5", 1_577_836_800 - row), day), &named);
    assert_times(&numbers, |row| (1_577_836_800 - row as i64) * 1_000_000_000 + 500_000_000);
    assert_eq!(ingested.feature_map.time.unwrap().unit, TimeUnit::Number { exponent: 9 });

    let (_, seeded) = read(timed(day, day), &spec(json!({"label": "click", "time": "at"})));
    assert_times(&seeded, micros);
}

#[test]
fn a_split_by_time_gives_the_times_unless_another_column_does() {
    let by_time = |time: Value| {
        let split = json!({"time": {"column": "seen", "ratios": [0.6, 0.2, 0.2]}});
        spec(json!({"label": "click", "fields": ["id"], "split": split, "time": time}))
    };
    let text = timed(day, |row| (1000 - row).to_string());
    let (ingested, own) = read(&text, &by_time(Value::Null));
    assert_times(&own, |row| (1000 - row as i64) * 1_000_000_000);
    assert_eq!(ingested.feature_map.time.unwrap().column, "seen");
    let (_, same) = read(&text, &by_time(json!("seen")));
    let (_, other) = read(&text, &by_time(json!("at")));
    assert_times(&other, micros);
    assert_eq!((content(&same), content(&other)), (content(&own), content(&own)), "the split stays");
    assert_eq!(same.times(Split::Train), own.times(Split::Train));
}

#[test]
fn only_named_times_change_the_digest() {
    const OF_TABLE: &str = "162fd89c35a421d9a8696aebc57cd11fe345499196565f6caa7de7781f6a46dc";
    const OF_TIME_SPLIT: &str = "14cec4ff8799aee7dc20e8a48f7426cab32f3b6180ef8d0206d9a9bbef0839f0";
    let upload = upload(table(50));
    let (untimed, dataset) = upload.ingest(&click()).unwrap();
    assert_eq!((untimed.profile.digest.as_str(), dataset.times(Split::Train)), (OF_TABLE, None));
    assert!(!upload.folder.path().join("dataset/times.i64").exists());

    let mut text = "id,extra,click\n".to_owned();
    for row in 0..50 {
        text += &format!("{},{},{}\n", row % 10, day(row), row / 3 % 2);
    }
    let split = json!({"time": {"column": "extra", "ratios": [0.6, 0.2, 0.2]}});
    let by_time = spec(json!({"label": "click", "split": split}));
    assert_eq!(read(&text, &by_time).0.profile.digest, OF_TIME_SPLIT);
    let named = spec(json!({"label": "click", "split": split, "time": "extra"}));
    assert_ne!(read(&text, &named).0.profile.digest, OF_TIME_SPLIT);

    let named = spec(json!({"label": "click", "fields": ["id"], "time": "at"}));
    let digest = |at: fn(usize) -> String| read(timed(at, day), &named).0.profile.digest;
    assert_eq!(digest(day), digest(|row| day(row) + "T00:00:00Z"));
    assert_ne!(digest(day), digest(|row| if row == 49 { day(0) } else { day(row) }));
}

#[test]
fn a_time_may_be_a_field_where_it_is_named_as_one() {
    let named = spec(json!({"label": "click", "fields": ["id", "at"], "time": "at"}));
    let (ingested, dataset) = read(timed(day, day), &named);
    assert_eq!((ingested.feature_map.fields.len(), dataset.times(Split::Test).unwrap().len()), (2, 5));
}

#[test]
fn a_row_without_a_time_is_named_with_what_to_do() {
    let named = spec(json!({"label": "click", "fields": ["id"], "time": "at"}));
    let text = timed(|row| ["", "7", "soon"].get(row).map_or_else(|| day(row), |cell| (*cell).to_owned()), day);
    let invalid = refused(text.replace(",soon,", ",2020-01-02,"), &named);
    let first = &invalid.rows[0];
    assert_eq!((first.row, first.line, first.column.as_deref()), (0, Some(2), Some("at")));
    assert!(first.rule.contains("ISO 8601") && first.rule.contains("leave `time` out"), "{}", first.rule);
    assert!(invalid.rows[1].rule.starts_with("a number, as in the rows before"), "{}", invalid.rows[1].rule);
    let json = refused("{\"id\":1,\"click\":0,\"at\":5}\n{\"id\":2,\"click\":1}\n", &named);
    assert_eq!((json.rows[0].line, json.rows[0].column.as_deref()), (Some(2), Some("at")));
}

#[test]
fn a_time_is_a_column_of_its_own() {
    let cases = [
        (json!({"label": "click", "time": "when"}), "no column `when`"),
        (json!({"label": "click", "time": "click"}), "is the label"),
        (json!({"label": "click", "split": {"column": "split"}, "time": "split"}), "says the split"),
    ];
    for (value, rule) in cases {
        let error = refused(timed(day, day), &spec(value.clone())).fields[0].clone();
        assert!(error.pointer == "/time" && error.rule.contains(rule), "{value}: {error:?}");
    }
}

#[test]
fn datasets_of_versions_without_times_open_and_have_none() {
    let named = spec(json!({"label": "click", "fields": ["id"], "time": "at"}));
    let upload = upload(timed(day, day));
    upload.ingest(&named).unwrap();
    let folder = upload.folder.path().join("dataset");
    fs::remove_file(folder.join("times.i64")).unwrap();
    let lost = Dataset::open(&folder).err();
    assert!(matches!(&lost, Some(DatasetError::Io { file, .. }) if file == "times.i64"), "{lost:?}");
    let path = folder.join("feature_map.json");
    let mut map: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    map.as_object_mut().unwrap().remove("time");
    fs::write(&path, map.to_string()).unwrap();
    assert_eq!(Dataset::open(&folder).unwrap().times(Split::Train), None);
}
