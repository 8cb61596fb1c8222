//! The paper's own tables and figures, made from a dataset the user has: which jobs they need, and the page that shows
//! their results beside the numbers the paper prints (spec `autodenoise.md`, section 8).

mod case_study;
mod drawings;
mod facts;
mod folder;
mod html;
mod jobs;
mod layout;
mod markdown;
mod numbers;
mod page;
mod protocol;
mod published;
mod results;
mod settings;
mod target;
mod verdicts;

pub use case_study::{CaseError, CaseFiles, CaseSection, CaseStudy, CaseTable, CaseUser};
pub use facts::{DatasetSummary, Facts, JobFacts};
pub use folder::{FolderError, JobsFolder};
pub use html::html;
pub use jobs::{PlannedJob, PlannedLine, jobs, lines};
pub use layout::{case_study_page, page};
pub use markdown::markdown;
pub use numbers::{Gain, Line, Measured, Spread};
pub use page::{Block, Grid, GridRow, Page};
pub use protocol::Protocol;
pub use published::{CASE_USER, PAPER_BACKBONES, Published};
pub use results::{Outcome, Reproduction, reproduction};
pub use settings::Settings;
pub use target::{DatasetName, Target};
