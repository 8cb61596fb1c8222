//! `autodenoise judge`: arms that are handed out, and predictions that come back.

use super::{FINDS, READING, World, autodenoise, autodenoise_ok, comparable, said};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// The scripts that `docs/judge.md` prints.
fn printed_scripts() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/judge.md")).unwrap();
    page.split("```python\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_printed_scripts_are_python() {
    let scripts = printed_scripts();
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        let parsed = Command::new("python3").args(["-c", "import ast, sys; ast.parse(sys.argv[1])", &script]).status();
        assert!(parsed.unwrap().success(), "{script}");
    }
}

/// A world with results, and arms that were trained on.
fn trained() -> World {
    let world = World::new();
    assert_eq!(world.denoise(&world.script("{valid_predictions}"), &FINDS).status.code(), Some(0));
    let [table, results, arms] = ["clicks.csv", "results", "arms"].map(|name| world.text(name));
    let out = autodenoise_ok(&[&["judge", "arms", &table, &results, "-o", &arms][..], &READING].concat());
    assert!(out.contains("15 trainings") && out.contains("autodenoise judge verdict"), "{out}");
    fs::write(world.path("loop.py"), &printed_scripts()[1]).unwrap();
    let mut python = Command::new("python3");
    python.args(["loop.py", "arms"]).current_dir(world.path("")).stdout(Stdio::null());
    assert!(python.status().unwrap().success());
    world
}

/// The verdict on the arms, as the first on the table's test rows.
fn verdict(world: &World, table: &str) -> std::process::Output {
    verdict_with(world, table, &["--earlier-reads", "0"])
}

fn verdict_with(world: &World, table: &str, flags: &[&str]) -> std::process::Output {
    let [table, results, arms] = [table, "results", "arms"].map(|name| world.text(name));
    autodenoise(&[&["judge", "verdict", &table, &results, &arms, "--model", "ranker of 2026"], flags].concat())
}

#[test]
fn a_verdict_on_test_rows_that_had_one_is_the_second() {
    let world = trained();
    let found = verdict_with(&world, "clicks.csv", &[]);
    // Five seeds cannot show what the second verdict asks for.
    assert_eq!(found.status.code(), Some(8), "{}", said(&found));
    assert_eq!(world.read_json("arms/report.json")["certification"]["test_read"]["number"], 2);
}

#[test]
fn the_same_predictions_come_to_the_same_verdict_wherever_they_were_made() {
    let world = trained();
    let found = verdict(&world, "clicks.csv");
    assert_eq!(found.status.code(), Some(0), "{}", said(&found));
    let (ours, theirs) = (world.read_json("results/report.json"), world.read_json("arms/report.json"));
    assert_eq!(comparable(&ours), comparable(&theirs));
    assert_eq!(
        (&theirs["certification"]["judged_by"], &theirs["verdict"]),
        (&"ranker of 2026".into(), &ours["verdict"])
    );
    // Fifteen more.
    assert_eq!(theirs["test_reads"], 32);
    let files = ["arms/certificate.json", "kept.csv", "arms/report.json", "clicks.csv"].map(|name| world.text(name));
    let verified = autodenoise(&[&["verify"][..], &files.each_ref().map(String::as_str)].concat());
    assert!(verified.status.success(), "{}", said(&verified));

    // No test label is in what is handed out: a test row is in one table, and that has no such column.
    let rows = |name: &str| fs::read_to_string(world.path(name)).unwrap().lines().skip(1).count();
    let table = fs::read_to_string(world.path("clicks.csv")).unwrap();
    let tested = table.lines().filter(|line| line.ends_with(",test")).count();
    assert_eq!(
        (rows("arms/test.csv"), rows("arms/full.csv") + rows("arms/valid.csv") + tested),
        (tested, rows("clicks.csv"))
    );
    for file in fs::read_dir(world.path("arms")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let header = text.lines().next().unwrap();
        assert!(
            header.contains("click") != text.contains(",test\n") || file.extension() != Some("csv".as_ref()),
            "{file:?}"
        );
    }
}

