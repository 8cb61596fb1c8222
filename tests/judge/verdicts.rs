//! What `denoise --judge` comes to.

use super::{FINDS, World, autodenoise, said};
use std::fs;

#[test]
fn a_gain_of_the_users_model_is_certified_with_its_command() {
    let world = World::new();
    let judge = world.script("");
    let run = world.denoise(&judge, &FINDS);
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(0), "{out}{}", said(&run));
    assert!(
        out.starts_with(&format!("models of `{judge}`, 5 seeds\n")) && out.contains("predictions as they are"),
        "{out}"
    );
    // Whoever watches sees each run, and nothing of the test before the end.
    let progress = said(&run);
    assert!(progress.contains("judge: seed 43, kept rows (5 of 15)") && !progress.contains("none of your business"));
    assert!(!progress.contains("test AUC"), "{progress}");

    let report = world.read_json("results/report.json");
    let certification = &report["certification"];
    assert_eq!((&report["verdict"], &certification["judged_by"]), (&"certified".into(), &judge.clone().into()));
    assert_eq!(
        (&report["spec"]["certify"]["seeds"], &certification["logloss"]["recalibrated"]),
        (&5.into(), &false.into())
    );
    let arms: Vec<_> =
        certification["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["full", "denoised", "random"]);
    assert!(certification["regularisation"].is_null() && certification["arms"][0]["weight_decay"].is_null());
    // Two models of the table, and fifteen of the judge.
    assert_eq!(report["test_reads"], 17);
    assert_eq!(fs::read_dir(world.path("work")).unwrap().count(), 0, "nothing is left behind");

    let [certificate, kept, report, table] =
        ["results/certificate.json", "kept.csv", "results/report.json", "clicks.csv"].map(|name| world.text(name));
    let verified = autodenoise(&["verify", &certificate, &kept, &report, &table]);
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && words.contains(&format!("judged by models of: {judge}")), "{words}");
}

#[test]
fn a_model_that_does_worse_on_the_rows_kept_is_not_better() {
    let world = World::new();
    let judge = world.script("{valid_predictions}");
    let run = world.denoise_command(&judge, &FINDS).env("MODE", "worse").output().unwrap();
    assert_eq!(run.status.code(), Some(7), "{}", said(&run));
    let report = world.read_json("results/report.json");
    let certification = &report["certification"];
    assert_eq!((&report["verdict"], &certification["logloss"]["recalibrated"]), (&"not_better".into(), &true.into()));
    let run = &certification["arms"][1]["runs"][0];
    assert!(run["valid"]["auc"].is_number() && run["logloss_recalibrated"].is_number(), "{run:#}");
    assert!(certification["reasons"].to_string().contains("both recalibrated"), "{certification:#}");
}

#[test]
fn a_choice_of_all_rows_needs_no_training() {
    let world = World::new();
    let judge = "python3 -c 1/0 {train} {test} {seed} {predictions}";
    let run = world.denoise(judge, &["--method", "random_drop", "-O", "select_ratio=1", "-O", "retrain_max_epoch=1"]);
    assert_eq!(run.status.code(), Some(7), "{}", said(&run));
    assert!(String::from_utf8_lossy(&run.stdout).contains("the method changed nothing"));
}
