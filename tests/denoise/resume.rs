use crate::engines::ENGINES;
use crate::world::{World, interrupted, run, spec, untimed, with_run, with_run_of};
use autodenoise::evaluate::Step;
use autodenoise::types::{BackboneKind, Engine, EpochRow, Preset, ResolvedSpec};
use serde_json::json;

const FILES: [&str; 8] = [
    "indices.parquet",
    "indices.csv",
    "indices.npy",
    "keep_mask.npy",
    "scores.parquet",
    "denoised.csv",
    "policy.safetensors",
    "model.safetensors",
];

#[test]
fn a_run_resumed_after_any_pass_is_the_uninterrupted_one() {
    let world = World::new();
    for (preset, options) in [
        (Preset::Paper, json!({})),
        (Preset::ReleasedCode, json!({})),
        (Preset::Paper, json!({"warmup_passes_per_row": 2, "optimizer": "sgd", "policy_label_field": true})),
    ] {
        for engine in ENGINES {
            let spec = ResolvedSpec { engine, ..spec(preset, BackboneKind::DeepFm, 4, options.clone()) };
            let whole = run(&world, &spec).unwrap();
            for steps in 1.. {
                let (events, out, ended) = interrupted(&world, &spec, steps);
                if ended {
                    assert!(steps > 8, "every kind of step was interrupted");
                    break;
                }
                let place = format!("{engine} {preset} after {steps} steps");
                assert_eq!(untimed(&events), untimed(&whole.events), "{place}");
                for name in FILES {
                    let found = std::fs::read(out.path().join(name)).unwrap();
                    assert!(found == whole.file(name), "{place}: {name} differs");
                }
                let report: autodenoise::types::Report =
                    serde_json::from_slice(&std::fs::read(out.path().join("report.json")).unwrap()).unwrap();
                assert_eq!(report.test_reads, whole.report().test_reads, "{place}");
            }
        }
    }
}

/// Rows of the warm-up that are trained side by side are the rows trained one after the other, and a run may go on with
/// another number of threads.
#[test]
fn threads_change_neither_the_warm_up_nor_a_resumed_run() {
    let world = World::new();
    let dataset = world.dataset();
    let options = json!({"warmup_epochs": 4, "warmup_passes_per_row": 2, "optimizer": "lazy_adam", "epochs": 1});
    let spec = ResolvedSpec { engine: Engine::Fused, ..spec(Preset::Paper, BackboneKind::Dcn, 4, options) };
    let whole = run(&world, &spec).unwrap();
    let by_name = |rows: Vec<EpochRow>| {
        let mut rows = rows;
        rows.sort_by_key(|row| (row.contender, row.phase, row.epoch, row.pass));
        rows
    };
    let expected = by_name(untimed(&whole.events));
    for steps in [0, 1, 2, 3] {
        let out = tempfile::tempdir().unwrap();
        let mut events = Vec::new();
        // Three threads train rows 1 to 3 in the first two steps, then row 4.
        let saved = with_run_of(3, None, &dataset, &spec, out.path(), |mut run| {
            for _ in 0..steps {
                run.step(&mut |event| events.push(event)).unwrap();
            }
            run.save_checkpoint().unwrap()
        });
        assert_eq!(untimed(&events).len(), [0, 3, 6, 7][steps], "three rows a step, then one");
        with_run_of(1, None, &dataset, &spec, out.path(), |mut run| {
            run.resume(&out.path().join(saved)).unwrap();
            while run.step(&mut |event| events.push(event)).unwrap() == Step::More {}
        });
        assert_eq!(by_name(untimed(&events)), expected, "after {steps} steps");
        for name in FILES {
            assert!(std::fs::read(out.path().join(name)).unwrap() == whole.file(name), "{steps} steps: {name} differs");
        }
    }
}

#[test]
fn a_checkpoint_of_another_spec_or_a_damaged_one_is_refused() {
    let (world, out) = (World::new(), tempfile::tempdir().unwrap());
    let dataset = world.dataset();
    let mine = spec(Preset::Paper, BackboneKind::Fm, 1, json!({}));
    let saved = with_run(&dataset, &mine, out.path(), |mut run| {
        run.step(&mut |_| ()).unwrap();
        out.path().join(run.save_checkpoint().unwrap())
    });
    let other = spec(Preset::Paper, BackboneKind::Fm, 2, json!({}));
    let refused = |spec: &ResolvedSpec| {
        with_run(&dataset, spec, out.path(), |mut run| run.resume(&saved).unwrap_err().to_string())
    };
    assert!(refused(&other).contains("another job"), "{}", refused(&other));
    let mut bytes = std::fs::read(&saved).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&saved, bytes).unwrap();
    assert!(refused(&mine).contains("cannot be used"), "{}", refused(&mine));
}

#[test]
fn only_the_last_two_checkpoints_are_kept() {
    let (world, out) = (World::new(), tempfile::tempdir().unwrap());
    let dataset = world.dataset();
    let spec = spec(Preset::Paper, BackboneKind::Fm, 1, json!({}));
    with_run(&dataset, &spec, out.path(), |mut run| {
        for _ in 0..4 {
            run.step(&mut |_| ()).unwrap();
            run.save_checkpoint().unwrap();
        }
    });
    let mut names: Vec<_> =
        std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["checkpoint-00000003.safetensors", "checkpoint-00000004.safetensors"]);
}
