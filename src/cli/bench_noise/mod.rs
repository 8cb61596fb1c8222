//! `autodenoise bench-noise`: corruption is put into a table, every method looks for it, and one table says what each is worth.

mod case;
mod page;

use super::{
    denoise::{cannot_write, find_trainer, train, trainer_job},
    error::CliError,
    options::TableArgs,
    reading, runtime,
    screen::note,
    spec_file::SpecFile,
    tables,
    verbosity::Verbosity,
    view::JobView,
};
use crate::{
    ingest::{Dataset, Ingested},
    plant::{self, PlantError, Table},
    types::{
        BackboneKind, CompareSpec, DatasetFacts, DatasetId, DatasetSpec, FieldError, JobSpec, LabelTest, MethodName,
        MethodSpec, Report, ResolvedSpec, SplitSpec,
    },
};
use case::{Case, Roles, Section, list_cases};
use clap::Args;
use page::{HEADER, TABLES_HEADER, list_cells, list_lines, markdown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// Puts corruption into the training and validation rows of a table, the test rows stay as they are, and sets every method
/// side by side: how well it tells the corrupted rows, and what a model trained on the rows it keeps is worth.
#[derive(Args)]
#[command(after_help = CASES)]
pub struct BenchNoiseArgs {
    /// The table: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip)
    file: PathBuf,
    /// Folder for noise.md, noise.json and the finished jobs, which are not run again
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Cases, separated by commas, as below [default: all that the table allows, with --user, --item and --time]
    #[arg(long, value_name = "CASES", value_delimiter = ',')]
    noise: Vec<Case>,
    /// Methods, separated by commas, or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "all")]
    methods: Vec<String>,
    /// Column of the users
    #[arg(long, value_name = "COLUMN")]
    user: Option<String>,
    /// Column of the items
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// Make a column `made_time` for a table without times, in which users rate in sessions; the models do not see it
    #[arg(long, requires = "user", conflicts_with = "time")]
    make_time: bool,
    /// Seeds, of the noise and of all else: --seed and those after it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    seeds: u32,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The recommender model
    #[arg(long, value_name = "NAME", default_value = "deepfm")]
    backbone: BackboneKind,
    /// Outer epochs of the paper's preset
    #[arg(long, value_name = "N", default_value_t = 5)]
    epochs: u32,
    /// Threads to compute with [default: all cores]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// JSON file whose `dataset` says how the table is read, as `import` writes it; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for intermediate files, about five times the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    verbosity: Verbosity,
}

const CASES: &str = "\
Cases; with +test behind one of the second group the test rows are corrupted too:
  clean                                          the table as it is
  clean:FIELD:USERS:COUNT                        COUNT small tables of USERS values of the field
  natural:USER_FIELD:ITEM_FIELD[:THRESHOLD]      every rating a click, beside as many unrated pairs;
                                                 ratings of THRESHOLD (3) or less are to be found

  flips:RATE                                     labels flipped one by one
  random:FIELD:SHARE                             a share of the values answers at random
  inverted:FIELD:SHARE                           a share of the values has inverted labels
  bots:USER_FIELD:ITEM_FIELD:SHARE[:ROWS]        SHARE more users that like popular items
  likes:ITEM_FIELD:USER_FIELD:SHARE[:COUNT]      a share of the items gets COUNT likes each
  outage:TIME_COLUMN:FIELD:SHARE[:zero|inverted] lost labels in a window of time and one value
  clicks:FIELD:FIELD:RATE                        labels 0 that are 1 in one cell of two fields
  delayed:TIME_COLUMN:TAU                        labels 1 that have not arrived at the end of time
  repeats:RATE                                   rows that stand there 2 to 20 times";

/// The column that `--make-time` makes.
const MADE_TIME: &str = "made_time";

/// A finished job, as kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    section: String,
    report: Report,
}

/// The table that corruption is put into.
struct Clean {
    table: Table,
    /// `[N]`, where a case needs them.
    ratings: Vec<f64>,
    /// How the file is read.
    spec: DatasetSpec,
}

