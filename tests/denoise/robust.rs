//! The method `robust` on tables whose corruption is known.

use crate::world::{World, interrupted, interrupted_at_every_step, job, run_with_noise, untimed};
use autodenoise::synth::{self, SynthSpec};
use autodenoise::types::{
    Arm, Corruption, DatasetSpec, GainReading, Noise, Phase, RemedyKind, Report, ResolvedSpec, TestRows, Verdict,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

/// Users with rows enough to be judged by.
fn table(rows: u64) -> World {
    World::synth(&SynthSpec { users: 210, items: 120, rows, flip_rate: 0.0, seed: 1, ..SynthSpec::default() })
}

fn robust(more: Value) -> Value {
    let options = json!({"batch_size": 128, "retrain_max_epoch": 12, "teacher": "fm", "folds": 2, "judges": 2});
    let mut spec =
        json!({"method": {"name": "robust", "backbone": "fm", "options": options}, "seed": 3, "tuning": "off"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn found(report: &Report) -> Vec<(Corruption, &[String], RemedyKind, bool)> {
    let corruptions = &report.findings.as_ref().unwrap().corruptions;
    corruptions.iter().map(|found| (found.kind, &found.fields[..], found.remedy, found.taken)).collect()
}

/// Items whose labels are turned round are named, relabelled, and hardly any other.
#[test]
fn inverted_items_are_found_and_relabelled() {
    let noise = Noise::InvertedValues { field: "item".to_owned(), share: 0.15 };
    let outcome = run_with_noise(&table(16_000), &job(robust(json!({}))), Some(&noise)).unwrap();
    let report = outcome.report();
    let item = ["item".to_owned()];
    assert_eq!(found(&report)[0], (Corruption::InvertedValues, &item[..], RemedyKind::Relabel, true), "{report:#?}");
    assert_eq!(report.kept.rows, report.kept.of, "relabelled, not dropped");
    let found = report.table[0].runs[0].found.unwrap();
    assert!(found.auroc.unwrap() > 0.8, "{found:?}");
    // Passes are told of the models of all rows, and of each finding's.
    let corruptions = report.findings.unwrap().corruptions;
    let told: BTreeSet<u32> =
        outcome.epochs().filter(|row| row.phase == Phase::Validate).map(|row| row.epoch).collect();
    assert!(told.into_iter().eq(1..=corruptions.len() as u32 + 1));
    let corruption = &corruptions[0];
    assert!((12..=20).contains(&corruption.values) && corruption.strength < -0.5, "{corruption:?}");
    assert!(corruption.examples.iter().all(|example| !example.names[0].is_empty()), "{corruption:?}");
}

/// Users who answer at random are named and dropped, and with them their validation rows, which say of no model whether it is
/// right.
#[test]
fn users_at_random_are_found_and_dropped() {
    let noise = Noise::RandomValues { field: "user".to_owned(), share: 0.2 };
    let outcome = run_with_noise(&table(24_000), &job(robust(json!({}))), Some(&noise)).unwrap();
    let report = outcome.report();
    let valid = report.kept_valid.unwrap();
    assert!((0.6..0.9).contains(&valid.share()), "{valid:?}");
    let mask = npyz::NpyFile::new(&outcome.file("keep_mask.npy")[..]).unwrap().into_vec::<u8>().unwrap();
    let left_out = (report.kept.of - report.kept.rows) + (valid.of - valid.rows);
    assert_eq!(mask.iter().filter(|kept| **kept == 0).count() as u64, left_out);
    let denoised = String::from_utf8(outcome.file("denoised.csv")).unwrap();
    assert_eq!(denoised.lines().count() as u64, mask.len() as u64 - left_out);
    let user = ["user".to_owned()];
    let found = found(&report);
    assert!(found.contains(&(Corruption::RandomValues, &user[..], RemedyKind::Drop, true)), "{report:#?}");
    let found = report.table[0].runs[0].found.unwrap();
    assert!(found.precision.unwrap() > 0.7 && found.recall.unwrap() > 0.6, "{found:?}");
}

/// Of a table with times: labels lost in a window, and labels that have not arrived, are told from each other.
#[test]
fn faults_in_time_are_found() {
    for (planted, kind, remedy) in [
        ("outage:timestamp:device:0.1:zero", Corruption::ZeroWindow, RemedyKind::Drop),
        ("outage:timestamp:device:0.1:inverted", Corruption::InvertedWindow, RemedyKind::Relabel),
        ("delayed:timestamp:0.1", Corruption::Immature, RemedyKind::SoftLabels),
    ] {
        let spec = SynthSpec { planted: vec![planted.parse().unwrap()], ..corrupt() };
        let timed = DatasetSpec { time: Some("timestamp".to_owned()), ..synth::dataset_spec() };
        let report = run_with_noise(&World::synth_of(&spec, &timed), &job(robust(json!({}))), None).unwrap().report();
        let found = found(&report);
        assert_eq!(found.iter().map(|found| (found.0, found.2)).collect::<Vec<_>>(), [(kind, remedy)], "{planted}");
    }
}

/// Where labels are right there is nothing to find, and the verdict says what tuning is worth.
#[test]
fn clean_labels_are_left_alone() {
    let report = run_with_noise(&table(8_000), &job(robust(json!({"certify": {"seeds": 3}}))), None).unwrap().report();
    assert_eq!(found(&report), []);
    assert_eq!(report.kept.rows, report.kept.of);
    assert_eq!(report.verdict, Verdict::NotBetter, "{:#?}", report.certification);
}

/// Flips in no place that could be named are told from other rows, and answered by soft labels if by anything.
#[test]
fn flips_are_told_from_other_rows_and_no_place_is_blamed() {
    let spec = job(robust(json!({"compare": [{"name": "loss_drop"}]})));
    let report = run_with_noise(&table(16_000), &spec, Some(&Noise::Flips { rate: 0.2 })).unwrap().report();
    let auroc = |label: &str| {
        let line = report.table.iter().find(|line| line.label == label).unwrap();
        line.runs[0].found.unwrap().auroc.unwrap()
    };
    assert!(auroc("robust") > auroc("loss_drop") + 0.03, "{} {}", auroc("robust"), auroc("loss_drop"));
    assert!(found(&report).iter().all(|found| found.0 == Corruption::RowNoise), "{:#?}", report.findings);
    assert_eq!(report.kept.rows, report.kept.of);
}

/// A table in which something is found, so that it is tried.
fn corrupt() -> SynthSpec {
    let planted = vec!["inverted:item:0.15".parse().unwrap()];
    SynthSpec { users: 210, items: 120, rows: 16_000, flip_rate: 0.0, seed: 1, planted, ..SynthSpec::default() }
}

/// A run of few passes.
fn short() -> ResolvedSpec {
    let mut spec = robust(json!({}));
    spec["method"]["options"]["retrain_max_epoch"] = json!(2);
    job(spec)
}

/// Where corruption goes on in the test rows, a model that learned it looks better on their labels as given. The rows outside of
/// what was found tell, though nobody said which labels are right.
#[test]
fn a_gain_that_corrupt_test_labels_hide_shows_outside_of_what_was_found() {
    let planted = vec!["inverted:item:0.15+test".parse().unwrap()];
    let world = World::synth(&SynthSpec { planted, ..corrupt() });
    let spec = job(robust(json!({"certify": {"seeds": 3}, "tuning": {"weight_decay": [1e-5]}})));
    let proof = run_with_noise(&world, &spec, None).unwrap().report().certification.unwrap();
    let [given, outside] = &proof.readings[..] else { panic!("two readings: {:?}", proof.readings) };
    assert_eq!((given.on, outside.on), (TestRows::All, TestRows::OutsideFindings));
    // A seventh of the items is inverted, and nearly all of them are found.
    assert!((0.8..0.93).contains(&outside.rows.share()), "{outside:?}");
    let gain = |reading: &GainReading, over| *reading.over(over).unwrap();
    assert!(gain(given, Arm::Full).ci95[1] < 0.0, "{given:?}");
    for over in [Arm::Full, Arm::Random] {
        assert!(gain(outside, over).ci95[0] > 0.0, "{outside:?}");
    }
    // The verdict is about the labels as given, and what would change that is said.
    assert_eq!((proof.verdict, proof.gains[0].mean), (Verdict::NotBetter, gain(given, Arm::Full).mean));
    assert!(proof.reasons[0].ends_with("the verdict is about all labels as given"), "{:?}", proof.reasons);
    assert!(proof.reasons[1].contains("--trusted RULE"), "{:?}", proof.reasons);
}

const FILES: [&str; 4] = ["indices.csv", "scores.parquet", "explanations.parquet", "model.safetensors"];

fn assert_same_files(out: &Path, whole: &Path, place: &str) {
    for name in FILES {
        let same = std::fs::read(out.join(name)).ok() == std::fs::read(whole.join(name)).ok();
        assert!(same, "{place}: {name} differs");
    }
}

#[test]
fn a_robust_run_resumed_after_any_step_is_the_uninterrupted_one() {
    let (world, spec) = (World::synth(&corrupt()), short());
    let whole = run_with_noise(&world, &spec, None).unwrap();
    assert!(!found(&whole.report()).is_empty(), "nothing was tried");
    for steps in (1..).step_by(5) {
        let (events, out, ended) = interrupted(&world, &spec, steps);
        if ended {
            assert!(steps > 12, "every kind of step was interrupted");
            break;
        }
        assert_eq!(untimed(&events), untimed(&whole.events), "after {steps} steps");
        assert_same_files(out.path(), whole.out.path(), &format!("after {steps} steps"));
    }
}

/// Every checkpoint there can be is read once: also those between two stages, and between two models.
#[test]
fn a_robust_run_interrupted_after_every_step_is_the_uninterrupted_one() {
    let (world, spec) = (World::synth(&corrupt()), short());
    let whole = run_with_noise(&world, &spec, None).unwrap();
    let (events, out, interruptions) = interrupted_at_every_step(&world, &spec);
    assert!(interruptions > 12, "{interruptions} steps");
    assert_eq!(untimed(&events), untimed(&whole.events));
    assert_same_files(out.path(), whole.out.path(), "after every step");
}

/// What is found and chosen does not depend on the order of the columns: fields are taken by their names.
#[test]
fn another_order_of_the_columns_gives_the_same_choice() {
    let chosen = |fields: [&str; 5]| {
        let world = World::synth_with(&corrupt(), &fields);
        let outcome = run_with_noise(&world, &job(robust(json!({}))), None).unwrap();
        let findings = outcome.report().findings.unwrap();
        let told =
            findings.corruptions.iter().map(|found| (found.describe(), found.rows, found.gain)).collect::<Vec<_>>();
        assert!(!told.is_empty());
        (told, outcome.file("indices.csv"), findings.weight_decay, findings.auc)
    };
    let (one, other) = (["user", "item", "age", "device", "genre"], ["genre", "device", "item", "age", "user"]);
    assert_eq!(chosen(one), chosen(other));
}
