//! The main job through the real service: upload, job, events, results; and what happens when processes die.

mod harness;

use harness::{CLICKS, Service, assert_gapless, clicks, pass_key, scratch, signal};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fs, ops::RangeInclusive};

fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_table_goes_in_and_the_rows_worth_training_on_come_out() {
    let dir = scratch();
    let table = clicks(dir.path(), 300, 150);
    let service = Service::start(&dir.path().join("data"));

    let dataset = service.upload_clicks(&table);
    assert_eq!(dataset["status"], "ready", "{dataset:#}");
    let train_rows = dataset["profile"]["rows"]["train"].as_u64().unwrap();

    // The same bytes and spec are the same dataset.
    let again =
        service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv").body(fs::read(&table).unwrap());
    assert_eq!(service.expect(again, 200)["id"], dataset["id"]);

    let job = service.job(&dataset).submit();
    let events = service.wait_for(&job, "job.succeeded");
    assert_gapless(&events);

    // Every pass has its row, none twice.
    let metrics = service.expect(service.get(&format!("/v1/jobs/{job}/metrics")), 200);
    let rows = metrics["data"].as_array().unwrap();
    let keys: BTreeSet<_> = rows.iter().map(pass_key).collect();
    assert_eq!(keys.len(), rows.len());
    for phase in ["warmup", "search", "validate", "evaluate"] {
        assert!(rows.iter().any(|row| row["phase"] == phase), "no pass of {phase}");
    }
    assert!(rows.iter().all(|row| row.get("test").is_none()), "test figures never stand in a pass");

    // With and without, the test read once for each.
    let report = service.expect(service.get(&format!("/v1/jobs/{job}/report")), 200);
    let arms: Vec<_> = report["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!((arms.contains(&"full"), arms.contains(&"denoised")), (true, true), "{report:#}");
    assert_eq!(report["test_reads"], 2);
    let kept = report["kept"]["rows"].as_u64().unwrap();
    assert!(kept < train_rows && kept * 10 > train_rows * 8, "{kept} of {train_rows}");

    // The denoised file is the upload without the dropped lines.
    let indices = String::from_utf8(service.artifact(&job, "indices.csv")).unwrap();
    let kept_rows: BTreeSet<usize> = indices.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert_eq!(kept_rows.len() as u64, kept);
    let text = fs::read_to_string(&table).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let split_at = header.split(',').position(|name| name == "split").unwrap();
    let expected: String = std::iter::once(header)
        .chain(lines.enumerate().filter_map(|(row, line)| {
            let is_train = line.split(',').nth(split_at) == Some("train");
            (!is_train || kept_rows.contains(&row)).then_some(line)
        }))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(service.artifact(&job, "denoised") == expected.as_bytes());

    // What is listed is what comes, and broken downloads resume.
    let list = service.expect(service.get(&format!("/v1/jobs/{job}/artifacts")), 200);
    let names: BTreeSet<_> =
        list["data"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect();
    let wanted =
        ["denoised", "indices", "indices.csv", "indices.npy", "keep_mask", "model", "policy", "report.json", "scores"];
    assert!(wanted.iter().all(|name| names.contains(*name)), "{names:?}");
    for artifact in list["data"].as_array().unwrap() {
        let bytes = service.artifact(&job, artifact["name"].as_str().unwrap());
        assert_eq!(hex_sha256(&bytes), artifact["sha256"].as_str().unwrap());
    }
    let part =
        service.get(&format!("/v1/jobs/{job}/artifacts/denoised")).header("range", "bytes=10-19").send().unwrap();
    assert_eq!(part.status(), 206);
    let etag = part.headers()["etag"].clone();
    assert_eq!(&part.bytes().unwrap()[..], &expected.as_bytes()[10..20]);
    let cached =
        service.get(&format!("/v1/jobs/{job}/artifacts/denoised")).header("if-none-match", etag).send().unwrap();
    assert_eq!(cached.status(), 304);
    let beyond = service.get(&format!("/v1/jobs/{job}/artifacts/denoised")).header("range", "bytes=99999999-");
    assert_eq!(service.expect(beyond, 416)["code"], "range_not_satisfiable");

    // The stream replays from where the client was, and ends by itself.
    let stream = service
        .get(&format!("/v1/jobs/{job}/events"))
        .header("accept", "text/event-stream")
        .header("last-event-id", "3")
        .send()
        .unwrap()
        .text()
        .unwrap();
    let ids: Vec<i64> = stream.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, (4..=events.len() as i64).collect::<Vec<_>>());
    assert!(stream.contains("event: job.succeeded"));

    // Nothing is left behind by a stop that was asked for.
    assert!(service.terminate().success());
}

#[test]
fn a_job_sets_methods_side_by_side_and_refuses_what_it_could_not_finish() {
    let dir = scratch();
    let table = clicks(dir.path(), 300, 150);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let options = json!({"batch_size": 512, "retrain_max_epoch": 2, "select_ratio": 0.9});
    let spec = |more: Value| {
        let method = json!({"name": "random_drop", "options": options});
        let mut spec = json!({"dataset_id": dataset["id"], "seed": 7, "device": "cpu", "method": method});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };

    let job = service.submit(spec(json!({
        "compare": [{"name": "enn"}, {"name": "t_ce", "options": {"drop_rate": 0.1}}, {"name": "none", "backbone": "dcn"}],
        "transfer": ["fm"], "seeds": 2,
    })));
    let events = service.wait_for(&job, "job.succeeded");
    assert_gapless(&events);
    let report = service.expect(service.get(&format!("/v1/jobs/{job}/report")), 200);
    let lines = report["table"].as_array().unwrap().iter().map(|line| {
        assert_eq!(line["runs"].as_array().unwrap().len(), 2);
        (line["label"].as_str().unwrap().to_owned(), line["backbone"].as_str().unwrap().to_owned())
    });
    let lines = lines.collect::<BTreeSet<_>>();
    let expected = ["random_drop", "enn", "t_ce drop_rate=0.1", "none"];
    let expected = expected
        .iter()
        .flat_map(|label| ["deepfm", "fm", "dcn"].map(|backbone| (label.to_string(), backbone.to_owned())));
    let expected: BTreeSet<_> = expected.filter(|(label, backbone)| backbone != "dcn" || label == "none").collect();
    assert_eq!(lines, expected);
    // Each training said what it came to, and the passes of one method can be asked for alone.
    let seeds = events.iter().filter(|event| event["type"] == "seed.completed").count();
    let runs: usize =
        report["table"].as_array().unwrap().iter().map(|line| line["runs"].as_array().unwrap().len()).sum();
    assert_eq!((seeds, report["test_reads"].as_u64()), (runs, Some(runs as u64)));
    let metrics = service.expect(service.get(&format!("/v1/jobs/{job}/metrics?contender=2")), 200);
    let rows = metrics["data"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["contender"] == 2 && row["arm"] == "denoised"));

    // What would take days is refused before it starts, with the option that lifts the limit.
    let refused = |more: Value| service.expect(service.post("/v1/jobs").json(&spec(more)), 422);
    let problem = refused(json!({"compare": [{"name": "drop3", "options": {"block_size": 0, "max_distances": 1000}}]}));
    assert_eq!(problem["errors"][0]["pointer"], "/compare/0/options/block_size", "{problem:#}");
    assert!(problem["errors"][0]["rule"].as_str().unwrap().contains("max_distances to at least"), "{problem:#}");
    let problem = refused(json!({"engine": "fused", "transfer": ["lr"]}));
    assert_eq!(problem["errors"][0]["pointer"], "/engine", "{problem:#}");
}

#[test]
fn every_backbone_and_preset_runs_and_the_same_seed_gives_the_same_bytes() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let submit = |backbone, preset| service.job(&dataset).epochs(1).backbone(backbone).preset(preset).submit();
    let mut jobs = Vec::new();
    for backbone in ["fm", "wide_deep", "dcn", "ipnn", "deepfm"] {
        jobs.push((submit(backbone, "paper"), submit(backbone, "paper")));
    }
    jobs.push((submit("deepfm", "released_code"), submit("deepfm", "released_code")));
    for (one, two) in jobs {
        service.wait_for(&one, "job.succeeded");
        service.wait_for(&two, "job.succeeded");
        for name in ["indices", "scores", "policy", "model"] {
            assert!(service.artifact(&one, name) == service.artifact(&two, name), "{name} differs");
        }
    }
}

