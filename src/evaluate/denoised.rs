//! The uploaded table without the dropped rows, and with what the others are trained on.

use crate::ingest::RowChanges;
use crate::types::LabelColumns;
use std::path::Path;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub struct DenoisedWriter<'a> {
    /// For example `denoised.csv.gz`.
    pub file_name: String,
    pub media_type: String,
    /// Writes the table, and tells the columns that were added to it.
    #[allow(clippy::type_complexity, reason = "a function of two arguments")]
    pub write: &'a dyn Fn(RowChanges, &Path) -> Result<Option<LabelColumns>, BoxError>,
}
