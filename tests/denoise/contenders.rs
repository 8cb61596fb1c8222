//! Jobs of several methods, backbones and seeds.

use crate::world::{ROWS, World, interrupted, interrupted_at_every_step, job, run, run_with_noise, untimed};
use autodenoise::synth::SynthSpec;
use autodenoise::types::{BackboneKind, MethodName, Noise, Phase, Report, Split, TableLine, TrainerEvent};
use serde_json::json;
use std::path::Path;

fn line<'r>(report: &'r Report, label: &str, backbone: BackboneKind) -> &'r TableLine {
    let found = report.table.iter().find(|line| line.label == label && line.backbone == backbone);
    found.unwrap_or_else(|| panic!("no {label} with {backbone} in {:?}", report.table))
}

#[test]
fn a_job_sets_methods_backbones_and_seeds_side_by_side() {
    let world = World::new();
    let spec = job(json!({
        "method": {"name": "loss_drop"},
        "compare": [{"name": "random_drop"}, {"name": "loss_drop", "options": {"per_batch": false}},
            {"name": "autodenoise_v", "options": {"epochs": 1}}],
        "sweep": {"option": "select_ratio", "values": [0.5]}, "transfer": ["fm"], "seed": 3, "seeds": 2,
    }));
    let report = run(&world, &spec).unwrap().report();
    // Five methods and all rows, each with deepfm and fm.
    assert_eq!(report.table.len(), 12);
    assert!(report.table.iter().all(|line| line.runs.iter().map(|run| run.seed).eq([3, 4])));
    assert_eq!(report.test_reads, 24, "once a model");
    let kept = |label| line(&report, label, BackboneKind::DeepFm).runs[0].kept.rows;
    // 11 batches of 32 keep 26, one of 1 keeps 1; of all 353, 282.4 are kept; half of the batches is 16.
    assert_eq!((kept("random_drop"), kept("loss_drop per_batch=false")), (11 * 26 + 1, 282));
    assert_eq!((kept("loss_drop select_ratio=0.5"), kept("none")), (11 * 16 + 1, ROWS.train));
    assert_eq!((report.kept.rows, report.kept.of), (kept("loss_drop"), ROWS.train));
    // The backbones were trained on the same rows, and each with its own start.
    let (own, other) = (line(&report, "loss_drop", BackboneKind::DeepFm), line(&report, "loss_drop", BackboneKind::Fm));
    assert_eq!(own.runs[1].kept, other.runs[1].kept);
    assert_ne!(own.runs[1].test, other.runs[1].test);
    // Drawn one by one, kept rows are as many as their probabilities add up to; not the 80 % of top-k.
    assert_ne!(kept("autodenoise_v epochs=1"), kept("loss_drop"));
    assert_eq!(report.arms.len(), 2);
}

/// A job's result does not depend on what it is compared with.
#[test]
fn methods_of_a_job_do_not_touch_each_other() {
    let world = World::new();
    let alone = run(&world, &job(json!({"method": {"name": "random_drop"}}))).unwrap().report();
    let spec = job(json!({
        "method": {"name": "autodenoise", "options": {"epochs": 1}},
        "compare": [{"name": "loss_drop"}, {"name": "random_drop"}],
    }));
    let among = run(&world, &spec).unwrap().report();
    for label in ["random_drop", "none"] {
        let of = |report| {
            let run = &line(report, label, BackboneKind::DeepFm).runs[0];
            (run.kept, run.valid, run.test, run.passes)
        };
        assert_eq!(of(&alone), of(&among), "{label}");
    }
    assert_eq!(alone.arms[1].train_rows, alone.kept.rows);
}

#[test]
fn the_highest_losses_and_no_others_are_dropped() {
    let spec = job(json!({"method": {"name": "loss_drop", "options": {"per_batch": false, "select_ratio": 0.9}}}));
    let outcome = run(&World::new(), &spec).unwrap();
    let file = bytes::Bytes::from(outcome.file("scores.parquet"));
    let mut reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 10_000).unwrap();
    let batch = reader.next().unwrap().unwrap();
    let scores = batch.column_by_name("minus_mean_loss").unwrap();
    let scores = scores.as_any().downcast_ref::<arrow_array::Float32Array>().unwrap();
    let kept = batch.column_by_name("kept").unwrap().as_any().downcast_ref::<arrow_array::BooleanArray>().unwrap();
    let of = |wanted| {
        scores.iter().zip(kept).filter(move |(_, kept)| *kept == Some(wanted)).map(|(score, _)| score.unwrap())
    };
    let (best_dropped, worst_kept) = (of(false).fold(f32::MIN, f32::max), of(true).fold(f32::MAX, f32::min));
    assert!(best_dropped <= worst_kept && worst_kept < 0.0, "{best_dropped} {worst_kept}");
}

