//! `autodenoise judge arms`: the tables that models are to be trained on elsewhere.

use super::inputs::{Inputs, open_results};
use crate::{
    certificate,
    cli::{
        denoise::cannot_write,
        error::CliError,
        evidence::CertifyArgs,
        options::TableArgs,
        output::place,
        reading, runtime,
        screen::{self, Screen},
        spec_file::SpecFile,
        verbosity::Verbosity,
        view::JobView,
    },
    evaluate::{changes_rows, read_choice, write_npy},
    judge::{JudgedTable, JudgedTableError, Manifest},
    selection::Selected,
    types::{ArtifactDigest, DatasetId, Split, Verdict},
};
use clap::Args;
use std::{
    collections::HashSet,
    fs::File,
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
    /// Also write which rows each table has, for whoever holds the table already: `rows`, a folder with a file TABLE.npy for each,
    /// of positions in the table that was denoised, the first being 0
    #[arg(long)]
    rows: bool,
    /// JSON file with `dataset`, a dataset's spec, and `certify`; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for intermediate files, about the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    certify: CertifyArgs,
    #[command(flatten)]
    how_read: TableArgs,
    #[command(flatten)]
    verbosity: Verbosity,
}

pub(super) fn write_arms(args: ArmsArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: ArmsArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    if args.out.exists() {
        return Err(CliError::usage(format!("--out {} is there already; name a new folder", args.out.display())));
    }
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let results = open_results(&args.results)?;
    // What the job proved is proved again, unless something else is asked for.
    let mut asked = spec_file.job_spec(DatasetId::new());
    asked.certify = asked.certify.or(results.report.spec.certify.clone());
    if args.certify.reselect {
        return Err(CliError::usage("--reselect needs the program's own models: the choice is made already"));
    }
    args.certify.apply(&mut asked, true);
    asked.certify.iter_mut().for_each(|asked| asked.reselect = false);
    let table_spec = args.how_read.dataset_spec(spec_file.dataset)?;
    let view = JobView::new(args.verbosity);
    let inputs = Inputs::read(&view, &args.table, &table_spec, results, &args.work_dir, interrupted).await?;
    let asked = inputs.check_asked(asked.certify.unwrap_or_default())?;
    let own = read_choice(&args.results, &inputs.dataset).map_err(CliError::failed)?;
    if !changes_rows(&inputs.dataset, &own) {
        view.print_line("the method changed nothing, so there is nothing to train");
        return Err(CliError::not_certified(Verdict::NotBetter));
    }
    let table = JudgedTable { source: &inputs.source, spec: &inputs.ingested.spec, dataset: &inputs.dataset };
    let report = &inputs.results.report;
    let mut manifest = Manifest::new(inputs.results.certificate.job_id, table.spec, report.spec.seed, asked);
    std::fs::create_dir(&args.out)
        .and_then(|()| std::fs::create_dir(args.out.join("predictions")))
        .map_err(|error| cannot_write(&args.out, &error))?;
    manifest.files = write_tables(&view, &args, &manifest, table, &own)?;
    view.finish();
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    let file = args.out.join(Manifest::FILE);
    std::fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
    let ArmsArgs { table, results, out, .. } = &args;
    screen::print(&format!("{} lists {} trainings; once they have predicted:", file.display(), manifest.runs.len()));
    let next = format!("autodenoise judge verdict {} {} {}", table.display(), results.display(), out.display());
    println!("{}", Screen::stdout().wrap_command(&next));
    Ok(())
}

/// Writes the tables that a manifest names; their digests.
fn write_tables(
    view: &JobView,
    args: &ArmsArgs,
    manifest: &Manifest,
    table: JudgedTable<'_>,
    own: &Selected,
) -> Result<Vec<ArtifactDigest>, CliError> {
    let folder = reading::work_folder(&args.work_dir)?;
    let rows_folder = args.out.join("rows");
    if args.rows {
        std::fs::create_dir(&rows_folder).map_err(|error| cannot_write(&rows_folder, &error))?;
    }
    let mut digests = Vec::new();
    let mut add = |name: &str, write: &dyn Fn(&Path) -> Result<(), JudgedTableError>, rows: &dyn Fn() -> Vec<u64>| {
        view.show_waiting(format!("writing {name}"));
        let written = folder.path().join(name);
        write(&written).map_err(CliError::failed)?;
        let digest = File::open(&written).and_then(|file| certificate::digest(name, file));
        digests.push(digest.map_err(CliError::failed)?);
        place(&written, &args.out.join(name))?;
        if args.rows {
            let file = rows_folder.join(format!("{name}.npy"));
            let write = File::create(&file).and_then(|mut out| write_npy(&mut out, &rows()));
            write.map_err(|error| cannot_write(&file, &error))?;
        }
        std::fs::remove_file(&written).map_err(CliError::failed)
    };
    add(&manifest.valid, &|to| table.write_valid(to), &|| table.rows_of(Split::Valid))?;
    add(&manifest.test, &|to| table.write_test(to), &|| table.rows_of(Split::Test))?;
    let mut names = HashSet::new();
    for run in manifest.runs.iter().filter(|run| names.insert(&run.train)) {
        add(&run.train, &|to| table.write_train(own, run.run(), to), &|| table.rows_of_run(own, run.run()))?;
    }
    Ok(digests)
}
