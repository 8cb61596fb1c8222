use crate::engines::ENGINES;
use crate::world::{Outcome, ROWS, World, job, run, spec};
use autodenoise::evaluate::RunError;
use autodenoise::selection::SelectError;
use autodenoise::types::{Arm, BackboneKind, Engine, MethodName, Phase, Preset, ResolvedSpec, TrainerEvent};
use serde_json::json;

const PRESETS: [Preset; 2] = [Preset::Paper, Preset::ReleasedCode];

/// Every preset on every engine.
fn cases() -> impl Iterator<Item = (Preset, Engine)> {
    PRESETS.into_iter().flat_map(|preset| ENGINES.map(|engine| (preset, engine)))
}

fn on(engine: Engine, spec: ResolvedSpec) -> ResolvedSpec {
    ResolvedSpec { engine, ..spec }
}

fn indices(outcome: &Outcome) -> Vec<u32> {
    let text = String::from_utf8(outcome.file("indices.csv")).unwrap();
    text.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_run_goes_through_its_phases_and_its_files_agree() {
    let world = World::new();
    for (preset, engine) in cases() {
        let outcome = run(&world, &on(engine, spec(preset, BackboneKind::DeepFm, 1, json!({})))).unwrap();
        let phases: Vec<(u32, Phase, u32)> = outcome
            .events
            .iter()
            .filter_map(|event| match event {
                TrainerEvent::Phase { contender, phase, epoch } => Some((*contender, *phase, *epoch)),
                _ => None,
            })
            .collect();
        use Phase::*;
        assert_eq!(
            phases,
            [
                (0, Warmup, 1),
                (0, Warmup, 2),
                (0, Search, 1),
                (0, Validate, 1),
                (0, Search, 2),
                (0, Validate, 2),
                (0, Evaluate, 1),
                (1, Evaluate, 1),
                (0, Export, 1)
            ]
        );
        // (contender, phase, epoch, pass) names a row.
        let mut names: Vec<_> = outcome.epochs().map(|row| (row.contender, row.phase, row.epoch, row.pass)).collect();
        let rows = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), rows);
        assert!(outcome.epochs().all(|row| row.valid.unwrap().auc.is_some()));

        // 11 batches of 32 keep 26 (25.6), the last of 1 keeps 1.
        let kept = indices(&outcome);
        assert_eq!(kept.len(), 11 * 26 + 1);
        assert!(kept.is_sorted());
        let dataset = world.dataset();
        let train = dataset.split(autodenoise::types::Split::Train);
        assert!(kept.iter().all(|row| train.rows.binary_search(row).is_ok()), "indices are file positions");
        let dropped: Vec<u32> = train.rows.iter().filter(|row| kept.binary_search(row).is_err()).copied().collect();

        let npy = npyz::NpyFile::new(&outcome.file("indices.npy")[..]).unwrap().into_vec::<i64>().unwrap();
        assert_eq!(npy, kept.iter().map(|row| i64::from(*row)).collect::<Vec<_>>());
        let mask = npyz::NpyFile::new(&outcome.file("keep_mask.npy")[..]).unwrap().into_vec::<u8>().unwrap();
        let zeros: Vec<u32> = (0..ROWS.total() as u32).filter(|row| mask[*row as usize] == 0).collect();
        assert_eq!((mask.len() as u64, zeros), (ROWS.total(), dropped.clone()));
        let denoised = String::from_utf8(outcome.file("denoised.csv")).unwrap();
        assert_eq!(denoised.lines().count() as u64, ROWS.total() - dropped.len() as u64);

        let report = outcome.report();
        assert_eq!((report.kept.rows, report.kept.of), (kept.len() as u64, ROWS.train));
        assert_eq!(report.kept_positive.rows + report.kept_negative.rows, report.kept.rows);
        let arms: Vec<Arm> = report.arms.iter().map(|arm| arm.arm).collect();
        assert_eq!(arms, [Arm::Full, Arm::Denoised]);
        // The paper's preset reads the test once a model; the released code also to choose, every epoch.
        assert_eq!(report.test_reads, if preset == Preset::Paper { 2 } else { 4 });
        let line = &report.table[0];
        assert_eq!(
            (line.method, line.runs[0].kept, line.runs[0].best_epoch),
            (MethodName::Autodenoise, report.kept, report.best_epoch)
        );
        assert_eq!(line.runs[0].as_selected.is_some(), preset == Preset::ReleasedCode);
        for name in ["indices.parquet", "scores.parquet", "policy.safetensors", "model.safetensors"] {
            assert!(!outcome.file(name).is_empty());
        }
        assert!(matches!(outcome.events.last(), Some(TrainerEvent::Finished(_))));
        assert_progress_is_steady(&outcome.events);
    }
}

