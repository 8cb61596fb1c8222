//! `autodenoise bench-noise`: noise is put into a table's labels, every method looks for it, and one table says what each
//! is worth.

use super::{
    denoise::{cannot_write, find_trainer, train, trainer_job},
    error::CliError,
    options::TableArgs,
    reading, runtime,
    spec_file::SpecFile,
    tables,
    view::JobView,
};
use crate::{
    ingest::Ingested,
    metrics::{mean, sample_sd},
    types::{
        BackboneKind, CompareSpec, DatasetFacts, DatasetId, FieldError, JobSpec, MethodName, MethodSpec, Noise, Report,
        ResolvedSpec, RunResult,
    },
};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// The name in the tables of training on exactly the rows that the noise left alone.
const ORACLE: &str = "oracle";

/// Puts noise into the training and validation labels of a table, the test labels stay as they are, and sets every method
/// side by side: how well it tells the noise, and what a model trained on the rows it keeps is worth.
#[derive(Args)]
pub struct BenchNoiseArgs {
    /// The table: CSV, TSV, Parquet or JSON lines, also gzip or zstd
    file: PathBuf,
    /// Folder for noise.md, noise.json and the finished jobs, which are not run again
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Noise to plant, separated by commas: clean, flips:RATE, random:FIELD:SHARE (that share of the field's values answers
    /// at random), inverted:FIELD:SHARE (its labels are turned round)
    #[arg(long, value_name = "CASES", value_delimiter = ',', default_value = "clean,flips:0.1,flips:0.2,flips:0.3")]
    noise: Vec<Case>,
    /// Methods, separated by commas, or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "all")]
    methods: Vec<String>,
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
    /// Folder for intermediate files, about twice the size of the table; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp")]
    work_dir: PathBuf,
    #[command(flatten)]
    table: TableArgs,
}

/// One kind of noise, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Case {
    /// As asked for, for example `flips:0.2`.
    name: String,
    noise: Option<Noise>,
}

impl std::str::FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = |text: &str| {
            let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
            share.ok_or_else(|| format!("`{text}` is not a share above 0 and below 1"))
        };
        let noise = match text.split(':').collect::<Vec<_>>()[..] {
            ["clean"] => None,
            ["flips", rate] => Some(Noise::Flips { rate: share(rate)? }),
            ["random", field, of] => Some(Noise::RandomValues { field: field.to_owned(), share: share(of)? }),
            ["inverted", field, of] => Some(Noise::InvertedValues { field: field.to_owned(), share: share(of)? }),
            _ => return Err("write clean, flips:RATE, random:FIELD:SHARE or inverted:FIELD:SHARE".to_owned()),
        };
        Ok(Self { name: text.to_owned(), noise })
    }
}

/// A finished job, as kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    case: Case,
    report: Report,
}

/// A line of a case's table: a method's runs, one a seed, beside those on all rows and of the oracle.
struct Line<'r> {
    label: &'r str,
    runs: Vec<&'r RunResult>,
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
    let ingested = reading::read_table(&JobView::new(), &source, &table_spec, &dataset_dir, interrupted).await?;
    check_fields(&args.noise, &ingested)?;
    let mut pages = vec!["# Planted noise\n".to_owned()];
    let mut all = Vec::new();
    for case in &args.noise {
        let mut reports = Vec::new();
        for number in 0..args.seeds {
            let facts = DatasetFacts::new(Some(&ingested.profile), Some(&ingested.feature_map));
            let spec = job_spec(&args, u64::from(number))?.resolve(&facts).map_err(CliError::invalid_spec)?;
            let path = jobs.join(format!("{}-{}.json", case.name.replace([':', '.'], "_"), spec.seed));
            let kept = match read_finished(&path, case, &spec) {
                Some(kept) => kept,
                None => {
                    eprintln!("{}, seed {}", case.name, spec.seed);
                    let report = run_one(&args, case, spec, &dataset_dir, &source, &ingested, work.path()).await?;
                    let kept = Kept { case: case.clone(), report };
                    let text = serde_json::to_vec(&kept).expect("a report is plain data");
                    std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
                    kept
                }
            };
            reports.push(kept.report);
        }
        let (title, table) = (title(case, args.seeds), case_table(&reports));
        println!("{title}\n\n{}\n", tables::table(&HEADER, table.clone(), 1));
        pages.push(format!("## {title}\n\n{}\n", markdown(&table)));
        all.push(json!({"case": case, "reports": reports}));
    }
    for (name, text) in [("noise.md", pages.join("\n")), ("noise.json", json!(all).to_string())] {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// All methods of the bench in one job: ours, and beside it the others.
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
    let own = MethodName::Robust;
    // All rows are there without being asked for.
    let compare = methods.iter().filter(|name| ![own, MethodName::None].contains(name)).map(other);
    let method = MethodSpec { name: own, backbone: args.backbone, ..MethodSpec::default() };
    let spec = JobSpec::of(DatasetId(uuid::Uuid::nil()), method);
    Ok(JobSpec { compare: compare.collect(), seed: args.seed + number, ..spec })
}

