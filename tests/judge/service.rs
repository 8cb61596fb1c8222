//! Results of a job on a server, judged by a model that the server knows nothing of.

use super::{READING, World, autodenoise, autodenoise_ok, said};
use crate::harness::Service;
use serde_json::json;

#[test]
fn results_of_a_server_can_be_judged_at_home() {
    let world = World::new();
    let service = Service::start(&world.path("data"));
    let dataset = service.upload_clicks(&world.path("clicks.csv"));
    let options = json!({"retrain_max_epoch": 1, "batch_size": 512});
    let method = json!({"name": "random_drop", "backbone": "fm", "options": options});
    let job = service.submit(json!({"dataset_id": dataset["id"], "device": "cpu", "method": method}));
    service.wait_for(&job, "job.succeeded");
    let [table, results, arms] = ["clicks.csv", "results", "arms"].map(|name| world.text(name));
    autodenoise_ok(&["download", &job, "--server", &service.url, "--out", &results]);
    let handed = autodenoise(&[&["judge", "arms", &table, &results, "-o", &arms][..], &READING].concat());
    assert!(handed.status.success(), "{}", said(&handed));
    let manifest = world.read_json("arms/manifest.json");
    assert_eq!((&manifest["job_id"], manifest["runs"].as_array().unwrap().len()), (&json!(job), 15));

    // No client names a command: a spec with one is refused.
    let spec = json!({"dataset_id": dataset["id"], "judge": "sh -c id {train} {test} {seed} {predictions}"});
    let refused = service.expect(service.post("/v1/jobs").json(&spec), 422);
    assert!(refused.to_string().contains("judge"), "{refused:#}");
}
