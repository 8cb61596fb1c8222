//! The program as a worker finds it and starts it.

use autodenoise::trainer::{Probe, Trainers};
use autodenoise::types::{Ability, DatasetFacts, DatasetId, Device, JobSpec, ResolvedSpec, TrainerEvent};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autodenoise-torch");

fn spec(changes: Value) -> ResolvedSpec {
    let mut spec = json!({"dataset_id": DatasetId(uuid::Uuid::nil()), "device": "cpu"});
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value::<JobSpec>(spec).unwrap().resolve(&DatasetFacts::default()).unwrap()
}

#[test]
fn it_says_of_which_version_it_is() {
    let output = Command::new(PROGRAM).arg("probe").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let probe: Probe = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(probe, Probe { version: env!("CARGO_PKG_VERSION").to_owned(), libtorch: "2.11.0".to_owned() });
}

#[test]
fn a_job_gets_it_where_it_needs_libtorch_or_may_have_a_gpu() {
    let trainers = Trainers::find(Some(Path::new(PROGRAM))).unwrap();
    let (cpu, gpu) = (Ability::default(), Ability { gpus: vec![Device::Cuda(0)], ..Ability::default() });
    let is_torch =
        |spec: &ResolvedSpec, ability: &Ability| trainers.for_job(spec, ability).unwrap().program == Path::new(PROGRAM);
    assert!(!is_torch(&spec(json!({})), &cpu) && !is_torch(&spec(json!({})), &gpu));
    assert!(is_torch(&spec(json!({"engine": "tch"})), &cpu));
    assert!(is_torch(&spec(json!({"method": {"backbone": "afm"}})), &cpu));
    assert!(is_torch(&spec(json!({"device": "auto"})), &gpu) && !is_torch(&spec(json!({"device": "auto"})), &cpu));
    assert!(!is_torch(&spec(json!({"device": "auto", "engine": "fused"})), &gpu));
    let without = Trainers::fused_only().unwrap();
    assert!(without.for_job(&spec(json!({"engine": "tch"})), &cpu).is_none());
    let faults = spec(json!({"engine": "tch", "transfer": ["lr"]})).without_torch("beside autodenoise");
    let faults: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect();
    assert_eq!(
        faults,
        [
            ("/engine", "auto, or install autodenoise-torch beside autodenoise: engine tch needs libtorch"),
            (
                "/transfer/0",
                "one of fm, wide_deep, dcn, ipnn, deepfm, or install autodenoise-torch beside autodenoise: \
                 backbone lr needs libtorch"
            ),
        ]
    );
}

#[test]
fn another_program_is_not_taken_for_it() {
    let error = Trainers::find(Some(Path::new("/bin/true"))).unwrap_err().to_string();
    assert!(error.starts_with("/bin/true: it is another program"), "{error}");
    let error = Trainers::find(Some(Path::new("/bin/false"))).unwrap_err().to_string();
    assert!(error.starts_with("/bin/false: it does not run"), "{error}");
}

#[test]
fn an_absent_gpu_fails_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let job = json!({
        "work": "job", "job_id": autodenoise::types::JobId::new(), "attempt": 1, "spec": spec(json!({"device": "cuda:999"})),
        "dataset_dir": dir.path(), "source": autodenoise::types::TableSource::from(dir.path()), "source_spec": autodenoise::synth::dataset_spec(),
        "out_dir": dir.path(), "resume_from": null, "checkpoint_seconds": 1.0, "threads": 1,
    });
    let mut child = Command::new(PROGRAM)
        .arg("trainer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{job}").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let said = String::from_utf8(output.stdout).unwrap();
    let last: TrainerEvent = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let TrainerEvent::Failed { message, retryable, .. } = last else { panic!("{said}") };
    assert!(message.starts_with("cuda:999 was asked for") && !retryable, "{message}");
}

/// The main program finds this one beside itself, and a job with a backbone that only libtorch has runs to its end.
#[test]
fn the_main_program_starts_it_for_a_backbone_of_its_own() {
    let main = Path::new(PROGRAM).with_file_name("autodenoise");
    assert!(main.is_file(), "cargo build --workspace puts both programs into one folder");
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(&main).args(args).current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        said
    };
    run(&["synth", "clicks.csv", "--users", "60", "--items", "40", "--rows", "1200"]);
    let read = ["--label", "click", "--split-column", "split", "--exclude", "timestamp"];
    let job = ["denoise", "clicks.csv", "-o", "clean.csv", "--method", "none", "--backbone", "lr", "--threads", "1"];
    let said = run(&[&job[..], &read].concat());
    assert!(said.contains("computing on cpu (tch), 1 thread\n"), "{said}");
    assert!(dir.path().join("clean.csv").is_file());
}
