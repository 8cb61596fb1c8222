//! What a person sees: the report as a page, the lines on a terminal of 80 columns, and what a program gets in their place.

mod harness;
#[path = "screen/terminal.rs"]
mod terminal;
#[path = "screen/widths.rs"]
mod widths;

use harness::{autodenoise, scratch};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A table in which every tenth item has inverted labels.
fn world() -> TempDir {
    let dir = scratch();
    let table = dir.path().join("clicks.csv");
    let flags = "--users 160 --items 100 --rows 14000 --seed 1 --plant inverted:item:0.1";
    let made = autodenoise(&["synth", table.to_str().unwrap()].into_iter().chain(flags.split(' ')).collect::<Vec<_>>());
    assert!(made.status.success());
    dir
}

/// A quick job of the method that names what it finds.
const ROBUST: &str = "--label click --split-column split --time timestamp --backbone fm --seed 42 -O teacher=fm -O folds=2 \
                      -O judges=2 -O retrain_max_epoch=2 --certify-seeds 2 --tune 1e-5 --if-refused kept";
/// A quicker one.
const RANDOM: &str = "--label click --split-column split --exclude timestamp --method random_drop -O retrain_max_epoch=2 --tune off \
                      --no-certify";

fn denoise(dir: &Path, job: &str, more: &[&str]) -> Output {
    let paths = ["clicks.csv", "kept.csv"].map(|name| dir.join(name).to_str().unwrap().to_owned());
    let args = ["denoise", &paths[0], "-o", &paths[1]].into_iter().chain(job.split_whitespace());
    autodenoise(&args.chain(more.iter().copied()).collect::<Vec<_>>())
}

/// The lines that a command writes to a terminal of 80 columns, each that was written over too.
fn on_terminal(dir: &Path, command: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_autodenoise");
    let output = Command::new("script")
        .args(["-qec", &format!("stty cols 80 rows 24; {program} {command}"), "/dev/null"])
        .current_dir(dir)
        .envs(environment.iter().copied())
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(['\r', '\n']).map(ToOwned::to_owned).collect()
}

/// What is seen of a line: without what moves the cursor or colours.
fn seen(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let end_of_sequence = |part: &str| part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
    parts.fold(first, |text, part| text + &part[end_of_sequence(part)..])
}

/// No word is cut at the edge. A line above a bar is filled up to the edge, and what follows stands below it.
fn assert_fits(line: &str) {
    let shown: Vec<char> = seen(line).chars().collect();
    for edge in (80..shown.len()).step_by(80) {
        let is_cut = shown[edge - 1].is_alphanumeric() && shown[edge].is_alphanumeric();
        assert!(!is_cut, "cut at {edge}: {line:?}");
    }
}

#[test]
fn the_report_is_a_page_of_its_own_with_the_verdict_the_findings_and_the_rows() {
    let dir = world();
    let page = dir.path().join("report.html");
    let results = dir.path().join("results");
    let run = denoise(
        dir.path(),
        ROBUST,
        &["--report", page.to_str().unwrap(), "--results", results.to_str().unwrap(), "-q"],
    );
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!([0, 7, 8].contains(&run.status.code().unwrap()), "{said}");
    assert!(said.lines().all(|line| line.starts_with("warning:") || line.starts_with("  ")), "-q says no more: {said}");
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page, fs::read_to_string(results.join("report.html")).unwrap());
    for loads in ["<script", "src=", "href=", "url(", "@import", "<link", "http-equiv"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.matches("http://").count() == page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(!page.contains(" style=\""), "styles are classes");

    let report: Value = serde_json::from_slice(&fs::read(results.join("report.json")).unwrap()).unwrap();
    let text = fs::read_to_string(results.join("report.json")).unwrap();
    assert!(text.trim_start_matches(['{', '\n', ' ']).starts_with("\"verdict\""), "the verdict is first");
    let verdict = report["verdict"].as_str().unwrap().replace('_', " ");
    assert!(page.contains(&format!(">{verdict}</p>")), "{verdict}");
    // Which table it is about, and what made it when.
    assert!(page.contains("<strong>clicks.csv</strong>") && page.contains("<title>clicks.csv: "));
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    for fact in ["14,000 rows", "robust with fm, seed 42", &today, concat!("AutoDenoise ", env!("CARGO_PKG_VERSION"))] {
        assert!(page.contains(&format!("<span>{fact}")), "{fact}");
    }
    // What was inverted is named, and so are rows of it, each with its reason and its values.
    assert!(page.contains("values of item: labels inverted"));
    assert!(page.contains("judged unreliable: its labels are inverted") && page.contains("counts as "));
    // The first fifty, and three beside what was found.
    assert!(page.contains("<h3>Some rows: ") && page.contains("values of item: labels inverted</h3>"));
    assert_eq!(page.matches("class=\"why\"").count(), 53);
    assert!(page.contains("<th scope=\"col\">item</th>") && page.contains("<th scope=\"col\">genre</th>"));
    // A dot a seed on each of the lines of gains, in the wide and in the narrow chart.
    assert_eq!(page.matches("class=\"one dot-1\"").count(), 4);
    assert!(page.contains("&quot;certify&quot;") || page.contains("\"certify\"") || page.contains("&#34;certify&#34;"));
}

