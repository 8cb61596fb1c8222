//! The program where `autodenoise-torch` is not installed: what needs libtorch is refused before anything runs, with what to
//! install; all else runs.

mod harness;

use harness::{BIN, Service, clicks, scratch};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// The program in a folder of its own, with no other beside it.
fn alone(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("autodenoise");
    // A copy takes seconds; a link cannot cross file systems.
    fs::hard_link(BIN, &program).or_else(|_| fs::copy(BIN, &program).map(drop)).unwrap();
    program
}

#[test]
fn a_command_says_what_to_install_before_it_reads_the_table() {
    let dir = scratch();
    let program = alone(dir.path());
    for (flags, what) in [
        (["--backbone", "afm"], "--backbone: one of fm, wide_deep, dcn, ipnn, deepfm, or install autodenoise-torch"),
        (["--engine", "tch"], "--engine: auto, or install autodenoise-torch"),
        (["--device", "cuda:0"], "--device: cpu, or install autodenoise-torch"),
        (["--transfer", "lr"], "--transfer: one of fm"),
    ] {
        let command = ["denoise", "no-such-table.csv", "-o", "out.csv", "--label", "click"];
        let output = Command::new(&program).args(command).args(flags).env("PATH", "/usr/bin:/bin").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{flags:?}: {said}");
        assert!(said.contains(what), "{flags:?}: {said}");
    }
}

#[test]
fn a_service_refuses_such_a_job_and_lists_what_it_has() {
    let dir = scratch();
    let program = alone(dir.path());
    let service = Service::start_program(&program, &dir.path().join("data"), &["--threads", "1"]);
    let table = clicks(dir.path(), 60, 40);
    let read = [("label", "click"), ("split_column", "split"), ("exclude", "timestamp")];
    let dataset = service.upload(&table, &read)["id"].clone();
    // A worker that has read a table is on the list.
    let capabilities = service.expect(service.get("/v1/capabilities"), 200);
    assert_eq!(capabilities["engines"], json!(["fused"]));
    assert_eq!(capabilities["devices"], json!(["cpu"]));
    assert_eq!(capabilities["backbones"], json!(["fm", "wide_deep", "dcn", "ipnn", "deepfm"]));
    let workers = service.expect(service.get("/v1/workers"), 200);
    assert_eq!(workers["data"][0]["torch"], false);

    let method = |backbone: &str| json!({"dataset_id": dataset, "method": {"name": "none", "backbone": backbone}});
    for path in ["/v1/jobs", "/v1/jobs/plan"] {
        let problem = service.expect(service.post(path).json(&method("afm")), 422);
        assert_eq!(problem["errors"][0]["pointer"], "/method/backbone", "{problem:#}");
        let rule = problem["errors"][0]["rule"].as_str().unwrap();
        assert!(rule.contains("install autodenoise-torch beside autodenoise on a worker"), "{rule}");
    }
    let jobs: Value = service.expect(service.get("/v1/jobs"), 200);
    assert_eq!(jobs["data"], json!([]), "nothing was queued");
    let job = service.submit(method("fm"));
    service.wait_for(&job, "job.succeeded");
}
