//! A verdict by a model that is trained elsewhere, over REST: the service hands out the rows and keeps the labels.

use super::{READING, autodenoise, autodenoise_ok, read_json, said};
use crate::harness::{Service, scratch};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A table of clicks, and a service that has it.
struct World {
    folder: TempDir,
    service: Service,
    dataset: String,
    rows: Vec<Row>,
}

struct Row {
    user: String,
    item: String,
    click: f64,
}

impl World {
    fn new(corruption: &[&str]) -> Self {
        let folder = scratch();
        let table = folder.path().join("clicks.csv");
        let size = ["--users", "100", "--items", "100", "--rows", "8000", "--seed", "2", "--flip-rate", "0"];
        autodenoise_ok(&[&["synth", table.to_str().unwrap()][..], &size, corruption].concat());
        let service = Service::start_as(&folder.path().join("data"), &["--threads", "1"]);
        let query = [("label", "click"), ("split_column", "split"), ("exclude", "timestamp")];
        let dataset = service.upload(&table, &query)["id"].as_str().unwrap().to_owned();
        let mut reader = csv::Reader::from_path(&table).unwrap();
        let rows = reader.deserialize::<HashMap<String, String>>().map(|row| {
            let row = row.unwrap();
            Row { user: row["user"].clone(), item: row["item"].clone(), click: row["click"].parse().unwrap() }
        });
        Self { rows: rows.collect(), folder, service, dataset }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A job that has succeeded.
    fn run(&self, method: Value) -> String {
        let spec =
            json!({"dataset_id": self.dataset, "device": "cpu", "engine": "fused", "tuning": "off", "method": method});
        let job = self.service.submit(spec);
        self.service.wait_for(&job, "job.succeeded");
        job
    }

    /// A judgement, once it is `status`.
    fn wait(&self, judgement: &str, status: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let view = self.service.expect(self.service.get(judgement), 200);
            if view["status"] == status {
                return view;
            }
            assert!(Instant::now() < deadline, "{view:#}\n{}", self.service.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The address of a new judgement of a job, and the judgement once it is open.
    fn open(&self, job: &str, spec: &Value) -> (String, Value) {
        let made = self.service.expect(self.service.post(&format!("/v1/jobs/{job}/judgements")).json(spec), 201);
        let address = format!("/v1/jobs/{job}/judgements/{}", made["id"].as_str().unwrap());
        let view = self.wait(&address, "open");
        (address, view)
    }

    fn array<T: npyz::Deserialize>(&self, judgement: &str, name: &str) -> Vec<T> {
        let response = self.service.get(&format!("{judgement}/files/{name}")).send().unwrap();
        assert_eq!(response.status(), 200, "{name}");
        npyz::NpyFile::new(&response.bytes().unwrap()[..]).unwrap().into_vec().unwrap()
    }

    /// What the model of a training predicts, of the rows in the file `predicted`.
    fn predict(&self, judgement: &str, training: &Value, predicted: &str) -> Vec<f64> {
        let rows: Vec<u32> = self.array(judgement, training["rows"].as_str().unwrap());
        let marks = |name: &str| training[name].as_str().map(|name| self.array::<f32>(judgement, name));
        let (targets, weights) = (marks("targets"), marks("weights"));
        let mark = |marks: &Option<Vec<f32>>, at: usize| marks.as_ref().map(|marks| f64::from(marks[at]));
        let counted = rows.iter().enumerate().map(|(at, row)| {
            let row = &self.rows[*row as usize];
            (row, mark(&targets, at).unwrap_or(row.click), mark(&weights, at).unwrap_or(1.0))
        });
        let model = Rates::of(counted, training["seed"].as_u64().unwrap());
        self.array::<u32>(judgement, predicted).into_iter().map(|row| model.predict(&self.rows[row as usize])).collect()
    }

    fn put(&self, judgement: &str, training: &str, split: &str, body: impl Into<Vec<u8>>, status: u16) -> Value {
        let address = format!("{judgement}/predictions/{training}?split={split}");
        self.service.expect(self.service.put(&address).body(body.into()), status)
    }

    /// Trains the model of every training and hands in what it predicts, of the validation rows too; what it did of each.
    fn train_all(&self, judgement: &str, view: &Value) -> Vec<(String, Vec<f64>, Vec<f64>)> {
        let trained = view["trainings"].as_array().unwrap().iter().map(|training| {
            let name = training["name"].as_str().unwrap();
            let (test, valid) = (self.predict(judgement, training, "test"), self.predict(judgement, training, "valid"));
            self.put(judgement, name, "test", lines(&test), 200);
            self.put(judgement, name, "valid", lines(&valid), 200);
            (name.to_owned(), test, valid)
        });
        trained.collect()
    }
}

/// An additive model of the rates of users and items, of fifteen sixteenths of the rows.
struct Rates {
    base: f64,
    users: HashMap<String, f64>,
    items: HashMap<String, f64>,
}

impl Rates {
    fn of<'a>(rows: impl Iterator<Item = (&'a Row, f64, f64)>, seed: u64) -> Self {
        // Another sixteenth with each seed.
        let left = |at: usize| (at as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 == 0;
        let rows: Vec<_> = rows.enumerate().filter(|(at, _)| !left(*at)).map(|(_, row)| row).collect();
        let sum = |of: &dyn Fn(&(&Row, f64, f64)) -> f64| rows.iter().map(of).sum::<f64>();
        let rate = sum(&|(_, target, weight)| target * weight) / sum(&|(.., weight)| *weight);
        let logit = |p: f64| (p / (1.0 - p)).ln();
        let by = |name: fn(&Row) -> &String| {
            let mut sums: HashMap<String, (f64, f64)> = HashMap::new();
            for (row, target, weight) in &rows {
                let sum = sums.entry(name(row).clone()).or_default();
                *sum = (sum.0 + target * weight, sum.1 + weight);
            }
            let effect = |(clicks, rows)| logit((clicks + 5.0 * rate) / (rows + 5.0)) - logit(rate);
            sums.into_iter().map(|(name, sum)| (name, effect(sum))).collect()
        };
        Self { base: logit(rate), users: by(|row| &row.user), items: by(|row| &row.item) }
    }

    fn predict(&self, row: &Row) -> f64 {
        let effect = |effects: &HashMap<String, f64>, name: &str| effects.get(name).copied().unwrap_or_default();
        let logit = self.base + effect(&self.users, &row.user) + effect(&self.items, &row.item);
        1.0 / (1.0 + (-logit).exp())
    }
}

fn lines(predictions: &[f64]) -> String {
    predictions.iter().map(|p| format!("{p}\n")).collect()
}

/// As NumPy saves it.
fn array(predictions: &[f64]) -> Vec<u8> {
    let shape = predictions.len();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape},), }}");
    let header = format!("{header:<117}\n");
    let numbers = predictions.iter().flat_map(|p| p.to_le_bytes());
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat().into_iter().chain(numbers).collect()
}

