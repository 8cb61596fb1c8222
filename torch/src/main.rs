//! `autodenoise-torch`: the trainer on libtorch. The worker and `autodenoise denoise` start it for the jobs that need it.

use autodenoise::telemetry::{self, LogConfig};
use autodenoise::trainer::{self, Probe};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trains recommender models on libtorch, for autodenoise: every backbone, on CPUs and GPUs.
#[derive(Parser)]
#[command(name = "autodenoise-torch", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say that it runs, and of which version it is
    Probe,
    /// Time the method's inner loops on this machine
    Bench(autodenoise::cli::BenchArgs),
    /// The process a worker starts for each attempt of a job
    #[command(hide = true)]
    Trainer,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Trainer => trainer::main(&cli.log, autodenoise_torch::open_engines),
        Command::Bench(args) => match telemetry::init(&cli.log) {
            Ok(_telemetry) => autodenoise::cli::run_bench(args, autodenoise_torch::open_engines),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        },
        Command::Probe => {
            let probe = Probe {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                libtorch: autodenoise_torch::LIBTORCH.to_owned(),
            };
            println!("{}", serde_json::to_string(&probe).expect("a probe is plain data"));
            ExitCode::SUCCESS
        }
    }
}
