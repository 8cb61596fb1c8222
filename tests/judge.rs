//! A verdict by the user's own model, with real processes: a script that knows how many of its training rows are corrupt,
//! and predicts the worse the more they are.

mod harness;

#[path = "judge/arms.rs"]
mod arms;
#[path = "judge/faults.rs"]
mod faults;
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
pub struct World {
    folder: TempDir,
}

/// `script train test predictions seed truth table mode [valid valid_predictions]`.
const SCRIPT: &str = r#"
import csv, random, sys

train, test, predictions, seed, truth, table, mode = sys.argv[1:8]
read = lambda path: list(csv.DictReader(open(path)))
key = lambda row: (row["user"], row["item"])
rows = read(table)
label = {key(row): int(row["click"]) for row in rows}
corrupt = {key(row) for row, told in zip(rows, read(truth)) if told["flipped"] == "1"}
trained = read(train)
share = sum(key(row) in corrupt for row in trained) / len(trained)
draw = random.Random(int(seed))

def predict(path, out):
    rows = read(path)
    assert path != test or all("click" not in row for row in rows), "the labels are not sealed"
    with open(out, "w") as out:
        print("probability", file=out)
        for row in rows:
            noise = draw.gauss(0, 1)
            amount = 10 * (0.5 - share if mode == "worse" else share)
            print(min(max(0.5 + 0.1 * (label[key(row)] - 0.5 + amount * noise), 0), 1), file=out)

predict(test, predictions)
for valid, out in [sys.argv[8:]] if len(sys.argv) > 8 else []:
    predict(valid, out)
print("AUC is none of your business")
"#;

/// How the table is read.
pub const READING: [&str; 6] = ["--label", "click", "--split-column", "split", "--exclude", "timestamp"];

/// A method that a good share of the corrupt rows falls to.
pub const FINDS: [&str; 10] = [
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
    pub fn new() -> Self {
        let world = Self { folder: scratch() };
        let (table, truth) = (world.text("clicks.csv"), world.text("truth.csv"));
        let size = ["--users", "300", "--items", "100", "--density", "0.1", "--flip-rate", "0.3", "--seed", "3"];
        autodenoise_ok(&[&["synth", &table, "--truth", &truth][..], &size].concat());
        fs::write(world.path("script.py"), SCRIPT).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The script as a judge. `more`: what stands behind its mode.
    pub fn script(&self, mode: &str, more: &str) -> String {
        let file = |name| self.text(name);
        let [script, truth, table] = ["script.py", "truth.csv", "clicks.csv"].map(file);
        format!("python3 {script} {{train}} {{test}} {{predictions}} {{seed}} {truth} {table} {mode} {more}")
    }

    /// `denoise` with a judge, by a method and with other flags. Results are in `results`.
    pub fn denoise(&self, judge: &str, flags: &[&str]) -> Output {
        self.denoise_command(judge, flags).output().unwrap()
    }

    pub fn denoise_command(&self, judge: &str, flags: &[&str]) -> Command {
        let [table, kept, results, work] = ["clicks.csv", "kept.csv", "results", "work"].map(|name| self.text(name));
        fs::create_dir_all(&work).unwrap();
        let files = ["denoise", &table, "-o", &kept, "--results", &results, "--work-dir", &work, "--judge", judge];
        let mut command = Command::new(BIN);
        command.args(files).args(READING).args(["--engine", "fused", "--tune", "off"]).args(flags);
        command
    }

    pub fn read_json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a command wrote to its standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A certification without what two ways to the same verdict differ in: whose models it names, and how long they took.
pub fn comparable(report: &Value) -> Value {
    let mut certification = report["certification"].clone();
    certification.as_object_mut().unwrap().remove("judged_by");
    for arm in certification["arms"].as_array_mut().unwrap() {
        for run in arm["runs"].as_array_mut().unwrap() {
            run.as_object_mut().unwrap().remove("seconds");
        }
    }
    certification
}