#[test]
fn what_is_not_what_was_handed_out_is_refused() {
    let world = trained();
    let refused = |table: &str, code: i32, words: &str| {
        let found = verdict(&world, table);
        assert_eq!(found.status.code(), Some(code), "{}", said(&found));
        assert!(said(&found).contains(words), "{}", said(&found));
        assert!(!world.path("arms/report.json").exists());
    };
    let table = fs::read_to_string(world.path("clicks.csv")).unwrap();
    // A test label that was turned over.
    let row = table.lines().find(|line| line.ends_with(",1,test")).unwrap();
    fs::write(world.path("other.csv"), table.replace(row, &row.replace(",1,test", ",0,test"))).unwrap();
    refused("other.csv", 9, "other.csv is not the table that the certificate of the results names");

    let change = |name: &str, change: &dyn Fn(&str) -> String| {
        let right = fs::read_to_string(world.path(name)).unwrap();
        fs::write(world.path(name), change(&right)).unwrap();
        right
    };
    let put_back = |name: &str, right: String| fs::write(world.path(name), right).unwrap();
    for (name, words) in [
        ("arms/denoised.csv", "denoised.csv was changed since it was handed out"),
        ("results/report.json", "report.json is not the report.json that the certificate"),
        ("results/keep_mask.npy", ""),
    ] {
        let bytes = fs::read(world.path(name)).unwrap();
        fs::write(world.path(name), [&bytes[..], b"\n"].concat()).unwrap();
        refused("clicks.csv", 9, words);
        fs::write(world.path(name), bytes).unwrap();
    }
    let right = change("arms/manifest.json", &|text| text.replacen("\"seed\": 43", "\"seed\": 44", 1));
    refused("clicks.csv", 9, "are not those of 5 seeds from 42 on");
    put_back("arms/manifest.json", right);
    let right = change("arms/manifest.json", &|text| text.replacen("\"alpha\": 0.05", "\"alpha\": 0.9", 1));
    refused("clicks.csv", 3, "above 0 and at most 0.5");
    put_back("arms/manifest.json", right);

    // Predictions that are not those of the test rows.
    let right = change("arms/predictions/random-44.csv", &|text| text.replacen("probability\n", "probability\n7\n", 1));
    refused("clicks.csv", 3, "random-44.csv`, line 2: 7 is not from 0 to 1");
    put_back("arms/predictions/random-44.csv", right);
    let right = change("arms/predictions/full-42.valid.csv", &|_| "0.5\n".to_owned());
    refused("clicks.csv", 3, "full-42.valid.csv` has 1 predictions");
    fs::remove_file(world.path("arms/predictions/full-42.valid.csv")).unwrap();
    refused("clicks.csv", 3, "there is no file");
    put_back("arms/predictions/full-42.valid.csv", right);
    // A model that does not use the seed.
    let other = fs::read_to_string(world.path("arms/predictions/full-42.csv")).unwrap();
    let right = change("arms/predictions/full-43.csv", &|_| other.clone());
    refused("clicks.csv", 3, "the models of seeds 42 and 43 (all rows) are the same");
    put_back("arms/predictions/full-43.csv", right);
    fs::remove_file(world.path("arms/predictions/denoised-46.csv")).unwrap();
    refused("clicks.csv", 3, "there is no file");

    // Another way to read the table would be another choice of rows.
    let [clicks, results, other] = ["clicks.csv", "results", "other"].map(|name| world.text(name));
    let arms = ["judge", "arms", &clicks, &results, "-o", &other, "--label", "click", "--split-column", "split"];
    let found = autodenoise(&arms);
    assert_eq!(found.status.code(), Some(9), "{}", said(&found));
    assert!(said(&found).contains("the table is read otherwise") && !world.path("other").exists());
}