/// The method that finds items whose labels are inverted, with models that are just good enough for that.
fn robust() -> Value {
    let options = json!({
        "folds": 2, "judges": 2, "batch_size": 512, "lr": 0.03, "retrain_max_epoch": 5, "embed_dim": 4
    });
    json!({"name": "robust", "backbone": "fm", "options": options})
}

#[test]
fn a_gain_of_a_model_that_is_trained_elsewhere_is_certified_and_nothing_is_shown_before() {
    let world = World::new(&["--plant", "inverted:item:0.15"]);
    let service = &world.service;
    let job = world.run(robust());
    let address = format!("/v1/jobs/{job}/judgements");
    let spec = json!({"model": "rates of 2026", "certify": {"seeds": 5}});
    let ask = || service.post(&address).header("idempotency-key", "march").json(&spec);
    let made = service.expect(ask(), 201);
    assert_eq!(service.expect(ask(), 201)["id"], made["id"], "the same request again");
    let judgement = format!("{address}/{}", made["id"].as_str().unwrap());
    let view = world.wait(&judgement, "open");
    let trainings = view["trainings"].as_array().unwrap();
    assert_eq!((trainings.len(), &view["seeds_needed"]), (15, &json!(5)), "{view:#}");
    assert_eq!(view["test_rows"], world.array::<u32>(&judgement, "test").len());

    // What is missing or wrong is said at once, and changes nothing.
    let verdict = format!("{judgement}/verdict");
    let early = service.expect(service.post(&verdict), 409);
    assert!(early["detail"].as_str().unwrap().contains("the test rows are missing from 15 trainings"), "{early}");
    let first = trainings[0]["name"].as_str().unwrap();
    let good = world.predict(&judgement, &trainings[0], "test");
    let refused =
        |body: Vec<u8>| world.put(&judgement, first, "test", body, 422)["detail"].as_str().unwrap().to_owned();
    assert!(
        refused(lines(&good).replacen('\n', "\nnan\n", 1).into()).contains("the body, line 2: the prediction is not")
    );
    assert!(refused(lines(&good[1..]).into()).contains("predictions, and there are"));
    assert!(refused(array(&good[1..])).contains("its shape is ("));
    assert!(refused(array(&vec![1.5; good.len()])).contains("number 0 (from 0): 1.5 is not from 0 to 1"));
    world.put(&judgement, first, "test", "0.123456789\n".repeat(100_000), 413);
    world.put(&judgement, "full-1", "test", lines(&good), 404);
    world.put(&judgement, first, "train", lines(&good), 400);
    assert_eq!(world.wait(&judgement, "open")["trainings"][0]["predicted"], false);

    let trained = world.train_all(&judgement, &view);
    // An array is the same numbers, in place of those that came before.
    let taken = world.put(&judgement, first, "test", array(&good), 200);
    assert_eq!(taken["rows"], view["test_rows"]);
    let full = service.expect(service.get(&judgement), 200);
    assert!(full["trainings"].as_array().unwrap().iter().all(|one| one["predicted"] == true), "{full:#}");
    let mut shown = full.clone();
    shown.as_object_mut().unwrap().remove("certify");
    let told = ["auc", "loss", "\"verdict\"", "certification", "test_read"];
    assert!(!told.iter().any(|word| shown.to_string().contains(word)), "{full:#}");

    service.expect(service.post(&verdict), 202);
    let judged = world.wait(&judgement, "judged");
    assert_eq!(judged["verdict"], "certified", "{judged:#}");
    assert_eq!((&judged["test_read"]["number"], &judged["expires_at"]), (&json!(1), &Value::Null));
    assert_eq!(judged["certification"]["judged_by"], "rates of 2026");
    assert_eq!(judged["certification"]["logloss"]["recalibrated"], true);
    let late = world.put(&judgement, first, "test", lines(&good), 409);
    assert!(late["detail"].as_str().unwrap().contains("is judged"), "{late}");
    service.expect(service.post(&verdict), 200);

    // The report and the certificate are those of the verdict, and any machine can check them.
    for (name, file) in [("report.json", "report.json"), ("report.html", "page.html"), ("certificate", "signed.json")] {
        let response = service.get(&format!("{judgement}/files/{name}")).send().unwrap();
        fs::write(world.path(file), response.bytes().unwrap()).unwrap();
    }
    let report = read_json(&world.path("report.json"));
    assert_eq!(report["certification"], judged["certification"]);
    assert!(fs::read_to_string(world.path("page.html")).unwrap().contains("rates of 2026"));
    let key = service.expect(service.get("/v1/capabilities"), 200)["signing_key"].as_str().unwrap().to_owned();
    let (signed, report) = (world.text("signed.json"), world.text("report.json"));
    let words = autodenoise_ok(&["verify", &signed, &report, &world.text("clicks.csv"), "--key", &key]);
    assert!(words.contains("judged by models of: rates of 2026"), "{words}");
    // The job's own report has no verdict: nothing of it was changed.
    assert_eq!(service.expect(service.get(&format!("/v1/jobs/{job}/verdict")), 200)["verdict"], "not_evaluated");

    at_home_the_verdict_is_the_same(&world, &job, &judgement, &trained, &judged);
    the_next_verdict_costs_more(&world, &job, &trained);

    // With the job all of it goes, files too.
    service.expect(service.delete(&format!("/v1/jobs/{job}")), 204);
    assert_eq!(service.get(&judgement).send().unwrap().status(), 404);
    let left = fs::read_dir(world.path("data/objects/judgements")).unwrap().flatten();
    let left: usize = left.map(|folder| fs::read_dir(folder.path()).unwrap().count()).sum();
    assert_eq!(left, 0);
}

