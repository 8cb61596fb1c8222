//! Every command that prints a table or a report, on terminals of 60, 80 and 200 columns.

use crate::{
    RANDOM, ROBUST,
    harness::{Service, autodenoise, autodenoise_ok, scratch},
    terminal::Terminal,
    world,
};
use std::{fmt::Write as _, fs, path::Path, process::Command};

/// A column whose name and values are long.
const LONG: &str = "a_column_whose_name_alone_takes_more_than_half_of_a_terminal";

/// A table with long names and long values, some of them in letters that take two columns each.
fn write_wide(path: &Path) {
    let mut text = format!("user,{LONG},title,click,split\n");
    for row in 0..1200_u32 {
        let (split, user, item) = (["train", "valid", "test"][row as usize % 3], row % 40, row % 17);
        let title = format!("千と千尋の神隠し, の {item}. Rest of a title that goes on and on");
        writeln!(text, "user-{user},value-{}-{item},\"{title}\",{},{split}", "x".repeat(40), (row / 3 + item) % 2)
            .unwrap();
    }
    fs::write(path, text).unwrap();
}

fn fits(dir: &Path, columns: usize, words: &str) -> Terminal {
    let terminal = Terminal::run(dir, columns, words, &[]);
    terminal.assert_fits();
    terminal
}

#[test]
fn a_run_with_everything_that_it_prints() {
    let dir = world();
    write_wide(&dir.path().join("wide.csv"));
    for columns in [60, 80, 200] {
        let told = fits(dir.path(), columns, "datasets check wide.csv --label click --split-column split");
        assert!(told.text().contains("AUC alone") && told.text().contains("not seen by the models"), "{}", told.text());
        let told = fits(
            dir.path(),
            columns,
            "denoise clicks.csv --plan --label click --split-column split --exclude timestamp",
        );
        assert!(told.text().contains("it takes about ") && told.text().contains("MiB of memory"), "{}", told.text());
    }
    let told = fits(dir.path(), 80, &format!("denoise clicks.csv -o kept.csv --results out {ROBUST}"));
    // What came out fits a screen of 24 lines, and what matters most is seen last.
    let seen: Vec<String> = told.seen().into_iter().filter(|line| !line.starts_with("Script done")).collect();
    let seen = &seen[..seen.iter().rposition(|line| !line.is_empty()).unwrap() + 1];
    let from = seen.iter().position(|line| line.trim_start().starts_with("fm, 2 seeds")).unwrap();
    assert!(seen.len() - from <= 20, "{} lines: {}", seen.len() - from, told.text());
    assert!(seen.last().unwrap().starts_with("verdict: "), "{}", told.text());
    let end = seen[seen.len() - 5..].join("\n");
    assert!(end.contains("Next: ") && end.contains("Files: kept.csv, out/ (all results)"), "{}", told.text());
    assert!(seen[from..].iter().any(|line| line.starts_with("found: ")), "{}", told.text());
    let told = fits(dir.path(), 80, &format!("denoise clicks.csv -o kept.csv -v {ROBUST}"));
    assert!(told.seen().iter().any(|line| line.contains("certify 43, all rows, pass 1") && line.contains("valid AUC")));
    let others = "--compare loss_drop,confident_learning,trim --transfer ipnn --seeds 2 --no-certify";
    let told = fits(
        dir.path(),
        80,
        &format!(
            "denoise clicks.csv -o kept.csv --label click --split-column split --method random_drop -O retrain_max_epoch=2 \
                  --tune off --exclude timestamp {others}"
        ),
    );
    assert!(told.text().contains("confident_learning") && told.text().contains(" all rows "), "{}", told.text());
    let swept = format!("denoise clicks.csv -o kept.csv {RANDOM} --sweep select_ratio=0.9,0.95");
    assert!(fits(dir.path(), 80, &swept).text().contains("select_ratio=0.95"));
    assert!(fits(dir.path(), 80, &format!("denoise clicks.csv -o kept.csv -q {RANDOM}")).seen().len() < 16);
    fits(
        dir.path(),
        80,
        "denoise wide.csv -o kept.csv --label click --split-column split --method none -O retrain_max_epoch=2 --tune off",
    );
    fits(dir.path(), 80, "verify out/certificate.json clicks.csv");
    fits(dir.path(), 80, "synth more.csv --rows 100 --users 10 --items 20");
    let arms = "judge arms clicks.csv out -o a-folder-with-quite-a-long-name --label click --split-column split --time timestamp";
    fits(dir.path(), 80, arms);
    // What is wrong is told in lines that fit too.
    fits(dir.path(), 80, "datasets check wide.csv --label cluck --split-column split");
    fits(dir.path(), 80, &format!("datasets check wide.csv --label {LONG}"));
    fits(dir.path(), 80, "denoise clicks.csv -o kept.csv --label click --compare loss_dorp,enn");
}

