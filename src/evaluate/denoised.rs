//! The uploaded table without the dropped rows.

use std::path::Path;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Tells whether a row of the uploaded file is left out.
pub type Dropped<'a> = dyn Fn(u32) -> bool + 'a;

pub struct DenoisedWriter<'a> {
    /// For example `denoised.csv.gz`.
    pub file_name: String,
    pub media_type: String,
    #[allow(clippy::type_complexity, reason = "a function of two arguments")]
    pub write: &'a dyn Fn(&Dropped, &Path) -> Result<(), BoxError>,
}
