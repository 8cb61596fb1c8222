//! From an uploaded table to an encoded dataset, and from a keep mask back to a table.

mod assemble;
mod batch;
mod cell;
mod dataset;
mod delimited;
mod duplicates;
mod encode;
mod error;
mod export;
mod finish;
mod format;
mod jsonl;
mod layout;
mod lines;
mod parquet;
mod pipeline;
mod plan;
mod quantile;
mod rows;
mod source;
mod specials;
mod split;
mod table;
mod vocabulary;

pub use dataset::{Dataset, DatasetError, FORMAT_VERSION, SplitData};
pub use error::{IngestError, InvalidTable};
pub(crate) use error::{ReadError, shown};
pub use export::{ExportCounts, write_denoised};
pub use format::{SNIFF_BYTES, resolve_format};
pub(crate) use lines::Lines;
pub use pipeline::{IngestLimits, IngestProgress, Ingested, ingest};
pub use rows::{SourceRows, rows_where};
pub use split::Permutation;
pub(crate) use split::mix;