/// What is foreseen stands still, what is done grows, and at the end all is done.
fn assert_progress_is_steady(events: &[TrainerEvent]) {
    let told = |event: &TrainerEvent| match event {
        TrainerEvent::Progress(progress) => Some(*progress),
        _ => None,
    };
    let all: Vec<_> = events.iter().filter_map(told).collect();
    assert!(all.iter().all(|progress| progress.total == all[0].total), "{all:?}");
    assert!(all.is_sorted_by_key(|progress| progress.done), "{all:?}");
    let last = all.last().unwrap();
    assert_eq!((last.done, last.percent()), (last.total, 100));
}

/// A search whose length nobody knows beforehand, and a proof whose models stop when they will.
#[test]
fn the_progress_of_a_job_that_takes_what_it_takes_is_steady() {
    let world = World::new();
    let options = json!({"batch_size": 128, "retrain_max_epoch": 9, "teacher": "fm", "folds": 2});
    let asked = json!({"method": {"preset": "robust", "backbone": "fm", "options": options}, "certify": {"seeds": 2}});
    let outcome = run(&world, &job(asked)).unwrap();
    assert_progress_is_steady(&outcome.events);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let world = World::new();
    for (preset, engine) in cases() {
        let go = |seed| run(&world, &on(engine, spec(preset, BackboneKind::WideDeep, seed, json!({})))).unwrap();
        let (one, same, other) = (go(1), go(1), go(2));
        for name in ["indices.parquet", "scores.parquet", "policy.safetensors", "model.safetensors"] {
            assert_eq!(one.file(name), same.file(name), "{name}");
        }
        assert_ne!(one.file("scores.parquet"), other.file("scores.parquet"));
    }
}

#[test]
fn test_labels_do_not_reach_the_choice() {
    let seal = ROWS.train + ROWS.valid;
    let turned = World::with_labels(|row, label| if row >= seal { 1 - label } else { label });
    let spec = spec(Preset::Paper, BackboneKind::Fm, 1, json!({}));
    let (one, other) = (run(&World::new(), &spec).unwrap(), run(&turned, &spec).unwrap());
    for name in ["indices.parquet", "scores.parquet", "policy.safetensors", "model.safetensors"] {
        assert_eq!(one.file(name), other.file(name), "{name}");
    }
    assert_ne!(one.report().arms[0].test, other.report().arms[0].test, "the labels did change");
}

#[test]
fn method_none_trains_on_all_rows_and_keeps_them() {
    let spec = job(json!({"method": {"name": "none", "options": {"retrain_max_epoch": 30}}, "seed": 1}));
    let outcome = run(&World::new(), &spec).unwrap();
    let report = outcome.report();
    assert_eq!((report.kept.rows, report.test_reads, report.arms.len()), (ROWS.train, 1, 1));
    assert_eq!(indices(&outcome).len() as u64, ROWS.train);
    // The table is learnable: chance is 0.5, and the labels' noise bounds the score near 0.8.
    assert!(report.arms[0].test.auc.unwrap() > 0.68, "{:?}", report.arms[0].test);
}

