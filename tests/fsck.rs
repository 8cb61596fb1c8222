//! Files against the database: what `fsck` finds, what a download does with a damaged result, and what goes with a job.

mod harness;

use harness::{Service, autodenoise, clicks, scratch};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Exit code and table of `fsck`.
fn fsck(data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut args = vec!["fsck", "--data-dir", data.to_str().unwrap()];
    args.extend(more);
    let output = autodenoise(&args);
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

/// The line about an object.
fn line<'a>(said: &'a str, object: &str) -> &'a str {
    said.lines().find(|line| line.contains(object)).unwrap_or_else(|| panic!("{object} is not in\n{said}"))
}

fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn upload(service: &Service, rows: u32) -> PathBuf {
    let table: String = (0..rows).map(|row| format!("u{},{}\n", row % 5, row % 2)).collect();
    let dataset = service.upload_bytes(format!("user,click\n{table}").into_bytes(), "text/csv", &[("label", "click")]);
    service.data.join("objects/uploads").join(dataset["sha256"].as_str().unwrap())
}

#[test]
fn every_fault_of_the_files_is_found() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let [lost, flipped, cut, sound] = [50, 60, 70, 80].map(|rows| upload(&service, rows));
    let begun = service.post("/v1/uploads").header("tus-resumable", "1.0.0").header("upload-length", "5").body("");
    let begun = begun.send().unwrap().headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(fsck(&service.data, &[]), (Some(0), fsck(&service.data, &[]).1), "beside the server");
    assert!(fsck(&service.data, &[]).1.starts_with("checked 4 objects"));

    fs::remove_file(&lost).unwrap();
    flip_a_byte(&flipped);
    fs::write(&cut, &fs::read(&cut).unwrap()[1..]).unwrap();
    fs::remove_file(service.data.join("partial").join(&begun)).unwrap();
    let orphan = sound.with_file_name("0".repeat(64));
    fs::write(&orphan, "x").unwrap();
    let (code, said) = fsck(&service.data, &[]);
    assert_eq!(code, Some(9), "{said}");
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    for (object, fault) in
        [(name(&lost), "missing"), (name(&flipped), "damaged"), (name(&cut), "size"), (begun.clone(), "missing")]
    {
        assert!(line(&said, &object).contains(fault), "{said}");
    }
    assert!(!said.contains(&name(&orphan)) && !said.contains(&name(&sound)), "one may be in the making: {said}");

    // Without a server too. An old object that nothing names is an orphan, and is deleted where that is asked for.
    let data = service.data.clone();
    assert!(service.terminate().success());
    let old = SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().append(true).open(&orphan).unwrap().set_modified(old).unwrap();
    let (code, said) = fsck(&data, &[]);
    assert_eq!((code, line(&said, &name(&orphan)).contains("orphan")), (Some(9), true), "{said}");
    assert!(orphan.exists());
    let (code, said) = fsck(&data, &["--repair-orphans"]);
    assert_eq!((code, orphan.exists()), (Some(9), false), "the other faults are still there: {said}");
    assert!(sound.exists() && flipped.exists());
}

#[test]
fn a_damaged_result_is_not_handed_out_and_results_go_with_their_job() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let options = json!({"batch_size": 512, "retrain_max_epoch": 1, "select_ratio": 0.9});
    let method = json!({"name": "random_drop", "options": options});
    let job = service.submit(json!({"dataset_id": dataset["id"], "seed": 7, "device": "cpu", "method": method}));
    let path = format!("/v1/jobs/{job}");
    let running = service.submit(json!({"dataset_id": dataset["id"], "seed": 8, "device": "cpu"}));
    assert_eq!(service.expect(service.delete(&format!("/v1/jobs/{running}")), 409)["code"], "conflict");
    service.wait_for(&job, "job.succeeded");

    let list = service.expect(service.get(&format!("{path}/artifacts")), 200);
    let folder = service.data.join("objects/results").join(&job).join("1");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), list["data"].as_array().unwrap().len());
    flip_a_byte(&folder.join("denoised"));
    let denoised = format!("{path}/artifacts/denoised");
    let problem: Value = service.expect(service.get(&denoised), 500);
    assert_eq!(problem["code"], "internal");
    assert!(service.log().contains("is damaged"), "the operator is told");
    assert!(line(&fsck(&service.data, &[]).1, &format!("results/{job}/1/denoised")).contains("damaged"));

    service.expect(service.delete(&path), 204);
    assert_eq!(fs::read_dir(&folder).map_or(0, Iterator::count), 0);
    service.expect(service.get(&path), 404);
    service.expect(service.delete(&path), 404);
    service.expect(service.post(&format!("/v1/jobs/{running}/cancel")), 202);
    service.wait_for(&running, "job.cancelled");
    assert_eq!(fsck(&service.data, &[]).0, Some(0), "{}", fsck(&service.data, &[]).1);
}
