//! The case study (paper, 3.6, tables 4 and 5): the rows of one user, which of them are dropped, and what two models
//! predict for the test rows: the one trained on all rows, and the one trained on the kept rows.

use super::{
    facts::Facts,
    protocol::Protocol,
    published::{CASE_TEST, CASE_TRAIN, CASE_USER, CaseRow, case_row},
    target::DatasetName,
};
use crate::backbone::{
    BackboneConfig, ConfigError, EngineError, Engines, ModelKey, OptimizerConfig, Rows, TensorFile, WeightsError,
};
use crate::ingest::{Dataset, IngestError, SourceRows, SplitData, rows_where};
use crate::metrics::sigmoid;
use crate::types::{DatasetSpec, Device, Engine, ResolvedSpec, Split, SplitSpec};
use arrow_array::{BooleanArray, Float32Array, RecordBatch, UInt64Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

/// The rows of one user, by each protocol.
#[derive(Debug, Clone, Serialize)]
pub struct CaseStudy {
    pub facts: Facts,
    pub user_column: String,
    pub user: String,
    pub sections: Vec<CaseSection>,
}

/// Both tables by one protocol.
#[derive(Debug, Clone, Serialize)]
pub struct CaseSection {
    pub protocol: Protocol,
    pub train: CaseTable,
    pub test: CaseTable,
    /// How many of the user's training rows were kept.
    pub kept: usize,
}

/// A table of text; the first `words` columns are words, the others numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseTable {
    pub header: Vec<String>,
    #[serde(skip)]
    pub words: usize,
    pub rows: Vec<Vec<String>>,
}

impl CaseSection {
    pub(super) fn train_words(&self) -> String {
        format!(
            "{} of {} training rows of this user were kept. The likeliest to be dropped come first.",
            self.kept,
            self.train.rows.len()
        )
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("no row of the table has {column} = {user}; name another user with --case-user")]
    NoSuchUser { column: String, user: String },
    #[error("there is no column `{0}` to show; there are {1}")]
    NoSuchColumn(String, String),
    #[error("cannot read `{}`: {reason}", path.display())]
    Scores { path: PathBuf, reason: String },
    #[error(transparent)]
    Source(#[from] IngestError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// One user of a dataset, and which columns of the rows are shown.
pub struct CaseUser<'d> {
    dataset: &'d Dataset,
    column: String,
    user: String,
    rows: SourceRows,
    /// Positions of the columns shown.
    shown: Vec<usize>,
    /// Position of the column of titles, where the paper names this user's rows.
    title: Option<usize>,
}

/// The files that the job of a protocol left.
pub struct CaseFiles {
    pub scores: PathBuf,
    /// Trained on the kept rows, and on all.
    pub model: PathBuf,
    pub reference: PathBuf,
}

impl<'d> CaseUser<'d> {
    /// Finds the user's rows in the table. Shows the columns named, or else all that differ among the rows.
    pub fn read(
        dataset: &'d Dataset,
        source: &Path,
        spec: &DatasetSpec,
        (column, user): (&str, &str),
        name: DatasetName,
        show: Option<&[String]>,
    ) -> Result<Self, CaseError> {
        let rows = rows_where(source, spec, column, user)?;
        if rows.rows.is_empty() {
            return Err(CaseError::NoSuchUser { column: column.to_owned(), user: user.to_owned() });
        }
        let place = |name: &str| rows.columns.iter().position(|column| column == name);
        let shown = match show {
            Some(names) => {
                let found = names.iter().map(|name| {
                    place(name).ok_or_else(|| CaseError::NoSuchColumn(name.clone(), rows.columns.join(", ")))
                });
                found.collect::<Result<_, _>>()?
            }
            None => {
                let split = match &spec.split {
                    SplitSpec::Column(column) => place(column),
                    _ => None,
                };
                // The label has a column of its own.
                let label = place(&spec.label.column).filter(|_| spec.label.rule.is_none());
                let differs = |at: &usize| rows.rows.iter().any(|(_, cells)| cells.get(*at) != rows.rows[0].1.get(*at));
                (0..rows.columns.len()).filter(|at| Some(*at) != split && Some(*at) != label && differs(at)).collect()
            }
        };
        let title = place("title").filter(|_| name == DatasetName::Ml1m && user == CASE_USER);
        Ok(Self { dataset, column: column.to_owned(), user: user.to_owned(), rows, shown, title })
    }

    /// Makes both tables from the files of a job.
    pub fn build_section(
        &self,
        protocol: Protocol,
        spec: &ResolvedSpec,
        files: &CaseFiles,
    ) -> Result<CaseSection, CaseError> {
        let scores = read_scores(&files.scores, |row| self.cells(row).is_some())?;
        let train = self.rows_of_split(Split::Train);
        let mut scored: Vec<(f32, bool, &OwnRow)> = train
            .iter()
            .filter_map(|row| scores.get(&row.row).map(|(probability, kept)| (*probability, *kept, row)))
            .collect();
        scored
            .sort_by(|a, b| (a.1, a.0, a.2.row).partial_cmp(&(b.1, b.0, b.2.row)).expect("probabilities are numbers"));
        let kept = scored.iter().filter(|(_, kept, _)| *kept).count();
        let train_rows = scored.iter().map(|(probability, kept, row)| {
            let own = [if *kept { "yes" } else { "no" }.to_owned(), format_probability(*probability)];
            self.table_row(row, &CASE_TRAIN, &own)
        });
        let train_rows = train_rows.collect();

        let test = self.rows_of_split(Split::Test);
        let all = self.predict(spec, &files.reference, &test)?;
        let denoised = self.predict(spec, &files.model, &test)?;
        let test_rows = test.iter().zip(all.iter().zip(&denoised)).map(|(row, (all, denoised))| {
            self.table_row(row, &CASE_TEST, &[format!("{all:.4}"), format!("{denoised:.4}")])
        });
        let test_rows = test_rows.collect();
        Ok(CaseSection {
            protocol,
            train: self.table(&["kept", "keep probability"], train_rows),
            test: self.table(&["all rows", "kept rows"], test_rows),
            kept,
        })
    }

