//! `denoise --plan`: the table is read, a training is timed, and nothing else is run.

use super::{calibration::calibrate, denoise::all_cores, error::CliError, reading, view::JobView};
use crate::{
    ingest::Dataset,
    plan::make_plan,
    types::{DatasetFacts, DatasetSpec, JobSpec, Plan, TableSource, TestRead},
};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

/// Where and how the plan is made.
pub struct PlanArgs<'a> {
    pub work_dir: &'a Path,
    /// Absent: all cores.
    pub threads: Option<u16>,
    /// Verdicts that there were on the table's test rows before.
    pub earlier_reads: u32,
}

/// What the job would take and could show on this table.
pub async fn plan_job(
    view: &JobView,
    source: &TableSource,
    table_spec: &DatasetSpec,
    job_spec: &JobSpec,
    args: PlanArgs<'_>,
    interrupted: Arc<AtomicBool>,
) -> Result<Plan, CliError> {
    let work = reading::work_folder(args.work_dir)?;
    let dataset_dir = work.path().join("dataset");
    let ingested = reading::read_table(view, source, table_spec, &dataset_dir, interrupted).await?;
    view.finish();
    let facts = DatasetFacts::new(Some(&ingested.profile), Some(&ingested.feature_map));
    let spec = job_spec.resolve(&facts).map_err(CliError::invalid_spec)?;
    let test_read = spec.certify.as_ref().map(|certify| TestRead::new(args.earlier_reads + 1, certify.alpha));
    let dataset = Dataset::open(&dataset_dir).map_err(CliError::failed)?;
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let pace = calibrate(&dataset, &spec, threads);
    Ok(make_plan(spec, &ingested.profile, &ingested.feature_map, pace.as_ref(), test_read, threads))
}