/// Submits a job, disturbs the service by `disturb` once three passes are done, and expects the result of an undisturbed run.
///
/// `requeues`: how often the job goes back to the queue for it.
fn survives(requeues: RangeInclusive<usize>, disturb: impl FnOnce(Service, &str) -> Service) {
    let dir = scratch();
    let table = clicks(dir.path(), 300, 150);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let undisturbed = service.job(&dataset).submit();
    service.wait_for(&undisturbed, "job.succeeded");

    let job = service.job(&dataset).submit();
    let seen = std::cell::Cell::new(0);
    service.events_until(&job, |event| {
        seen.set(seen.get() + i32::from(event["type"] == "checkpoint.saved"));
        seen.get() == 3
    });
    let service = disturb(service, &job);
    let events = service.wait_for(&job, "job.succeeded");
    assert_gapless(&events);
    let requeued = events.iter().filter(|event| event["type"] == "job.requeued").count();
    assert!(requeues.contains(&requeued), "{events:#?}");
    let last_start = events.iter().rfind(|event| event["type"] == "job.started").unwrap();
    assert_eq!(last_start["data"]["resumed"], requeued > 0, "it starts from its checkpoint, not from the beginning");

    let passes = |job: &str| -> Vec<String> {
        let metrics = service.expect(service.get(&format!("/v1/jobs/{job}/metrics")), 200);
        metrics["data"].as_array().unwrap().iter().map(pass_key).collect()
    };
    assert_eq!(passes(&job), passes(&undisturbed), "no pass twice, none lost, in order");
    for name in ["indices", "scores", "policy", "model", "denoised"] {
        assert!(service.artifact(&job, name) == service.artifact(&undisturbed, name), "{name} differs");
    }
}

