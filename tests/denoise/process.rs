//! The trainer as the process it is.

use crate::world::{World, run, spec};
use autodenoise::types::{
    BackboneKind, DatasetSpec, Device, JobId, Origin, OutputForm, Preset, TrainerEvent, TrainerJob, TrainerWork,
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

struct Trainer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Trainer {
    fn start(first_line: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_autodenoise"))
            .arg("trainer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{first_line}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin: Some(stdin), lines }
    }

    fn of(job: &TrainerJob) -> Self {
        Self::start(&serde_json::to_string(&TrainerWork::Job(Box::new(job.clone()))).unwrap())
    }

    /// The next event; none when the process has closed its output.
    fn next(&mut self) -> Option<TrainerEvent> {
        Some(serde_json::from_str(&self.lines.next()?.unwrap()).unwrap())
    }

    fn rest(&mut self) -> Vec<TrainerEvent> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn job(world: &World, out: &Path, resume_from: Option<PathBuf>, changes: serde_json::Value) -> TrainerJob {
    TrainerJob {
        job_id: JobId(uuid::Uuid::nil()),
        attempt: 1,
        origin: Origin::default(),
        spec: spec(Preset::Paper, BackboneKind::DeepFm, 7, changes),
        dataset_dir: world.dir.path().to_owned(),
        source: world.dir.path().join("upload").into(),
        output_form: OutputForm::File,
        source_spec: DatasetSpec::with_label("click".to_owned().try_into().unwrap()),
        truth: None,
        earlier_reads: 0,
        out_dir: out.to_owned(),
        resume_from,
        checkpoint_seconds: 0.0,
        threads: 1,
        memory_cap: None,
        spread: false,
    }
}

#[test]
fn a_killed_trainer_is_taken_up_from_its_last_checkpoint() {
    let world = World::new();
    let expected = run(&world, &spec(Preset::Paper, BackboneKind::DeepFm, 7, json!({}))).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut resume_from: Option<PathBuf> = None;
    // Killed at the third checkpoint of each attempt, until one reaches the end.
    for attempt in 0.. {
        let mut trainer = Trainer::of(&job(&world, out.path(), resume_from.clone(), json!({})));
        let resumed = resume_from.is_some();
        assert!(matches!(trainer.next(), Some(TrainerEvent::Started { resumed: found, .. }) if found == resumed));
        let mut checkpoints = 0;
        let mut finished = false;
        while let Some(event) = trainer.next() {
            match event {
                TrainerEvent::Checkpoint { file, .. } => {
                    resume_from = Some(out.path().join(file));
                    checkpoints += 1;
                }
                TrainerEvent::Finished(_) => finished = true,
                TrainerEvent::Failed { message, .. } => panic!("{message}"),
                _ => {}
            }
            if checkpoints == 3 {
                break;
            }
        }
        if finished {
            assert!(attempt >= 2, "it was killed at least twice");
            assert!(trainer.child.wait().unwrap().success());
            break;
        }
        trainer.child.kill().unwrap();
    }
    for name in ["indices.parquet", "scores.parquet", "policy.safetensors", "model.safetensors"] {
        assert!(std::fs::read(out.path().join(name)).unwrap() == expected.file(name), "{name} differs");
    }
}

#[test]
fn a_trainer_ends_when_its_parent_closes_the_pipe() {
    let (world, out) = (World::new(), tempfile::tempdir().unwrap());
    let mut trainer = Trainer::of(&job(&world, out.path(), None, json!({"epochs": 10_000})));
    assert!(matches!(trainer.next(), Some(TrainerEvent::Started { .. })));
    drop(trainer.stdin.take());
    let events = trainer.rest();
    assert!(!events.iter().any(|event| matches!(event, TrainerEvent::Finished(_))));
    assert!(!trainer.child.wait().unwrap().success());
}

#[test]
fn what_cannot_work_fails_in_words_and_is_not_retried() {
    let (world, out) = (World::new(), tempfile::tempdir().unwrap());
    let failure = |trainer: &mut Trainer| match trainer.rest().pop() {
        Some(TrainerEvent::Failed { message, retryable, .. }) => {
            assert!(!trainer.child.wait().unwrap().success());
            (message, retryable)
        }
        other => panic!("{other:?}"),
    };
    let mut gpu = job(&world, out.path(), None, json!({}));
    gpu.spec.device = Device::Cuda(999);
    let (message, retryable) = failure(&mut Trainer::of(&gpu));
    assert!(message.contains("device cuda:999 needs libtorch") && message.contains("autodenoise-torch"), "{message}");
    assert!(!retryable);

    let (message, retryable) = failure(&mut Trainer::start("{\"job_id\": 1}"));
    assert!(message.starts_with("the trainer's job: not a job") && !retryable, "{message}");

    let mut lost = job(&world, out.path(), None, json!({}));
    lost.dataset_dir = out.path().join("nowhere");
    let (message, retryable) = failure(&mut Trainer::of(&lost));
    assert!(message.contains("feature_map.json") && message.contains("No such file") && retryable, "{message}");
}
