//! What a wrong table or spec is answered with: every answer names the place and the fix, before any job starts.

mod harness;

use flate2::{Compression, write::GzEncoder};
use harness::{Service, autodenoise, autodenoise_ok, clicks, scratch};
use serde_json::{Value, json};
use std::{fmt::Write as _, fs, io::Write as _};

fn table(rows: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut text = "user,item,click\n".to_owned();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    text.into_bytes()
}

fn good_rows(n: usize) -> impl Iterator<Item = String> {
    (0..n).map(|row| format!("u{},i{},{}", row % 17, row % 23, row % 2))
}

fn rules(dataset: &Value) -> String {
    serde_json::to_string(&dataset["errors"]).unwrap()
}

#[test]
fn wrong_tables_get_their_clear_answer() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let label = [("label", "click")];

    // 1,000 bad rows: the first of them by line, column, value and rule; all of them counted.
    let bad = table(good_rows(500).chain((0..1000).map(|row| format!("u1,i{row},maybe"))));
    let dataset = service.upload_bytes(bad.clone(), "text/csv", &label);
    assert_eq!(
        (dataset["status"].as_str(), dataset["error_total"].as_u64()),
        (Some("invalid"), Some(1000)),
        "{dataset:#}"
    );
    assert_eq!(dataset["errors"].as_array().unwrap().len(), 100);
    let first = &dataset["errors"][0];
    assert_eq!((first["row"].as_u64(), first["line"].as_u64()), (Some(500), Some(502)));
    assert_eq!((first["column"].as_str(), first["value"].as_str()), (Some("click"), Some("maybe")));

    // An invalid dataset starts no job.
    let job = service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"]}));
    assert_eq!(service.expect(job, 409)["code"], "dataset_not_ready");

    // Nothing at all is refused on the spot, a header alone once read.
    // A NUL, which the database cannot hold, is an error like any other.
    let nul = service.upload_bytes(table(good_rows(9).chain(["u1,i1,\0".to_owned()])), "text/csv", &label);
    assert_eq!(
        (nul["error_total"].as_u64(), nul["errors"][0]["value"].as_str()),
        (Some(1), Some("\u{2400}")),
        "{nul:#}"
    );

    let empty = service.post("/v1/datasets").query(&label).header("content-type", "text/csv").body("");
    assert_eq!(service.expect(empty, 400)["code"], "bad_request");
    let header = service.upload_bytes(table([]), "text/csv", &label);
    assert_eq!(header["status"], "invalid");
    assert!(rules(&header).contains("no rows"), "{header:#}");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&table(good_rows(5000))).unwrap();
    let whole = gzip.finish().unwrap();
    let truncated = service.upload_bytes(whole[..whole.len() / 2].to_vec(), "text/csv", &label);
    assert_eq!(truncated["status"], "invalid");
    assert!(rules(&truncated).contains("the gzip stream is cut short"), "{truncated:#}");

    let unknown = service.upload_bytes(table(good_rows(500)), "text/csv", &[("label", "clik")]);
    let said = rules(&unknown);
    assert!(said.contains("/label") && said.contains("did you mean") && said.contains("click"), "{said}");

    let one_class = service.upload_bytes(table((0..500).map(|row| format!("u{row},i1,1"))), "text/csv", &label);
    assert!(rules(&one_class).contains("label"), "{one_class:#}");
    assert_eq!(one_class["status"], "invalid");
    let no_test = "user,click,split\n".to_owned() + &"a,0,train\nb,1,train\na,1,valid\nb,0,valid\n".repeat(20);
    let no_test =
        service.upload_bytes(no_test.into_bytes(), "text/csv", &[("label", "click"), ("split_column", "split")]);
    assert_eq!((no_test["status"].as_str(), no_test["error_total"].as_u64()), (Some("invalid"), Some(1)));
    assert!(rules(&no_test).contains("test"), "{no_test:#}");
    let shares = service.post("/v1/datasets?label=click&split=1,0,0").header("content-type", "text/csv").body("x");
    assert_eq!(service.expect(shares, 422)["errors"][0]["pointer"], "/split");
}

