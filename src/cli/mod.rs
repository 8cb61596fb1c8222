//! The command line: `serve` and `worker` run the service, `denoise` does one file without it, the rest are its client.

mod address;
mod bench;
mod bench_noise;
mod calibration;
mod client;
mod countdown;
mod datasets;
mod denoise;
mod download;
mod error;
mod evidence;
mod figures;
mod first_key;
mod flags;
mod foresee;
mod fsck;
mod healthcheck;
mod held_source;
mod help;
mod import;
mod inputs;
mod jobs;
mod json;
mod judge;
mod keys;
mod options;
mod output;
mod part_file;
mod profile;
mod reading;
mod report;
mod reproduce;
mod run_folder;
mod run_record;
mod runtime;
mod screen;
mod send_parts;
mod serve;
mod shell;
mod spec_file;
mod stage;
mod storage;
mod synth;
mod tables;
mod take_up;
mod uploads;
mod verbosity;
mod verify;
mod view;
mod watch;
mod webhooks;

pub use bench::{BenchArgs, run_bench};

use crate::{
    backbone::Engines,
    telemetry::{self, LogConfig},
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use datasets::DatasetsCommand;
use error::CliError;
use runtime::run_client;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed (the message says why)
  2  wrong usage: a flag or its value
  3  the table or the spec is not valid; nothing was run
  4  the server cannot be reached
  5  the job failed
  6  the job was cancelled
  7  done, and the verdict is not_better: train on all rows
  8  done, and the verdict is inconclusive
  9  a file or certificate is not what it is said to be
  130  interrupted
  143  ended by a signal (SIGTERM)";

/// Finds what is corrupt in a table of clicks, and proves what a model gains without it.
#[derive(Parser)]
#[command(name = "autodenoise", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the HTTP API and worker slots; without --database-url on a private PostgreSQL
    Serve(serve::ServeArgs),
    /// Run worker slots only, on the database and the data folder of a `serve` elsewhere
    Worker(serve::WorkerArgs),
    /// Denoise one table, without a server
    Denoise(denoise::DenoiseArgs),
    /// Submit a job for a dataset or a file
    Submit(jobs::SubmitArgs),
    /// Show one job, or list jobs
    Status(jobs::StatusArgs),
    /// Follow a job until it ends
    Watch(watch::WatchArgs),
    /// Download a finished job's results
    Download(download::DownloadArgs),
    /// Let your own models give the verdict on a result, wherever they are trained
    #[command(subcommand)]
    Judge(judge::JudgeCommand),
    /// Compare results with a job's certificate, without a server
    Verify(verify::VerifyArgs),
    /// Pause a job: it keeps what it has done, and occupies no worker
    Pause(jobs::ChangeArgs),
    /// Resume a paused job
    Resume(jobs::ChangeArgs),
    /// Cancel a job
    Cancel(jobs::ChangeArgs),
    /// Check, upload, list, show or delete datasets
    #[command(subcommand)]
    Datasets(DatasetsCommand),
    /// Make, list, test or remove webhooks: addresses that are notified about jobs
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Make a table and its spec from a raw public dataset: MovieLens-1M, KuaiRec, Netflix, the authors' files
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Make the paper's tables and figures anew, beside the paper's numbers
    Reproduce(reproduce::ReproduceArgs),
    /// Write a table with planted noise, and which rows were flipped
    Synth(synth::SynthArgs),
    /// Plant noise in a table and see which methods find it: every method beside perfect knowledge of the noise
    BenchNoise(bench_noise::BenchNoiseArgs),
    /// Time the method's inner loops on this machine
    Bench(bench::BenchArgs),
    /// Make, list and revoke API keys, and set the limits of tenants
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check that the stored files are what the database says, even while a server is running
    Fsck(fsck::FsckArgs),
    /// Ask a service on this machine whether it is alive, or ready for work
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Bring the schema of a database up to date
    Migrate(serve::MigrateArgs),
    /// Print the API's OpenAPI document
    Openapi,
    /// Print the script that completes command lines in a shell
    Completions(shell::CompletionsArgs),
    /// Write manual pages
    Man(shell::ManArgs),
    /// The process a worker starts for each attempt of a job
    #[command(hide = true)]
    Trainer,
    /// The process a worker starts for each table it reads
    #[command(hide = true)]
    Reader,
    /// The process a worker starts for each judgement
    #[command(hide = true)]
    Judging,
}

