//! Datasets of several uploads: one table, whose parts are held, counted, found and freed together.

use super::common::tus::hex_sha256;
use super::harness::{Service, autodenoise, autodenoise_ok, scratch};
use super::{Session, table};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Cursor, Write as _},
    path::Path,
};

/// Rows of `user,item,click` without their header, cut into lines.
fn rows() -> Vec<String> {
    String::from_utf8(table(40_000)).unwrap().lines().skip(1).map(|line| format!("{line}\n")).collect()
}

fn with_header(rows: &[String]) -> Vec<u8> {
    ("user,item,click\n".to_owned() + &rows.concat()).into_bytes()
}

impl Session<'_> {
    /// A whole upload, known under a file name, as a part of a request.
    fn part(&self, file_name: &str, bytes: &[u8]) -> Value {
        let metadata = format!("filename {}", BASE64_STANDARD.encode(file_name));
        let begun = self.tus.begin(bytes.len()).header("upload-metadata", metadata).send().unwrap();
        let upload = super::location_of(begun.headers());
        self.send(&upload, 0, bytes);
        json!({"upload_id": super::id_of(&upload), "sha256": hex_sha256(bytes)})
    }

    fn dataset_of_parts(&self, parts: &[Value], more: Value) -> reqwest::blocking::RequestBuilder {
        let mut body = json!({"uploads": parts, "label": "click"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.service.post("/v1/datasets").json(&body)
    }

    fn read(&self, dataset: &Value) -> Value {
        super::until(|| {
            let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
            let now = self.service.expect(self.service.get(&path), 200);
            (now["status"] != "processing").then_some(now)
        })
    }
}

/// The stored uploads, by digest.
fn objects(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data.join("objects/uploads")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_table_in_several_uploads_is_the_table_that_they_are_together() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let rows = rows();
    let whole = service.upload_bytes(with_header(&rows), "text/csv", &[("label", "click")]);
    let (one, two) = (with_header(&rows[..30]), with_header(&rows[30..]));
    let parts = [session.part("one.csv", &one), session.part("two.csv", &two)];
    let made = service.expect(session.dataset_of_parts(&parts, json!({"name": "in parts"})), 201);
    let dataset = session.read(&made);
    assert_eq!(dataset["status"], "ready", "{dataset:#}");
    assert_eq!(dataset["profile"]["digest"], whole["profile"]["digest"]);
    assert_eq!(dataset["bytes"], one.len() + two.len());
    assert_eq!(
        dataset["profile"]["parts"],
        json!([{"name": "one.csv", "first_row": 0, "rows": 30}, {"name": "two.csv", "first_row": 30, "rows": rows.len() - 30}])
    );
    let listed = |name: &str, bytes: &[u8]| json!({"name": name, "bytes": bytes.len(), "sha256": hex_sha256(bytes)});
    assert_eq!(dataset["parts"], json!([listed("one.csv", &one), listed("two.csv", &two)]));
    let list = format!("{}  one.csv\n{}  two.csv\n", hex_sha256(&one), hex_sha256(&two));
    assert_eq!(dataset["sha256"], hex_sha256(list.as_bytes()));
    assert_eq!(service.expect(session.dataset_of_parts(&parts, json!({})), 200)["id"], made["id"], "a lost answer");
    let turned = [parts[1].clone(), parts[0].clone()];
    assert_ne!(service.expect(session.dataset_of_parts(&turned, json!({})), 201)["id"], made["id"], "another order");

    // A job of it: the denoised table is one file, and the certificate names each part.
    let job = service.job(&dataset).in_small_batches().submit();
    service.wait_for(&job, "job.succeeded");
    let denoised = String::from_utf8(service.artifact(&job, "denoised")).unwrap();
    let known: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
    let (header, kept) = denoised.split_once('\n').unwrap();
    assert_eq!(header, "user,item,click");
    assert!(kept.lines().all(|line| known.contains(&line)) && kept.lines().count() <= rows.len());
    // Or each part again, under its name.
    let mut spec = service.job(&dataset).in_small_batches().spec();
    spec["denoised"] = json!("parts");
    let again = service.submit(spec);
    service.wait_for(&again, "job.succeeded");
    let mut archive = zip::ZipArchive::new(Cursor::new(service.artifact(&again, "denoised"))).unwrap();
    let mut read = |name| std::io::read_to_string(archive.by_name(name).unwrap()).unwrap();
    let [one_kept, two_kept] =
        ["one.csv", "two.csv"].map(|name| read(name).strip_prefix("user,item,click\n").unwrap().to_owned());
    assert_eq!(one_kept.clone() + &two_kept, kept);
    assert!(one_kept.lines().all(|line| known[..30].contains(&line)), "{one_kept}");
    let artifacts = service.expect(service.get(&format!("/v1/jobs/{again}/artifacts")), 200);
    let listed = artifacts["data"].as_array().unwrap().iter().find(|own| own["name"] == "denoised").unwrap();
    assert_eq!([&listed["download_name"], &listed["media_type"]], ["denoised.zip", "application/zip"]);
    let files = [("c.json", service.artifact(&job, "certificate")), ("one.csv", one), ("two.csv", two)];
    let paths = files.map(|(name, bytes)| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let said = autodenoise_ok(&["verify", &paths[0], &paths[1], &paths[2]]);
    assert!(said.contains("the job's one.csv") && said.contains("the job's two.csv"), "{said}");
    let cells = service.expect(service.get(&format!("/v1/jobs/{job}/rows?cells=true&limit=1")), 200);
    assert_eq!(cells["data"][0]["cells"].as_array().unwrap().len(), 3, "{cells:#}");
}

/// Numbers below `below`, the same in every run.
fn numbers(seed: u64, below: usize) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    }
}

