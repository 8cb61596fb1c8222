//! Runs the jobs, or reads the reports of those that an earlier run of the command finished.

use super::args::ReproduceArgs;
use crate::{
    backbone::start_threads,
    cli::{
        denoise::{Trained, find_trainer, train, trainer_job},
        error::CliError,
        view::JobView,
    },
    ingest::{Dataset, Ingested},
    reproduce::{CaseFiles, CaseStudy, CaseUser, Facts, JobFacts, JobsFolder, Outcome, PlannedJob, Target},
    types::{DatasetFacts, ResolvedSpec},
};
use std::path::Path;

/// A job, and what became of it.
pub struct DoneJob {
    pub planned: PlannedJob,
    pub spec: Option<ResolvedSpec>,
    pub outcome: Outcome,
}

/// What the jobs are run on, and where they are kept.
pub struct Bench<'a> {
    pub args: &'a ReproduceArgs,
    pub folder: &'a JobsFolder,
    pub source: &'a Path,
    pub ingested: &'a Ingested,
    pub dataset_dir: &'a Path,
    /// For intermediate files.
    pub work: &'a Path,
}

/// The files of a job that the case study reads.
const SCORES: &str = "scores.parquet";
const MODEL: &str = "model.safetensors";
const REFERENCE: &str = "reference_model.safetensors";

impl Bench<'_> {
    /// The files that a job must leave.
    fn kept_files(&self) -> &'static [&'static str] {
        if self.args.target == Target::CaseStudy { &[SCORES, MODEL, REFERENCE] } else { &[] }
    }

    /// The job's report, from an earlier run or a new one. Where the job fails, the reason is its outcome.
    pub async fn finish_job(&self, job: &PlannedJob, title: &str) -> Result<DoneJob, CliError> {
        let mut view = JobView::new(self.args.verbosity);
        let facts = DatasetFacts::new(Some(&self.ingested.profile), Some(&self.ingested.feature_map));
        let spec = match job.spec.resolve(&facts) {
            Ok(spec) => spec,
            Err(errors) => {
                let reason = CliError::invalid_spec(errors).to_string();
                view.print_line(&format!("{title}: {reason}"));
                return Ok(DoneJob { planned: job.clone(), spec: None, outcome: Err(reason) });
            }
        };
        let outcome = match self.folder.find_report(&job.name, &spec, self.kept_files()) {
            Some(report) => {
                view.print_line(&format!("{title}: finished before"));
                Ok(Box::new(report))
            }
            None => {
                view.print_line(title);
                self.run_job(&mut view, job, spec.clone()).await?
            }
        };
        Ok(DoneJob { planned: job.clone(), spec: Some(spec), outcome })
    }

    async fn run_job(&self, view: &mut JobView, job: &PlannedJob, spec: ResolvedSpec) -> Result<Outcome, CliError> {
        let out = tempfile::tempdir_in(self.work).map_err(CliError::failed)?;
        let (dataset_dir, source) = (self.dataset_dir.to_owned(), self.source.to_owned());
        let source_spec = self.ingested.spec.clone();
        let job_to_run = trainer_job(spec, dataset_dir, source, source_spec, out.path().to_owned(), self.args.threads);
        let trained = match find_trainer(&job_to_run.spec) {
            Ok(trainer) => train(view, trainer, &job_to_run, None).await,
            Err(error) => Err(error),
        };
        match trained {
            Ok(Trained { report, .. }) => {
                self.folder.store_job(&job.name, &report, out.path(), self.kept_files()).map_err(CliError::failed)?;
                Ok(Ok(Box::new(report)))
            }
            Err(error) => {
                view.print_line(&error.to_string());
                Ok(Err(error.to_string()))
            }
        }
    }

    /// The user of the case study, and the rows to show. Read before anything is trained, so that a wrong user is reported at
    /// once.
    pub fn case_user<'d>(&self, dataset: &'d Dataset, user: &str) -> Result<CaseUser<'d>, CliError> {
        let column = self
            .args
            .user_column(self.ingested)
            .ok_or_else(|| CliError::usage("--user-column is needed: the column that names the user"))?;
        let (name, show) = (self.args.dataset_name, self.args.show.as_deref());
        CaseUser::read(dataset, self.source, &self.ingested.spec, (&column, user), name, show).map_err(CliError::failed)
    }

    /// The tables of the case study, from every job that ended well.
    pub fn case_study(&self, case: &CaseUser, facts: Facts, jobs: &[DoneJob]) -> Result<CaseStudy, CliError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        start_threads(self.args.threads.map_or(cores, usize::from)).map_err(CliError::failed)?;
        let mut sections = Vec::new();
        for job in jobs {
            let (Some(spec), Ok(_)) = (&job.spec, &job.outcome) else { continue };
            let kept = |file| self.folder.kept_file(&job.planned.name, spec, file);
            let files = CaseFiles { scores: kept(SCORES), model: kept(MODEL), reference: kept(REFERENCE) };
            sections.push(case.build_section(job.planned.protocol, spec, &files).map_err(CliError::failed)?);
        }
        Ok(case.study(facts, sections))
    }
}

impl DoneJob {
    pub fn facts(&self) -> JobFacts {
        let report = self.outcome.as_ref().ok();
        JobFacts {
            title: self.planned.title.clone(),
            protocol: self.planned.protocol,
            spec: self.spec.clone(),
            device: report.map(|report| report.device.clone()).unwrap_or_default(),
            engine: report.map(|report| report.engine.clone()).unwrap_or_default(),
            threads: report.map_or(0, |report| report.threads),
            seconds: report.map_or(0.0, |report| report.seconds),
            test_reads: report.map_or(0, |report| report.test_reads),
            warnings: report
                .into_iter()
                .flat_map(|report| &report.warnings)
                .map(|warning| warning.message.clone())
                .collect(),
            failed: self.outcome.as_ref().err().cloned(),
        }
    }
}
