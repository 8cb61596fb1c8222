//! The paper's tables made again: which jobs they need, what the pages say of made-up reports, and the case study's rows.

#[path = "reproduce/case_study.rs"]
mod case_study;
#[path = "reproduce/pages.rs"]
mod pages;
#[path = "reproduce/plans.rs"]
mod plans;
#[path = "reproduce/reports.rs"]
mod reports;
#[path = "reproduce/runs.rs"]
mod runs;