pub fn bench_noise(args: BenchNoiseArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: BenchNoiseArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let table_spec = args.table.dataset_spec(spec_file.dataset)?;
    job_spec(&args, 0)?.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    let source = reading::existing_file(&args.file)?;
    let jobs = args.out.join("jobs");
    std::fs::create_dir_all(&jobs).map_err(|error| cannot_write(&jobs, &error))?;
    let work = reading::work_folder(&args.work_dir)?;
    let dataset_dir = work.path().join("dataset");
    let ingested = reading::read_table(
        &JobView::new(args.verbosity),
        &(&source).into(),
        &table_spec,
        &dataset_dir,
        Arc::clone(&interrupted),
    )
    .await?;
    let mut clean = open_clean(&args, &source, &ingested, &dataset_dir)?;
    let cases = choose_cases(&args, &clean, &ingested)?;
    if cases.iter().any(Case::needs_ratings) {
        let dataset = Dataset::open(&dataset_dir).map_err(CliError::failed)?;
        clean.ratings = plant::read_ratings(&source, &ingested.spec, &dataset).map_err(explain)?;
    }
    let mut pages = vec!["# Planted noise\n".to_owned()];
    let mut all = Vec::new();
    for section in cases.iter().flat_map(Case::sections) {
        let mut reports = Vec::new();
        for number in 0..section.jobs(args.seeds) {
            let folder = tempfile::tempdir_in(work.path()).map_err(CliError::failed)?;
            let bench = Bench { args: &args, section: &section, clean: &clean, jobs: &jobs, work: folder.path() };
            reports.push(bench.run(number, Arc::clone(&interrupted)).await?);
        }
        let lines = list_lines(&reports);
        let header: &[&str] = if section.counts_tables() { &TABLES_HEADER } else { &HEADER };
        let (title, cells) = (title(&section, reports.len()), list_cells(&lines, section.counts_tables()));
        println!("{title}\n\n{}\n", tables::table_that_fits(header, cells.clone(), 1, &["log-loss", "kept %"]));
        pages.push(format!("## {title}\n\n{}\n", markdown(header, &cells)));
        all.push(json!({"case": section.name, "lines": lines, "reports": reports}));
    }
    for (name, text) in [("noise.md", pages.join("\n")), ("noise.json", json!(all).to_string())] {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
        if !args.verbosity.quiet {
            note(&format!("wrote {}", path.display()));
        }
    }
    Ok(())
}

fn title(section: &Section, jobs: usize) -> String {
    let what = if section.counts_tables() { "table" } else { "seed" };
    format!("{}, {jobs} {what}{}", section.name, if jobs == 1 { "" } else { "s" })
}

/// The file as text, with made times where they are wanted.
fn open_clean(
    args: &BenchNoiseArgs,
    source: &Path,
    ingested: &Ingested,
    dataset_dir: &Path,
) -> Result<Clean, CliError> {
    let dataset = Dataset::open(dataset_dir).map_err(CliError::failed)?;
    let mut table = plant::read_table(source, &ingested.spec, &dataset).map_err(explain)?;
    let mut spec = ingested.spec.clone();
    if let (true, Some(user)) = (args.make_time, &args.user) {
        plant::add_times(&mut table, MADE_TIME, user, args.seed).map_err(explain)?;
        spec.time = Some(MADE_TIME.to_owned());
    }
    Ok(Clean { table, ratings: Vec::new(), spec })
}

/// The cases asked for, or all that the table allows. Columns that the table does not have are refused.
fn choose_cases(args: &BenchNoiseArgs, clean: &Clean, ingested: &Ingested) -> Result<Vec<Case>, CliError> {
    let time = args.table.time.as_deref().or(args.make_time.then_some(MADE_TIME));
    let by_time = match &ingested.spec.split {
        SplitSpec::Time { column, .. } => Some(column.as_str()),
        _ => None,
    };
    let fields: Vec<String> = ingested.feature_map.fields.iter().map(|field| field.column.clone()).collect();
    let roles = Roles {
        user: args.user.as_deref(),
        item: args.item.as_deref(),
        time: time.or(by_time),
        fields: &fields,
        rated: matches!(ingested.spec.label.rule, Some(LabelTest::Number(..))),
    };
    let named = [("/user", roles.user), ("/item", roles.item), ("/time", roles.time)];
    let named = named.into_iter().filter_map(|(pointer, column)| Some((pointer, column?)));
    let of_cases = args.noise.iter().flat_map(Case::columns).map(|column| ("/noise", column));
    let fault = |(pointer, column): (&str, &str)| {
        let error = clean.table.find(column).err()?;
        Some(FieldError::new(pointer, error.to_string()))
    };
    let faults: Vec<FieldError> = named.chain(of_cases).filter_map(fault).collect();
    if !faults.is_empty() {
        return Err(CliError::invalid_spec(faults));
    }
    Ok(if args.noise.is_empty() { list_cases(&clean.table, &roles) } else { args.noise.clone() })
}

