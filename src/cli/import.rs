//! `autodenoise import`: a raw public dataset into a table and the spec to read it by.

use super::{error::CliError, part_file, runtime, screen, tables, verbosity::Verbosity, view::JobView};
use crate::{
    import::{
        self, AuthorsFiles, ImportError, ImportOptions, Imported, KuaiRec, MovieLens1m, NETFLIX_SAMPLE_ROWS, Netflix,
        RawDataset,
    },
    report::number,
    types::Vocabulary,
};
use clap::{Args, Subcommand};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

const AFTER: &str = "\
Beside the table comes its spec, named alike with .spec.json at the end, for `--spec` of the other commands:

  autodenoise import movielens-1m ml-1m --out ml-1m.csv.zst
  autodenoise denoise ml-1m.csv.zst --spec ml-1m.spec.json -o clean.csv.zst

Raw files may be gzip or zstd, lines may end in CRLF. Archives are to be unpacked first. What is wrong with a raw file is said \
with its line; then nothing is written.";

/// Turns a raw public dataset into a table (CSV) with its spec: label, fields, split; prints rows, the share of label
/// 1, the number of values of each field, and the density.
#[derive(Subcommand)]
#[command(after_help = AFTER)]
pub enum ImportCommand {
    /// MovieLens-1M of GroupLens: a folder with ratings.dat, users.dat and movies.dat
    ///
    /// Label: rating > 3. Fields: movie, genres, year, user, occupation, age, gender, and the first five characters of
    /// zip. The title and the time are columns too, but no fields.
    #[command(name = "movielens-1m")]
    MovieLens1m {
        #[command(flatten)]
        common: CommonArgs,
        /// Split by time instead of at random: the earliest 80 % train, the latest 10 % test
        #[arg(long)]
        by_time: bool,
    },
    /// KuaiRec's small matrix: small_matrix.csv, or the folder it is in
    ///
    /// Label: watch_ratio above a threshold. Fields: user_id and video_id. The optional side files
    /// (user_features.csv, item_categories.csv and others) are not read: they are not needed for these fields.
    #[command(name = "kuairec")]
    KuaiRec {
        #[command(flatten)]
        common: CommonArgs,
        /// Label 1 is a watch ratio above this: seconds watched by the video's length
        #[arg(long, default_value_t = 1.0, value_name = "RATIO")]
        threshold: f64,
    },
    /// The Netflix Prize: a folder with training_set/mv_*.txt or combined_data_*.txt, and movie_titles.csv
    ///
    /// Label: rating > 3. Fields: customer, movie, and the year of release, NULL where it is not known. Both
    /// densities are printed: of the customers and movies in the sample, and of all in the raw files. The full data
    /// take 16 bytes a rating on the disk of --out while they are read.
    Netflix {
        #[command(flatten)]
        common: CommonArgs,
        /// Ratings to draw without replacement, each as likely as any other; 0: all
        #[arg(long, default_value_t = NETFLIX_SAMPLE_ROWS, value_name = "N")]
        sample_rows: u64,
        /// Do without the year of release, and without movie_titles.csv
        #[arg(long)]
        no_year: bool,
        /// Split by day instead of at random: the earliest 80 % train, the latest 10 % test
        #[arg(long)]
        by_time: bool,
    },
    /// The files the authors' code reads: a folder with NAME_train_12345.txt, NAME_valid_12345.txt and
    /// NAME_test_12345.txt
    ///
    /// Codes between commas, the label last, no header. Their split is kept (a column of the table), and the order of
    /// the rows. Files of 8 codes get MovieLens-1M's field names, others field_1 and so on.
    Authors {
        #[command(flatten)]
        common: CommonArgs,
        /// NAME of the files [default: the only one in the folder]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

#[derive(Args)]
pub struct CommonArgs {
    /// Where the raw files are
    path: PathBuf,
    /// Where the table goes: CSV, packed if the name ends in .zst
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the order of the rows, of a sample, and of the random split (80 % train, 10 % valid, 10 % test)
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Keep the raw order of the rows. Raw files stand sorted by user or movie, which makes poor mini-batches: rows
    /// come in random order unless this is given, or the files are the authors'
    #[arg(long)]
    keep_order: bool,
    /// Rows the vocabulary is taken from: all, as the authors do, or train (values seen in no training row are one
    /// value)
    #[arg(long, default_value = "all", value_name = "ROWS", value_parser = ["all", "train"])]
    vocabulary: String,
    #[command(flatten)]
    verbosity: Verbosity,
}

impl ImportCommand {
    /// What is to be read, and how it is to be written.
    fn into_parts(self) -> (RawDataset, CommonArgs) {
        match self {
            Self::MovieLens1m { common, by_time } => {
                (RawDataset::MovieLens1m(MovieLens1m { folder: common.path.clone(), by_time }), common)
            }
            Self::KuaiRec { common, threshold } => {
                (RawDataset::KuaiRec(KuaiRec { path: common.path.clone(), threshold }), common)
            }
            Self::Netflix { common, sample_rows, no_year, by_time } => {
                let sample_rows = (sample_rows > 0).then_some(sample_rows);
                let folder = common.path.clone();
                (RawDataset::Netflix(Netflix { folder, sample_rows, year: !no_year, by_time }), common)
            }
            Self::Authors { common, name } => {
                (RawDataset::Authors(AuthorsFiles { folder: common.path.clone(), name }), common)
            }
        }
    }
}

pub fn import(command: ImportCommand) -> Result<(), CliError> {
    let (raw, common) = command.into_parts();
    if common.out.is_dir() {
        return Err(CliError::usage(format!("--out {} is a folder; name a file", common.out.display())));
    }
    let vocabulary = if common.vocabulary == "train" { Vocabulary::Train } else { Vocabulary::All };
    let options = ImportOptions { seed: common.seed, keep_order: common.keep_order, vocabulary };
    runtime::run_interruptible(|interrupted| async move {
        let view = JobView::new(common.verbosity);
        view.show_waiting(format!("reading {}", common.path.display()));
        let out = common.out.clone();
        let working = tokio::task::spawn_blocking(move || {
            import::import(&raw, options, &out, &mut |_| {
                if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        let imported = working.await.map_err(CliError::failed)?.map_err(explain)?;
        view.finish();
        let spec_file = spec_path(&common.out);
        let text = serde_json::to_string_pretty(&serde_json::json!({"dataset": &imported.spec}));
        let text = text.expect("a spec is plain data") + "\n";
        part_file::write(&spec_file, text.as_bytes()).map_err(CliError::failed)?;
        screen::print(&describe_imported(&imported));
        screen::print(&format!("\nwrote {} and {}", common.out.display(), spec_file.display()));
        Ok(())
    })
}

fn explain(error: ImportError) -> CliError {
    match error {
        ImportError::Line(_) | ImportError::File { .. } => CliError::invalid(format!("error: {error}")),
        other => CliError::failed(other),
    }
}

/// `table.spec.json` for `table.csv` and `table.csv.zst`.
fn spec_path(table: &Path) -> PathBuf {
    let name = table.file_name().unwrap_or_default().to_string_lossy();
    let stem = [".zst", ".csv"].iter().fold(&*name, |name, end| name.strip_suffix(end).unwrap_or(name));
    table.with_file_name(format!("{stem}.spec.json"))
}

fn describe_imported(imported: &Imported) -> String {
    let share = 100.0 * imported.positives as f64 / imported.rows.max(1) as f64;
    let mut text = format!(
        "{} rows; {} of them ({share:.2} %) have label 1 ({})\n\n",
        number(imported.rows),
        number(imported.positives),
        String::from(imported.spec.label.clone())
    );
    let lines = imported.cardinalities.iter().map(|(field, count)| vec![field.clone(), number(*count)]);
    text += &tables::table(&["field", "values"], lines, 1).to_string();
    for density in &imported.densities {
        text += &format!(
            "\ndensity {:.3} %: {} rows of {} x {} pairs, the users and items of {}",
            100.0 * density.share(),
            density.rows,
            density.users,
            density.items,
            density.of
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_is_named_after_the_table() {
        for (table, spec) in [("a/t.csv", "a/t.spec.json"), ("t.csv.zst", "t.spec.json"), ("t", "t.spec.json")] {
            assert_eq!(spec_path(Path::new(table)), Path::new(spec));
        }
    }
}
