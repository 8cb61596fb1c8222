//! `autodenoise reproduce`: runs the jobs of a table of the paper through the trainer process that `denoise` uses, and
//! writes the page that sets what came out beside what the paper prints.

mod jobs;

use super::{
    denoise::cannot_write,
    error::CliError,
    options::{TableArgs, assignment, option_value},
    reading, runtime,
    spec_file::SpecFile,
    view::JobView,
};
use crate::{
    backbone::write_durably,
    ingest::{Dataset, Ingested},
    reproduce::{
        self, CASE_USER, DatasetName, DatasetSummary, Facts, JobsFolder, Page, PlannedJob, PlannedLine, Protocol,
        Settings, Target,
    },
    types::{BackboneKind, DatasetFacts, Device, Engine, JobSpec, Preset},
};
use clap::Args;
use jobs::{Bench, DoneJob};
use serde::Serialize;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

const AFTER: &str = "\
Writes NAME.md, NAME.html (one file, no script) and NAME.json to --out, where NAME is what is
made. They hold numbers only; the case study alone shows rows.

Finished jobs are kept in the folder `jobs` of --out. None is run again by what needs it, as long
as the rows, the options and the version of the program are the same; so the same command goes on
with a run that was cut short.

  autodenoise import movielens-1m ml-1m --out ml-1m.csv.zst
  autodenoise reproduce table1 ml-1m.csv.zst --spec ml-1m.spec.json \\
      --dataset-name ml-1m --seeds 5 --out paper";

/// Makes a table or figure of the paper from a table of clicks: our numbers over several seeds, beside the paper's, by
/// the paper's way of choosing and by one that does not look at the test rows.
#[derive(Args)]
#[command(after_help = AFTER)]
pub struct ReproduceArgs {
    /// What is made
    #[arg(value_name = "NAME")]
    target: Target,
    /// The table: CSV, TSV, Parquet or JSON lines, also gzip or zstd
    file: PathBuf,
    /// Folder for the pages and the finished jobs
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Which of the paper's datasets the table is, for the numbers to set beside
    #[arg(long, value_name = "NAME", default_value = "other")]
    dataset_name: DatasetName,
    /// Ways of choosing and testing, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "published,validation")]
    protocol: Vec<Protocol>,
    /// Outer epochs of search and validation [default: the paper's 50]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// How many seeds everything is done with: --seed and those after it. The case study has one
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    seeds: u32,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = JobSpec::default_seed())]
    seed: u64,
    /// Backbones of tables 1 and 3 and figure 3, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "fm,wide_deep,dcn,ipnn,deepfm")]
    backbones: Vec<BackboneKind>,
    /// Option values to start from: paper or released_code
    #[arg(long, value_name = "NAME", default_value = "paper")]
    preset: Preset,
    /// Any other option: NAME=VALUE (repeatable); it goes to the methods that have it
    #[arg(long = "option", short = 'O', value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Field of the users, for drawn negatives in table 2 and for the case study [default: user, user_id or customer]
    #[arg(long, value_name = "COLUMN")]
    user_column: Option<String>,
    /// Field of the items, for drawn negatives in table 2 [default: movie, movie_id, video_id, item or item_id]
    #[arg(long, value_name = "COLUMN")]
    item_column: Option<String>,
    /// The user of the case study [default: the paper's, 5052, where the table is ml-1m]
    #[arg(long, value_name = "USER")]
    case_user: Option<String>,
    /// Columns the case study shows, separated by commas [default: all that differ among the user's rows]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    show: Option<Vec<String>>,
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
    /// What computes: auto, tch or fused
    #[arg(long, value_name = "NAME", default_value_t)]
    engine: Engine,
    /// Threads to compute with [default: all cores]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// JSON file whose `dataset` says how the table is read, as `import` writes it; flags win over it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for intermediate files, about twice the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    table: TableArgs,
}

const USER_COLUMNS: [&str; 3] = ["user", "user_id", "customer"];
const ITEM_COLUMNS: [&str; 5] = ["movie", "movie_id", "video_id", "item", "item_id"];

pub fn reproduce(args: ReproduceArgs) -> Result<(), CliError> {
    runtime::run_interruptible(|interrupted| run(args, interrupted))
}

