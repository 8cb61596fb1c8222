//! What the pages say of made-up reports.

use super::reports::{made_up, report, settings};
use autodenoise::{
    reproduce::{DatasetName, JobsFolder, Protocol, Reproduction, Settings, Target, html, jobs, lines, markdown, page},
    types::{BackboneKind, MethodName, ResolvedSpec, TableLine},
};

/// .8 for all rows, .801 for kept ones; seeds .002 apart, all alike.
fn plain(line: &TableLine, seed: u32) -> f64 {
    (if line.method == MethodName::None { 0.8 } else { 0.801 }) + 0.002 * f64::from(seed)
}

/// Our numbers of a line by a protocol, to four digits.
fn row<'p>(text: &'p str, heading: &str, title: &str) -> Vec<&'p str> {
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let line = section.lines().find(|line| line.starts_with(&format!("| {title} |")));
    line.unwrap_or_else(|| panic!("{title} in {section}")).trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn numbers_stand_beside_the_papers_with_their_differences() {
    let result = made_up(Target::Table1, &settings(3), &[], &plain);
    let text = markdown(&page(&result));
    // Seeds: .800, .802, .804; the sample's deviation is .002.
    let without = row(&text, "Test AUC", "DeepFM w/o");
    assert_eq!(without, ["DeepFM w/o", "0.8048", "0.8020 ± 0.0020 (3)", "−0.0028", "0.8020 ± 0.0020 (3)", "−0.0028"]);
    // As published the number is the one that chose itself.
    let with = row(&text, "Test AUC", "DeepFM w");
    assert_eq!(with, ["DeepFM w", "0.8097", "0.8130 ± 0.0020 (3)", "+0.0033", "0.8030 ± 0.0020 (3)", "−0.0067"]);
    let with = row(&text, "Test log-loss", "DeepFM w");
    assert_eq!(with[1..4], ["0.5225", "0.4870 ± 0.0020 (3)", "−0.0355"]);
    // All seeds differ alike, so the differences have no spread.
    let gain = row(&text, "Against", "DeepFM w");
    let expected =
        ["+0.0049", "+0.0110 ± 0.0000", "+0.0010 ± 0.0000", "−0.0081", "−0.0110 ± 0.0000", "−0.0010 ± 0.0000"];
    assert_eq!(gain[1..], expected);
    assert!(!text.contains("## Against training on all rows\n\n| DeepFM w/o"));
    let kept = row(&text, "Rows kept", "DeepFM w");
    assert_eq!(kept[1..], ["98.00", "12.5", "100.00", "12.5"]);
    for part in ["As published:", "On validation:", "3 seeds (42 to 44)", "MovieLens-1M", "autodenoise 0.1.0", "125.0"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn sentences_call_nothing_a_difference_that_is_within_the_spread() {
    // Kept rows: .001 better with one seed, .001 worse with the next, .0005 with the third.
    let noisy = |line: &TableLine, seed: u32| {
        let gain = [0.001, -0.001, 0.0005][seed as usize];
        0.804 + 0.002 * f64::from(seed) + if line.method == MethodName::None { 0.0 } else { gain }
    };
    let one = Settings { backbones: vec![BackboneKind::DeepFm], ..settings(3) };
    let said = made_up(Target::Table1, &one, &[], &noisy).verdicts;
    let of = |place: &str| said.iter().filter(|sentence| sentence.starts_with(place)).cloned().collect::<Vec<_>>();
    let expected = [
        "On validation, AUC: within the run-to-run spread (one standard deviation) of the paper's number: DeepFM w/o; \
         further than that spread from the paper's number: DeepFM w.",
        "On validation, AUC: the difference to training on all rows is within the run-to-run spread, so none is seen: \
         DeepFM w.",
    ];
    assert_eq!(of("On validation, AUC"), expected);
    assert_eq!(of("As published, AUC").len(), 2);
    assert!(
        of("As published, AUC")[1]
            .contains("better than all rows by more than one standard deviation: DeepFM w; AutoDenoise's rows were chosen by their test result")
    );
    assert!(of("As published, log-loss")[1].contains("better than all rows"), "a lower log-loss is better");

    let alone = Settings { seeds: 1, ..one };
    let result = made_up(Target::Table1, &alone, &[], &noisy);
    assert!(
        result.verdicts.len() == 1 && result.verdicts[0].starts_with("One seed: the run-to-run spread is not known")
    );
    assert_eq!(row(&markdown(&page(&result)), "Test AUC", "DeepFM w/o")[2], "0.8040 (1)");
}

#[test]
fn what_is_missing_is_a_dash_and_what_failed_is_said() {
    let other = Settings { dataset: DatasetName::Other, ..settings(2) };
    let text = markdown(&page(&made_up(Target::Table2, &other, &[MethodName::Lsbo], &plain)));
    assert_eq!(row(&text, "Test AUC", "DROP3"), ["DROP3", "–", "0.8020 ± 0.0014 (2)", "–", "0.8020 ± 0.0014 (2)", "–"]);
    assert_eq!(row(&text, "Test AUC", "LSBo"), ["LSBo", "–", "failed", "–", "failed", "–"]);
    let failed = text.split("\n## ").find(|section| section.starts_with("What failed")).unwrap();
    assert!(failed.contains("- lsbo with deepfm, on validation: the job failed: no memory"), "{failed}");
    assert_eq!(failed.matches("no memory").count(), 2);
}

#[test]
fn our_own_methods_stand_below_a_rule() {
    let text = markdown(&page(&made_up(Target::Table2, &settings(2), &[], &plain)));
    let section = text.split("\n## ").find(|section| section.starts_with("Test AUC")).unwrap();
    let (paper, ours) = section.split_once("*not in the paper*").unwrap();
    assert!(paper.contains("| AutoDenoise |") && !paper.contains("| ENN |"));
    assert!(ours.contains("| ENN |") && ours.contains("| random drop |") && !ours.contains("| T-CE"));
    assert_eq!(row(&text, "Test AUC", "T-CE, explicit")[1], "0.7814");
    assert!(text.contains("drawn negatives"));
}

#[test]
fn table_3_takes_the_numbers_of_the_other_backbones() {
    let by_backbone = |line: &TableLine, _| if line.backbone == BackboneKind::Dcn { 0.81 } else { 0.80 };
    let result = made_up(Target::Table3, &settings(2), &[], &by_backbone);
    let text = markdown(&page(&result));
    assert_eq!(row(&text, "Test AUC", "DCN AutoDenoise")[1..4], ["0.8111", "0.8100 ± 0.0000 (2)", "−0.0011"]);
    assert_eq!(row(&text, "Test AUC", "FM normal")[1..4], ["0.8080", "0.8000 ± 0.0000 (2)", "−0.0080"]);
}

fn all() -> Vec<Reproduction> {
    let targets = [Target::Table1, Target::Table2, Target::Table3, Target::Figure3, Target::Figure4];
    let made_up = |target| made_up(target, &settings(3), &[MethodName::Bdis], &plain);
    targets.map(made_up).into_iter().collect()
}

#[test]
fn pages_are_whole_on_their_own_and_well_formed() {
    for result in all() {
        let text = html(&page(&result));
        let drawings = text.matches("<svg ").count();
        assert_eq!(drawings, if result.target == Target::Figure4 { 4 } else { 2 }, "{:?}", result.target);
        check_tags(&text);
        for foreign in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!text.contains(foreign), "{foreign}");
        }
        assert!(text.contains("clicks &lt;1&gt;.csv") && !text.contains("clicks <1>"));
        assert!(!text.contains("NaN") && !text.contains("inf\""), "no place on a drawing is not a number");
        let json = serde_json::to_value(&result).unwrap();
        assert_eq!(json["lines"].as_array().unwrap().len(), result.lines.len());
    }
}