#[test]
fn a_parquet_without_the_label_names_the_columns_there_are() {
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use std::sync::Arc;
    let columns: [(&str, ArrayRef); 2] = [
        ("user", Arc::new(Int64Array::from_iter_values(0..100))),
        ("item", Arc::new(Int64Array::from_iter_values(0..100))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_bytes(bytes, "application/vnd.apache.parquet", &[("label", "click")]);
    assert_eq!(dataset["status"], "invalid");
    let said = rules(&dataset);
    assert!(said.contains("/label") && said.contains("user") && said.contains("item"), "{said}");
}

#[test]
fn wrong_requests_are_problems_that_point_at_the_fault() {
    let dir = scratch();
    let csv = clicks(dir.path(), 60, 40);
    let service = Service::start_with(&dir.path().join("data"), &["--max-upload-bytes", "1000000"]);
    let dataset = service.upload(&csv, &[("label", "click"), ("split_column", "split")]);

    let unknown_key = service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"], "sede": 1}));
    let problem = service.expect(unknown_key, 422);
    assert_eq!(problem["code"], "invalid_spec");
    assert!(problem["detail"].as_str().unwrap().contains("unknown field `sede`"), "{problem:#}");
    for member in ["type", "title", "status", "detail", "instance", "request_id", "retryable"] {
        assert!(!problem[member].is_null(), "{member} is missing: {problem:#}");
    }
    // Its type is the address of a page.
    let page = service.get(problem["type"].as_str().unwrap()).send().unwrap();
    assert_eq!(page.status(), 200);

    let options = json!({"epochz": 3, "lr": "fast"});
    let wrong = service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"], "method": {"options": options}}));
    let pointers: Vec<_> = service.expect(wrong, 422)["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["/method/options/epochz", "/method/options/lr"]);
    let backbone =
        service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"], "method": {"backbone": "deepfn"}}));
    assert_eq!(service.expect(backbone, 422)["errors"][0]["pointer"], "/method/backbone");

    let cases = [
        (service.post("/v1/jobs").header("content-type", "application/json").body("{"), 400, "bad_request"),
        (service.post("/v1/jobs").header("content-type", "text/plain").body("{}"), 415, "unsupported_media_type"),
        (service.get("/v1/jobs/job_1"), 404, "not_found"),
        (service.get("/v1/nothing"), 404, "not_found"),
        (service.delete("/v1/jobs"), 405, "method_not_allowed"),
        (service.get("/v1/jobs?limit=0"), 400, "bad_request"),
        (service.get("/v1/jobs?after=zz"), 400, "bad_cursor"),
        (service.get("/v1/jobs?statu=queued"), 400, "bad_request"),
        (service.get("/v1/jobs?label=a%3D%00"), 400, "bad_request"),
        (
            service.post("/v1/jobs").json(&json!({"dataset_id": dataset["id"], "labels": {"a": "x\u{0}"}})),
            422,
            "invalid_spec",
        ),
        (
            service.post("/v1/datasets?label=click").header("content-type", "image/png").body("x"),
            415,
            "unsupported_media_type",
        ),
        (service.post("/v1/datasets").header("content-type", "text/csv").body("x"), 422, "invalid_spec"),
        (
            service.post("/v1/datasets?label=click").header("content-type", "text/csv").body(vec![b'x'; 1_000_001]),
            413,
            "too_large",
        ),
        (
            service
                .post("/v1/datasets?label=click")
                .header("content-type", "text/csv")
                .header("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")
                .body("x"),
            400,
            "bad_digest",
        ),
    ];
    for (request, status, code) in cases {
        let problem = service.expect(request, status);
        assert_eq!(problem["code"], code, "{problem:#}");
    }

    // The same Idempotency-Key is the same job; with another body it is a mistake.
    let post = |spec: Value| service.post("/v1/jobs").header("idempotency-key", "nightly-1").json(&spec);
    let spec = json!({"dataset_id": dataset["id"], "method": {"preset": "paper", "options": {"epochs": 1000}}});
    let one = service.expect(post(spec.clone()), 201);
    let two = service.expect(post(spec), 201);
    assert_eq!(one["id"], two["id"]);
    service.expect(post(json!({"dataset_id": dataset["id"], "seed": 1})), 422);
    service.expect(service.post(&format!("/v1/jobs/{}/cancel", one["id"].as_str().unwrap())), 202);

    for path in ["/healthz", "/readyz", "/v1/capabilities", "/openapi.json"] {
        service.expect(service.get(path), 200);
    }
    let metrics = service.get("/metrics").send().unwrap().text().unwrap();
    assert!(metrics.contains("autodenoise_http_requests_total"), "{metrics}");
}

#[test]
fn the_command_line_says_what_is_wrong_and_exits_with_its_code() {
    let dir = scratch();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("bad.csv"), table(good_rows(50).chain(["u1,i1,maybe".to_owned()]))).unwrap();
    fs::write(path("good.csv"), table(good_rows(500))).unwrap();
    fs::write(path("spec.json"), r#"{"method": {"backbone": "deepfm"}, "sede": 3}"#).unwrap();
    let (bad, good, out, spec) = (path("bad.csv"), path("good.csv"), path("out.csv"), path("spec.json"));
    let missing = path("missing.csv");
    let nowhere = path("missing/out.csv");
    let many = path("many.csv");
    fs::write(&many, table((0..500).map(|row| format!("u{row},i1,{}", if row % 2 == 0 { "maybe" } else { "never" }))))
        .unwrap();
    let ids = path("ids.csv");
    fs::write(&ids, table((0..500).map(|row| format!("u{row},i{},{}", row % 7, row * 31 % 7 % 2)))).unwrap();
    let parquet = path("out.parquet");
    let cases: [(&[&str], i32, &str); 13] = [
        (&["denoise", &good, "-o", &parquet, "--label", "click"], 2, "says Parquet"),
        (&["denoise", "-", "-o", &out, "--label", "click"], 3, "the file is empty"),
        (&["denoise", &ids, "-o", &out, "--label", "click", "--strict"], 3, "column `user` has 500 different values"),
        (&["denoise", &many, "-o", &out, "--label", "click"], 3, "(and 99 more rows like it, up to line 101)"),
        (&["denoise", &bad, "-o", &out, "--label", "click"], 3, "line 52, click = \"maybe\""),
        (&["denoise", &good, "-o", &out, "--label", "clik"], 3, "did you mean `click`"),
        (&["denoise", &good, "-o", &out, "--label", "click", "-O", "epochz=3"], 3, "--option epochz: "),
        (&["denoise", &good, "-o", &out, "--label", "click", "--spec", &spec], 3, "unknown field `sede`"),
        (&["denoise", &missing, "-o", &out, "--label", "click"], 1, "there is no file"),
        (&["denoise", &good, "-o", &good, "--label", "click"], 2, "is the input itself"),
        (&["denoise", &good, "-o", &nowhere, "--label", "click"], 1, "there is no such folder"),
        (&["submit", &good, "--label", "click", "-O", "epochs"], 2, "write NAME=VALUE"),
        (&["status", "--server", "http://127.0.0.1:9"], 4, "autodenoise serve"),
    ];
    for (args, code, words) in cases {
        let output = autodenoise(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(!dir.path().join("out.csv").exists(), "nothing is written when something is wrong");
    }
}

#[test]
fn a_column_of_times_is_named_over_rest_and_from_the_command_line() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let table = |time: fn(usize) -> String| {
        let rows = (0..200).map(|row| format!("u{},{},{}\n", row % 17, time(row), row % 2));
        "user,at,click\n".to_owned() + &rows.collect::<String>()
    };
    let numbers = table(|row| (1_700_000_000 + row).to_string());
    let query = [("label", "click"), ("time", "at")];
    let dataset = service.upload_bytes(numbers.clone().into_bytes(), "text/csv", &query);
    assert_eq!(dataset["spec"]["time"], "at", "{dataset:#}");
    let map = &dataset["feature_map"];
    let time = json!({"column": "at", "unit": {"type": "number", "exponent": 9}});
    assert_eq!((map["fields"].as_array().unwrap().len(), &map["time"]), (1, &time), "{dataset:#}");

    let gaps = table(|row| if row == 70 { String::new() } else { format!("2020-01-31T12:00:{:02}Z", row % 60) });
    let refused = service.upload_bytes(gaps.into_bytes(), "text/csv", &query);
    let error = &refused["errors"][0];
    assert_eq!((&error["line"], &error["column"], &refused["error_total"]), (&json!(72), &json!("at"), &json!(1)));
    assert!(rules(&refused).contains("leave `time` out"), "{refused:#}");

    let file = dir.path().join("clicks.csv");
    fs::write(&file, numbers).unwrap();
    let flags = ["--label", "click", "--time", "at", "--server", &service.url];
    let id = autodenoise_ok(&[&["datasets", "upload", file.to_str().unwrap()], flags.as_slice()].concat());
    assert_eq!(id.trim(), dataset["id"], "the flag and the parameter say the same");
}

#[test]
fn single_columns_are_set_alike_over_rest_and_from_the_command_line() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let rows = (0..200).map(|row| format!("{},{}.5,a|b,{},{}\n", row % 9, row % 50, row % 3, row % 2));
    let table = "user,price,tags,zip,click\n".to_owned() + &rows.collect::<String>();
    let query = [
        ("label", "click"),
        ("category", "price,zip"),
        ("numeric", "user=quantile:4"),
        ("multi", "tags=|:3"),
        ("missing", "?,none"),
    ];
    let dataset = service.upload_bytes(table.clone().into_bytes(), "text/csv", &query);
    let read_as: Vec<_> = dataset["profile"]["fields"].as_array().unwrap().iter().map(|f| &f["read_as"]).collect();
    assert_eq!(read_as, ["quantile", "category", "multi", "category"], "{dataset:#}");

    let file = dir.path().join("clicks.csv");
    fs::write(&file, table).unwrap();
    let file = file.to_str().unwrap();
    let flags = "--label click --category price,zip --numeric user=quantile:4 --multi tags=|:3 --missing ?,none";
    let flags: Vec<_> = flags.split(' ').chain(["--server", &service.url]).collect();
    let id = autodenoise_ok(&[&["datasets", "upload", file], flags.as_slice()].concat());
    assert_eq!(id.trim(), dataset["id"], "the flags and the parameters say the same");

    let wrong =
        service.post("/v1/datasets?label=click&numeric=price=sqrt").header("content-type", "text/csv").body("x");
    assert_eq!(service.expect(wrong, 422)["errors"][0]["pointer"], "/numeric");
    let wrong = autodenoise(&["datasets", "check", file, "--label", "click", "--numeric", "price=sqrt"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--numeric price=sqrt: write price=quantile:32"));
}

#[test]
fn rows_that_cannot_be_read_are_left_out_where_that_is_asked_for() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let bad = ["u1,i1", "u1,i1,maybe"].map(str::to_owned);
    let text = table(good_rows(300).chain(bad).chain(good_rows(100)));
    let query = [("label", "click"), ("on_bad_row", "skip"), ("split_group", "user"), ("max_bad_rows", "2")];
    let dataset = service.upload_bytes(text.clone(), "text/csv", &query);
    let skipped = &dataset["profile"]["skipped"];
    assert_eq!((skipped["rows"].as_u64(), skipped["listed"][1]["line"].as_u64()), (Some(2), Some(303)), "{dataset:#}");
    assert_eq!(dataset["spec"]["split"]["group"]["column"], "user");
    let too_many = service.upload_bytes(
        text.clone(),
        "text/csv",
        &[("label", "click"), ("on_bad_row", "skip"), ("max_bad_rows", "1")],
    );
    assert!(rules(&too_many).contains("/max_bad_rows"), "{too_many:#}");
    let wrong = service.post("/v1/datasets?label=click&on_bad_row=ignore").header("content-type", "text/csv").body("x");
    assert_eq!(service.expect(wrong, 422)["errors"][0]["pointer"], "/on_bad_row");

    let file = dir.path().join("clicks.csv");
    fs::write(&file, &text).unwrap();
    let (file, out) = (file.to_str().unwrap(), dir.path().join("clean.csv"));
    let check = autodenoise(&["datasets", "check", file, "--label", "click", "--on-bad-row", "skip"]);
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(said.contains("2 rows were left out") && said.contains("line 303, click = \"maybe\""), "{said}");
    let quick = [
        "--no-certify",
        "--method",
        "random_drop",
        "--backbone",
        "fm",
        "--on-bad-row",
        "skip",
        "--label",
        "click",
        "--tune",
        "off",
    ];
    let run = autodenoise(&[&["denoise", file, "-o", out.to_str().unwrap()], &quick[..]].concat());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("warning: 2 rows could not be read and were left out (line 302, line 303)"), "{said}");
    let written = fs::read_to_string(out).unwrap();
    assert!(!written.contains("maybe") && !written.contains("u1,i1\n"));
    let kept: std::collections::BTreeSet<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
    assert!(written.lines().count() > 300 && written.lines().all(|line| kept.contains(line)));
}

#[test]
fn a_charset_is_honoured_or_refused() {
    let dir = scratch();
    let service = Service::start(&dir.path().join("data"));
    let text = String::from_utf8(table(good_rows(200))).unwrap().replace("u1,", "Ren\u{e9}e,");
    let latin: Vec<u8> = text.chars().map(|c| c as u32 as u8).collect();
    let plain = service.upload_bytes(text.clone().into_bytes(), "text/csv; charset=utf-8", &[("label", "click")]);
    let other = service.upload_bytes(latin.clone(), "text/csv; charset=ISO-8859-1", &[("label", "click")]);
    assert_eq!(other["profile"]["digest"], plain["profile"]["digest"], "{other:#}");
    let said = service.post("/v1/datasets?label=click&encoding=latin-1").header("content-type", "text/csv").body(latin);
    assert_eq!(service.expect(said, 200)["id"], other["id"], "the parameter says what the charset says");
    let unknown = service.post("/v1/datasets?label=click").header("content-type", "text/csv; charset=ebcdic").body("x");
    assert!(service.expect(unknown, 415)["detail"].as_str().unwrap().contains("charset"));
}

/// What `denoise` of a table takes to be quick, and a certificate that three seeds never give.
const QUICK: [&str; 17] = [
    "--label",
    "click",
    "--method",
    "random_drop",
    "--backbone",
    "fm",
    "-O",
    "retrain_max_epoch=1",
    "-O",
    "batch_size=512",
    "--device",
    "cpu",
    "--tune",
    "1e-5",
    "--certify-seeds",
    "3",
    "--if-refused",
];

#[test]
fn a_refused_verdict_leaves_what_is_asked_for() {
    let dir = scratch();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("good.csv"), table(good_rows(600))).unwrap();
    let run = |out: &str, what: &str| {
        let output = autodenoise(&[&["denoise", &path("good.csv"), "-o", out], &QUICK[..], &[what]].concat());
        (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, said) = run(&path("nothing.csv"), "nothing");
    assert!((code == 7 || code == 8) && said.contains("nothing was written to"), "{said}");
    assert!(!dir.path().join("nothing.csv").exists());

    let (code, _, said) = run(&path("all.csv.gz"), "all");
    assert!(code == 0 && said.contains("with every row of the input"), "{said}");
    let mut all = Vec::new();
    let packed = fs::read(path("all.csv.gz")).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut all).unwrap();
    assert_eq!(all, fs::read(path("good.csv")).unwrap(), "compressed as the name says");

    // The table alone is on standard output, the report beside it.
    let (code, kept, said) = run("-", "kept");
    assert!((code == 7 || code == 8) && said.contains("verdict: "), "{said}");
    let (kept, rows) = (String::from_utf8(kept).unwrap(), fs::read_to_string(path("good.csv")).unwrap());
    assert!(kept.starts_with("user,item,click\n") && kept.len() < rows.len());
    let mut left = rows.lines();
    assert!(kept.lines().all(|line| left.any(|row| row == line)), "rows of the input in its order: {kept}");
}

#[test]
fn an_input_that_changes_under_the_run_is_refused_with_what_happened() {
    use std::io::{BufRead as _, BufReader};
    let dir = scratch();
    let (table, out) = (clicks(dir.path(), 200, 100), dir.path().join("out.csv"));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_autodenoise"))
        .args(["denoise", table.to_str().unwrap(), "-o", out.to_str().unwrap(), "--label", "click"])
        .args(["--split-column", "split", "--exclude", "timestamp", "--no-certify"])
        .args(["--preset", "paper", "--epochs", "1", "--device", "cpu"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("computing on") {
            fs::OpenOptions::new().append(true).open(&table).unwrap().write_all(b"u1,i1,1,0,train\n").unwrap();
        }
        said += &(line + "\n");
    }
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("clicks.csv was written to (") && said.contains("while the job ran"), "{said}");
    assert!(!out.exists(), "nothing is written of a table that is no more");
}

#[test]
fn one_command_denoises_a_file_without_a_server() {
    let dir = scratch();
    let table = clicks(dir.path(), 200, 100);
    let run = |out: &str, results: &str| {
        let out = dir.path().join(out);
        let results = dir.path().join(results);
        let output = autodenoise(&[
            "denoise",
            table.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
            "--results",
            results.to_str().unwrap(),
            "--label",
            "click",
            "--split-column",
            "split",
            "--exclude",
            "timestamp",
            "--preset",
            "paper",
            "--epochs",
            "1",
            "--warmup-epochs",
            "2",
            "-O",
            "batch_size=512",
            "-O",
            "retrain_max_epoch=2",
            "--select-ratio",
            "0.9",
            "--seed",
            "7",
            "--device",
            "cpu",
            "--no-certify",
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with("\nverdict: not_evaluated\n"), "{said}");
        assert!(said.contains("all rows") && said.contains("kept rows") && said.contains("dropped"), "{said}");
        (fs::read(out).unwrap(), fs::read(results.join("indices.parquet")).unwrap(), results)
    };
    let (one, indices, results) = run("one.csv", "one");
    let (two, same_indices, _) = run("two.csv", "two");
    assert!(one == two && indices == same_indices, "the same spec and seed give the same bytes");
    assert!(one.len() < fs::read(&table).unwrap().len());
    let report: Value = serde_json::from_slice(&fs::read(results.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["test_reads"], 2);
}
