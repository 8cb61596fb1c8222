//! Parts of a job that are done side by side, a thread each: the job comes to what it comes to where they are done one by one, bit
//! for bit, and goes on from any checkpoint with any number of threads.

use crate::world::{Outcome, World, job, read_report, run, sorted, with_run_of};
use autodenoise::evaluate::Step;
use autodenoise::types::{Engine, EpochRow, Phase, ResolvedSpec};
use serde_json::json;

const FILES: [&str; 3] = ["indices.parquet", "denoised.csv", "model.safetensors"];

/// Proofs with races for their settings, arms that treat rows otherwise, folds of a cross-fitting, and a choice with each seed.
fn jobs() -> [ResolvedSpec; 3] {
    let grid = json!({"weight_decay": [0.0, 0.001, 0.1]});
    [
        json!({"method": {"name": "loss_drop"}, "transfer": ["fm"], "tuning": grid, "certify": {"seeds": 2}}),
        json!({"method": {"name": "confident_learning"}, "tuning": grid, "certify": {"seeds": 2}, "seed": 2}),
        json!({"method": {"name": "random_drop"}, "certify": {"seeds": 3, "reselect": true}, "seed": 5}),
    ]
    .map(|spec| ResolvedSpec { engine: Engine::Fused, ..job(spec) })
}

/// Runs to the end by processes that end after `steps` steps, each with the next number of threads.
fn run_with(world: &World, spec: &ResolvedSpec, threads: &[usize], steps: usize) -> Outcome {
    let (dataset, out) = (world.dataset(), tempfile::tempdir().unwrap());
    let (mut events, mut saved) = (Vec::new(), None::<String>);
    for threads in threads.iter().cycle() {
        let ended = with_run_of(*threads, None, &dataset, spec, out.path(), |mut run| {
            if let Some(saved) = &saved {
                run.resume(&out.path().join(saved)).unwrap();
            }
            let ended = (0..steps).any(|_| run.step(&mut |event| events.push(event)).unwrap() == Step::Done);
            if !ended {
                saved = Some(run.save_checkpoint().unwrap());
            }
            ended
        });
        if ended {
            break;
        }
    }
    Outcome { events, out }
}

#[test]
fn a_job_comes_to_the_same_with_any_number_of_threads_and_from_any_checkpoint() {
    let world = World::new();
    for spec in jobs() {
        let alone = run(&world, &spec).unwrap();
        let expected = read_report(alone.out.path());
        for (threads, steps) in [(&[2][..], usize::MAX), (&[5], usize::MAX), (&[3], 1), (&[1, 4, 2], 2), (&[4, 1], 1)] {
            let found = run_with(&world, &spec, threads, steps);
            let place = format!("{}, {threads:?} threads, {steps} steps", spec.method.label);
            assert_eq!(sorted(&found.events), sorted(&alone.events), "{place}");
            assert!(read_report(found.out.path()) == expected, "{place}: the report differs");
            for name in FILES {
                assert!(found.file(name) == alone.file(name), "{place}: {name} differs");
            }
        }
    }
}

#[test]
fn as_many_trainings_of_a_proof_are_under_way_as_there_are_threads() {
    let world = World::new();
    let [.., spec] = jobs();
    for threads in [1, 2, 4] {
        let found = run_with(&world, &spec, &[threads], usize::MAX);
        // The first seed's trainings are told when the races that they have won are over.
        let is_beside = |row: &EpochRow| row.phase == Phase::Certify && row.epoch == 1 && row.seed != spec.seed;
        let rows: Vec<_> = found.epochs().filter(|row| is_beside(row)).collect();
        let first = rows.iter().take_while(|row| row.pass == 1).count();
        assert_eq!(first, threads, "rows of a first pass before any of a second");
    }
}
