//! What a trainer, which works on what strangers upload, is given and what others of the machine can see of it.

use super::harness;
use harness::{BIN, Service, clicks, scratch};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The program with secrets in its environment.
fn program_with_secrets(dir: &Path) -> PathBuf {
    let script = dir.join("with-secrets.sh");
    let text = format!(
        "#!/bin/sh\nexport AWS_SECRET_ACCESS_KEY=hidden-key PGPASSWORD=hidden-word RUST_BACKTRACE=0\nexec '{BIN}' \"$@\"\n"
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn a_trainer_has_no_secrets_and_goes_first_where_memory_runs_out() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 150);
    let data = dir.path().join("data");
    let service = Service::start_program(&program_with_secrets(dir.path()), &data, &["--threads", "1"]);
    let dataset = service.upload_clicks(&table);
    service.submit(json!({"dataset_id": dataset["id"], "method": {"preset": "paper", "options": {"epochs": 5000}}}));
    let deadline = Instant::now() + Duration::from_secs(60);
    let read = |file: &str| {
        let pid = service.trainers().first().copied()?;
        fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
    };
    // Its first words come after it has bounded itself.
    let limits = loop {
        assert!(Instant::now() < deadline, "{}", service.log());
        let limits = read("limits").unwrap_or_default();
        let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap_or_default().to_owned();
        if !data.is_empty() && !data.contains("unlimited") {
            break data;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let bytes: u64 = limits.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!((2 << 30..16 << 30).contains(&bytes), "{limits}");
    let environment = read("environ").unwrap();
    assert!(environment.contains("PATH=") && environment.contains("RUST_BACKTRACE="), "{environment}");
    assert!(!environment.contains("hidden"), "{environment}");
    assert_eq!(read("oom_score_adj").unwrap().trim(), "1000");

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o711, "others pass through to the private database, and see nothing");
    for folder in ["objects", "incoming", "partial", "cache", "datasets", "work"] {
        assert_eq!(mode(&data.join(folder)), 0o700, "{folder}");
    }
}

#[test]
fn a_job_of_more_memory_than_the_operator_gives_is_refused() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let service = Service::start_with(&dir.path().join("data"), &["--job-max-memory", "1000000000"]);
    let dataset = service.upload_clicks(&table);
    let of = |dims: Vec<u32>| json!({"dataset_id": dataset["id"], "method": {"preset": "paper", "options": {"mlp_dims": dims}}});
    let wide = vec![4096; 8];
    let planned = service.expect(service.post("/v1/jobs/plan").json(&of(wide.clone())), 200);
    assert!(planned["memory_bytes"].as_u64().unwrap() > 2 << 30, "layers count: {planned:#}");
    let refused = service.expect(service.post("/v1/jobs").json(&of(wide)), 422);
    let said = refused["errors"][0]["rule"].as_str().unwrap();
    assert!(said.contains("1000000000") && refused["errors"][0]["pointer"] == "/method/options", "{refused}");
    service.submit(of(vec![8]));
}