#[test]
fn a_sweep_is_drawn_at_its_values() {
    let result = made_up(Target::Figure4, &settings(3), &[], &plain);
    let text = html(&page(&result));
    for part in ["warm-up epochs C", "select ratio (share of rows kept)", ">0.97</text>", "class=\"level line-1\""] {
        assert!(text.contains(part), "{part}");
    }
    // Five values by two protocols on two drawings, and the one point the paper prints.
    let drawing = text.split("<svg ").nth(1).unwrap();
    assert_eq!(drawing.matches("<circle ").count(), 5 + 5 + 1);
    assert_eq!(drawing.matches("class=\"spread\"").count(), 5 + 5);
}

/// Every tag is closed in its place, every attribute quoted, every ampersand an entity.
fn check_tags(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.strip_prefix("<!DOCTYPE html>").expect("it begins so");
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "closed out of place");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = &rest[end + 1..];
    }
    assert_eq!(open, [""; 0], "all are closed");
    for entity in text.split('&').skip(1) {
        assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)), "{}", &entity[..10]);
    }
}

#[test]
fn a_finished_job_is_known_again_by_all_that_went_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = JobsFolder::open(dir.path().join("jobs")).unwrap();
    let settings = settings(2);
    let planned = jobs(&lines(Target::Table1, &settings), &[Protocol::Validation], &settings);
    let report = report(&planned[0], &plain);
    let spec = report.spec.clone();
    let find = |spec: &ResolvedSpec, keep: &[&str]| folder.find_report("fm", spec, keep);
    assert!(find(&spec, &[]).is_none());
    std::fs::write(dir.path().join("model"), "weights").unwrap();
    folder.store_job("fm", &report, dir.path(), &["model"]).unwrap();
    assert_eq!(find(&spec, &["model"]), Some(report.clone()));
    assert_eq!(std::fs::read_to_string(folder.kept_file("fm", &spec, "model")).unwrap(), "weights");
    assert!(find(&spec, &["model", "scores"]).is_none(), "a file it did not keep");

    let mut other = spec.clone();
    other.dataset_digest = "other rows".to_owned();
    assert!(find(&other, &[]).is_none());
    let mut other = spec;
    other.method.options.lr = 0.5;
    assert!(find(&other, &[]).is_none());
}
