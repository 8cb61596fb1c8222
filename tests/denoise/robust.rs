//! The method `robust` on tables whose noise is known.

use crate::world::{World, interrupted, interrupted_at_every_step, job, run_with_noise, untimed};
use autodenoise::synth::SynthSpec;
use autodenoise::types::{Noise, Report, ResolvedSpec, RunResult, Verdict};
use serde_json::{Value, json};
use std::path::Path;

/// Users with rows enough to be judged by.
fn table(rows: u64) -> World {
    World::synth(&SynthSpec { users: 210, items: 120, rows, flip_rate: 0.0, seed: 1, ..SynthSpec::default() })
}

fn robust(more: Value) -> Value {
    let options = json!({"batch_size": 128, "retrain_max_epoch": 12, "teacher": "fm", "folds": 4});
    let mut spec = json!({"method": {"name": "robust", "backbone": "fm", "options": options}, "seed": 3});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn line<'r>(report: &'r Report, label: &str) -> &'r RunResult {
    &report.table.iter().find(|line| line.label == label).unwrap().runs[0]
}

/// What flips look like is learned from the labels alone, far better than by the losses of a first pass.
#[test]
fn flips_are_told_from_other_rows() {
    let spec = job(robust(json!({"compare": [{"name": "loss_drop"}]})));
    let outcome = run_with_noise(&table(10_000), &spec, Some(&Noise::Flips { rate: 0.2 })).unwrap();
    let report = outcome.report();
    let auroc = |label| line(&report, label).found.unwrap().auroc.unwrap();
    assert!(auroc("robust") > auroc("loss_drop") + 0.05, "{} {}", auroc("robust"), auroc("loss_drop"));
    let findings = report.findings.as_ref().unwrap();
    assert_eq!((&findings.candidates[0].name[..], findings.candidates[0].rows), ("all rows", 8000));
    assert_eq!(findings.candidates[findings.chosen as usize].rows, report.kept.rows);
    assert!(findings.noise_rate > 0.1, "{findings:?}");
    assert_eq!(report.test_reads, 4, "chosen on validation data; the oracle reads once");
    // The database keeps a pass once, and its epoch in 32 bits.
    let mut passes = std::collections::HashSet::new();
    for row in outcome.epochs() {
        assert!(row.epoch <= 100, "{row:?}");
        let key = (row.contender, row.arm, row.seed, row.phase, row.epoch, row.pass);
        assert!(passes.insert(key), "the same pass twice: {row:?}");
    }
}

/// Where labels are right there is nothing to gain, and the verdict says so, whatever the method made of it.
#[test]
fn clean_labels_leave_nothing_to_certify() {
    let mut spec = robust(json!({"certify": {"seeds": 5}}));
    spec["method"]["options"]["retrain_max_epoch"] = json!(4);
    spec["method"]["options"]["folds"] = json!(2);
    let report = run_with_noise(&table(8_000), &job(spec), None).unwrap().report();
    assert_ne!(report.verdict, Verdict::Certified, "{:#?}", report.certification);
    assert_eq!(report.findings.unwrap().candidates[0].name, "all rows");
}

/// A run of few passes.
fn short() -> ResolvedSpec {
    let mut spec = robust(json!({}));
    spec["method"]["options"]["retrain_max_epoch"] = json!(2);
    spec["method"]["options"]["folds"] = json!(2);
    job(spec)
}

const FILES: [&str; 5] =
    ["indices.csv", "scores.parquet", "policy.safetensors", "explanations.parquet", "model.safetensors"];

fn assert_same_files(out: &Path, whole: &Path, place: &str) {
    for name in FILES {
        let same = std::fs::read(out.join(name)).ok() == std::fs::read(whole.join(name)).ok();
        assert!(same, "{place}: {name} differs");
    }
}

#[test]
fn a_robust_run_resumed_after_any_step_is_the_uninterrupted_one() {
    let (world, spec) = (table(5_500), short());
    let whole = run_with_noise(&world, &spec, None).unwrap();
    for steps in (1..).step_by(23) {
        let (events, out, ended) = interrupted(&world, &spec, steps);
        if ended {
            assert!(steps > 18, "every kind of step was interrupted");
            break;
        }
        assert_eq!(untimed(&events), untimed(&whole.events), "after {steps} steps");
        assert_same_files(out.path(), whole.out.path(), &format!("after {steps} steps"));
    }
}

/// Every checkpoint there can be is read once: also those between two stages, and between two models.
#[test]
fn a_robust_run_interrupted_after_every_step_is_the_uninterrupted_one() {
    let (world, spec) = (table(5_500), short());
    let whole = run_with_noise(&world, &spec, None).unwrap();
    let (events, out, interruptions) = interrupted_at_every_step(&world, &spec);
    assert!(interruptions > 60, "{interruptions} steps");
    assert_eq!(untimed(&events), untimed(&whole.events));
    assert_same_files(out.path(), whole.out.path(), "after every step");
}
