//! `autodenoise synth`: a table with planted noise.

use super::{error::CliError, screen::note};
use crate::plant::Corruption;
use crate::report::number;
use crate::synth::{self, SynthError, SynthSpec};
use clap::Args;
use std::path::PathBuf;

/// Users and items with latent factors, clicks drawn from them, and a share of the training and validation labels turned
/// over; the test rows stay clean.
#[derive(Args)]
pub struct SynthArgs {
    /// Where the table (CSV) goes
    out: PathBuf,
    /// Where the truth goes, a line a row: `row,flipped`, or with --plant `row,corrupted`
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Number of users
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// Number of items
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Share of all user-item pairs that are rows
    #[arg(long, default_value_t = 0.08, value_name = "SHARE", value_parser = share)]
    density: f64,
    /// Number of rows, instead of --density
    #[arg(long, value_name = "N", conflicts_with = "density")]
    rows: Option<u64>,
    /// More columns of categories, for a wide table
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1000))]
    contexts: u32,
    /// Values of each of them
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    context_values: u32,
    /// Share of training and validation labels that are turned over [default: 0.1, with --plant 0]
    #[arg(long, value_name = "SHARE", value_parser = flip_share)]
    flip_rate: Option<f64>,
    /// Corruption to put into the training and validation rows (repeatable), for example bots:user:item:0.03,
    /// outage:timestamp:device:0.2 or clicks:device:genre:0.3; `bench-noise --help` lists all kinds. The columns are user,
    /// item, age and device (of the user), genre (of the item), timestamp, and context_0 and so on
    #[arg(long, value_name = "KIND")]
    plant: Vec<Corruption>,
    /// Seed of the table
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| "above 0 and at most 1".to_owned())
}

fn flip_share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=0.5).contains(share)).ok_or_else(|| "from 0 to 0.5".to_owned())
}

pub fn synth(args: SynthArgs) -> Result<(), CliError> {
    let pairs = f64::from(args.users) * f64::from(args.items);
    let rows = args.rows.unwrap_or((pairs * args.density).round() as u64);
    let spec = SynthSpec {
        users: args.users,
        items: args.items,
        rows,
        flip_rate: args.flip_rate.unwrap_or(if args.plant.is_empty() { 0.1 } else { 0.0 }),
        contexts: args.contexts,
        context_values: args.context_values,
        planted: args.plant,
        seed: args.seed,
    };
    let explain = |error| match error {
        SynthError::Plant(error) => CliError::usage(format!("--plant: {error}")),
        other => CliError::failed(other),
    };
    let rows = synth::write(&spec, &args.out, args.truth.as_deref()).map_err(explain)?;
    note(&format!("wrote {} rows to {}", number(rows), args.out.display()));
    Ok(())
}
