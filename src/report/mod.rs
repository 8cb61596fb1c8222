//! What a finished job came to, for people: in a sentence with what to do next ([`Summary`]), and as one page
//! ([`report_page`]) with everything in it, which needs no network. The rows it shows are those of the artifact
//! `explanations` ([`ExplainedRow`]).

mod charts;
mod explained;
mod meaning;
mod page;
mod summary;
mod words;

pub use explained::{EXPLANATIONS, ExplainedRow, ReadRowsError, RowCell, ShownRows, read_rows, read_shown_rows};
pub use meaning::explain_finding;
pub use page::{Heading, PAGE, SAMPLE_ROWS, SHOWN_ROWS, describe_evidence, report_page};
pub use summary::Summary;
pub use words::{number, times};