#[test]
fn however_a_table_is_cut_its_digest_is_that_of_the_whole() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let rows = rows();
    let digest = &service.upload_bytes(with_header(&rows), "text/csv", &[("label", "click")])["profile"]["digest"];
    for seed in 0..8 {
        let mut number = numbers(seed, rows.len() + 1);
        let mut cuts: Vec<usize> = (0..1 + seed).map(|_| number()).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let part = |(place, cut): (usize, &[usize])| {
            let rows = &rows[cut[0]..cut[1]];
            let text = match number() % 3 {
                // Another order of the columns.
                0 => {
                    let turn = |row: &String| {
                        let (first, last) = row.trim_end().rsplit_once(',').unwrap();
                        format!("{last},{first}\r\n")
                    };
                    "click,user,item\r\n".to_owned() + &rows.iter().map(turn).collect::<String>()
                }
                _ => String::from_utf8(with_header(rows)).unwrap(),
            };
            let bytes = match number() % 2 {
                0 => text.into_bytes(),
                _ => {
                    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    gzip.write_all(text.as_bytes()).unwrap();
                    gzip.finish().unwrap()
                }
            };
            session.part(&format!("{place}.csv"), &bytes)
        };
        let parts: Vec<Value> = cuts.windows(2).enumerate().map(part).collect();
        let dataset = session.read(&service.expect(session.dataset_of_parts(&parts, json!({})), 201));
        assert_eq!(&dataset["profile"]["digest"], digest, "{cuts:?}: {:#}", dataset["errors"]);
    }
}

#[test]
fn parts_are_held_by_their_datasets_and_freed_with_the_last() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let rows = rows();
    let (one, two, three) = (with_header(&rows[..40]), with_header(&rows[40..80]), with_header(&rows[80..]));
    let parts = [("a.csv", &one), ("b.csv", &two), ("c.csv", &three)].map(|(name, bytes)| session.part(name, bytes));
    let both = service.expect(session.dataset_of_parts(&parts[..2], json!({})), 201);
    let all = service.expect(session.dataset_of_parts(&parts, json!({})), 201);
    session.read(&both);
    assert_eq!(session.read(&all)["profile"]["parts"].as_array().unwrap().len(), 3);
    assert_eq!(objects(&service.data).len(), 5, "three parts, and two lists of them");
    let data = service.data.to_str().unwrap().to_owned();
    let said = autodenoise(&["fsck", "--data-dir", &data]);
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).starts_with("checked 5 objects"), "{said:?}");

    service.expect(service.delete(&format!("/v1/datasets/{}", both["id"].as_str().unwrap())), 204);
    let mut left: Vec<String> = [&one, &two, &three].map(|bytes| hex_sha256(bytes)).into();
    left.push(all["sha256"].as_str().unwrap().to_owned());
    left.sort();
    assert_eq!(objects(&service.data), left, "the other dataset's parts stay");
    // A dataset of one of them shares its bytes, too.
    let alone = service.upload_bytes(one.clone(), "text/csv", &[("label", "click")]);
    service.expect(service.delete(&format!("/v1/datasets/{}", all["id"].as_str().unwrap())), 204);
    assert_eq!(objects(&service.data), [alone["sha256"].as_str().unwrap()]);
    service.expect(service.delete(&format!("/v1/datasets/{}", alone["id"].as_str().unwrap())), 204);
    assert!(objects(&service.data).is_empty());
    let gone = service.expect(session.dataset_of_parts(&parts, json!({})), 409);
    assert!(gone["detail"].as_str().unwrap().contains("upload the table again"), "{gone:#}");
}