#[test]
fn a_run_that_is_taken_up_and_a_program_that_reads_json() {
    let dir = world();
    let run = format!("denoise clicks.csv -o kept.csv --resume run {RANDOM}");
    fits(dir.path(), 80, &run);
    let again = fits(dir.path(), 80, &run);
    assert!(again.text().contains("this run is finished"), "{}", again.text());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let checked = ["datasets", "check", &path("clicks.csv"), "--label", "click", "--split-column", "split", "-q"];
    let profile: serde_json::Value = serde_json::from_str(&autodenoise_ok(&checked)).unwrap();
    assert_eq!(profile["columns"][0], "user", "not on a terminal it is JSON");
    let told = Terminal::run(dir.path(), 80, "datasets check clicks.csv --label click -q --json 2>/dev/null", &[]);
    let profile: serde_json::Value = serde_json::from_str(&told.raw).unwrap_or_else(|_| panic!("{}", told.raw));
    assert!(profile["fields"].is_array());
    let plain =
        Terminal::run(dir.path(), 80, &format!("denoise clicks.csv -o kept.csv {RANDOM}"), &[("NO_COLOR", "1")]);
    assert!(!plain.raw.contains("\x1b[1m") && !plain.raw.contains("\x1b[33m"));
}

#[test]
fn every_command_of_a_client_and_of_an_operator() {
    let dir = world();
    let data = scratch();
    let data = data.path().join("data");
    let service = Service::start(&data);
    write_wide(&dir.path().join("wide.csv"));
    let at = format!("--server {}", service.url);
    let name = "a name that somebody took a good deal of time and very many words to think of";
    let upload = format!("datasets upload wide.csv --label click --split-column split --name '{name}' {at}");
    let told = fits(dir.path(), 80, &upload);
    let dataset =
        told.seen().into_iter().find(|line| line.starts_with("ds_")).unwrap_or_else(|| panic!("{}", told.text()));
    let options = "--method random_drop --backbone fm -O retrain_max_epoch=3 --compare loss_drop --certify-seeds 2";
    fits(dir.path(), 80, &format!("submit {dataset} --plan --certify {options} {at}"));
    let told = fits(dir.path(), 80, &format!("submit {dataset} --wait --certify --tag night=1 {options} {at}"));
    let job = told.seen().into_iter().find(|line| line.starts_with("job_")).unwrap();
    let wait = format!("submit {dataset} --require gpu=yes {at}");
    let waits = fits(dir.path(), 80, &wait).seen().into_iter().find(|line| line.starts_with("job_")).unwrap();
    let data = data.to_str().unwrap();
    fits(dir.path(), 80, &format!("webhooks add https://example.com/{} {at}", "long/".repeat(3)));
    autodenoise(&["keys", "create", "--data-dir", data, "--name", "nightly"]);
    let key =
        autodenoise_ok(&["keys", "create", "--data-dir", data, "--name", "a key with a long name for the nightly job"]);
    let at = format!("{at} --api-key {}", key.trim());
    for columns in [80, 200] {
        for command in [
            format!("datasets list {at}"),
            format!("datasets show {dataset} {at}"),
            format!("status {at}"),
            format!("status {job} {at}"),
            format!("status {job} --passes {at}"),
            format!("status {job} -v {at}"),
            format!("status {waits} {at}"),
            format!("watch {job} {at}"),
            format!("download {job} --out files {at}"),
            format!("webhooks list {at}"),
            format!("keys list --data-dir {data}"),
            format!("keys tenants --data-dir {data}"),
            format!("fsck --data-dir {data}"),
        ] {
            let told = fits(dir.path(), columns, &command);
            assert!(
                told.output
                    .status
                    .code()
                    .is_some_and(|code| code == 0 || (command.starts_with("watch") && [7, 8].contains(&code))),
                "{command}: {}",
                told.text()
            );
        }
    }
    // The list tells jobs apart by what came of them, their tables and their tags; where there is no room, the tags go first.
    let wide = fits(dir.path(), 200, &format!("status {at}"));
    for part in ["verdict", "night=1", "a name that somebody took a goo…", "random_drop"] {
        assert!(wide.text().contains(part), "{part}: {}", wide.text());
    }
    let narrow = fits(dir.path(), 80, &format!("status {at}"));
    assert!(narrow.text().contains("verdict") && narrow.text().contains("a name that so…"), "{}", narrow.text());
    // A pager has a width, too.
    let piped = Command::new(env!("CARGO_BIN_EXE_autodenoise"))
        .args(format!("status {job} --passes {at}").split_whitespace())
        .env("COLUMNS", "60")
        .output()
        .unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    let passes = piped.lines().skip_while(|line| !line.contains("phase")).take_while(|line| !line.is_empty());
    assert!(passes.clone().count() > 3 && passes.clone().all(|line| line.chars().count() <= 60), "{piped}");
    fits(dir.path(), 80, &format!("pause {waits} {at}"));
    fits(dir.path(), 80, &format!("resume {waits} {at}"));
    fits(dir.path(), 80, &format!("cancel {waits} {at}"));
    fits(dir.path(), 80, &format!("datasets show ds_01a223ae25277239b009e61e8377a441 {at}"));
}