#[test]
fn rankings_drop_their_share_and_know_users_and_items() {
    let world = World::new();
    let report = |method: serde_json::Value| run(&world, &job(json!({"method": method}))).unwrap().report();
    let options = json!({"folds": 2, "trim_rate": 0.1});
    // 317.7 of 353 rows.
    assert_eq!(report(json!({"name": "trim", "options": options})).kept.rows, 318);
    let options = json!({"folds": 2, "select_ratio": 0.9, "user_column": "f0", "item_column": "f1"});
    assert_eq!(report(json!({"name": "eard", "options": options})).kept.rows, 318);
    assert_eq!(report(json!({"name": "eard", "options": {"folds": 2, "select_ratio": 0.9}})).kept.rows, 318);
    assert_eq!(report(json!({"name": "aum", "options": {"select_ratio": 0.9}})).kept.rows, 318);
}

#[test]
fn smoothing_keeps_every_row_and_softens_its_label() {
    let spec = job(json!({"method": {"name": "label_smoothing", "options": {"smoothing": 0.2}}}));
    let report = run(&World::new(), &spec).unwrap().report();
    assert_eq!((report.kept.rows, report.softened, report.relabelled), (353, 353, 0));
    let losses = report.table.iter().map(|line| line.runs[0].valid.logloss).collect::<Vec<_>>();
    assert_ne!(losses[0], losses[1], "a model is trained on what was softened");
}

/// Rows whose labels were flipped have the higher losses and the lower margins, in every ranking.
#[test]
fn rankings_tell_flipped_rows_from_others() {
    let size = SynthSpec { users: 100, items: 50, rows: 3000, flip_rate: 0.0, seed: 3, ..SynthSpec::default() };
    let world = World::synth(&size);
    let spec = job(json!({
        "method": {"name": "trim", "backbone": "fm", "options": {"trim_rate": 0.2, "lr": 0.02}},
        "compare": [{"name": "eard", "backbone": "fm", "options": {"select_ratio": 0.8, "lr": 0.02, "user_column": "user", "item_column": "item"}},
            {"name": "aum", "backbone": "fm", "options": {"select_ratio": 0.8, "lr": 0.02, "warmup_passes_per_row": 3}}],
    }));
    let report = run_with_noise(&world, &spec, Some(&Noise::Flips { rate: 0.2 })).unwrap().report();
    for name in [MethodName::Trim, MethodName::Eard, MethodName::Aum] {
        let line = report.table.iter().find(|line| line.method == name).unwrap();
        let found = line.runs[0].found.unwrap();
        assert!(found.auroc.unwrap() > 0.5 + 3.0 * found.auroc_standard_error.unwrap(), "{name}: {found:?}");
    }
}

