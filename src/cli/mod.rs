//! The command line: `serve` and `worker` run the service, `denoise` does one file without it, the rest are its client.

mod bench;
mod bench_noise;
mod client;
mod datasets;
mod denoise;
mod error;
mod evidence;
mod fsck;
mod import;
mod jobs;
mod keys;
mod options;
mod reading;
mod reproduce;
mod serve;
mod synth;
mod tables;
mod uploads;
mod verify;
mod view;
mod webhooks;

pub use bench::{BenchArgs, run_bench};

use crate::{backbone::Engines, telemetry};
use clap::{Parser, Subcommand};
use error::CliError;
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
  130  interrupted";

/// Finds the rows of a click dataset worth training on.
#[derive(Parser)]
#[command(name = "autodenoise", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: telemetry::LogConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the HTTP API and worker slots; without --database-url on a private PostgreSQL
    Serve(serve::ServeArgs),
    /// Run worker slots only, on the database and the data folder that a `serve` elsewhere uses
    Worker(serve::WorkerArgs),
    /// Denoise one file, without a server
    Denoise(denoise::DenoiseArgs),
    /// Submit a job for a dataset or a file
    Submit(jobs::SubmitArgs),
    /// Show one job, or list jobs
    Status(jobs::StatusArgs),
    /// Follow a job until it ends
    Watch(jobs::WatchArgs),
    /// Download a finished job's results
    Download(jobs::DownloadArgs),
    /// Hold results against a job's certificate, without a server
    Verify(verify::VerifyArgs),
    /// Pause a job: it keeps what it has done, and holds no worker
    Pause(jobs::ChangeArgs),
    /// Let a paused job go on
    Resume(jobs::ChangeArgs),
    /// Cancel a job
    Cancel(jobs::ChangeArgs),
    /// Check, upload, list, show or delete datasets
    #[command(subcommand)]
    Datasets(datasets::DatasetsCommand),
    /// Make, list, test or remove webhooks: addresses that are told what became of jobs
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Turn a raw public dataset (MovieLens-1M, KuaiRec, Netflix, the authors' files) into a table and its spec
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Make the paper's tables and figures from a table of clicks, beside the paper's numbers
    Reproduce(reproduce::ReproduceArgs),
    /// Write a table with planted noise, and which rows were flipped
    Synth(synth::SynthArgs),
    /// Plant noise in a table, and set every method beside what perfect knowledge of it is worth
    BenchNoise(bench_noise::BenchNoiseArgs),
    /// Time the method's inner loops on this machine
    Bench(bench::BenchArgs),
    /// Make, list and revoke API keys, and set what a tenant may have
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check that the stored files are what the database says, beside a running server too
    Fsck(fsck::FsckArgs),
    /// Bring a database's schema up to date
    Migrate(serve::MigrateArgs),
    /// Print the API's OpenAPI document
    Openapi,
    /// The process a worker starts for each attempt of a job
    #[command(hide = true)]
    Trainer,
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The trainer sets up its own logger, with the job's id on every line.
    if matches!(cli.command, Command::Trainer) {
        return crate::trainer::main(&cli.log, Engines::open_fused);
    }
    let _telemetry = match telemetry::init(&cli.log) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    // To a client that uploads, a connection that breaks is a broken pipe too.
    let outlives_readers = matches!(
        cli.command,
        Command::Serve(_)
            | Command::Worker(_)
            | Command::Denoise(_)
            | Command::Reproduce(_)
            | Command::Submit(_)
            | Command::Datasets(datasets::DatasetsCommand::Upload(_))
    );
    if !outlives_readers {
        // `autodenoise status | head` ends quietly, as other programs do. The rest must outlive their readers.
        // SAFETY: no other thread runs yet.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(args) => serve::serve(args),
        Command::Worker(args) => serve::worker(args),
        Command::Migrate(args) => serve::migrate(args),
        Command::Keys(command) => keys::run(command),
        Command::Fsck(args) => fsck::fsck(args),
        Command::Denoise(args) => denoise::denoise(args),
        Command::Import(command) => import::import(command),
        Command::Reproduce(args) => reproduce::reproduce(args),
        Command::Synth(args) => synth::synth(args),
        Command::BenchNoise(args) => bench_noise::bench_noise(args),
        Command::Bench(args) => bench::bench(args, Engines::open_fused),
        Command::Datasets(datasets::DatasetsCommand::Check(args)) => datasets::check(args),
        Command::Verify(args) => verify::verify(args),
        Command::Openapi => {
            println!("{}", crate::api::openapi_json());
            Ok(())
        }
        Command::Trainer => unreachable!("handled before the logger was set"),
        client => client_runtime().block_on(async {
            match client {
                Command::Submit(args) => jobs::submit(args).await,
                Command::Status(args) => jobs::status(args).await,
                Command::Watch(args) => jobs::watch(args).await,
                Command::Download(args) => jobs::download(args).await,
                Command::Pause(args) => jobs::change(args, "pause").await,
                Command::Resume(args) => jobs::change(args, "resume").await,
                Command::Cancel(args) => jobs::change(args, "cancel").await,
                Command::Datasets(command) => datasets::run(command).await,
                Command::Webhooks(command) => webhooks::run(command).await,
                _ => unreachable!("not a client command"),
            }
        }),
    }
}

fn client_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs only threads and a poller")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_documented() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
