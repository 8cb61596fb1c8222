//! The tables of a run: in the format of the input, test rows without labels, training rows as the method treats them.

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use autodenoise::{
    evaluate::OutsideRun,
    ingest::{Dataset, IngestLimits, RowChanges, RowMark, ingest, write_denoised},
    judge::JudgedTable,
    selection::Selected,
    types::{Arm, DatasetSpec, Split},
};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::json;
use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
};

/// 30 rows, of which 24 train, in any order of splits.
fn rows() -> impl Iterator<Item = [String; 4]> {
    (0..30).map(|row| {
        let split = ["train", "train", "valid", "train", "train", "train", "train", "test", "train", "train"][row % 10];
        [format!("u{}", row % 7), u8::from(row % 3 == 0).to_string(), format!("i {row}"), split.to_owned()]
    })
}

/// Reads `source`, and hands on what the runs' tables are made of.
fn with_table(source: &Path, spec: serde_json::Value, check: impl FnOnce(JudgedTable)) {
    let out = tempfile::tempdir().unwrap();
    let spec: DatasetSpec = serde_json::from_value(spec).unwrap();
    let go_on = &mut |_| ControlFlow::Continue(());
    let ingested = ingest(source, &spec, &out.path().join("dataset"), &IngestLimits::default(), go_on).unwrap();
    let dataset = Dataset::open(&out.path().join("dataset")).unwrap();
    check(JudgedTable { source: &source.into(), spec: &ingested.spec, dataset: &dataset });
}

fn spec() -> serde_json::Value {
    json!({"label": "click", "split": {"column": "split"}})
}

fn written(write: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    write(&path);
    fs::read_to_string(path).unwrap()
}

fn csv(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("table.csv");
    let lines: String = rows().map(|row| row.join(";") + "\r\n").collect();
    fs::write(&path, "user;click;item;split\r\n".to_owned() + &lines).unwrap();
    path
}

#[test]
fn the_treated_rows_are_those_of_the_denoised_table() {
    let folder = tempfile::tempdir().unwrap();
    with_table(&csv(folder.path()), spec(), |table| {
        let train = table.dataset.split(Split::Train);
        let n = train.len();
        let targets: Vec<f32> = (0..n).map(|row| if row == 3 { 0.25 } else { f32::from(train.labels[row]) }).collect();
        let weights = (0..n).map(|row| if row % 5 == 0 { 0.5 } else { 1.0 }).collect();
        let own =
            Selected { targets: Some(targets), weights: Some(weights), ..Selected::rows((1..n as u32).collect()) };
        let of = |arm, seed| {
            let run = OutsideRun { arm, seed };
            written(|path| table.write_train(&own, run, path).unwrap())
        };
        // The denoised table has the other splits' rows beside these.
        let place = |position: u32| train.rows.binary_search(&position);
        let dropped = |position: u32| place(position) == Ok(0);
        let mark = |position: u32| match place(position) {
            Ok(row) => {
                RowMark { target: own.targets.as_ref().unwrap()[row], weight: own.weights.as_ref().unwrap()[row] }
            }
            Err(_) => RowMark { target: 0.0, weight: 1.0 },
        };
        let changes = RowChanges { dropped: &dropped, marks: Some(&mark) };
        let exported = written(|path| drop(write_denoised(table.source, table.spec, changes, path).unwrap()));
        let is_train = |line: &&str| !line.contains(";valid") && !line.contains(";test");
        let expected: Vec<&str> = exported.lines().filter(is_train).collect();
        let denoised = of(Arm::Denoised, 1);
        assert_eq!(denoised.lines().collect::<Vec<_>>(), expected);
        assert!(denoised.starts_with("user;click;item;split;autodenoise_target;autodenoise_weight\r\n"), "{denoised}");

        // As many rows are treated so in the random arm, others with each seed; all rows are as they were.
        let treatments = |text: &str| {
            let cells =
                |line: &str| line.split(';').skip(1).step_by(3).chain(line.split(';').skip(5)).collect::<String>();
            let mut all: Vec<String> = text.lines().skip(1).map(cells).collect();
            all.sort_unstable();
            all
        };
        let (first, second) = (of(Arm::Random, 1), of(Arm::Random, 2));
        assert_eq!(treatments(&first), treatments(&denoised));
        assert!(first != second && first != denoised && first == of(Arm::Random, 1));
        let full = of(Arm::Full, 1);
        assert!(full.starts_with("user;click;item;split\r\n") && full.lines().count() == n + 1, "{full}");
    });
}

#[test]
fn test_rows_have_no_labels_whatever_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let tests = || rows().filter(|row| row[3] == "test");
    with_table(&csv(folder.path()), spec(), |table| {
        let found = written(|path| table.write_test(path).unwrap());
        let lines: String = tests().map(|[user, _, item, split]| format!("{user};{item};{split}\r\n")).collect();
        assert_eq!(found, "user;item;split\r\n".to_owned() + &lines);
        let valid = written(|path| table.write_valid(path).unwrap());
        assert!(valid.starts_with("user;click;") && valid.lines().count() == 4, "{valid}");
    });

    let bare = folder.path().join("bare.csv");
    fs::write(&bare, rows().map(|row| row.join("::") + "\n").collect::<String>()).unwrap();
    let columns = json!({"label": "click", "split": {"column": "split"}, "separator": "::",
        "columns": ["user", "click", "item", "split"]});
    with_table(&bare, columns, |table| {
        let lines: String = tests().map(|[user, _, item, split]| format!("{user}::{item}::{split}\n")).collect();
        assert_eq!(written(|path| table.write_test(path).unwrap()), lines);
    });

    let objects = folder.path().join("table.jsonl");
    let object = |[user, click, item, split]: [String; 4]| {
        format!("{{\"click\": {click}.0, \"user\": {user:?}, \"item\": {item:?}, \"split\": {split:?}}}\n")
    };
    fs::write(&objects, rows().map(object).collect::<String>()).unwrap();
    with_table(&objects, spec(), |table| {
        let object = |[user, _, item, split]: [String; 4]| {
            format!("{{\"user\":{user:?},\"item\":{item:?},\"split\":{split:?}}}\n")
        };
        assert_eq!(written(|path| table.write_test(path).unwrap()), tests().map(object).collect::<String>());
    });

    let parquet = folder.path().join("table.parquet");
    let names = ["user", "click", "item", "split"];
    let column = |at: usize| Arc::new(StringArray::from_iter_values(rows().map(|row| row[at].clone()))) as ArrayRef;
    let batch = RecordBatch::try_from_iter(names.into_iter().zip((0..4).map(column))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&parquet).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    with_table(&parquet, spec(), |table| {
        let out = folder.path().join("test.parquet");
        table.write_test(&out).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&out).unwrap()).unwrap();
        let columns: Vec<_> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(columns, ["user", "item", "split"]);
        let found: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(found, tests().count());
        assert!(!fs::read(&out).unwrap().windows(5).any(|bytes| bytes == b"click"), "nor is it named");
    });
}