#[test]
fn a_job_of_many_methods_interrupted_after_every_step_is_the_uninterrupted_one() {
    let world = World::new();
    let spec = job(json!({
        "method": {"name": "autodenoise", "options": {"epochs": 1, "retrain_max_epoch": 2}},
        "compare": [{"name": "random_drop", "options": {"tries": 2}},
            {"name": "loss_drop", "options": {"warmup_passes_per_row": 2}},
            {"name": "trim", "options": {"folds": 2}}, {"name": "eard", "options": {"folds": 2}},
            {"name": "aum", "options": {"warmup_passes_per_row": 2}}, {"name": "label_smoothing"},
            {"name": "confident_learning", "options": {"folds": 2}}, {"name": "enn", "options": {"distance": "embedding"}}, {"name": "t_ce", "options": {"ramp_epochs": 1}},
            {"name": "r_ce", "options": {"ce_data": "sampled", "user_column": "f0", "item_column": "f1"}}],
        "transfer": ["fm"],
        "tuning": {"weight_decay": [1e-6, 0.01], "patience": 2},
    }));
    let whole = run(&world, &spec).unwrap();
    let table = |report: Report| {
        let mut tuned = report.tuned;
        tuned.iter_mut().for_each(|tuned| tuned.seconds = 0.0);
        let mut lines = report.table;
        for run in lines.iter_mut().flat_map(|line| &mut line.runs) {
            (run.select_seconds, run.train_seconds) = (0.0, 0.0);
        }
        (lines, report.test_reads, report.kept, tuned)
    };
    let is_whole = |events: &[TrainerEvent], out: &Path, place: &str| {
        assert_eq!(untimed(events), untimed(&whole.events), "{place}");
        let report = std::fs::read(out.join("report.json")).unwrap();
        assert_eq!(table(serde_json::from_slice(&report).unwrap()), table(whole.report()), "{place}");
        for name in ["indices.parquet", "scores.parquet", "model.safetensors", "reference_model.safetensors"] {
            assert!(std::fs::read(out.join(name)).unwrap() == whole.file(name), "{place}: {name} differs");
        }
    };
    let (events, out, interruptions) = interrupted_at_every_step(&world, &spec);
    assert!(interruptions > 20, "every kind of step was interrupted");
    is_whole(&events, out.path(), "after every step");
    // From every checkpoint one step was made; from some the whole rest.
    for steps in (1..interruptions).step_by(10) {
        let (events, out, _) = interrupted(&world, &spec, steps);
        is_whole(&events, out.path(), &format!("after {steps} steps"));
    }
    assert_eq!(whole.report().table[0].method, MethodName::Autodenoise);
}

#[test]
fn losses_choose_while_they_train() {
    let loss = |options: serde_json::Value| {
        let spec = job(json!({"method": options, "seed": 5}));
        run(&World::new(), &spec).unwrap().report()
    };
    let truncated = loss(json!({"name": "t_ce", "options": {"drop_rate": 0.2, "ramp_epochs": 1}}));
    // 11 batches of 32 keep trunc(25.6), the last of one row none; what is dropped has label 1.
    assert_eq!(truncated.kept.rows, 11 * 25);
    assert!(truncated.kept_negative.rows >= truncated.kept_negative.of - 1, "{:?}", truncated.kept_negative);
    let [full, own] = &truncated.arms[..] else { panic!("two arms") };
    assert_ne!(full.test, own.test, "the loss makes a difference");
    // Without a share to drop it is the plain loss, paired with all rows to the last bit.
    let plain = loss(json!({"name": "t_ce", "options": {"drop_rate": 0.0}}));
    assert_eq!((plain.arms[0].test, plain.arms[0].passes), (plain.arms[1].test, plain.arms[1].passes));
    let weighted = loss(json!({"name": "r_ce", "options": {"beta": 0.5}}));
    assert!((10..ROWS.train).contains(&weighted.kept.rows), "{:?}", weighted.kept);
    let sampled = loss(json!({"name": "r_ce",
        "options": {"beta": 0.0, "ce_data": "sampled", "user_column": "f0", "item_column": "f1"}}));
    // With beta 0 nothing is taken away; but it was trained on other rows.
    assert_eq!(sampled.kept.rows, ROWS.train);
    assert_ne!(sampled.arms[0].valid, sampled.arms[1].valid);
}

#[test]
fn confident_learning_drops_labels_that_other_rows_contradict() {
    // Every 20th row's label is turned; the two fields that decide are otherwise clear.
    let turned = |row: u64| row < ROWS.train && row.is_multiple_of(20);
    let world = World::with_labels(|row, label| if turned(row) { 1 - label } else { label });
    let method = json!({"name": "confident_learning", "options": {"folds": 4, "retrain_max_epoch": 20, "patience": 5}});
    let outcome = run(&world, &job(json!({"method": method}))).unwrap();
    let text = String::from_utf8(outcome.file("indices.csv")).unwrap();
    let kept: Vec<u32> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let dataset = world.dataset();
    let train = dataset.split(Split::Train).rows.iter().zip(0..);
    let dropped: Vec<u64> = train.filter(|(row, _)| kept.binary_search(row).is_err()).map(|(_, at)| at).collect();
    let hits = dropped.iter().filter(|at| turned(**at)).count();
    // One row in twenty is turned; more than one in ten of those dropped is.
    assert!(dropped.len() < 150 && 10 * hits > dropped.len(), "{hits} of {}", dropped.len());
    assert_eq!(outcome.report().kept.rows, kept.len() as u64);
}