#[test]
fn every_backbone_and_option_runs() {
    let world = World::new();
    let all = BackboneKind::ALL.iter().flat_map(|backbone| ENGINES.map(|engine| (*backbone, engine)));
    for (backbone, engine) in all.filter(|(backbone, engine)| *engine != Engine::Fused || backbone.is_fused()) {
        run(&world, &on(engine, spec(Preset::Paper, backbone, 1, json!({"epochs": 1, "warmup_epochs": 1})))).unwrap();
    }
    for options in [
        json!({"reward": "batch_mean", "deselected_reward": "batch", "reward_norm": "standardize"}),
        json!({"reward": "batch_sum", "deselected_reward": "zero"}),
        json!({"deselected_reward": "negate", "reward_norm": "center", "policy_label_field": true}),
        json!({"reward_forward": "train_nograd", "deselected_reward": "negate", "policy_reduction": "sum"}),
        json!({"reward_forward": "train_nograd", "policy_bn": false, "policy_dropout": 0.0, "policy_mlp_dims": []}),
        json!({"lmat_loss": "train", "lmat_deselected": "keep_row", "select": "threshold"}),
        json!({"lmat_loss": "train", "lmat_deselected": "fill_mean", "select": "sample"}),
        json!({"lmat_loss": "train", "lmat_deselected": "evaluate_all", "select": "topk_global"}),
        json!({"lmat_loss": "train", "lmat_deselected": "carry", "reward_forward": "train_nograd"}),
        json!({"optimizer": "sgd", "reinit": "same_seed", "warmup_passes_per_row": 2, "auc_on": "logit"}),
        json!({"on_few_selected": "adam_zero_grad", "min_selected": 31, "select_by": "valid_logloss"}),
        json!({"on_few_selected": "adam_zero_grad", "min_selected": 31, "optimizer": "lazy_adam"}),
        json!({"on_few_selected": "select_all", "min_selected": 31, "restore_best": false}),
    ] {
        for engine in ENGINES {
            let spec = on(engine, spec(Preset::Paper, BackboneKind::DeepFm, 3, options.clone()));
            let outcome = run(&world, &spec).unwrap_or_else(|error| panic!("{engine} {options}: {error}"));
            assert!(outcome.report().kept.rows >= 2, "{engine} {options}");
        }
    }
}

#[test]
fn few_selected_rows_are_an_error_where_that_was_asked_for() {
    let options = json!({"on_few_selected": "error", "min_selected": 32});
    let error = run(&World::new(), &spec(Preset::Paper, BackboneKind::Fm, 1, options)).err().unwrap().to_string();
    assert!(
        error.starts_with("search epoch 1: the policy selected ") && error.contains("min_selected = 32"),
        "{error}"
    );
}

#[test]
fn a_policy_that_drops_everything_warns_once_and_the_run_ends_well() {
    for (preset, engine) in cases() {
        // A policy step far too long drives every probability to an end; with this seed, to that of dropping.
        let options = json!({"epochs": 4, "policy_lr_mult": 1000.0});
        let outcome = run(&World::new(), &on(engine, spec(preset, BackboneKind::DeepFm, 3, options))).unwrap();
        let searches: Vec<_> = outcome.epochs().filter(|row| row.phase == Phase::Search).collect();
        let nothing = searches.iter().filter(|row| row.kept == Some(0.0)).count();
        let low = searches.iter().filter(|row| row.kept.unwrap() < 0.05).count();
        assert!(nothing >= 1 && low >= 2, "{preset}: the case is not the one meant");
        assert!(searches.iter().any(|row| row.skipped_updates == Some(11)), "{preset}: every full batch was skipped");
        let warnings = outcome.events.iter().filter(|event| matches!(event, TrainerEvent::Warning(_)));
        assert_eq!(warnings.count(), 1, "{preset}");
        let report = outcome.report();
        assert_eq!(report.warnings[0].code, "min_selected_fraction");
        assert!(report.warnings[0].message.contains("5.000 %"), "{}", report.warnings[0].message);
        assert_eq!(report.kept.rows, 11 * 26 + 1, "top-k needs the order of the probabilities only");
    }
}

#[test]
fn a_loss_that_is_not_a_number_names_its_place() {
    let mut options = json!({"optimizer": "sgd", "lr": 10.0, "weight_decay": 1e30});
    let error = |options: serde_json::Value| {
        run(&World::new(), &spec(Preset::Paper, BackboneKind::Fm, 1, options)).err().unwrap()
    };
    let message = error(options.clone()).to_string();
    assert!(message.starts_with("warmup epoch 1: the loss of batch ") && message.contains("lr"), "{message}");
    options["epochs"] = json!(1);
    assert!(matches!(error(options), RunError::Select(SelectError::Fit { phase: Phase::Warmup, epoch: 1, .. })));
}

#[test]
fn validation_rows_of_one_label_are_refused_in_words() {
    let world =
        World::with_labels(|row, label| if (ROWS.train..ROWS.train + ROWS.valid).contains(&row) { 1 } else { label });
    let error = run(&world, &spec(Preset::Paper, BackboneKind::Fm, 1, json!({}))).err().unwrap().to_string();
    assert!(error.contains("all validation rows have the same label"), "{error}");
}