/// What is wrong with the table is the user's to mend, the disk is not.
fn explain(error: PlantError) -> CliError {
    match error {
        PlantError::NoColumn { .. }
        | PlantError::NoTime { .. }
        | PlantError::NoRating { .. }
        | PlantError::Unsuitable { .. } => CliError::invalid_spec(vec![FieldError::new("/noise", error.to_string())]),
        other => CliError::failed(other),
    }
}

/// All methods of the bench in one job: ours where it is among them, and beside it the others.
fn job_spec(args: &BenchNoiseArgs, number: u64) -> Result<JobSpec, CliError> {
    let named =
        |name: &String| name.parse::<MethodName>().map_err(|error| CliError::usage(format!("--methods: {error}")));
    let methods = match &args.methods[..] {
        [all] if all == "all" => MethodName::ALL.to_vec(),
        names => names.iter().map(named).collect::<Result<_, _>>()?,
    };
    let other = |name: &MethodName| {
        let searches = name.searches();
        let mut options = Map::new();
        if searches {
            options.insert("epochs".to_owned(), args.epochs.into());
        }
        CompareSpec { name: *name, preset: None, backbone: None, options }
    };
    let own = match methods.iter().find(|name| **name != MethodName::None) {
        Some(_) if methods.contains(&MethodName::Robust) => MethodName::Robust,
        Some(first) => *first,
        None => MethodName::None,
    };
    // All rows are there without being asked for.
    let compare = methods.iter().filter(|name| ![own, MethodName::None].contains(name)).map(&other);
    let method =
        MethodSpec { name: own, backbone: args.backbone, options: other(&own).options, ..MethodSpec::default() };
    let spec = JobSpec::of(DatasetId(uuid::Uuid::nil()), method);
    Ok(JobSpec { compare: compare.collect(), seed: args.seed + number, ..spec })
}

/// A job of the bench, and where its files go.
struct Bench<'b> {
    args: &'b BenchNoiseArgs,
    section: &'b Section,
    clean: &'b Clean,
    /// Folder of finished jobs.
    jobs: &'b Path,
    /// Folder of its own, which goes with the job.
    work: &'b Path,
}

impl Bench<'_> {
    /// Makes the table, reads it and runs the job on it; or takes up what an earlier run of the command came to on the same
    /// rows, with the same options.
    async fn run(&self, number: u32, interrupted: Arc<AtomicBool>) -> Result<Report, CliError> {
        let (section, args) = (self.section, self.args);
        let seed = args.seed + u64::from(number);
        let table = section.make_table(&self.clean.table, &self.clean.ratings, seed).map_err(explain)?;
        let (source, truth) = (self.work.join("table.csv"), self.work.join("truth.csv"));
        let table_spec = plant::write_table(&table, &self.clean.spec, &source).map_err(CliError::failed)?;
        plant::write_truth(&table, &truth).map_err(CliError::failed)?;
        drop(table);
        let dataset_dir = self.work.join("dataset");
        let mut view = JobView::new(args.verbosity);
        let ingested = reading::read_table(&view, &(&source).into(), &table_spec, &dataset_dir, interrupted).await?;
        let facts = DatasetFacts::new(Some(&ingested.profile), Some(&ingested.feature_map));
        let spec = job_spec(args, u64::from(number))?.resolve(&facts).map_err(CliError::invalid_spec)?;
        let name: String = section.name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let path = self.jobs.join(format!("{name}-{}.json", spec.seed));
        if let Some(kept) = read_finished(&path, section, &spec) {
            return Ok(kept.report);
        }
        view.print_line(&format!("{}, seed {}", section.name, spec.seed));
        let out = self.work.join("out");
        let mut job = trainer_job(spec, dataset_dir, source, ingested.spec, out, args.threads);
        job.truth = section.has_truth().then_some(truth);
        let report = train(&mut view, find_trainer(&job.spec)?, &job, None).await?.report;
        let kept = Kept { section: section.name.clone(), report };
        let text = serde_json::to_vec(&kept).expect("a report is plain data");
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
        Ok(kept.report)
    }
}

/// The job of an earlier run of the command, if it had the same rows, options and program.
fn read_finished(path: &Path, section: &Section, spec: &ResolvedSpec) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (kept.section == section.name && kept.report.spec == *spec).then_some(kept)
}