#[test]
fn every_method_is_a_line_of_one_table() {
    let names: Vec<_> = MethodName::ALL.iter().filter(|name| **name != MethodName::Autodenoise).collect();
    let compare: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let spec = job(json!({"method": {"preset": "paper"}, "compare": compare}));
    let report = run(&World::new(), &spec).unwrap().report();
    assert_eq!(report.table.len(), MethodName::ALL.len());
    for line in &report.table {
        let run = &line.runs[0];
        assert!(run.kept.rows >= 2 && run.kept.rows <= run.kept.of, "{line:?}");
        assert_eq!(run.kept.rows, run.kept_positive.rows + run.kept_negative.rows, "{line:?}");
        let fewer = run.kept.rows < run.kept.of;
        let drops = match line.method {
            MethodName::None | MethodName::LabelSmoothing => false,
            // On so few rows no subset need be better than all of them.
            MethodName::Robust => fewer,
            _ => true,
        };
        assert_eq!(fewer, drops, "{line:?}");
    }
}

#[test]
fn a_compared_method_that_fails_is_left_out_and_the_job_goes_on() {
    let world = World::new();
    // No cluster is of a size that BDIS keeps a row of.
    let nothing = json!({"name": "bdis", "options": {"bdis_t1": 100}});
    let absurd = json!({"optimizer": "sgd", "lr": 10.0, "weight_decay": 1e30});
    let compare = json!([nothing, {"name": "random_drop", "options": absurd}, {"name": "loss_drop"}]);
    let spec = job(json!({"method": {"name": "random_drop"}, "compare": compare, "transfer": ["fm"]}));
    let report = run(&world, &spec).unwrap().report();
    let labels: Vec<_> = report.table.iter().map(|line| (line.label.as_str(), line.backbone.as_str())).collect();
    let expected = ["random_drop", "loss_drop", "none"].map(|label| [(label, "deepfm"), (label, "fm")]);
    assert_eq!(labels, expected.concat());
    let codes: Vec<_> = report.warnings.iter().map(|warning| (warning.code.as_str(), warning.contender)).collect();
    // The training with an absurd penalty, and all rows trained that way.
    assert_eq!(codes, [("left_out", 1), ("left_out", 2), ("left_out", 5)], "{:?}", report.warnings);
    assert!(
        report.warnings[0].message.starts_with("bdis bdis_t1=100 with seed 42 is left out: "),
        "{:?}",
        report.warnings[0]
    );
    // The job's own method is not left out: its failure is the job's.
    let error = run(&world, &job(json!({"method": nothing}))).err().unwrap().to_string();
    assert!(error.starts_with("bdis kept "), "{error}");
}

#[test]
fn a_control_may_choose_among_as_many_subsets_as_the_policy() {
    let world = World::new();
    let drop = |tries: u32, select_by: &str| {
        let options = json!({"tries": tries, "select_by": select_by});
        run(&world, &job(json!({"method": {"name": "random_drop", "options": options}, "seed": 5}))).unwrap()
    };
    let outcome = drop(4, "valid_auc");
    let best = outcome.report().best_epoch.unwrap();
    // The best pass of each try, by validation AUC.
    let of_try = |number: u32| {
        let rows = outcome.epochs().filter(move |row| row.phase == Phase::Validate && row.epoch == number);
        rows.map(|row| row.valid.unwrap().auc.unwrap()).fold(0.0, f64::max)
    };
    let scores: Vec<f64> = (1..=4).map(of_try).collect();
    assert!(scores.iter().all(|score| *score > 0.0 && *score <= scores[best as usize - 1]), "{best} of {scores:?}");
    // Chosen by the test, its result there is the best of the draws and is said apart from the fresh model's.
    let tested = drop(4, "test_auc").report();
    assert_eq!(tested.test_reads, 4 + 2);
    assert!(tested.table[0].runs[0].as_selected.is_some());
}
