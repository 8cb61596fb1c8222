//! The rows of one user, from files like those a job leaves.

use super::reports::{facts, settings};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, UInt64Array};
use autodenoise::{
    backbone::{BackboneConfig, Engine, ModelKey, OptimizerConfig, Rows, fused::Fused},
    ingest::{Dataset, IngestLimits, Ingested, ingest},
    metrics::sigmoid,
    reproduce::{
        CaseError, CaseFiles, CaseUser, DatasetName, Protocol, Target, case_study_page, html, jobs, lines, markdown,
    },
    types::{DatasetFacts, ResolvedSpec, Split},
};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use std::{fmt::Write, fs, ops::ControlFlow, path::PathBuf, sync::Arc};
use tempfile::TempDir;

struct World {
    dir: TempDir,
    ingested: Ingested,
    dataset: Dataset,
}

const TITLES: [&str; 4] =
    ["\"Patriot, The (2000)\"", "\"Wizard of Oz, The (1939)\"", "Wonderland (1999)", "Alien (1979)"];

impl World {
    /// 60 rows of three users, one of them the paper's; 5 of 6 train.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "user,title,age,click,split\n".to_owned();
        for row in 0..60 {
            let user = ["5052", "7", "8"][row % 3];
            let split =
                ["train", "train", "train", "train", "train", "train", "train", "train", "valid", "test"][row / 3 % 10];
            writeln!(text, "{user},{},25,{},{split}", TITLES[(row + 3) % 4], row / 2 % 2).unwrap();
        }
        fs::write(dir.path().join("table.csv"), text).unwrap();
        let spec = serde_json::from_value(
            json!({"label": "click", "split": {"column": "split"}, "fields": ["user", "title"], "vocabulary": "all"}),
        );
        let (source, out) = (dir.path().join("table.csv"), dir.path().join("dataset"));
        let go_on = &mut |_| ControlFlow::Continue(());
        let ingested = ingest(&source, &spec.unwrap(), &out, &IngestLimits::default(), go_on).unwrap();
        let dataset = Dataset::open(&out).unwrap();
        Self { dir, ingested, dataset }
    }

    fn user(&self, user: &str, show: Option<&[String]>) -> Result<CaseUser<'_>, CaseError> {
        let source = self.dir.path().join("table.csv");
        CaseUser::read(&self.dataset, &source, &self.ingested.spec, ("user", user), DatasetName::Ml1m, show)
    }

    fn spec(&self) -> ResolvedSpec {
        let settings = settings(1);
        let job = &jobs(&lines(Target::CaseStudy, &settings), &[Protocol::Validation], &settings)[0];
        ResolvedSpec { device: autodenoise::types::Device::Cpu, ..job.spec.resolve(&DatasetFacts::default()).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Untrained weights of number `init`, and the predictions of all test rows by them.
    fn model(&self, spec: &ResolvedSpec, init: u32) -> (PathBuf, Vec<f32>) {
        let options = &spec.method.options;
        let config = BackboneConfig::new(spec.method.backbone, &self.dataset.feature_map, options).unwrap();
        let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: 0.0 };
        let key = ModelKey { seed: 1, init: [init, 0], run: [0, 0] };
        let mut model = Fused.model(&config, &[key], optimizer);
        let path = self.path(&format!("model-{init}"));
        model.weights().write(&path).unwrap();
        let rows = Rows::new(self.dataset.split(Split::Test), self.dataset.fields());
        (path, model.predict(&rows).into_iter().map(sigmoid).collect())
    }

    /// The keep probability falls with the row; the last training rows are dropped.
    fn scores(&self) -> PathBuf {
        let rows = self.dataset.split(Split::Train).rows;
        let kept = |row: &u32| *row < 48;
        let columns: [(&str, ArrayRef); 3] = [
            ("row", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| u64::from(*row))))),
            ("keep_prob", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| 1.0 - *row as f32 / 100.0)))),
            ("kept", Arc::new(BooleanArray::from(rows.iter().map(kept).collect::<Vec<_>>()))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = self.path("scores.parquet");
        let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }
}

#[test]
fn a_users_rows_are_shown_with_what_the_models_make_of_them() {
    let world = World::new();
    let spec = world.spec();
    let (reference, all_rows) = world.model(&spec, 1);
    let (model, kept_rows) = world.model(&spec, 2);
    let user = world.user("5052", None).unwrap();
    let files = CaseFiles { scores: world.scores(), model, reference };
    let section = user.build_section(Protocol::Validation, &spec, &files).unwrap();

    // Rows 0, 3, .. are the user's; 24 and 54 validate, 27 and 57 test.
    assert_eq!(section.train.header, ["title", "label", "kept", "keep probability", "paper"]);
    assert_eq!((section.train.rows.len(), section.kept), (16, 14));
    let first: Vec<_> = section.train.rows[..3].iter().map(|row| (row[2].as_str(), row[3].as_str())).collect();
    assert_eq!(first, [("no", "0.4900"), ("no", "0.5200"), ("yes", "0.5500")], "those dropped come first");
    let wizard = section.train.rows.iter().find(|row| row[0].starts_with("Wizard")).unwrap();
    assert_eq!(wizard[4], "dropped as noise");

    let of_user = [0, 3];
    let tests = world.dataset.split(Split::Test);
    assert!(of_user.map(|at| tests.rows[at]) == [27, 57], "{:?}", tests.rows);
    let shown: Vec<_> = section.test.rows.iter().map(|row| row[2..4].to_vec()).collect();
    let expected = of_user.map(|at| vec![format!("{:.4}", all_rows[at]), format!("{:.4}", kept_rows[at])]);
    assert_eq!(shown, expected);
    assert_ne!(shown[0][0], shown[0][1], "two models");
    assert!(section.test.rows.iter().map(|row| row[1].as_str()).eq(["1", "0"]), "labels of rows 27 and 57");

    let settings = settings(1);
    let study = user.study(facts(&settings, &[Protocol::Validation]), vec![section]);
    let (text, page) = (markdown(&case_study_page(&study)), html(&case_study_page(&study)));
    for part in ["user = 5052", "14 of 16 training rows of this user were kept", "| Wonderland (1999) |", "0.46 / 0.57"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(page.contains("Patriot, The (2000)"));
}

#[test]
fn another_user_has_no_paper_and_a_wrong_one_is_named() {
    let world = World::new();
    let spec = world.spec();
    let ((reference, _), (model, _)) = (world.model(&spec, 1), world.model(&spec, 2));
    let show = ["age".to_owned(), "title".to_owned()];
    let user = world.user("7", Some(&show)).unwrap();
    let files = CaseFiles { scores: world.scores(), model, reference };
    let section = user.build_section(Protocol::Published, &spec, &files).unwrap();
    assert_eq!(section.test.header, ["age", "title", "label", "all rows", "kept rows"]);

    let error = world.user("9", None).err().unwrap().to_string();
    assert_eq!(error, "no row of the table has user = 9; name another user with --case-user");
    let error = world.user("7", Some(&["genre".to_owned()])).err().unwrap().to_string();
    assert_eq!(error, "there is no column `genre` to show; there are user, title, age, click, split");
}
