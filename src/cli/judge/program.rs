//! The judge of `denoise --judge`: the user's own command, run once for each arm and seed.

use crate::{
    cli::{
        error::CliError,
        view::{JobView, arm_words},
    },
    evaluate::{OutsideError, OutsideProof, OutsideRun, Predictions, changes_rows, list_outside_runs, read_choice},
    ingest::column_reader,
    judge::{JudgeCommand, JudgedTable, JudgedTableError, Program, ProgramError, RunFiles, put_verdict},
    predictions::{PredictionsError, read_predictions},
    selection::Selected,
    types::{Certify, Report, Split},
};
use clap::Args;
use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Whose models the verdict is by, where they are not the program's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "The judge")]
pub struct JudgeArgs {
    /// Command that trains your own model, for a verdict by it: `python train.py {train} {valid} {test} {seed} {predictions}`.
    /// It is run once for each arm (kept rows, all rows, random rows treated alike) and seed. {train}, {valid} and {test} are
    /// tables in the format of the input, {test} without the label column, so that the answers stay sealed; {train} may have the
    /// columns autodenoise_target and autodenoise_weight, as the denoised table has. To {predictions} it writes the
    /// probability of label 1 of each test row, a line each. With {valid_predictions} it does the same for the validation
    /// rows, and log-loss is judged after recalibration on them. It is run without a shell: quote words as usual, and write `{{` for a brace
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["no_certify", "reselect"])]
    judge: Option<JudgeCommand>,
    /// Most seconds that one run of the judge may take
    #[arg(long, value_name = "SECONDS", default_value_t = 21_600, requires = "judge",
          value_parser = clap::value_parser!(u64).range(1..))]
    judge_timeout: u64,
}

impl JudgeArgs {
    /// The judge, if one is asked for; its program must be there.
    pub fn program(&self) -> Result<Option<Program>, CliError> {
        let Some(command) = &self.judge else { return Ok(None) };
        command.find_program().map_err(|error| CliError::usage(format!("--judge: {error}")))?;
        Ok(Some(Program { command: command.clone(), timeout: Duration::from_secs(self.judge_timeout) }))
    }
}

/// What a judge is to show.
pub struct ProofAsked {
    pub certify: Certify,
    /// Verdicts that there were on the same test rows before.
    pub earlier_reads: u32,
}

/// Puts the verdict of a judge into the report of a job whose results are in `results`. `work_dir` takes the files of the
/// runs while they are needed.
pub async fn judge_report(
    view: &JobView,
    judge: &Program,
    table: JudgedTable<'_>,
    results: &Path,
    ProofAsked { certify, earlier_reads }: ProofAsked,
    work_dir: &Path,
    report: &mut Report,
) -> Result<(), CliError> {
    let own = read_choice(results, table.dataset).map_err(CliError::failed)?;
    let read_column = column_reader(table.source, table.spec);
    let proof = OutsideProof::new(table.dataset, &report.spec, &certify, &*read_column);
    let mut proof = proof.map_err(CliError::failed)?;
    if changes_rows(table.dataset, &own) {
        let trainings = Trainings::prepare(judge, table, &own, work_dir)?;
        let runs = list_outside_runs(report.spec.seed, &certify);
        for (number, run) in (1..).zip(&runs) {
            let what = format!("seed {}, {}", run.seed, arm_words(run.arm));
            view.show_waiting(format!("judge: {what} ({number} of {})", runs.len()));
            let predictions = trainings.run(*run).await.map_err(|error| error.in_run(&what))?;
            proof.add(*run, &predictions).map_err(|error| match error {
                OutsideError::SeedIgnored { .. } => CliError::job_failed(format!("the judge: {error}")),
                OutsideError::Reading(error) => CliError::failed(error),
            })?;
        }
        view.finish();
    }
    let reads = proof.reads();
    let certification = proof.certify(judge.command.to_string(), report.kept, earlier_reads);
    put_verdict(report, certify, certification, reads);
    Ok(())
}

/// The trainings of a judge, and the folder of their files.
struct Trainings<'a> {
    judge: &'a Program,
    table: JudgedTable<'a>,
    own: &'a Selected,
    /// What the names of tables end in.
    extension: String,
    folder: TempDir,
}

/// Why a training came to nothing.
#[derive(Debug, thiserror::Error)]
enum TrainingError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    #[error(transparent)]
    Table(#[from] JudgedTableError),
    #[error("the folder of a run cannot be written to: {0}")]
    Folder(#[from] io::Error),
}

impl TrainingError {
    fn in_run(self, what: &str) -> CliError {
        match self {
            Self::Program(_) | Self::Predictions(_) => CliError::job_failed(format!("the judge, {what}: {self}")),
            Self::Table(_) | Self::Folder(_) => CliError::failed(self),
        }
    }
}

impl<'a> Trainings<'a> {
    fn prepare(
        judge: &'a Program,
        table: JudgedTable<'a>,
        own: &'a Selected,
        work_dir: &Path,
    ) -> Result<Self, CliError> {
        // No other user may look, and no encoded label lies beside it.
        let mut new = tempfile::Builder::new();
        new.prefix("autodenoise-judge-").permissions(Permissions::from_mode(0o700));
        let folder = new.tempdir_in(work_dir).map_err(CliError::failed)?;
        let trainings = Self { judge, table, own, extension: table.spec.extension(), folder };
        let [valid, test] = ["valid", "test"].map(|name| trainings.table_in(trainings.folder.path(), name));
        table.write_valid(&valid).and_then(|()| table.write_test(&test)).map_err(CliError::failed)?;
        Ok(trainings)
    }

    fn table_in(&self, folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.{}", self.extension))
    }

    async fn run(&self, run: OutsideRun) -> Result<Predictions, TrainingError> {
        // Files of its own: no run can change what the next one reads.
        let folder = self.folder.path().join("run");
        std::fs::create_dir(&folder)?;
        let [train, valid, test] = ["train", "valid", "test"].map(|name| self.table_in(&folder, name));
        let files = RunFiles {
            train,
            valid,
            test,
            seed: run.seed,
            predictions: folder.join("predictions.csv"),
            valid_predictions: folder.join("valid_predictions.csv"),
        };
        self.table.write_train(self.own, run, &files.train)?;
        std::fs::copy(self.table_in(self.folder.path(), "valid"), &files.valid)?;
        std::fs::copy(self.table_in(self.folder.path(), "test"), &files.test)?;
        let started = Instant::now();
        self.judge.run(&files, &folder.join("stderr.log")).await?;
        let seconds = started.elapsed().as_secs_f64();
        let read = |file: &Path, split| read_predictions(file, self.table.dataset.len(split));
        let test = read(&files.predictions, Split::Test)?;
        let valid = self.judge.command.predicts_valid().then(|| read(&files.valid_predictions, Split::Valid));
        let predictions = Predictions { test, valid: valid.transpose()?, seconds: Some(seconds) };
        std::fs::remove_dir_all(&folder)?;
        Ok(predictions)
    }
}