/// The same predictions, as files.
fn at_home_the_verdict_is_the_same(
    world: &World,
    job: &str,
    judgement: &str,
    trained: &[(String, Vec<f64>, Vec<f64>)],
    judged: &Value,
) {
    let [table, results, arms] = ["clicks.csv", "results", "arms"].map(|name| world.text(name));
    autodenoise_ok(&["download", job, "--server", &world.service.url, "--out", &results]);
    autodenoise_ok(&[&["judge", "arms", &table, &results, "-o", &arms, "--rows"][..], &READING].concat());
    for (name, test, valid) in trained {
        let file = |end: &str| Path::new(&arms).join("predictions").join(format!("{name}.{end}"));
        fs::write(file("csv"), lines(test)).unwrap();
        fs::write(file("valid.csv"), lines(valid)).unwrap();
    }
    for training in judged["trainings"].as_array().unwrap() {
        let rows = training["rows"].as_str().unwrap();
        let handed_out = fs::read(Path::new(&arms).join("rows").join(format!("{rows}.csv.npy"))).unwrap();
        let handed_out: Vec<u64> = npyz::NpyFile::new(&handed_out[..]).unwrap().into_vec().unwrap();
        let ours = world.array::<u32>(judgement, rows).into_iter().map(u64::from);
        assert!(ours.eq(handed_out), "{rows}: the rows are the same");
    }
    let found = autodenoise(&["judge", "verdict", &table, &results, &arms, "--model", "rates of 2026"]);
    assert_eq!(found.status.code(), Some(0), "{}", said(&found));
    assert_eq!(read_json(&Path::new(&arms).join("report.json"))["certification"], judged["certification"]);
}

