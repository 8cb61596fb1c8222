//! `bench-noise`: corruption is put into a table, and every method is set beside all rows and the oracle.

mod harness;

use harness::{autodenoise, autodenoise_ok, scratch};
use serde_json::Value;
use std::{collections::HashSet, fs, path::Path};

/// 2,000 ratings of 100 users and 80 items, with the given flags behind.
fn bench(dir: &Path, flags: &[&str]) -> std::process::Output {
    let table = dir.join("ratings.csv");
    if !table.exists() {
        let mut text = "user,item,genre,rating,split\n".to_owned();
        for row in 0..2000_usize {
            let (user, item) = (row / 20, (row / 20 * 7 + row % 20 * 3) % 80);
            let rating = 1 + (user % 3 + item % 3 + row % 2) % 5;
            let split = ["train", "train", "train", "valid", "test"][row % 5];
            text += &format!("u{user},i{item},g{},{rating},{split}\n", item % 4);
        }
        fs::write(&table, text).unwrap();
    }
    let out = dir.join("out");
    let (table, out) = (table.to_str().unwrap(), out.to_str().unwrap());
    let fixed = ["bench-noise", table, "-o", out, "--label", "rating > 2", "--split-column", "split", "--threads", "1"];
    autodenoise(&fixed.iter().chain(flags).copied().collect::<Vec<_>>())
}

const METHODS: [&str; 6] = ["--methods", "random_drop,loss_drop", "--backbone", "fm", "--seeds", "2"];

#[test]
fn methods_stand_beside_all_rows_and_the_oracle_in_every_case() {
    let dir = scratch();
    let cases = "flips:0.2,bots:user:item:0.05:20,natural:user:item:2,clean:user:60:2";
    let flags = [&METHODS[..], &["--noise", cases]].concat();
    let first = bench(dir.path(), &flags);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let page = fs::read_to_string(dir.path().join("out/noise.md")).unwrap();
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    let all: Value = serde_json::from_slice(&fs::read(dir.path().join("out/noise.json")).unwrap()).unwrap();
    let all = all.as_array().unwrap();
    let names: Vec<&str> = all.iter().map(|section| section["case"].as_str().unwrap()).collect();
    let natural = ["natural:user:item:2, against rated", "natural:user:item:2, against unrated"];
    assert_eq!(names, ["flips:0.2", "bots:user:item:0.05:20", natural[0], natural[1], "clean:user:60:2"]);
    for (section, name) in all.iter().zip(&names) {
        let lines = section["lines"].as_array().unwrap();
        let methods: HashSet<&str> = lines.iter().map(|line| line["method"].as_str().unwrap()).collect();
        let known = !name.starts_with("clean");
        assert_eq!(methods.contains("oracle"), known, "{name}: {methods:?}");
        assert!(["random_drop", "loss_drop", "none"].iter().all(|method| methods.contains(method)), "{methods:?}");
        for line in lines {
            assert_eq!(line["tables"], 2, "{name}: {line:#}");
            assert_eq!(line["auroc"].is_number(), known, "{name}: {line:#}");
            assert!(line["gain"].is_number() && line["gain_ci95"].is_array(), "{name}: {line:#}");
        }
        let line = |method: &str| lines.iter().find(|line| line["method"] == method).unwrap();
        assert_eq!((&line("none")["gain"], &line("none")["tables_with_drops"]), (&0.0.into(), &0.into()));
        assert_eq!(line("random_drop")["tables_with_drops"], 2);
    }
    // The bots' rows, three in four of which are training rows, are what the oracle leaves out.
    let report = &all[1]["reports"][0];
    let corrupted = report["oracle"][0]["found"]["corrupted"].as_u64().unwrap();
    assert!((50..=100).contains(&corrupted), "5 bots of 20 rows each: {corrupted}");
    assert_eq!(report["oracle"][0]["kept"]["rows"], 1200);

    // Finished jobs are not run again.
    let again = bench(dir.path(), &flags);
    assert_eq!(again.stdout, first.stdout);
    assert!(!String::from_utf8_lossy(&again.stderr).contains("seed 1"), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn what_a_case_needs_and_the_table_lacks_is_named() {
    let dir = scratch();
    let refuse = |flags: &[&str]| {
        let output = bench(dir.path(), &[&METHODS[..], flags].concat());
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = refuse(&["--noise", "inverted:movie:0.1"]);
    assert!(missing.contains("no column `movie`; there are user, item, genre"), "{missing}");
    let no_time = refuse(&["--noise", "delayed:genre:0.1"]);
    assert!(no_time.contains("`genre` is no time"), "{no_time}");
    let unknown = refuse(&["--noise", "typos:0.1"]);
    assert!(unknown.contains("outage:TIME_COLUMN:FIELD:SHARE"), "{unknown}");
}

#[test]
fn a_table_without_times_gets_some() {
    let dir = scratch();
    let flags = ["--methods", "none", "--backbone", "fm", "--seeds", "1", "--user", "user", "--make-time"];
    let output = bench(dir.path(), &[&flags[..], &["--noise", "delayed:made_time:0.2"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("oracle"), "{said}");
    assert!(autodenoise_ok(&["bench-noise", "--help"]).contains("delayed:TIME_COLUMN:TAU"));
}
