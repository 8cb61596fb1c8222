//! Raw public datasets into tables that `ingest` reads (spec `datasets.md`): the rows as CSV, and the `DatasetSpec`
//! that says what in them is the label, what the models see, and how they are split.
//!
//! A raw dataset stands sorted by user or by movie. The method walks over the rows in their order, batch by batch, and
//! the authors' files are in random order: so is the table, unless it is asked to keep the raw order.

mod authors;
mod error;
mod kuairec;
mod movielens;
mod netflix;
mod raw;
mod spill;
mod table;

pub use authors::AuthorsFiles;
pub use error::{BadLine, ImportError};
pub use kuairec::KuaiRec;
pub use movielens::MovieLens1m;
pub use netflix::Netflix;

use crate::types::{DatasetSpec, FieldSpec, FileFormat, LabelRule, SplitSpec, Vocabulary};
use spill::Pick;
use std::{ops::ControlFlow, path::Path};
use table::Written;

/// Rows that the authors' Netflix data of density 0.02 % must have had: 0.02 % of 480,189 x 17,770.
pub const NETFLIX_SAMPLE_ROWS: u64 = 1_706_592;

/// A raw dataset, and what is wanted of it.
#[derive(Debug, Clone)]
pub enum RawDataset {
    MovieLens1m(MovieLens1m),
    KuaiRec(KuaiRec),
    Netflix(Netflix),
    Authors(AuthorsFiles),
}

/// How the table is made, whatever the dataset.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Of the order, a sample and a random split.
    pub seed: u64,
    /// Rows in the order of the raw files.
    pub keep_order: bool,
    pub vocabulary: Vocabulary,
}

/// A table that was written, and how it is to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub spec: DatasetSpec,
    pub rows: u64,
    /// Rows with label 1.
    pub positives: u64,
    /// Distinct values of each field, in the order of the spec's.
    pub cardinalities: Vec<(String, u64)>,
    pub densities: Vec<Density>,
}

/// Share of all pairs of a user and an item that are rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// Whose users and items.
    pub of: &'static str,
    pub users: u64,
    pub items: u64,
    pub rows: u64,
}

impl Density {
    pub fn share(&self) -> f64 {
        self.rows as f64 / (self.users as f64 * self.items as f64)
    }
}

/// Called now and then with the rows written so far; can stop the import.
pub type Tick<'t> = &'t mut dyn FnMut(u64) -> ControlFlow<()>;

/// Reads a raw dataset and writes it to `out` as CSV with a header, packed where the name ends in `.zst`. The table
/// appears when it is whole; the first thing wrong with the raw files ends the import.
pub fn import(raw: &RawDataset, options: ImportOptions, out: &Path, tick: Tick) -> Result<Imported, ImportError> {
    match raw {
        RawDataset::MovieLens1m(raw) => raw.import(options, out, tick),
        RawDataset::KuaiRec(raw) => raw.import(options, out, tick),
        RawDataset::Netflix(raw) => raw.import(options, out, tick),
        RawDataset::Authors(raw) => raw.import(options, out, tick),
    }
}

impl ImportOptions {
    /// All rows, or a sample.
    fn pick(self, sample: Option<u64>) -> Pick {
        Pick { sample, shuffle: !self.keep_order, seed: self.seed }
    }

    fn ratio_split(self) -> SplitSpec {
        SplitSpec::Ratio { ratios: RATIOS, seed: self.seed }
    }

    fn time_split(self, column: &str) -> SplitSpec {
        SplitSpec::Time { column: column.to_owned(), ratios: RATIOS }
    }

    /// How the table is to be read.
    fn spec(self, label: &str, fields: &[&str], split: SplitSpec) -> DatasetSpec {
        DatasetSpec {
            format: Some(FileFormat::Csv),
            separator: Some(",".to_owned()),
            fields: Some(fields.iter().map(|field| FieldSpec::Name((*field).to_owned())).collect()),
            split,
            vocabulary: self.vocabulary,
            ..DatasetSpec::with_label(LabelRule::try_from(label.to_owned()).expect("a rule of ours"))
        }
    }
}

/// Shares of train, valid and test (paper, 3.1.1).
const RATIOS: [f64; 3] = [0.8, 0.1, 0.1];

impl Imported {
    fn new(columns: &[String], written: Written, spec: DatasetSpec) -> Self {
        let counted = |field: &FieldSpec| {
            let at = columns.iter().position(|column| column == field.column()).expect("fields are columns");
            (field.column().to_owned(), written.values[at])
        };
        let cardinalities = spec.fields.iter().flatten().map(counted).collect();
        Self { spec, rows: written.rows, positives: written.positives, cardinalities, densities: Vec::new() }
    }

    /// The density of the table's own users and items, where it has both.
    fn with_density(mut self, user: &str, item: &str) -> Self {
        let count = |name: &str| self.cardinalities.iter().find(|(field, _)| field == name).map(|(_, count)| *count);
        if let (Some(users), Some(items)) = (count(user), count(item)) {
            self.densities.push(Density { of: "the table", users, items, rows: self.rows });
        }
        self
    }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}