/// Another judgement of the same predictions reads the test rows once more.
fn the_next_verdict_costs_more(world: &World, job: &str, trained: &[(String, Vec<f64>, Vec<f64>)]) {
    let service = &world.service;
    let (_, usual) = world.open(job, &json!({"model": "again"}));
    assert_eq!((&usual["certify"]["seeds"], &usual["seeds_needed"]), (&json!(8), &json!(8)), "{usual:#}");
    let (again, view) = world.open(job, &json!({"model": "again", "certify": {"seeds": 5}}));
    assert_eq!(view["seeds_needed"], 8);
    for (name, test, valid) in trained {
        world.put(&again, name, "test", lines(test), 200);
        // Predictions of the validation rows count if every training has them.
        if name.starts_with("full") {
            world.put(&again, name, "valid", lines(valid), 200);
        }
    }
    let verdict = format!("{again}/verdict");
    let partial = service.expect(service.post(&verdict), 409);
    assert!(partial["detail"].as_str().unwrap().contains("missing from 10 trainings"), "{partial}");
    for (name, _, valid) in trained {
        world.put(&again, name, "valid", lines(valid), 200);
    }
    service.expect(service.post(&verdict), 202);
    let judged = world.wait(&again, "judged");
    assert_eq!((&judged["verdict"], &judged["test_read"]["number"]), (&json!("inconclusive"), &json!(2)), "{judged:#}");
    let listed = service.expect(service.get(&format!("/v1/jobs/{job}/judgements")), 200);
    let statuses: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, ["judged", "open", "judged"]);
}

#[test]
fn on_a_clean_table_nothing_is_certified() {
    let world = World::new(&[]);
    let service = &world.service;
    // A method that drops good rows.
    let options = json!({"retrain_max_epoch": 1, "batch_size": 512, "select_ratio": 0.8});
    let job = world.run(json!({"name": "random_drop", "backbone": "fm", "options": options}));
    let (judgement, view) = world.open(&job, &json!({"model": "rates"}));
    world.train_all(&judgement, &view);
    service.expect(service.post(&format!("{judgement}/verdict")), 202);
    let judged = world.wait(&judgement, "judged");
    assert!(["not_better", "inconclusive"].contains(&judged["verdict"].as_str().unwrap()), "{judged:#}");

    // A method that changed nothing: there is nothing to train, and no test label is read.
    let options = json!({"retrain_max_epoch": 1, "batch_size": 512, "select_ratio": 1.0});
    let job = world.run(json!({"name": "random_drop", "backbone": "fm", "options": options}));
    let (judgement, view) = world.open(&job, &json!({"model": "rates"}));
    assert_eq!(view["trainings"], json!([]));
    service.expect(service.post(&format!("{judgement}/verdict")), 202);
    let judged = world.wait(&judgement, "judged");
    assert_eq!((&judged["verdict"], &judged["test_read"]), (&json!("not_better"), &Value::Null), "{judged:#}");
}