#[test]
fn what_is_wrong_with_parts_is_named_by_its_place() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--max-upload-bytes", "60000"]);
    let session = Session::new(&service);
    let rows = rows();
    let [one, two] = [&rows[..40], &rows[40..]].map(with_header);
    let (a, b) = (session.part("a.csv", &one), session.part("a.csv", &two));
    let with = |part: &Value, name: &str, value: Value| {
        let mut part = part.clone();
        part[name] = value;
        part
    };
    let named = |name: &str| with(&b, "name", json!(name));
    let split = |part: &Value, split: &str| with(part, "split", json!(split));
    let cases = [
        (json!([a, b]), "/uploads/1/name", "/uploads/0 is called too"),
        (json!([a, a]), "/uploads/1/upload_id", "rows would count twice"),
        (json!([]), "/uploads", "1 to 256 parts"),
        (json!(vec![a.clone(); 257]), "/uploads", "these are 257"),
        (json!([a, named("../b.csv")]), "/uploads/1/name", "a path below"),
        (json!([a, named("b\n.csv")]), "/uploads/1/name", "control characters"),
        (json!([a, with(&named("b.csv"), "sha256", json!("0".repeat(64)))]), "/uploads/1/sha256", &hex_sha256(&two)),
        (json!([a, with(&named("b.csv"), "sha256", json!("x"))]), "/uploads/1/sha256", "64 hexadecimal"),
        (
            json!([a, with(&b, "upload_id", json!(format!("up_{}", "0".repeat(32))))]),
            "/uploads/1/upload_id",
            "there is no upload",
        ),
        (json!([split(&a, "train"), named("b.csv")]), "/uploads/1/split", "other parts have one"),
        (json!([split(&a, "train"), split(&named("b.csv"), "test")]), "/uploads", "no part is `valid`"),
    ];
    for (parts, pointer, says) in cases {
        let problem = service.expect(session.dataset_of_parts(parts.as_array().unwrap(), json!({})), 422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], pointer, "{problem:#}");
        assert!(error["rule"].as_str().unwrap().contains(says), "{problem:#}");
    }
    let both = json!({"upload_id": a["upload_id"], "sha256": a["sha256"]});
    let problem = service.expect(session.dataset_of_parts(&[a.clone(), named("b.csv")], both), 422);
    assert_eq!(problem["errors"][0]["pointer"], "/uploads", "{problem:#}");
    let problem = service.expect(service.post("/v1/datasets").json(&json!({"label": "click"})), 422);
    assert_eq!(problem["errors"][0]["pointer"], "/upload_id", "{problem:#}");

    // Together they may not have more than a table may.
    let more = with_header(&[rows[..40].concat(), rows.concat()]);
    let parts = [a.clone(), session.part("more.csv", &more)];
    assert!(one.len() + more.len() > 60_000 && more.len() < 60_000);
    assert_eq!(service.expect(session.dataset_of_parts(&parts, json!({})), 413)["code"], "too_large");

    // What cannot be read says the part and the line.
    let bad = session.part("bad.csv", b"user,item,click\nu1,i1,1\nu1,i1,2\n");
    let invalid = session.read(&service.expect(session.dataset_of_parts(&[a, bad], json!({})), 201));
    assert_eq!(invalid["status"], "invalid");
    assert_eq!((&invalid["errors"][0]["part"], &invalid["errors"][0]["line"]), (&json!("bad.csv"), &json!(3)));
}

#[test]
fn parts_may_say_the_split_and_folders_a_column() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let rows = rows();
    let part = |name: &str, split: &str, rows: &[String]| {
        let mut part = session.part("part.csv", &with_header(rows));
        part["name"] = json!(name);
        part["split"] = json!(split);
        part
    };
    let parts = [
        part("day=3/t.csv", "test", &rows[60..80]),
        part("day=1/a.csv", "train", &rows[..40]),
        part("day=2/v.csv", "valid", &rows[40..60]),
        part("day=1/b.csv", "train", &rows[80..]),
    ];
    let wrong = session.dataset_of_parts(&parts, json!({"split_group": "user"}));
    assert_eq!(service.expect(wrong, 422)["errors"][0]["pointer"], "/split");
    let made = service.expect(session.dataset_of_parts(&parts, json!({})), 201);
    let dataset = session.read(&made);
    assert_eq!(dataset["status"], "ready", "{dataset:#}");
    let train = rows.len() - 40;
    assert_eq!(dataset["profile"]["rows"], json!({"train": train, "valid": 20, "test": 20}));
    let names: Vec<_> = dataset["parts"].as_array().unwrap().iter().map(|part| part["name"].clone()).collect();
    assert_eq!(names, ["day=1/a.csv", "day=1/b.csv", "day=2/v.csv", "day=3/t.csv"], "train first");
    assert!(dataset["feature_map"]["fields"].as_array().unwrap().iter().any(|field| field["name"] == "day"));
    let job = service.job(&dataset).in_small_batches().submit();
    service.wait_for(&job, "job.succeeded");
    let denoised = String::from_utf8(service.artifact(&job, "denoised")).unwrap();
    assert!(denoised.lines().count() <= train + 1, "the training rows alone");
    let other = |split: &str| {
        let mut parts = parts.clone();
        parts[3]["split"] = json!(split);
        service.expect(session.dataset_of_parts(&parts, json!({})), if split == "train" { 200 } else { 201 })["id"]
            .clone()
    };
    assert_eq!(other("train"), made["id"]);
    assert_ne!(other("valid"), made["id"], "the same bytes, split otherwise");
}