#[test]
fn nothing_is_wider_than_a_terminal_of_80_columns_and_colour_is_left_out_where_it_is_not_wanted() {
    let dir = world();
    let lines = on_terminal(dir.path(), &format!("denoise clicks.csv -o kept.csv --report r.html {ROBUST}"), &[]);
    lines.iter().for_each(|line| assert_fits(line));
    let all: Vec<String> = lines.iter().map(|line| seen(line)).collect();
    let text = all.join("\n");
    assert!(text.contains("training models for the verdict") && text.contains(" %  "), "{text}");
    assert!(text.contains("found: ") && text.contains("Next: Train on ") && text.contains("\nverdict: "), "{text}");
    assert!(!text.contains("judged at 0.032"), "what the verdict rests on is for -v");
    assert!(lines.iter().any(|line| line.contains("\x1b[1m")), "the outcome is bold");

    let plain = on_terminal(dir.path(), &format!("denoise clicks.csv -o kept.csv {RANDOM}"), &[("NO_COLOR", "1")]);
    assert!(plain.iter().any(|line| line.contains("verdict: not_evaluated")));
    assert!(!plain.iter().any(|line| line.contains("\x1b[1m") || line.contains("\x1b[33m")), "{plain:?}");

    for command in ["--help", "denoise --help", "submit --help"] {
        on_terminal(dir.path(), command, &[]).iter().for_each(|line| assert_fits(line));
    }
}

#[test]
fn a_program_gets_json_and_a_log_a_line_a_stage() {
    let dir = world();
    let results = dir.path().join("results");
    let run = denoise(dir.path(), RANDOM, &["--json", "--results", results.to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["verdict"], "not_evaluated");
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.contains("all rows: training a model (after ") && said.contains("searching for the rows to keep"),
        "{said}"
    );
    assert!(!said.contains("log-loss"), "passes are for -v: {said}");
    let said = String::from_utf8(denoise(dir.path(), RANDOM, &["-v"]).stderr).unwrap();
    assert!(said.contains("evaluate, pass 1") && said.contains("log-loss"), "{said}");

    let plan = denoise(dir.path(), RANDOM, &["--plan", "--json"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert!(plan["seconds"]["value"].as_f64().unwrap() > 0.0 && plan["rows"]["train"] == 11_200, "{plan}");
    assert!(plan["seconds"]["basis"].as_str().unwrap().contains("on this machine"), "{plan}");

    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let verified = autodenoise(&["verify", &file("results/certificate.json"), &file("kept.csv"), "--json"]);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["files"][0]["is"], "denoised");
}

#[test]
fn a_shell_and_a_manual_have_every_command() {
    let dir = scratch();
    let script = String::from_utf8(autodenoise(&["completions", "bash"]).stdout).unwrap();
    assert!(autodenoise(&["man", dir.path().to_str().unwrap()]).status.success());
    for command in ["denoise", "submit", "judge", "fsck"] {
        assert!(
            script.contains(&format!("autodenoise__subcmd__{command}"))
                || script.contains(&format!("autodenoise,{command}"))
        );
        let page = fs::read_to_string(dir.path().join(format!("autodenoise-{command}.1"))).unwrap();
        assert!(page.contains(".SH"), "{command}");
    }
}
