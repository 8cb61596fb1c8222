//! What a page says about the run that made it: the dataset, the program, the options and the jobs.

use super::{protocol::Protocol, target::DatasetName};
use crate::types::{LabelRule, Preset, ResolvedSpec, SplitCounts, Tuning};
use serde::Serialize;
use serde_json::{Map, Value};

/// A dataset in numbers, without any row of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetSummary {
    pub name: DatasetName,
    /// Name of the file, without its folder.
    pub file: String,
    pub label: LabelRule,
    pub rows: SplitCounts,
    /// Rows with label 1.
    pub positives: SplitCounts,
    /// Name and number of ids of each field.
    pub fields: Vec<(String, u32)>,
    pub total_cardinality: u32,
    pub digest: String,
}

/// What a page says about its run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Of this program.
    pub version: String,
    pub dataset: DatasetSummary,
    pub protocols: Vec<Protocol>,
    pub preset: Preset,
    pub tuning: Tuning,
    /// Options asked for, over the preset's and the protocol's.
    pub options: Map<String, Value>,
    pub seeds: Vec<u64>,
    pub jobs: Vec<JobFacts>,
}

/// A job whose numbers a page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobFacts {
    pub title: String,
    pub protocol: Protocol,
    /// What it was run with; absent where it could not be run.
    pub spec: Option<ResolvedSpec>,
    pub device: String,
    pub engine: String,
    pub threads: usize,
    pub seconds: f64,
    pub test_reads: u64,
    pub warnings: Vec<String>,
    /// Why there are no numbers.
    pub failed: Option<String>,
}

impl Facts {
    /// The seconds of all jobs together.
    pub fn seconds(&self) -> f64 {
        self.jobs.iter().fold(0.0, |sum, job| sum + job.seconds)
    }
}
