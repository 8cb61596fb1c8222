//! What counts against a tenant's bytes, and what is gone when it is deleted.

use super::{answer, harness, refused};
use harness::{CLICKS, Service, clicks, scratch};
use std::fs;

#[test]
fn unfinished_uploads_and_encoded_tables_count_against_the_quota() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let size = fs::metadata(&table).unwrap().len();
    let service = Service::start_with(&dir.path().join("data"), &["--tenant-max-bytes", &(2 * size).to_string()]);
    let begin = |length: u64| {
        service.post("/v1/uploads").header("tus-resumable", "1.0.0").header("upload-length", length.to_string())
    };
    let begun = begin(2 * size - 10).send().unwrap();
    assert_eq!(begun.status(), 201);
    let upload = format!("/v1/{}", begun.headers()["location"].to_str().unwrap());
    assert_eq!(answer(begin(100)), refused(429, "quota_exceeded"), "no byte of the first has come, and all may");
    let body = fs::read(&table).unwrap();
    let whole = service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv");
    assert_eq!(answer(whole.body(body)), refused(429, "quota_exceeded"));
    service.expect(service.delete(&upload).header("tus-resumable", "1.0.0"), 204);

    let dataset = service.upload_clicks(&table);
    let rows: u64 = dataset["profile"]["rows"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
    let fields = dataset["feature_map"]["fields"].as_array().unwrap().len() as u64;
    let left = 2 * size - size - rows * (4 * fields + 5);
    assert_eq!(answer(begin(left + 1)), refused(429, "quota_exceeded"), "the encoded table takes its bytes too");
    assert_eq!(answer(begin(left)).0, 201);
}

#[test]
fn nothing_is_left_of_a_dataset_that_was_deleted() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let other = service.upload(&table, &[("label", "click"), ("split_seed", "3")]);
    let files = |folder: &str| fs::read_dir(service.data.join(folder)).unwrap().count();
    assert_eq!((files("datasets"), files("objects/uploads")), (2, 1), "two tables of one upload");
    let delete = |id: &serde_json::Value| {
        service.expect(service.delete(&format!("/v1/datasets/{}", id.as_str().unwrap())), 204);
    };
    delete(&dataset["id"]);
    assert_eq!((files("datasets"), files("objects/uploads")), (1, 1), "the other needs the upload");
    delete(&other["id"]);
    assert_eq!((files("datasets"), files("objects/uploads")), (0, 0));
}
