//! Raw public datasets into tables that `ingest` reads (spec `datasets.md`): the rows as CSV, and the `DatasetSpec`
//! that says what in them is the label, what the models see, and how they are split.
//!
//! A raw dataset is sorted by user or by movie. The method trains on the rows in their order, batch by batch, and rows of
//! one user after the other would make poor batches. So the table is in random order, as the authors' files are, unless the
//! raw order is asked for.

mod authors;
mod error;
mod imported;
mod kuairec;
mod movielens;
mod netflix;
mod options;
mod raw;
mod spill;
mod table;

pub use authors::AuthorsFiles;
pub use error::{BadLine, ImportError};
pub use imported::{Density, Imported};
pub use kuairec::KuaiRec;
pub use movielens::MovieLens1m;
pub use netflix::Netflix;
pub use options::ImportOptions;
pub use table::Tick;

use std::path::Path;

/// Rows that the authors' Netflix data must have had, by their density: 0.02 % of 480,189 x 17,770 pairs.
pub const NETFLIX_SAMPLE_ROWS: u64 = 1_706_592;

/// A raw dataset, and what is wanted of it.
#[derive(Debug, Clone)]
pub enum RawDataset {
    MovieLens1m(MovieLens1m),
    KuaiRec(KuaiRec),
    Netflix(Netflix),
    Authors(AuthorsFiles),
}

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