#[test]
fn what_cannot_be_judged_is_refused_or_fails_with_its_reason() {
    let world = World::new(&[]);
    let service = &world.service;
    let options = json!({"retrain_max_epoch": 1, "batch_size": 512, "select_ratio": 0.8});
    let job = world.run(json!({"name": "random_drop", "backbone": "fm", "options": options}));
    let address = format!("/v1/jobs/{job}/judgements");
    let refused = |spec: Value| service.expect(service.post(&address).json(&spec), 422)["errors"][0]["pointer"].clone();
    assert_eq!(refused(json!({"model": ""})), "/model");
    assert_eq!(refused(json!({"model": "two\nlines"})), "/model");
    assert_eq!(refused(json!({"model": "m", "certify": {"seeds": 1}})), "/certify/seeds");
    assert_eq!(refused(json!({"model": "m", "certify": {"reselect": true}})), "/certify/reselect");
    assert_eq!(refused(json!({"model": "m", "certify": {"trusted": "panel = 1"}})), "/certify/trusted");
    let missing = format!("/v1/jobs/job_{}/judgements", "0".repeat(32));
    service.expect(service.post(&missing).json(&json!({"model": "m"})), 404);

    // Known only once the table is read.
    let trusted = json!({"model": "m", "certify": {"trusted": "timestamp = 3"}});
    let made = service.expect(service.post(&address).json(&trusted), 201);
    let failed = world.wait(&format!("{address}/{}", made["id"].as_str().unwrap()), "failed");
    assert!(failed["error"].as_str().unwrap().contains("no test row is trusted"), "{failed:#}");
    // With labels that can be trusted there is something to train.
    let (judgement, view) = world.open(&job, &json!({"model": "m", "certify": {"trusted": "device = tablet"}}));
    assert_eq!(view["certify"]["trusted"], "device = tablet");
    world.train_all(&judgement, &view);

    // A model that does not use the seed.
    let (seedless, view) = world.open(&job, &json!({"model": "m"}));
    let trained = world.train_all(&seedless, &view);
    let (_, test, _) = trained.iter().find(|(name, ..)| name == "full-42").unwrap();
    world.put(&seedless, "full-43", "test", lines(test), 200);
    service.expect(service.post(&format!("{seedless}/verdict")), 202);
    let failed = world.wait(&seedless, "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("the models of seeds 42 and 43 (all rows) are the same"),
        "{failed:#}"
    );

    // Without the dataset nobody has the labels any more; the verdict is not counted.
    service.expect(service.delete(&format!("/v1/datasets/{}", world.dataset)), 204);
    let gone = service.expect(service.post(&format!("{judgement}/verdict")), 409);
    assert!(gone["detail"].as_str().unwrap().contains("and with it the labels"), "{gone}");
    service.expect(service.post(&address).json(&json!({"model": "m"})), 409);
    service.expect(service.delete(&judgement), 204);
    assert_eq!(service.get(&judgement).send().unwrap().status(), 404);
}

/// Commands of the section "Over REST" of `docs/judge.md`.
fn printed_commands() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/judge.md")).unwrap();
    let section = page.split("## Over REST").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().filter(|line| line.starts_with("curl ")).map(ToOwned::to_owned).collect()
}

#[test]
fn the_printed_commands_lead_to_a_verdict() {
    let world = World::new(&[]);
    let options = json!({"retrain_max_epoch": 1, "batch_size": 512, "select_ratio": 0.8});
    let job = world.run(json!({"name": "random_drop", "backbone": "fm", "options": options}));
    let commands = printed_commands();
    assert_eq!(commands.len(), 9);
    let mut judgement = String::new();
    for command in commands {
        let address = format!("/v1/jobs/{job}/judgements/{judgement}");
        if command.contains("/verdict") {
            // The others are trained in the same way.
            world.train_all(&address, &world.wait(&address, "open"));
        }
        let line = command.replace("http://127.0.0.1:8080", &world.service.url).replace("job_…", &job);
        let line = line.replace("jdg_…", &judgement);
        let output = Command::new("bash").args(["-c", &line]).current_dir(world.path("")).output().unwrap();
        assert!(output.status.success(), "{line}: {}", said(&output));
        if command.contains("--json") {
            let made: Value = serde_json::from_slice(&output.stdout).unwrap();
            judgement = made["id"].as_str().unwrap().to_owned();
            let view = world.wait(&format!("/v1/jobs/{job}/judgements/{judgement}"), "open");
            let address = format!("/v1/jobs/{job}/judgements/{judgement}");
            for (file, rows) in [("full-42.csv", "test"), ("full-42.valid.csv", "valid")] {
                let predictions = world.predict(&address, &view["trainings"][0], rows);
                fs::write(world.path(file), lines(&predictions)).unwrap();
            }
        }
        if command.contains("/verdict") {
            world.wait(&address, "judged");
        }
    }
    for file in ["full.npy", "test.npy", "report.html"] {
        assert!(fs::metadata(world.path(file)).unwrap().len() > 100, "{file} was saved");
    }
}