#[test]
fn a_killed_trainer_costs_nothing_but_time() {
    survives(1..=1, |service, _| {
        let trainers = service.trainers();
        assert_eq!(trainers.len(), 1);
        signal(trainers[0], libc::SIGKILL);
        service
    });
}

#[test]
fn a_killed_service_goes_on_where_it_was() {
    survives(1..=1, |service, _| Service::start(&service.kill()));
}

#[test]
fn a_killed_database_is_started_again_and_the_job_goes_on() {
    // Where the database is away for longer than the lease, the job is claimed again.
    survives(0..=1, |service, _| {
        signal(service.database(), libc::SIGKILL);
        service
    });
}

#[test]
fn a_stopped_service_hands_its_job_back_and_goes_on_later() {
    survives(1..=1, |service, job| {
        let (data, path) = (service.data.clone(), format!("/v1/jobs/{job}"));
        assert!(service.terminate().success());
        let service = Service::start(&data);
        // Handed back, not lost: no attempt was used up.
        assert_ne!(service.expect(service.get(&path), 200)["status"], "failed");
        service
    });
}

#[test]
fn a_job_can_be_cancelled_while_it_waits_and_while_it_runs() {
    let dir = scratch();
    let table = clicks(dir.path(), 300, 150);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let running = service.job(&dataset).epochs(1000).submit();
    let waiting = service.job(&dataset).submit();
    service.events_until(&running, |event| event["type"] == "epoch.completed");

    let cancel = |job: &str| service.post(&format!("/v1/jobs/{job}/cancel"));
    assert_eq!(service.expect(cancel(&waiting), 202)["status"], "cancelled");
    // Where the worker is quick, the job has ended before the answer is written.
    let status = service.expect(cancel(&running), 202)["status"].clone();
    assert!(status == "cancelling" || status == "cancelled", "{status}");
    service.wait_for(&running, "job.cancelled");
    assert_eq!(service.trainers(), Vec::<u32>::new());
    assert_eq!(service.expect(cancel(&running), 200)["status"], "cancelled");
    let results = service.expect(service.get(&format!("/v1/jobs/{running}/report")), 409);
    assert_eq!(results["code"], "conflict");

    // A dataset in use stays; one that is free goes.
    let busy = service.job(&dataset).epochs(1000).submit();
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(service.expect(service.delete(&path), 409)["code"], "conflict");
    service.expect(cancel(&busy), 202);
    service.wait_for(&busy, "job.cancelled");
    service.expect(service.delete(&path), 204);
    service.expect(service.get(&path), 404);
}