    /// The case study with these sections.
    pub fn study(&self, facts: Facts, sections: Vec<CaseSection>) -> CaseStudy {
        CaseStudy { facts, user_column: self.column.clone(), user: self.user.clone(), sections }
    }

    fn cells(&self, row: u32) -> Option<&[String]> {
        let at = self.rows.rows.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(&self.rows.rows[at].1)
    }

    /// The user's rows of a split, in file order.
    fn rows_of_split(&self, split: Split) -> Vec<OwnRow> {
        let data = self.dataset.split(split);
        let own = self.rows.rows.iter().filter_map(|(row, _)| {
            let position = data.rows.binary_search(row).ok()?;
            Some(OwnRow { row: *row, position, label: data.labels[position] })
        });
        own.collect()
    }

    /// Chances of label 1 by the model of a file.
    fn predict(&self, spec: &ResolvedSpec, weights: &Path, rows: &[OwnRow]) -> Result<Vec<f32>, CaseError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let fields = self.dataset.fields();
        let data = self.dataset.split(Split::Test);
        let ids: Vec<i32> = rows.iter().flat_map(|row| &data.ids[row.position * fields..][..fields]).copied().collect();
        let labels: Vec<u8> = rows.iter().map(|row| row.label).collect();
        let positions: Vec<u32> = rows.iter().map(|row| row.row).collect();
        let own = Rows::new(SplitData { ids: &ids, labels: &labels, rows: &positions }, fields);
        let (method, options) = (&spec.method, &spec.method.options);
        let config = BackboneConfig::new(method.backbone, &self.dataset.feature_map, options)?;
        let optimizer = OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay };
        // The initial weights do not matter: they are replaced at once.
        let key = ModelKey { seed: spec.seed, init: [0, 0], run: [0, 0] };
        let mut model =
            Engines::fused(Engine::Auto, Device::Cpu)?.for_model(method.backbone)?.model(&config, &[key], optimizer);
        model.load_weights(&TensorFile::read(weights)?)?;
        Ok(model.predict(&own).into_iter().map(sigmoid).collect())
    }

    fn table(&self, own: &[&str], rows: Vec<Vec<String>>) -> CaseTable {
        let shown = self.shown.iter().map(|at| self.rows.columns[*at].as_str());
        let paper = self.title.map(|_| "paper");
        let header = shown.chain(["label"]).chain(own.iter().copied()).chain(paper);
        CaseTable { header: header.map(str::to_owned).collect(), words: self.shown.len(), rows }
    }

    fn table_row(&self, row: &OwnRow, paper: &[CaseRow], own: &[String]) -> Vec<String> {
        let cells = self.cells(row.row).unwrap_or_default();
        let shown = self.shown.iter().map(|at| cells.get(*at).cloned().unwrap_or_default());
        let said = self.title.map(|at| {
            let title = cells.get(at).map_or("", String::as_str);
            case_row(paper, title).unwrap_or_default().to_owned()
        });
        shown.chain([row.label.to_string()]).chain(own.iter().cloned()).chain(said).collect()
    }
}

/// A row of the user.
struct OwnRow {
    /// Position in the file.
    row: u32,
    /// Position in its split.
    position: usize,
    label: u8,
}

/// Score and choice of the rows asked for, from `scores.parquet`.
fn read_scores(path: &Path, wanted: impl Fn(u32) -> bool) -> Result<HashMap<u32, (f32, bool)>, CaseError> {
    let failed = |reason: String| CaseError::Scores { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let mut scores = HashMap::new();
    for batch in reader.map_err(|error| failed(error.to_string()))? {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        let columns = score_columns(&batch).ok_or_else(|| failed("not row, score and kept".to_owned()))?;
        let (rows, values, kept) = columns;
        for at in 0..batch.num_rows() {
            let row = rows.value(at) as u32;
            if wanted(row) {
                scores.insert(row, (values.value(at), kept.value(at)));
            }
        }
    }
    Ok(scores)
}

fn score_columns(batch: &RecordBatch) -> Option<(&UInt64Array, &Float32Array, &BooleanArray)> {
    let [rows, values, kept] = batch.columns() else { return None };
    Some((rows.as_any().downcast_ref()?, values.as_any().downcast_ref()?, kept.as_any().downcast_ref()?))
}

/// With enough digits to tell rows apart where a policy has drifted towards 0.
fn format_probability(probability: f32) -> String {
    if probability < 1e-3 { format!("{probability:.1e}") } else { format!("{probability:.4}") }
}