#[test]
fn nobody_makes_a_dataset_of_anothers_upload() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let session = Session::new(&service);
    let rows = rows();
    let parts = [session.part("a.csv", &with_header(&rows[..50])), session.part("b.csv", &with_header(&rows[50..]))];
    let data = service.data.to_str().unwrap().to_owned();
    let key = |tenant: &str| {
        autodenoise_ok(&["keys", "create", "--data-dir", &data, "--name", "k", "--tenant", tenant]).trim().to_owned()
    };
    let (theirs, ours) = (key("other"), key("default"));
    let asked = |key: &str| session.dataset_of_parts(&parts, json!({})).bearer_auth(key);
    let refused = super::until(|| {
        let answer = asked(&theirs).send().unwrap();
        // A server may take a moment to know of its first key.
        (answer.status() != 401).then(|| (answer.status(), answer.json::<Value>().unwrap()))
    });
    assert_eq!(refused.0, 422);
    assert!(refused.1["errors"][0]["rule"].as_str().unwrap().starts_with("there is no upload"), "{:#}", refused.1);
    assert_eq!(service.expect(asked(&ours), 201)["status"], "processing");
    assert_eq!(service.expect(asked(&theirs), 422)["code"], "invalid_spec", "used or not");
}

#[test]
fn the_command_line_sends_what_it_reads_elsewhere() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let rows = [rows(), rows()].concat();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let one = write("parts/day=1/a.csv", &with_header(&rows[..150]));
    let two = write("parts/day=2/a.csv", &with_header(&rows[150..]));
    write("parts/day=2/empty.csv", b"");
    write("parts/_SUCCESS", b"");
    let whole = write("whole.csv", &with_header(&rows));
    let [valid, test] =
        [("v.csv", &rows[..150]), ("t.csv", &rows[150..])].map(|(name, rows)| write(name, &with_header(rows)));
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let digest = |printed: &str| serde_json::from_str::<Value>(printed).unwrap()["digest"].clone();
    let show = |id: &str| service.expect(service.get(&format!("/v1/datasets/{}", id.trim())), 200);
    let inputs: [Vec<String>; 5] = [
        vec![path("parts")],
        vec![path("parts/day=*/a.csv")],
        vec![one.clone(), two.clone()],
        vec![path("parts/day=1")],
        ["--train", &whole, "--valid", &valid, "--test", &test].map(str::to_owned).into(),
    ];
    for input in &inputs {
        let input: Vec<&str> = input.iter().map(String::as_str).collect();
        let upload = [&["datasets", "upload"], &input[..], &["--label", "click", "--server", &service.url]].concat();
        let dataset = show(&autodenoise_ok(&upload));
        let there = autodenoise_ok(&[&["datasets", "check"], &input[..], &["--label", "click"]].concat());
        assert_eq!(dataset["profile"]["digest"], digest(&there), "{input:?}");
    }
    let piped = format!("cat {whole} | {} datasets upload - --label click --server {}", super::BIN, service.url);
    let shell = std::process::Command::new("sh").args(["-c", &piped]).output().unwrap();
    assert!(shell.status.success(), "{shell:?}");
    assert_eq!(show(&String::from_utf8(shell.stdout).unwrap())["sha256"], hex_sha256(&with_header(&rows)));
    // Columns that a part has not are told as `denoise` tells them, and `submit` takes the same words.
    let bad = write("bad.csv", b"user,click\nu1,1\n");
    let submit =
        |more: &[&str]| autodenoise(&[&["submit"], more, &["--label", "click", "--server", &service.url]].concat());
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = submit(&[&whole, &bad]);
    assert!(said(&refused).contains("bad.csv: has no column `item`"), "{}", said(&refused));
    assert!(said(&submit(&["nowhere.csv"])).contains("neither a dataset's id"));
    assert!(said(&submit(&["nowhere/*.csv"])).contains("no file matches"));
    let plan = submit(&[&one, &two, "--plan"]);
    assert!(plan.status.success(), "{}", said(&plan));
    assert_eq!(fs::read_dir(service.data.join("partial")).unwrap().count(), 0, "every upload was used up");
}
