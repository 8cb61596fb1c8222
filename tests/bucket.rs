//! Objects in a bucket, on a server that speaks S3: `make test-bucket` installs one and runs this.

mod harness;

use harness::{Service, autodenoise, bucket::Bucket, clicks, scratch};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;

#[test]
#[ignore = "needs an S3 server: make test-bucket"]
fn a_job_lives_in_a_bucket() {
    let dir = scratch();
    let bucket = Bucket::start();
    bucket.set_environment();
    let table = clicks(dir.path(), 200, 100);
    let bytes = fs::read(&table).unwrap();
    let upload = format!("uploads/{}", hex::encode(Sha256::digest(&bytes)));
    let service = Service::start(&dir.path().join("data"));

    // In one piece and in parts, the same bytes are one object.
    let dataset = service.upload_clicks(&table);
    assert_eq!(dataset["status"], "ready", "{dataset:#}");
    assert!(bucket.contains(&upload));
    let tus = |request: reqwest::blocking::RequestBuilder| request.header("tus-resumable", "1.0.0");
    let begun = tus(service.post("/v1/uploads"))
        .header("upload-length", bytes.len())
        .header("content-type", "application/offset+octet-stream")
        .body(bytes.clone())
        .send()
        .unwrap();
    let id = begun.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let body = json!({"upload_id": id, "sha256": hex::encode(Sha256::digest(&bytes)), "label": "click"});
    service.expect(service.post("/v1/datasets").json(&body), 201);

    let options = json!({"batch_size": 512, "retrain_max_epoch": 1, "select_ratio": 0.9});
    let method = json!({"name": "random_drop", "options": options});
    let job = service.submit(json!({"dataset_id": dataset["id"], "seed": 7, "device": "cpu", "method": method}));
    service.wait_for(&job, "job.succeeded");
    let list = service.expect(service.get(&format!("/v1/jobs/{job}/artifacts")), 200);
    for artifact in list["data"].as_array().unwrap() {
        let got = service.artifact(&job, artifact["name"].as_str().unwrap());
        assert_eq!(hex::encode(Sha256::digest(&got)), artifact["sha256"].as_str().unwrap());
    }
    let rows: Value = service.expect(service.get(&format!("/v1/jobs/{job}/rows?limit=3")), 200);
    assert_eq!(rows["data"].as_array().unwrap().len(), 3);
    assert_eq!(fs::read_dir(service.data.join("objects")).unwrap().count(), 0, "nothing but copies on this disk");

    // What is damaged in the bucket is not handed out, and fsck finds it; a copy of ours would not hide it.
    let name = format!("results/{job}/1/denoised");
    bucket.http.put(bucket.object(&name)).body("rubbish").send().unwrap();
    service.expect(service.get(&format!("/v1/jobs/{job}/artifacts/denoised")), 500);
    let output = autodenoise(&["fsck", "--data-dir", service.data.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(9) && said.contains(&name), "{said}");
    service.expect(service.delete(&format!("/v1/jobs/{job}")), 204);
    assert!(!bucket.contains(&name) && bucket.contains(&upload));

    // A command reads a table in the bucket where it is, or copied first, and writes there.
    let put = |name: &str| bucket.http.put(bucket.object(name)).body(bytes.clone()).send().unwrap();
    put("tables/part-1.csv");
    put("tables/part-2.csv");
    let out = |name: &str| format!("s3://tables/team/{name}");
    for (name, how) in [("copied.csv", &[][..]), ("streamed.csv", &["--stream"][..])] {
        let table = ["denoise", "s3://tables/team/tables/part-*.csv", "-o", &out(name), "--label", "click"];
        let output =
            autodenoise(&[&table, how, &["--method", "random_drop", "--no-certify", "--device", "cpu"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let get = |name: &str| bucket.http.get(bucket.object(name)).send().unwrap().bytes().unwrap();
    assert_eq!(get("streamed.csv"), get("copied.csv"));
    let output = autodenoise(&["fsck", "--data-dir", service.data.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
