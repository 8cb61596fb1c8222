//! What both steps of `autodenoise judge` are about: a table, and the results of a job on it.

use crate::{
    cli::{error::CliError, inputs::open_table, reading, spec_file::SpecFile, view::JobView},
    evaluate::OutsideProof,
    ingest::{Dataset, Ingested, column_reader},
    judge::{JobResults, JobResultsError, ManifestError},
    types::{Certify, DatasetFacts, DatasetId, DatasetSpec, JobSpec, TableSource},
};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};
use tempfile::TempDir;

/// The results, the table that they are of, and what was read of it.
pub(super) struct Inputs {
    pub results: JobResults,
    pub source: TableSource,
    pub ingested: Ingested,
    pub dataset: Dataset,
    /// Of the encoded dataset, and of what the table was copied to; gone with the value.
    _folder: TempDir,
}

impl Inputs {
    /// Reads the table; it must be the one that the results came from, read in the same way.
    pub async fn read(
        view: &JobView,
        table: &Path,
        spec: &DatasetSpec,
        results: JobResults,
        work_dir: &Path,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self, CliError> {
        let folder = reading::work_folder(work_dir)?;
        let source = open_table(view, table, folder.path()).await?;
        results.check_source(&source).map_err(explain_results)?;
        let dataset_dir = folder.path().join("dataset");
        let ingested = reading::read_table(view, &source, spec, &dataset_dir, interrupted).await?;
        results.check_dataset(&ingested.profile.digest).map_err(explain_results)?;
        let dataset = Dataset::open(&dataset_dir).map_err(CliError::failed)?;
        Ok(Self { results, source, ingested, dataset, _folder: folder })
    }

    /// A proof of the job's choice.
    pub fn begin_proof<'a>(&'a self, asked: &'a Certify) -> Result<OutsideProof<'a>, CliError> {
        let read_column = column_reader(&self.source, &self.ingested.spec);
        OutsideProof::new(&self.dataset, &self.results.report.spec, asked, &*read_column).map_err(CliError::failed)
    }

    /// What is asked of the verdict, where it can be shown on the table.
    pub fn check_asked(&self, asked: Certify) -> Result<Certify, CliError> {
        let spec = SpecFile::default().job_spec(DatasetId::new());
        let spec = JobSpec { certify: Some(asked.clone()), seed: self.results.report.spec.seed, ..spec };
        let facts = DatasetFacts::new(Some(&self.ingested.profile), Some(&self.ingested.feature_map));
        spec.resolve(&facts).map_err(CliError::invalid_spec)?;
        self.begin_proof(&asked)?;
        Ok(asked)
    }
}

/// Reads the results in a folder.
pub(super) fn open_results(folder: &Path) -> Result<JobResults, CliError> {
    JobResults::open(folder).map_err(explain_results)
}

fn explain_results(error: JobResultsError) -> CliError {
    if error.is_mismatch() { CliError::not_verified(error) } else { CliError::failed_because(error) }
}

pub(super) fn explain_manifest(error: ManifestError) -> CliError {
    if error.is_mismatch() { CliError::not_verified(error) } else { CliError::failed_because(error) }
}