/// Refuses noise in a field that the table does not have.
fn check_fields(cases: &[Case], ingested: &Ingested) -> Result<(), CliError> {
    let names: Vec<&str> = ingested.feature_map.fields.iter().map(|field| field.name.as_str()).collect();
    for case in cases {
        if let Some(Noise::RandomValues { field, .. } | Noise::InvertedValues { field, .. }) = &case.noise
            && !names.contains(&field.as_str())
        {
            let rule = format!("there is no field `{field}`; there are {}", names.join(", "));
            return Err(CliError::invalid_spec(vec![FieldError::new("/noise", rule)]));
        }
    }
    Ok(())
}

/// The job of an earlier run of the command, if it had the same rows, options and program.
fn read_finished(path: &Path, case: &Case, spec: &ResolvedSpec) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (kept.case == *case && kept.report.spec == *spec).then_some(kept)
}

async fn run_one(
    args: &BenchNoiseArgs,
    case: &Case,
    spec: ResolvedSpec,
    dataset_dir: &Path,
    source: &Path,
    ingested: &Ingested,
    work: &Path,
) -> Result<Report, CliError> {
    let out = tempfile::tempdir_in(work).map_err(CliError::failed)?;
    let (dataset_dir, source) = (dataset_dir.to_owned(), source.to_owned());
    let mut job = trainer_job(spec, dataset_dir, source, ingested.spec.clone(), out.path().to_owned(), args.threads);
    job.plant = case.noise.clone();
    let (report, _) = train(&mut JobView::quiet(), find_trainer(&job.spec)?, &job).await?;
    Ok(report)
}

const HEADER: [&str; 9] =
    ["method", "kept %", "AUROC", "precision", "recall", "test AUC", "test log-loss", "recovered %", "choosing s"];

fn title(case: &Case, seeds: u32) -> String {
    format!("{}, {seeds} seed{}", case.name, if seeds == 1 { "" } else { "s" })
}

/// The lines of a case. `recovered` is the share of the AUC that the oracle gains over all rows, seed by seed.
fn case_table(reports: &[Report]) -> Vec<Vec<String>> {
    let mut lines: Vec<Line> = Vec::new();
    for line in &reports[0].table {
        let of = |report: &'_ Report| report.table.iter().position(|other| other.label == line.label);
        let runs = reports.iter().filter_map(|report| Some(&report.table[of(report)?].runs[0]));
        lines.push(Line { label: &line.label, runs: runs.collect() });
    }
    let oracle: Vec<&RunResult> = reports.iter().filter_map(|report| report.oracle.first()).collect();
    if !oracle.is_empty() {
        lines.push(Line { label: ORACLE, runs: oracle });
    }
    let auc = |run: &RunResult| run.test.auc.unwrap_or(f64::NAN);
    let of_all = |seed: u64| -> Option<(f64, f64)> {
        let report = reports.iter().find(|report| report.spec.seed == seed)?;
        let none = report.table.iter().find(|line| line.method == MethodName::None)?;
        Some((auc(&none.runs[0]), auc(report.oracle.first()?)))
    };
    let number = |values: &[f64], digits: usize, spread: bool| {
        if values.is_empty() {
            return String::new();
        }
        let sd = sample_sd(values).filter(|_| spread).map(|sd| format!(" ± {sd:.digits$}")).unwrap_or_default();
        format!("{:.digits$}{sd}", mean(values))
    };
    let row = |line: &Line| {
        let of = |value: &dyn Fn(&RunResult) -> Option<f64>| {
            line.runs.iter().filter_map(|run| value(run)).collect::<Vec<_>>()
        };
        let recovered = of(&|run| {
            let (none, oracle) = of_all(run.seed)?;
            Some(100.0 * (auc(run) - none) / (oracle - none))
        });
        vec![
            line.label.to_owned(),
            number(&of(&|run| Some(100.0 * run.kept.share())), 2, false),
            number(&of(&|run| run.found?.auroc), 3, false),
            number(&of(&|run| run.found?.precision), 3, false),
            number(&of(&|run| run.found?.recall), 3, false),
            number(&of(&|run| run.test.auc), 4, true),
            number(&of(&|run| Some(run.test.logloss)), 4, true),
            number(&recovered, 1, false),
            number(&of(&|run| Some(run.select_seconds)), 1, false),
        ]
    };
    lines.iter().map(row).collect()
}

fn markdown(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let header: Vec<String> = HEADER.iter().map(|name| (*name).to_owned()).collect();
    let rule = format!("|---|{}", "--:|".repeat(HEADER.len() - 1));
    let lines: Vec<String> = [line(&header), rule].into_iter().chain(rows.iter().map(|row| line(row))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_and_wrong_ones_named() {
        let noise = |text: &str| text.parse::<Case>().map(|case| case.noise);
        assert_eq!(noise("clean"), Ok(None));
        assert_eq!(noise("flips:0.2"), Ok(Some(Noise::Flips { rate: 0.2 })));
        let random = Noise::RandomValues { field: "user".to_owned(), share: 0.1 };
        assert_eq!(noise("random:user:0.1"), Ok(Some(random)));
        for wrong in ["flips", "flips:2", "random:0.1", "noise:0.1"] {
            assert!(noise(wrong).is_err(), "{wrong}");
        }
    }
}
