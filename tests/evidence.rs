//! What is handed out as proven: the verdict over HTTP and on the command line, and certificates.

mod harness;

use harness::{Service, autodenoise, autodenoise_ok, clicks, scratch};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Output};

fn options() -> Value {
    json!({"warmup_epochs": 2, "batch_size": 512, "retrain_max_epoch": 2, "select_ratio": 0.9})
}

fn verify(folder: &Path, files: &[&str], flags: &[&str]) -> Output {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut args = vec!["verify".to_owned(), path("certificate.json")];
    args.extend(files.iter().map(|file| path(file)));
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    autodenoise(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_table_that_is_not_certified_is_withheld_and_a_job_can_be_run_again() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let spec = json!({"dataset_id": dataset["id"], "certify": {}, "transfer": ["fm"], "method": {"preset": "paper", "options": options()}});
    let plan = service.expect(service.post("/v1/jobs/plan").json(&spec), 200);
    // Two methods (all rows too) and the proof's 4 x 5, with two backbones each; 50 epochs of the paper train as many more. Of
    // each backbone the proof takes over the two of the table.
    assert_eq!((&plan["test_reads"], &plan["trainings"]), (&json!(44), &json!(90)), "{plan:#}");
    assert!(plan["detectable_gain"]["value"].as_f64().unwrap() > 0.001, "{plan:#}");
    let anew = json!({"dataset_id": dataset["id"], "certify": {"reselect": true}, "transfer": ["fm"],
        "method": {"preset": "paper", "options": options()}});
    let plan_anew = service.expect(service.post("/v1/jobs/plan").json(&anew), 200);
    assert_eq!(plan_anew["trainings"], json!(90 + 4 * 50), "each further seed chooses its rows: {plan_anew:#}");
    let listed = service.expect(service.get("/v1/jobs"), 200);
    assert_eq!(listed["data"], json!([]), "a plan is no job");
    let few = json!({"dataset_id": dataset["id"], "certify": {"seeds": 3}, "method": {"name": "random_drop"}});
    assert!(service.expect(service.post("/v1/jobs/plan").json(&few), 200).get("detectable_gain").is_none());
    let said = autodenoise_ok(&[
        "submit",
        dataset["id"].as_str().unwrap(),
        "--server",
        &service.url,
        "--method",
        "random_drop",
        "--certify",
        "--plan",
    ]);
    assert!(said.contains("the smallest gain in AUC it can certify"), "{said}");
    // A random drop is worth nothing, and 2 seeds could not show it were it worth something.
    let job = service.submit(json!({
        "dataset_id": dataset["id"], "device": "cpu", "certify": {"seeds": 2}, "self_check": {},
        "method": {"name": "loss_drop", "options": options()},
    }));
    let events = service.wait_for(&job, "job.succeeded");
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let issued = &of("verdict.issued")["data"];
    assert_ne!(issued["verdict"], "certified", "{issued:#}");
    assert!(issued["over_full"]["p"].as_f64().unwrap() >= 0.25, "{issued:#}");
    assert!(of("selfcheck.completed")["data"]["found"]["auroc"].is_number());

    let address = format!("/v1/jobs/{job}/artifacts/denoised");
    let refused = service.expect(service.get(&address), 409);
    assert_eq!(refused["code"], "not_certified");
    let allowed = service.get(&format!("{address}?allow=uncertified")).send().unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(service.expect(service.get(&format!("{address}?allow=anything")), 400)["code"], "bad_request");
    assert!(service.get(&format!("/v1/jobs/{job}/artifacts/indices")).send().unwrap().status().is_success());
    let shown = service.expect(service.get(&format!("/v1/jobs/{job}")), 200);
    assert_eq!(shown["verdict"], issued["verdict"]);
    // It is the first verdict on the table's test rows; another job's would be the second, judged more strictly.
    assert_eq!((&shown["test_read"]["number"], &shown["test_read"]["alpha"]), (&json!(1), &json!(0.05)), "{shown:#}");
    let status = autodenoise_ok(&["status", &job, "--server", &service.url]);
    assert!(status.contains("first verdict on this table's test rows: judged at 0.032 of alpha 0.05"), "{status}");
    let second = service.expect(service.post("/v1/jobs/plan").json(&spec), 200);
    assert_eq!((&plan["test_read"]["number"], &second["test_read"]["number"]), (&json!(1), &json!(2)), "{second:#}");
    assert!(second.get("detectable_gain").is_none(), "it needs eight seeds: {second:#}");

    let verdict = service.expect(service.get(&format!("/v1/jobs/{job}/verdict")), 200);
    assert_eq!(verdict["verdict"], issued["verdict"]);
    assert_eq!(verdict["certification"]["arms"].as_array().unwrap().len(), 4);
    assert!(verdict["certification"]["reasons"].to_string().contains("needs 5 seeds"));

    // Why rows were dropped, a page at a time.
    let page = |query: &str| service.expect(service.get(&format!("/v1/jobs/{job}/rows?{query}")), 200);
    let first = page("order=keep_prob&limit=30");
    let rows = first["data"].as_array().unwrap();
    assert_eq!((rows.len(), &first["next"]), (30, &json!("30")));
    assert!(rows.iter().all(|row| row["kept"] == false && row["losses"].as_array().unwrap().len() == 2), "{first:#}");
    let scores: Vec<f64> = rows.iter().map(|row| row["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted());
    let mean = rows[0]["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((mean + scores[0]).abs() < 1e-4, "the score is minus the mean loss: {:#}", rows[0]);
    let rare = &rows[0]["rarest"];
    assert!(rare["field"].is_string() && rare["value"].is_string() && rare["rows"].as_u64().unwrap() > 0, "{rare:#}");
    let second = page("limit=30&after=30");
    assert_ne!(second["data"][0], first["data"][0]);
    assert!(second["data"][0]["score"].as_f64().unwrap() >= scores[29]);
    let last = page("limit=100&after=1000000");
    assert_eq!((last["data"].as_array().unwrap().len(), &last["has_more"]), (0, &json!(false)));
    assert_eq!(service.expect(service.get(&format!("/v1/jobs/{job}/rows?after=x")), 400)["code"], "bad_cursor");

    // The client leaves the table out, and says so; asked for by name it fails.
    let out = dir.path().join("out");
    let download = |more: &[&str]| {
        let flags = ["download", &job, "--server", &service.url, "--out", out.to_str().unwrap()];
        autodenoise(&[&flags[..], more].concat())
    };
    let all = download(&[]);
    assert!(all.status.success() && String::from_utf8_lossy(&all.stderr).contains("left out: denoised.csv"));
    assert!(!out.join("denoised.csv").exists() && out.join("indices.parquet").exists());
    assert!([Some(7), Some(8)].contains(&download(&["--artifacts", "denoised"]).status.code()));
    assert!(download(&["--allow-uncertified"]).status.success());

    // The certificate is the server's, of these very files.
    let key = service.expect(service.get("/v1/capabilities"), 200)["signing_key"].as_str().unwrap().to_owned();
    let files = ["denoised.csv", "report.json", "indices.parquet", "../clicks.csv"];
    let good = verify(&out, &files, &["--key", &key]);
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success(), "{said}{}", String::from_utf8_lossy(&good.stderr));
    assert!(
        said.contains("denoised.csv: the job's denoised") && said.contains("clicks.csv: the job's source"),
        "{said}"
    );

    // Run again, it comes to the same bytes.
    let again = service.expect(service.post(&format!("/v1/jobs/{job}/reproductions")), 201);
    assert_eq!(again["reproduces"], json!(job));
    let again = again["id"].as_str().unwrap().to_owned();
    service.wait_for(&again, "job.succeeded");
    let reproduction = &service.expect(service.get(&format!("/v1/jobs/{again}/verdict")), 200)["reproduction"];
    assert_eq!(*reproduction, json!({"of": job, "identical": true, "differing": []}));
    // The same job reads nothing new.
    assert_eq!(service.expect(service.get(&format!("/v1/jobs/{again}")), 200)["test_read"]["number"], json!(1));
}

/// Which labels are right may be known by a column that models must not see.
#[test]
fn labels_are_trusted_by_a_column_that_is_no_field() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let text = fs::read_to_string(&table).unwrap();
    let column = |name: &str| text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    let (time, split) = (column("timestamp"), column("split"));
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let mut times: Vec<u64> = rows.filter(|row| row[split] == "test").map(|row| row[time].parse().unwrap()).collect();
    times.sort_unstable();
    let (tested, from) = (times.len(), times[times.len() / 2]);
    let trusted = times.iter().filter(|time| **time >= from).count();
    let denoise = |rule: &str| {
        let paths = [&table, &dir.path().join("kept.csv")].map(|path| path.to_str().unwrap().to_owned());
        let flags = "--label click --split-column split --exclude timestamp --method random_drop -O retrain_max_epoch=2 \
                     -O batch_size=512 --certify-seeds 2 --trusted";
        let flags = flags.split_whitespace().chain([rule]);
        autodenoise(&["denoise", &paths[0], "-o", &paths[1]].into_iter().chain(flags).collect::<Vec<_>>())
    };
    let said = String::from_utf8_lossy(&denoise(&format!("timestamp >= {from}")).stdout).into_owned();
    let judged = format!("judged on the labels of the {trusted} of {tested} test rows that are trusted");
    assert!(trusted < tested && said.contains(&judged), "{judged}: {said}");
    let refused = denoise("panel = 1");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("one of the table's columns") && said.contains("timestamp"), "{said}");
}

#[test]
fn the_command_line_certifies_and_one_changed_byte_shows() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let out = dir.path().join("kept.csv");
    let run = autodenoise(&[
        "denoise",
        table.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
        "--results",
        dir.path().to_str().unwrap(),
        "--label",
        "click",
        "--split-column",
        "split",
        "--exclude",
        "timestamp",
        "--method",
        "random_drop",
        "-O",
        "retrain_max_epoch=2",
        "-O",
        "batch_size=512",
        "--certify-seeds",
        "3",
        "--earlier-reads",
        "2",
        "--self-check",
        "--if-refused",
        "kept",
    ]);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let last = said.lines().last().unwrap();
    let code = match last {
        "verdict: not_better" => 7,
        "verdict: inconclusive" => 8,
        other => panic!("three seeds certified a random drop: {other}\n{said}"),
    };
    assert_eq!(run.status.code(), Some(code), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("self-check failed"), "a random drop finds nothing: {said}");
    assert!(said.contains("third verdict on this table's test rows: judged at 0.0032 of alpha 0.05"), "{said}");
    let certificate = verify(dir.path(), &[], &[]);
    assert!(String::from_utf8_lossy(&certificate.stdout).contains("third verdict on this table's test rows"));
    assert!(verify(dir.path(), &["kept.csv", "report.json", "clicks.csv"], &[]).status.success());

    for file in ["kept.csv", "report.json"] {
        let path = dir.path().join(file);
        let right = fs::read(&path).unwrap();
        let mut bytes = right.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let changed = verify(dir.path(), &["kept.csv", "report.json"], &[]);
        assert_eq!(changed.status.code(), Some(9), "{file}");
        assert!(String::from_utf8_lossy(&changed.stderr).contains(file));
        fs::write(&path, right).unwrap();
    }
    // A certificate that says something else, or that another key signed.
    let path = dir.path().join("certificate.json");
    let mut envelope: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let other = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(verify(dir.path(), &[], &["--key", other]).status.code(), Some(9));
    let payload = envelope["payload"].as_str().unwrap();
    let changed = payload.replacen(&payload[40..44], "AAAA", 1);
    envelope["payload"] = json!(changed);
    fs::write(&path, envelope.to_string()).unwrap();
    let forged = verify(dir.path(), &[], &[]);
    assert_eq!(forged.status.code(), Some(9), "{}", String::from_utf8_lossy(&forged.stdout));
}
