//! What is handed out where rows are kept and trained on another label: a table to train on, and how often that was done.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::Report;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::path::Path;
use std::process::Command;

const ROWS: u32 = 24_000;

/// Every tenth user likes what all others dislike, except in test rows: whoever fed in the labels turned them round.
fn is_turned(user: u32) -> bool {
    user % 10 == 3
}

/// A table of clicks that depend on the item, and what its rows would be without the turned labels.
fn write_table(file: &Path) -> Vec<u8> {
    let mut text = "user,item,genre,click,split\n".to_owned();
    let mut clean = Vec::new();
    for row in 0..ROWS {
        let draws = Stream::new(5, Purpose::Select, &[row]);
        let below = |at, end: u32| (draws.uniform_at(at) * end as f32) as u32;
        let (user, item) = (below(0, 200), below(1, 100));
        let strength = if item.is_multiple_of(5) { 0.12 } else { 0.36 };
        let chance = if item.is_multiple_of(2) { 0.5 - strength } else { 0.5 + strength };
        let click = u8::from(draws.uniform_at(2) < chance);
        let split = ["train", "train", "train", "train", "train", "train", "train", "valid", "valid", "test"];
        let split = split[below(3, 10) as usize];
        let given = if is_turned(user) && split != "test" { 1 - click } else { click };
        text += &format!("u{user},i{item},g{},{given},{split}\n", item % 7);
        clean.push(click);
    }
    std::fs::write(file, text).unwrap();
    clean
}

#[test]
fn a_table_with_relabelled_rows_says_what_to_train_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let clean = write_table(&path("clicks.csv"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_autodenoise"));
    command
        .arg("denoise")
        .arg(path("clicks.csv"))
        .arg("-o")
        .arg(path("kept.csv"))
        .arg("--results")
        .arg(path("results"));
    command.args(["--label", "click", "--split-column", "split", "--method", "robust", "--backbone", "fm"]);
    command.args(["--seed", "3", "--device", "cpu", "--no-certify"]);
    for option in
        ["teacher=fm", "folds=2", "judges=3", "batch_size=256", "retrain_max_epoch=4", "lr=0.01", "embed_dim=4"]
    {
        command.args(["-O", option]);
    }
    let output = command.output().unwrap();
    let [said, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{told}");

    let report: Report = serde_json::from_slice(&std::fs::read(path("results/report.json")).unwrap()).unwrap();
    assert!(report.relabelled > 1200, "{said}");
    assert_eq!((report.softened, report.reweighted), (0, 0), "{said}");
    let [relabelled, rows] = [report.relabelled, report.kept.rows].map(autodenoise::report::number);
    let end = format!(
        "kept.csv: {relabelled} given the other label: train on its last two columns, autodenoise_target (the label) and \
         autodenoise_weight"
    );
    assert!(told.contains(&end), "{told}");
    let line = format!("{relabelled} of {rows} kept training rows given the other label");
    assert!(said.contains(&line), "{said}");

    // The rows are the upload's, each with what it counts as behind it.
    let given = std::fs::read_to_string(path("clicks.csv")).unwrap();
    let kept = std::fs::read_to_string(path("kept.csv")).unwrap();
    let (mut targets, mut turned_back) = (Vec::new(), 0);
    for ((line, given), number) in kept.lines().zip(given.lines()).zip(0..) {
        let marks = line.strip_prefix(given).unwrap_or_else(|| panic!("{given} became {line}"));
        let Some(row) = usize::checked_sub(number, 1) else {
            assert_eq!(marks, ",autodenoise_target,autodenoise_weight");
            continue;
        };
        let cells: Vec<&str> = given.split(',').collect();
        let (target, weight) = marks[1..].split_once(',').unwrap();
        assert_eq!(weight, "1");
        if target != cells[3] {
            assert_eq!((cells[4], target.parse()), ("train", Ok(clean[row])), "{line}");
            turned_back += 1;
        }
        if cells[4] == "train" {
            targets.push((row as u64, target.parse::<f32>().unwrap(), 1.0));
        }
    }
    assert_eq!((kept.lines().count(), turned_back), (ROWS as usize + 1, report.relabelled));

    let labels = Bytes::from(std::fs::read(path("results/labels.parquet")).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(labels).unwrap().build().unwrap();
    let mut of_training_rows = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let column = |name| batch.column_by_name(name).unwrap();
        let rows = column("row").as_primitive::<UInt64Type>().values();
        let [targets, weights] = ["target", "weight"].map(|name| column(name).as_primitive::<Float32Type>().values());
        of_training_rows
            .extend(rows.iter().zip(targets).zip(weights).map(|((row, target), weight)| (*row, *target, *weight)));
    }
    assert_eq!(of_training_rows, targets);
}
