//! A verdict by the user's own model, with real processes: a script that knows how many of its training rows are corrupt,
//! and predicts the worse the more they are.

mod harness;

#[path = "judge/arms.rs"]
mod arms;
#[path = "judge/faults.rs"]
mod faults;
#[path = "judge/rest.rs"]
mod rest;
#[path = "judge/service.rs"]
mod service;
#[path = "judge/tables.rs"]
mod tables;
#[path = "judge/verdicts.rs"]
mod verdicts;

use harness::{BIN, autodenoise, autodenoise_ok, scratch};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// A table of clicks whose corrupt rows are known, and a script that predicts its test rows.
struct World {
    folder: TempDir,
}

/// `train.py TRAIN VALID TEST SEED PREDICTIONS [VALID_PREDICTIONS]`. What is beside it tells which rows are corrupt, and $MODE
/// whether they help.
const SCRIPT: &str = r#"
import csv, os, random, sys
from pathlib import Path

train, valid, test, seed, predictions, *valid_predictions = sys.argv[1:]
read = lambda path: list(csv.DictReader(open(path)))
key = lambda row: (row["user"], row["item"])
folder = Path(__file__).parent
rows = read(folder / "clicks.csv")
label = {key(row): int(row["click"]) for row in rows}
corrupt = {key(row) for row, told in zip(rows, read(folder / "truth.csv")) if told["flipped"] == "1"}
trained = read(train)
share = sum(key(row) in corrupt for row in trained) / len(trained)
amount = 4 * (0.5 - share if os.environ.get("MODE") == "worse" else share)
draw = random.Random(int(seed))
assert all("click" not in row for row in read(test)), "the labels are not sealed"

for path, out in [(test, predictions), *((valid, out) for out in valid_predictions)]:
    with open(out, "w") as out:
        print("probability", file=out)
        for row in read(path):
            noise = draw.gauss(0, 1)
            print(min(max(0.5 + 0.1 * (label[key(row)] - 0.5 + amount * noise), 0), 1), file=out)
print("AUC is none of your business")
"#;

/// How the table is read.
const READING: [&str; 6] = ["--label", "click", "--split-column", "split", "--exclude", "timestamp"];

/// A method that a good share of the corrupt rows falls to.
const FINDS: [&str; 10] = [
    "--method",
    "confident_learning",
    "--backbone",
    "fm",
    "-O",
    "retrain_max_epoch=3",
    "-O",
    "batch_size=256",
    "-O",
    "lr=0.01",
];

impl World {
    fn new() -> Self {
        let world = Self { folder: scratch() };
        let (table, truth) = (world.text("clicks.csv"), world.text("truth.csv"));
        let size = ["--users", "300", "--items", "100", "--density", "0.1", "--flip-rate", "0.3", "--seed", "3"];
        autodenoise_ok(&[&["synth", &table, "--truth", &truth][..], &size].concat());
        fs::write(world.path("train.py"), SCRIPT).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The script as a judge. `more`: its last argument.
    fn script(&self, more: &str) -> String {
        format!("python3 {} {{train}} {{valid}} {{test}} {{seed}} {{predictions}} {more}", self.text("train.py"))
    }

    /// `denoise` with a judge, by a method and with other flags. Results are in `results`.
    fn denoise(&self, judge: &str, flags: &[&str]) -> Output {
        self.denoise_command(judge, flags).output().unwrap()
    }

    fn denoise_command(&self, judge: &str, flags: &[&str]) -> Command {
        let [table, kept, results, work] = ["clicks.csv", "kept.csv", "results", "work"].map(|name| self.text(name));
        fs::create_dir_all(&work).unwrap();
        let files = ["denoise", &table, "-o", &kept, "--results", &results, "--work-dir", &work, "--judge", judge];
        let mut command = Command::new(BIN);
        command.args(files).args(READING).args(["--engine", "fused", "--tune", "off"]).args(flags);
        command
    }

    fn read_json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a command wrote to its standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A certification without what two ways to the same verdict differ in: whose models it names, and how long they took.
fn comparable(report: &Value) -> Value {
    let mut certification = report["certification"].clone();
    certification.as_object_mut().unwrap().remove("judged_by");
    for arm in certification["arms"].as_array_mut().unwrap() {
        for run in arm["runs"].as_array_mut().unwrap() {
            run.as_object_mut().unwrap().remove("seconds");
        }
    }
    certification
}
