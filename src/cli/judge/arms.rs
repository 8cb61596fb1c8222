//! `autodenoise judge arms`: the tables that models are to be trained on elsewhere.

use super::inputs::{Inputs, open_results};
use crate::{
    certificate,
    cli::{
        denoise::cannot_write, error::CliError, evidence::CertifyArgs, options::TableArgs, runtime,
        spec_file::SpecFile, view::JobView,
    },
    evaluate::{changes_rows, list_outside_runs, read_choice},
    judge::{JudgedTable, Manifest, ManifestRun},
    types::{ArtifactDigest, DatasetId, Verdict},
};
use clap::Args;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

#[derive(Args)]
pub struct ArmsArgs {
    /// The table that was denoised
    table: PathBuf,
    /// Folder of the results, as `denoise --results` or `download` left it
    results: PathBuf,
    /// Folder to write to, which must not be there yet: manifest.json, which says what is to be trained on what, the tables,
    /// and `predictions`, a folder for what the models predict. The test rows are without their labels
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// JSON file with `dataset`, a dataset's spec, and `certify`; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for intermediate files, about the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    certify: CertifyArgs,
    #[command(flatten)]
    reading: TableArgs,
}

pub(super) fn write_arms(args: ArmsArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: ArmsArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let results = open_results(&args.results)?;
    // What the job proved is proved again, unless something else is asked for.
    let mut asked = spec_file.job_spec(DatasetId::new());
    asked.certify = asked.certify.or(results.report.spec.certify.clone());
    args.certify.apply(&mut asked, true);
    let table_spec = args.reading.dataset_spec(spec_file.dataset)?;
    let view = JobView::new();
    let inputs = Inputs::read(&view, &args.table, &table_spec, results, &args.work_dir, interrupted).await?;
    let asked = inputs.check_asked(asked.certify.unwrap_or_default())?;
    let own = read_choice(&args.results, &inputs.dataset).map_err(CliError::failed)?;
    if !changes_rows(&inputs.dataset, &own) {
        view.print_line("the method changed nothing, so there is nothing to train");
        return Err(CliError::not_certified(Verdict::NotBetter));
    }
    let table = JudgedTable { source: &inputs.source, spec: &inputs.ingested.spec, dataset: &inputs.dataset };
    let extension = table.spec.extension();
    let mut manifest = Manifest {
        program: concat!("autodenoise ", env!("CARGO_PKG_VERSION")).to_owned(),
        job_id: inputs.results.certificate.job_id,
        dataset: table.spec.clone(),
        valid: format!("valid.{extension}"),
        test: format!("test.{extension}"),
        runs: list_outside_runs(inputs.results.report.spec.seed, &asked)
            .into_iter()
            .map(|run| ManifestRun::new(run, &extension))
            .collect(),
        certify: asked,
        files: Vec::new(),
    };
    let out = |name: &str| args.out.join(name);
    std::fs::create_dir(&args.out)
        .and_then(|()| std::fs::create_dir(out("predictions")))
        .map_err(|error| cannot_write(&args.out, &error))?;
    table.write_valid(&out(&manifest.valid)).map_err(CliError::failed)?;
    table.write_test(&out(&manifest.test)).map_err(CliError::failed)?;
    let mut names = vec![manifest.valid.clone(), manifest.test.clone()];
    for run in &manifest.runs {
        if !names.contains(&run.train) {
            view.show_waiting(format!("writing {}", run.train));
            table.write_train(&own, run.run(), &out(&run.train)).map_err(CliError::failed)?;
            names.push(run.train.clone());
        }
    }
    view.finish();
    manifest.files =
        names.iter().map(|name| digest(&args.out, name)).collect::<Result<_, _>>().map_err(CliError::failed)?;
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    let file = out(Manifest::FILE);
    std::fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
    println!("{}: {} trainings; then: autodenoise judge verdict", file.display(), manifest.runs.len());
    Ok(())
}

fn digest(folder: &Path, name: &str) -> io::Result<ArtifactDigest> {
    certificate::digest(name, File::open(folder.join(name))?)
}