/// Whether these words are a command of the program, whose name is the first of them; nothing is run.
pub fn parse(words: &[String]) -> Result<(), clap::Error> {
    let matches = command_line().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches).map(drop)
}

/// The command line with all its help.
fn command_line() -> clap::Command {
    help::with_groups(Cli::command().mut_subcommand("denoise", take_up::allow_resume))
}

pub fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let Cli { log, command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let log = &log;
    match command {
        // It sets up its own logger, with the job's id on every line.
        Command::Trainer => crate::trainer::main(log, Engines::open_fused),
        Command::Reader => crate::reader::main(),
        Command::Judging => crate::judging::main(),
        Command::Serve(args) => outlive_reader(log, || serve::serve(args)),
        Command::Worker(args) => outlive_reader(log, || serve::worker(args)),
        Command::Denoise(args) => outlive_reader(log, || denoise::denoise(args)),
        Command::Judge(command) => outlive_reader(log, || judge::run(command)),
        Command::Reproduce(args) => outlive_reader(log, || reproduce::reproduce(args)),
        // To a client that uploads, a connection that breaks is a broken pipe too.
        Command::Submit(args) => outlive_reader(log, || run_client(jobs::submit(args))),
        Command::Datasets(DatasetsCommand::Upload(args)) => outlive_reader(log, || run_client(datasets::upload(args))),
        Command::Datasets(DatasetsCommand::Check(args)) => end_with_reader(log, || datasets::check(args)),
        Command::Datasets(DatasetsCommand::List(args)) => end_with_reader(log, || run_client(datasets::list(args))),
        Command::Datasets(DatasetsCommand::Show(args)) => end_with_reader(log, || run_client(datasets::show(args))),
        Command::Datasets(DatasetsCommand::Delete(args)) => end_with_reader(log, || run_client(datasets::delete(args))),
        Command::Status(args) => end_with_reader(log, || run_client(jobs::status(args))),
        Command::Watch(args) => end_with_reader(log, || run_client(watch::watch(args))),
        Command::Download(args) => end_with_reader(log, || run_client(download::download(args))),
        Command::Pause(args) => end_with_reader(log, || run_client(jobs::change_state(args, "pause"))),
        Command::Resume(args) => end_with_reader(log, || run_client(jobs::change_state(args, "resume"))),
        Command::Cancel(args) => end_with_reader(log, || run_client(jobs::change_state(args, "cancel"))),
        Command::Webhooks(command) => end_with_reader(log, || run_client(webhooks::run(command))),
        Command::Verify(args) => end_with_reader(log, || verify::verify(args)),
        Command::Import(command) => end_with_reader(log, || import::import(command)),
        Command::Synth(args) => end_with_reader(log, || synth::synth(args)),
        Command::BenchNoise(args) => end_with_reader(log, || bench_noise::bench_noise(args)),
        Command::Bench(args) => end_with_reader(log, || bench::bench(args, Engines::open_fused)),
        Command::Keys(command) => end_with_reader(log, || keys::run(command)),
        Command::Fsck(args) => end_with_reader(log, || fsck::fsck(args)),
        Command::Healthcheck(args) => end_with_reader(log, || healthcheck::healthcheck(&args)),
        Command::Migrate(args) => end_with_reader(log, || serve::migrate(args)),
        Command::Completions(args) => end_with_reader(log, || shell::print_completions(&args, command_line())),
        Command::Man(args) => end_with_reader(log, || shell::write_man_pages(&args, command_line())),
        Command::Openapi => end_with_reader(log, || {
            println!("{}", crate::api::openapi_json());
            Ok(())
        }),
    }
}

/// Runs a command that ends quietly once nobody reads what it prints, as other programs do: `autodenoise status | head`.
fn end_with_reader(log: &LogConfig, command: impl FnOnce() -> Result<(), CliError>) -> ExitCode {
    outlive_reader(log, || {
        // SAFETY: no other thread runs yet.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        command()
    })
}

/// Runs a command that has more to do than to print, and does it whether or not somebody reads that.
fn outlive_reader(log: &LogConfig, command: impl FnOnce() -> Result<(), CliError>) -> ExitCode {
    let _telemetry = match telemetry::init(log) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                eprintln!("{}", screen::Screen::stderr().wrap(&text, 2));
            }
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    #[test]
    fn every_flag_is_documented() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command_line());
    }
}
