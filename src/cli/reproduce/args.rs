//! The arguments of `autodenoise reproduce`.

use crate::{
    cli::{
        error::CliError,
        options::{TableArgs, assignment, option_value},
        verbosity::Verbosity,
    },
    ingest::Ingested,
    reproduce::{CASE_USER, DatasetName, Protocol, Settings, Target},
    types::{BackboneKind, Device, Engine, JobSpec, Preset, Tuning},
};
use clap::Args;
use std::path::PathBuf;

const AFTER: &str = "\
Writes NAME.md, NAME.html (one file, no script) and NAME.json to --out, where NAME is what is made. They hold numbers only; the \
case study alone shows rows.

Finished jobs are kept in the folder `jobs` of --out. None is run again by what needs it, as long as the rows, the options and \
the version of the program are the same; so the same command goes on with a run that was cut short.

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
    pub(super) target: Target,
    /// The table: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip)
    pub(super) file: PathBuf,
    /// Folder for the pages and the finished jobs
    #[arg(long, short, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Which of the paper's datasets the table is, for the numbers to set beside
    #[arg(long, value_name = "NAME", default_value = "other")]
    pub(super) dataset_name: DatasetName,
    /// Ways of choosing and testing, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "published,validation")]
    pub(super) protocol: Vec<Protocol>,
    /// Outer epochs of search and validation [default: the paper's 50]
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<u32>,
    /// How many seeds everything is done with: --seed and those after it. The case study has one
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) seeds: u32,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = JobSpec::default_seed())]
    pub(super) seed: u64,
    /// Backbones of tables 1 and 3 and figure 3, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "fm,wide_deep,dcn,ipnn,deepfm")]
    pub(super) backbones: Vec<BackboneKind>,
    /// Option values to start from: paper or released_code
    #[arg(long, value_name = "NAME", default_value = "paper")]
    pub(super) preset: Preset,
    /// Tune the models that are compared, each line's by the same grid of weight decays on validation data; the paper's are
    /// not tuned
    #[arg(long)]
    pub(super) tuned: bool,
    /// Any other option: NAME=VALUE (repeatable); it goes to the methods that have it
    #[arg(long = "option", short = 'O', value_name = "NAME=VALUE")]
    pub(super) options: Vec<String>,
    /// Field of the users, for drawn negatives in table 2 and for the case study [default: user, user_id or customer]
    #[arg(long, value_name = "COLUMN")]
    pub(super) user_column: Option<String>,
    /// Field of the items, for drawn negatives in table 2 [default: movie, movie_id, video_id, item or item_id]
    #[arg(long, value_name = "COLUMN")]
    pub(super) item_column: Option<String>,
    /// The user of the case study [default: the paper's, 5052, where the table is ml-1m]
    #[arg(long, value_name = "USER")]
    pub(super) case_user: Option<String>,
    /// Columns the case study shows, separated by commas [default: all that differ among the user's rows]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) show: Option<Vec<String>>,
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(super) device: Device,
    /// What computes: auto, tch or fused
    #[arg(long, value_name = "NAME", default_value_t)]
    pub(super) engine: Engine,
    /// Threads to compute with [default: all cores]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
    /// JSON file whose `dataset` says how the table is read, as `import` writes it; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(super) spec: Option<PathBuf>,
    /// Folder for intermediate files, about twice the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    pub(super) work_dir: PathBuf,
    #[command(flatten)]
    pub(super) table: TableArgs,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}

const USER_COLUMNS: [&str; 3] = ["user", "user_id", "customer"];
const ITEM_COLUMNS: [&str; 5] = ["movie", "movie_id", "video_id", "item", "item_id"];

impl ReproduceArgs {
    /// What is asked for, but for the fields of users and items, which are found in the table.
    pub(super) fn settings(&self) -> Result<Settings, CliError> {
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
            tuning: if self.tuned { Tuning::default() } else { Tuning::Off },
            device: self.device,
            engine: self.engine,
            user_item: None,
        })
    }

    /// The user of the case study, where one is made.
    pub(super) fn case_user(&self) -> Result<Option<String>, CliError> {
        if self.target != Target::CaseStudy {
            return Ok(None);
        }
        let paper = (self.dataset_name == DatasetName::Ml1m).then(|| CASE_USER.to_owned());
        let user = self.case_user.clone().or(paper);
        user.map(Some).ok_or_else(|| CliError::usage("--case-user is needed: the user whose rows are shown"))
    }

    /// The fields of users and items, where the table has both.
    pub(super) fn user_item(&self, ingested: &Ingested) -> Option<(String, String)> {
        Some((self.user_column(ingested)?, find_column(&self.item_column, &ITEM_COLUMNS, ingested)?))
    }

    pub(super) fn user_column(&self, ingested: &Ingested) -> Option<String> {
        find_column(&self.user_column, &USER_COLUMNS, ingested)
    }
}

/// The column asked for, else the first of the usual names that is a field.
fn find_column(asked: &Option<String>, usual: &[&str], ingested: &Ingested) -> Option<String> {
    let is_field = |name: &&&str| ingested.feature_map.fields.iter().any(|field| field.name == **name);
    asked.clone().or_else(|| usual.iter().find(is_field).map(|name| (*name).to_owned()))
}
