//! `autodenoise judge verdict`: from the predictions of models that were trained elsewhere to a report and its certificate.

use super::inputs::{Inputs, explain_manifest, open_results};
use crate::{
    certificate::{self, describe_job},
    cli::{
        denoise::{cannot_write, sign},
        error::CliError,
        evidence::check_verdict,
        output::place,
        report::{Telling, ToldReport, describe_report},
        runtime,
        view::JobView,
        watch::ShownArgs,
    },
    evaluate::{OutsideError, Predictions, read_rows_to_show},
    judge::{Manifest, ManifestRun, REPORT, put_verdict},
    predictions::{PredictionsError, read_predictions},
    report::{Heading, PAGE, report_page},
    types::{Origin, Split, TableSource},
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

#[derive(Args)]
pub struct VerdictArgs {
    /// The table that was denoised
    table: PathBuf,
    /// Folder of the results, as `denoise --results` or `download` left it
    results: PathBuf,
    /// Folder that `judge arms` wrote, with the predictions in it; report.json, report.html and certificate.json are put there
    arms: PathBuf,
    /// Whose models these are, as the report and the certificate name them
    #[arg(long, value_name = "NAME", default_value = "models trained elsewhere")]
    model: String,
    /// Verdicts that there were on the table's test rows before: each leaves less to err by [default: the job's own, where it
    /// had one]
    #[arg(long, value_name = "N")]
    earlier_reads: Option<u32>,
    /// Key that the certificate is signed with; made where the file is missing [default: a fresh key, which shows that
    /// nothing was changed, but not by whom it was made]
    #[arg(long, env = "AUTODENOISE_SIGNING_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Folder for intermediate files, about the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    shown: ShownArgs,
}

pub(super) fn give_verdict(args: VerdictArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: VerdictArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let results = open_results(&args.results)?;
    let (job, seed) = (results.certificate.job_id, results.report.spec.seed);
    let manifest = Manifest::open(&args.arms, job, seed).map_err(explain_manifest)?;
    manifest.check_files(&args.arms).map_err(explain_manifest)?;
    let view = JobView::new(args.shown.verbosity);
    let inputs = Inputs::read(&view, &args.table, &manifest.dataset, results, &args.work_dir, interrupted).await?;
    view.finish();
    let asked = inputs.check_asked(manifest.certify.clone())?;
    let [tested, valid] = [Split::Test, Split::Valid].map(|split| inputs.dataset.len(split));
    let predictions = read_all(&args.arms, &manifest, tested, valid).map_err(CliError::invalid_predictions)?;
    let mut report = inputs.results.report.clone();
    let mut proof = inputs.begin_proof(&asked)?;
    for (run, predictions) in manifest.runs.iter().zip(&predictions) {
        proof.add(run.run(), predictions).map_err(refuse_predictions)?;
    }
    let reads = proof.reads();
    let own_read = report.certification.as_ref().and_then(|own| own.test_read).map_or(0, |read| read.number);
    let earlier_reads = args.earlier_reads.unwrap_or(own_read);
    let certification = proof.certify(args.model.clone(), report.kept, earlier_reads);
    put_verdict(&mut report, asked, certification, reads);

    let folder = tempfile::tempdir_in(&args.work_dir).map_err(CliError::failed)?;
    let written = folder.path().join(REPORT);
    std::fs::write(&written, serde_json::to_vec_pretty(&report).expect("a report is plain data"))
        .map_err(|error| cannot_write(&written, &error))?;
    let page = folder.path().join(PAGE);
    // Nobody who has only results knows the passes of the search.
    let shown = read_rows_to_show(&args.results, &report).map_err(CliError::failed)?;
    let origin = Origin::of_files(&TableSource::from(&args.table));
    let text = report_page(&report, Heading::new(&origin, &inputs.dataset.profile), &shown, &[]);
    std::fs::write(&page, text).map_err(|error| cannot_write(&page, &error))?;
    let artifacts = inputs.results.digests_with_report(folder.path()).map_err(CliError::failed)?;
    let source = inputs.results.source_digest();
    let certificate = describe_job(job, &report.spec, &report, source, artifacts);
    let envelope = sign(args.signing_key.as_deref(), &certificate)?;
    place(&written, &args.arms.join(REPORT))?;
    place(&page, &args.arms.join(PAGE))?;
    let written = folder.path().join(certificate::FILE);
    std::fs::write(&written, certificate::file_text(&envelope)).map_err(|error| cannot_write(&written, &error))?;
    place(&written, &args.arms.join(certificate::FILE))?;
    let how = Telling::on_stdout(args.shown.verbosity.verbose);
    let files = format!("Files: report.html, report.json and certificate.json in {}", args.arms.display());
    args.shown.json.print(&ToldReport::new(&report), || describe_report(&report, Telling { files: &files, ..how }));
    check_verdict(&report)
}

fn refuse_predictions(error: OutsideError) -> CliError {
    match error {
        OutsideError::SeedIgnored { .. } => CliError::invalid_predictions(error),
        OutsideError::Reading(error) => CliError::failed(error),
    }
}

/// The predictions of every run. Those of validation rows count where all runs have them.
fn read_all(
    folder: &Path,
    manifest: &Manifest,
    tested: usize,
    valid: usize,
) -> Result<Vec<Predictions>, PredictionsError> {
    let recalibrate = manifest.runs.iter().any(|run| folder.join(&run.valid_predictions).exists());
    let read = |run: &ManifestRun| {
        let of_valid = recalibrate.then(|| read_predictions(&folder.join(&run.valid_predictions), valid));
        Ok(Predictions {
            test: read_predictions(&folder.join(&run.predictions), tested)?,
            valid: of_valid.transpose()?,
            seconds: None,
        })
    };
    manifest.runs.iter().map(read).collect()
}
