//! The command itself, on a small table.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn autodenoise(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autodenoise")).args(arguments).current_dir(dir).output().unwrap()
}

fn run(dir: &Path, arguments: &[&str]) -> String {
    let output = autodenoise(dir, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn clicks(dir: &Path) {
    run(dir, &["synth", "clicks.csv", "--users", "100", "--items", "80", "--rows", "1600"]);
}

const TABLE: [&str; 6] = ["--label", "click", "--split-column", "split", "--exclude", "timestamp"];
const SMALL: [&str; 7] = ["-O", "batch_size=256", "-O", "retrain_max_epoch=3", "--epochs", "1", "--out=paper"];

#[test]
fn table_1_is_made_and_a_second_time_taken_from_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    clicks(dir.path());
    let command = ["reproduce", "table1", "clicks.csv", "--seeds", "2", "--backbones", "fm,deepfm"];
    let command = [&command[..], &TABLE, &SMALL].concat();
    let said = run(dir.path(), &command);
    assert!(said.contains("job 4 of 4: autodenoise with deepfm, on validation"), "{said}");
    let paper = dir.path().join("paper");
    let first = json(&paper.join("table1.json"));
    let lines = first["lines"].as_array().unwrap();
    let titles: Vec<_> = lines.iter().map(|line| line["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["FM w/o", "FM w", "DeepFM w/o", "DeepFM w"]);
    for line in lines {
        for measured in line["measured"].as_array().unwrap() {
            assert_eq!(measured["auc"]["runs"], 2, "{line}");
            let auc = measured["auc"]["mean"].as_f64().unwrap();
            assert!((0.4..0.9).contains(&auc) && measured["auc"]["sd"].as_f64().unwrap() > 0.0, "{line}");
            let all = line["method"] == "none";
            let kept = measured["kept"].as_f64().unwrap();
            assert!(if all { kept == 1.0 } else { (kept - 0.98).abs() < 0.01 }, "{line}");
            assert_eq!(measured["gain"].is_null(), all);
        }
    }
    // A file of the folder is a report as the trainer gave it.
    let reports: Vec<_> = fs::read_dir(paper.join("jobs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(reports.len(), 4, "{reports:?}");
    assert!(reports.iter().all(|path| json(path)["table"].as_array().unwrap().len() == 2));
    let html = fs::read_to_string(paper.join("table1.html")).unwrap();
    assert!(html.contains("<svg") && fs::read_to_string(paper.join("table1.md")).unwrap().contains("| FM w |"));

    let said = run(dir.path(), &command);
    assert_eq!(said.matches("finished before").count(), 4, "{said}");
    assert_eq!(json(&paper.join("table1.json")), first);

    // As if it had been cut short: only what is missing is run.
    fs::remove_file(&reports[0]).unwrap();
    assert_eq!(run(dir.path(), &command).matches("finished before").count(), 3);
    let again = json(&paper.join("table1.json"));
    let number = |of: &Value| of["lines"][3]["measured"][1]["auc"].clone();
    assert_eq!(number(&again), number(&first), "the same spec gives the same numbers");
}

#[test]
fn the_case_study_shows_a_users_rows_by_both_models() {
    let dir = tempfile::tempdir().unwrap();
    clicks(dir.path());
    let text = fs::read_to_string(dir.path().join("clicks.csv")).unwrap();
    let tested = text.lines().find(|line| line.ends_with(",test")).unwrap();
    let user = tested.split(',').next().unwrap();
    let command = ["reproduce", "case-study", "clicks.csv", "--case-user", user, "--protocol", "validation"];
    run(dir.path(), &[&command[..], &TABLE, &SMALL].concat());
    let study = json(&dir.path().join("paper/case-study.json"));
    let section = &study["sections"][0];
    let own = text.lines().filter(|line| line.starts_with(&format!("{user},")));
    let of_split = |split: &str| own.clone().filter(|line| line.ends_with(split)).count();
    for (table, split) in [("train", "train"), ("test", "test")] {
        assert_eq!(section[table]["rows"].as_array().unwrap().len(), of_split(split));
    }
    let predicted = |at: usize| section["test"]["rows"][0][at].as_str().unwrap().parse::<f64>().unwrap();
    let columns = section["test"]["header"].as_array().unwrap().len();
    assert!((0.0..=1.0).contains(&predicted(columns - 1)) && predicted(columns - 1) != predicted(columns - 2));

    let wrong = ["reproduce", "case-study", "clicks.csv", "--case-user", "nobody"];
    let output = autodenoise(dir.path(), &[&wrong[..], &TABLE, &SMALL].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no row of the table has user = nobody"));
}

#[test]
fn every_method_and_backbone_of_the_paper_is_run() {
    let dir = tempfile::tempdir().unwrap();
    clicks(dir.path());
    for target in ["table2", "table3"] {
        let command = ["reproduce", target, "clicks.csv", "--seeds", "1", "--protocol", "validation"];
        run(dir.path(), &[&command[..], &TABLE, &SMALL].concat());
        let made = json(&dir.path().join(format!("paper/{target}.json")));
        for line in made["lines"].as_array().unwrap() {
            assert!(line["measured"].as_array().unwrap().iter().all(|measured| measured["auc"]["runs"] == 1), "{line}");
        }
    }
}
