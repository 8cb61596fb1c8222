//! `autodenoise reproduce`: runs the jobs of a table of the paper through the trainer process that `denoise` uses, and
//! writes the page that shows their results beside the numbers the paper prints.

mod args;
mod jobs;

use super::{denoise::cannot_write, error::CliError, reading, runtime, screen, spec_file::SpecFile, view::JobView};
use crate::{
    backbone::write_durably,
    ingest::{Dataset, Ingested},
    reproduce::{self, DatasetSummary, Facts, JobsFolder, Page, PlannedJob, PlannedLine, Settings},
    types::DatasetFacts,
};
pub use args::ReproduceArgs;
use jobs::{Bench, DoneJob};
use serde::Serialize;
use std::{
    io::Write,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

pub fn reproduce(args: ReproduceArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: ReproduceArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let table_spec = args.table.dataset_spec(spec_file.dataset)?;
    let case_user = args.case_user()?;
    let mut settings = args.settings()?;
    // A wrong option is reported before the table is read.
    settings.check().map_err(CliError::invalid_spec)?;
    for job in plan_jobs(&args, &settings).1 {
        job.spec.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    }
    let folder = JobsFolder::open(args.out.join("jobs")).map_err(CliError::failed)?;

    let source = reading::existing_file(&args.file)?;
    let work = reading::work_folder(&args.work_dir)?;
    let dataset_dir = work.path().join("dataset");
    let ingested =
        reading::read_table(&JobView::new(args.verbosity), &(&source).into(), &table_spec, &dataset_dir, interrupted)
            .await?;
    settings.user_item = args.user_item(&ingested);
    let (lines, planned) = plan_jobs(&args, &settings);
    let bench = Bench {
        args: &args,
        folder: &folder,
        source: &source,
        ingested: &ingested,
        dataset_dir: &dataset_dir,
        work: work.path(),
    };
    let dataset = Dataset::open(&dataset_dir).map_err(CliError::failed)?;
    let case = case_user.map(|user| bench.case_user(&dataset, &user)).transpose()?;
    let mut jobs = Vec::new();
    for (number, job) in planned.iter().enumerate() {
        let title = format!("job {} of {}: {}, {}", number + 1, planned.len(), job.title, job.protocol.title());
        jobs.push(bench.finish_job(job, &title).await?);
    }

    let facts = facts(&args, &settings, &source, &ingested, &jobs);
    let failures = jobs.iter().filter(|job| job.outcome.is_err()).count();
    if let Some(case) = case {
        let study = bench.case_study(&case, facts, &jobs)?;
        write_page(&args, &study, &reproduce::case_study_page(&study))?;
    } else {
        let outcome = |line: &PlannedLine, protocol| {
            let spec = line.spec(protocol, &settings);
            &jobs.iter().find(|job| job.planned.spec == spec).expect("every line's job is planned").outcome
        };
        let result = reproduce::reproduction(args.target, &lines, facts, &outcome);
        write_page(&args, &result, &reproduce::page(&result))?;
        result.verdicts.iter().for_each(|verdict| screen::print(verdict));
    }
    let name = args.target.name();
    screen::print(&format!("\nwrote {name}.html, {name}.md and {name}.json to {}", args.out.display()));
    match failures {
        0 => Ok(()),
        n => Err(CliError::job_failed(format!("{n} of {} jobs; the page says why; run again to try them", jobs.len()))),
    }
}

/// The lines of the table or figure, and the jobs they need.
fn plan_jobs(args: &ReproduceArgs, settings: &Settings) -> (Vec<PlannedLine>, Vec<PlannedJob>) {
    let lines = reproduce::lines(args.target, settings);
    let jobs = reproduce::jobs(&lines, &args.protocol, settings);
    (lines, jobs)
}

fn facts(args: &ReproduceArgs, settings: &Settings, source: &Path, ingested: &Ingested, jobs: &[DoneJob]) -> Facts {
    let map = &ingested.feature_map;
    let dataset = DatasetSummary {
        name: args.dataset_name,
        file: source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        label: map.label.clone(),
        rows: map.rows,
        positives: ingested.profile.positives,
        fields: map.fields.iter().map(|field| (field.name.clone(), field.cardinality)).collect(),
        total_cardinality: map.total_cardinality,
        digest: ingested.profile.digest.clone(),
    };
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dataset,
        protocols: args.protocol.clone(),
        preset: settings.preset,
        tuning: settings.tuning.clone(),
        options: settings.options.clone(),
        seeds: (0..u64::from(settings.seeds)).map(|number| settings.seed + number).collect(),
        jobs: jobs.iter().map(DoneJob::facts).collect(),
    }
}

/// Writes the page in its three forms.
fn write_page(args: &ReproduceArgs, data: &impl Serialize, page: &Page) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(data).map_err(CliError::failed)? + "\n";
    for (end, text) in [("md", reproduce::markdown(page)), ("html", reproduce::html(page)), ("json", json)] {
        let path = args.out.join(format!("{}.{end}", args.target.name()));
        write_durably(&path, |file| file.write_all(text.as_bytes())).map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(())
}