async fn run(args: ReproduceArgs, interrupted: Arc<AtomicBool>) -> Result<(), CliError> {
    let spec_file = SpecFile::read(args.spec.as_ref())?;
    let table_spec = args.table.dataset_spec(spec_file.dataset)?;
    let case_user = args.case_user()?;
    let mut settings = args.settings()?;
    // A wrong option is said before the table is read.
    settings.check().map_err(CliError::invalid_spec)?;
    for job in planned(&args, &settings).1 {
        job.spec.resolve(&DatasetFacts::default()).map_err(CliError::invalid_spec)?;
    }
    let folder = JobsFolder::open(args.out.join("jobs")).map_err(CliError::failed)?;

    let source = reading::existing_file(&args.file)?;
    let work = reading::work_folder(&args.work_dir)?;
    let dataset_dir = work.path().join("dataset");
    let ingested = reading::read_table(&JobView::new(), &source, &table_spec, &dataset_dir, interrupted).await?;
    settings.user_item = args.user_item(&ingested);
    let (lines, planned) = planned(&args, &settings);
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
        jobs.push(bench.job(job, &title).await?);
    }

    let facts = facts(&args, &settings, &source, &ingested, &jobs);
    let failures = jobs.iter().filter(|job| job.outcome.is_err()).count();
    if let Some(case) = case {
        let study = bench.case_study(&case, facts, &jobs)?;
        write(&args, &study, &reproduce::case_study_page(&study))?;
    } else {
        let outcome = |line: &PlannedLine, protocol| {
            let spec = line.spec(protocol, &settings);
            &jobs.iter().find(|job| job.planned.spec == spec).expect("every line's job is planned").outcome
        };
        let result = reproduce::reproduction(args.target, &lines, facts, &outcome);
        write(&args, &result, &reproduce::page(&result))?;
        result.verdicts.iter().for_each(|verdict| println!("{verdict}"));
    }
    let name = args.target.name();
    println!("\nwrote {name}.html, {name}.md and {name}.json to {}", args.out.display());
    match failures {
        0 => Ok(()),
        n => Err(CliError::job_failed(format!("{n} of {} jobs; the page says why; run again to try them", jobs.len()))),
    }
}

/// The lines of what is made, and the jobs they need.
fn planned(args: &ReproduceArgs, settings: &Settings) -> (Vec<PlannedLine>, Vec<PlannedJob>) {
    let lines = reproduce::lines(args.target, settings);
    let jobs = reproduce::jobs(&lines, &args.protocol, settings);
    (lines, jobs)
}

impl ReproduceArgs {
    fn settings(&self) -> Result<Settings, CliError> {
        let mut options = serde_json::Map::new();
        if let Some(epochs) = self.epochs {
            options.insert("epochs".to_owned(), epochs.into());
        }
        for option in &self.options {
            let (name, value) = assignment(option, "--option", "NAME=VALUE")?;
            options.insert(name.to_owned(), option_value(value));
        }
        Ok(Settings {
            dataset: self.dataset_name,
            preset: self.preset,
            options,
            backbones: self.backbones.clone(),
            seed: self.seed,
            seeds: if self.target == Target::CaseStudy { 1 } else { self.seeds },
            device: self.device,
            engine: self.engine,
            user_item: None,
        })
    }

    /// The user of the case study, where one is made.
    fn case_user(&self) -> Result<Option<String>, CliError> {
        if self.target != Target::CaseStudy {
            return Ok(None);
        }
        let paper = (self.dataset_name == DatasetName::Ml1m).then(|| CASE_USER.to_owned());
        let user = self.case_user.clone().or(paper);
        user.map(Some).ok_or_else(|| CliError::usage("--case-user is needed: the user whose rows are shown"))
    }

    fn user_item(&self, ingested: &Ingested) -> Option<(String, String)> {
        Some((user_column(self, ingested)?, column(&self.item_column, &ITEM_COLUMNS, ingested)?))
    }
}

fn user_column(args: &ReproduceArgs, ingested: &Ingested) -> Option<String> {
    column(&args.user_column, &USER_COLUMNS, ingested)
}

/// The column asked for, else the first of the usual names that is a field.
fn column(asked: &Option<String>, usual: &[&str], ingested: &Ingested) -> Option<String> {
    let is_field = |name: &&&str| ingested.feature_map.fields.iter().any(|field| field.name == **name);
    asked.clone().or_else(|| usual.iter().find(is_field).map(|name| (*name).to_owned()))
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
        options: settings.options.clone(),
        seeds: (0..u64::from(settings.seeds)).map(|number| settings.seed + number).collect(),
        jobs: jobs.iter().map(DoneJob::facts).collect(),
    }
}

/// Writes the page in its three forms.
fn write(args: &ReproduceArgs, data: &impl Serialize, page: &Page) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(data).map_err(CliError::failed)? + "\n";
    for (end, text) in [("md", reproduce::markdown(page)), ("html", reproduce::html(page)), ("json", json)] {
        let path = args.out.join(format!("{}.{end}", args.target.name()));
        write_durably(&path, |file| file.write_all(text.as_bytes())).map_err(|error| cannot_write(&path, &error))?;
    }
    Ok(())
}
